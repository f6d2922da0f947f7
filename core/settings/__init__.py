"""Every option, typed and validated; the only reader of the environment.

Comes in: a TOML file and environment variables. Goes out: frozen settings, one value for each target. Excluded: using them.
"""
