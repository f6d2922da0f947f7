"""The command lines of this machine, served over a Unix socket: the kernel says who asks, the bot's options who that is.

Comes in: what somebody typed. Goes out: what their own command line would have written, and its exit code. Excluded: what the
commands do (core/cli), and the other end (core/cli/client.py).
"""
