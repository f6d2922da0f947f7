"""The standard streams: there, whoever started the process, and no reason to stop when nobody can be told.

A process that was started with a closed stream opens its next file in the stream's place, and what is printed goes into it.
Excluded: what is printed (core/cli/output.py).
"""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO


def open_missing() -> tuple[bool, bool]:
    """Open the null device in the place of every standard stream that is closed.

    Returns:
        Whether the output, and the error stream, were closed: nobody hears what is written there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest descriptor that is free is this one
    closed = sys.stdout is None, sys.stderr is None
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - it lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - as above
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # something else may stand in a stream's place
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return closed


def written(stream: TextIO, write: Callable[[], object]) -> bool:
    """Write to a stream, and say whether it was written: a reader that is gone and a full disk stop nobody.

    What cannot be written is dropped, also what the stream still holds: the interpreter would fail for it at its end.
    """
    try:
        write()
        stream.flush()
    except (OSError, ValueError, SystemExit):  # rich ends the process when a reader is gone
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return False
    return True
