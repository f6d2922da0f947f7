"""The command line: `anr …`.

Comes in: words. Goes out: sentences or JSON, and an exit code. Excluded: everything that is decided (core/operations).

Hands on nothing: a command's module is imported when it is called.
"""
