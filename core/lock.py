"""The operation lock: one operation at a time on one target, across threads and processes of one machine.

The kernel frees it when its holder dies, so that it can never be stranded. Brakes do not take it (core/braking.py).
Excluded: machines that share a file system; file locks do not exclude there.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from core.canonical import canonical_bytes, rfc3339
from core.errors import OperationBusy
from core.files import read_bounded, write_durably

WAIT_SECONDS = 10.0
"""How long an operation waits for the one before it."""


@contextmanager
def operation_lock(run_dir: Path, operation: str, now: datetime, *, wait_s: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the operation lock for the length of the block.

    Raises:
        OperationBusy: another operation holds it; the message names its process, machine and since when.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(run_dir / "operation.lock"), run_dir / "operation.holder.json"
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise OperationBusy(
            f"Another operation is under way: {_described(holder)}. Nothing was changed; try again when it has ended. "
            "`rollback` and `freeze` do not wait for it.",
        ) from None
    try:
        facts = {"operation": operation, "pid": os.getpid(), "host": socket.gethostname(), "since": rfc3339(now)}
        write_durably(holder, canonical_bytes(facts))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _described(holder: Path) -> str:
    try:
        facts = json.loads(read_bounded(holder, 4096))
        return f"{facts['operation']} (process {facts['pid']} on {facts['host']}, since {facts['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "its holder has not said which"
