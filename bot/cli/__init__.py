"""`anr bot`, `anr demo` and `anr doctor`, beside core's commands."""
