"""Benchmarks: real processes on this machine, figures of one run beside each other. `make bench`."""
