"""The operating system, and nothing of ANR.

Comes in: paths, bytes and events. Goes out: durable files, structured logs, the time in UTC, numpy loaded quietly, one call
shared by many callers. Excluded: every word of the domain.

Hands on nothing: numpy and structlog are imported late.
"""
