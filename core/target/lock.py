"""The operation lock: one operation at a time on one target, across threads and processes of one machine.

The kernel frees it when its holder dies, so that it can never be stranded. Brakes do not take it (core/brake/brake.py).
Whoever can open its file can hold it, a reader too: folder and file are closed to all but their owner and group. What remains: an
account of that group, and a stranger who opened the file before it was closed to them, for as long as their process lives.
Excluded: machines that share a file system; file locks do not exclude there.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.canonical import canonical_bytes, rfc3339
from core.errors import ConfigurationError, LockUnavailable, OperationBusy
from core.system.files import close_to_strangers, make_folder, read_bounded, write_durably
from core.system.logs import logger

log = logger(__name__)

_LOCK, HOLDER = "operation.lock", "operation.holder.json"
_ARCHIVE_LOCK = "archive.lock"
_BOT_LOCK, _BOT_HOLDER = "bot.lock", "bot.holder.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Which boot of a machine this is (random(4)): the same in each of its containers."""
WAIT_SECONDS = 10.0
"""How long an operation waits for the one before it."""


@contextmanager
def operation_lock(run_dir: Path, operation: str, now: datetime, *, wait_s: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the operation lock for the length of the block.

    Args:
        run_dir: the target's folder with the lock.
        operation: what is done, as whoever is refused meanwhile is told.
        now: since when, as they are told.
        wait_s: how long to wait for whoever holds it, in seconds.

    Raises:
        OperationBusy: another operation holds it; the message names its process, machine and since when.
        LockUnavailable: it cannot be taken at all.
    """
    holder = run_dir / HOLDER
    try:
        lock = _lock_in(run_dir)
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise OperationBusy(
            f"Another operation is under way: {_described(holder)}. Nothing was changed; try again when it has ended. "
            "`rollback` and `freeze` do not wait for it.",
        ) from None
    except (OSError, NotImplementedError) as error:
        raise LockUnavailable(
            f"The operation lock in {run_dir} cannot be taken ({getattr(error, 'strerror', None) or error}). Nothing was "
            "changed; let the account that runs anr write there. `rollback` and `freeze` do not need it.",
        ) from error
    log.debug("operation lock taken", holder=operation)
    try:
        facts = {"operation": operation, "pid": os.getpid(), "host": socket.gethostname(), "since": rfc3339(now)}
        with contextlib.suppress(OSError):  # it only tells others who holds the lock
            write_durably(holder, canonical_bytes(facts), shared=True)
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        try:
            lock.release()
        except OSError as error:  # what was done under it is done; the kernel frees it with this process
            log.error("the operation lock cannot be released (%s)", error.strerror or error)  # noqa: TRY400 - no bug's trace


@contextmanager
def archive_lock(run_dir: Path) -> Iterator[None]:
    """Keep a second archive of the ledger from beginning while one is under way. No other operation waits for this lock.

    Raises:
        OperationBusy: one is under way.
        LockUnavailable: the lock cannot be taken at all.
    """
    try:
        lock = _lock_in(run_dir, _ARCHIVE_LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise OperationBusy("The ledger is being archived already. Nothing was changed; see `anr receipts` later.") from None
    except (OSError, NotImplementedError) as error:
        raise LockUnavailable(
            f"The archive's lock in {run_dir} cannot be taken ({getattr(error, 'strerror', None) or error}). Nothing was "
            "changed; let the account that runs anr write there.",
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def bot_lock(run_dir: Path, now: datetime) -> Iterator[None]:
    """Be the one bot of a run folder for the length of the block.

    A file lock does not exclude another machine that shares the file system: what a bot over there left when it began, and takes
    away when it ends, does. Containers of one machine have names of their own, and its boot in common.

    Args:
        run_dir: the target's folder.
        now: since when, as others are told.

    Raises:
        ConfigurationError: another bot serves it, or one of another machine did not say that it ended; nothing was started.
        LockUnavailable: the lock cannot be taken at all.
    """
    holder = run_dir / _BOT_HOLDER
    facts = {"operation": "bot", "pid": os.getpid(), "host": socket.gethostname(), "boot": _boot(), "since": rfc3339(now)}
    try:
        lock = _lock_in(run_dir, _BOT_LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigurationError(
            f"Another bot serves this router: {_described(holder)}. Nothing was started; stop it first."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise LockUnavailable(
            f"The bot's lock in {run_dir} cannot be taken ({getattr(error, 'strerror', None) or error}). Nothing was started; "
            "let the account that runs anr write there.",
        ) from error
    try:
        before = _facts_in(holder)
        if before and before.get("host") != facts["host"] and before.get("boot") != facts["boot"]:
            raise ConfigurationError(
                f"The journal is another machine's: {_described(holder)} did not say that it ended. Nothing was started; if no "
                f"bot runs there any more, remove {holder}."
            )
        try:
            write_durably(holder, canonical_bytes(facts), shared=True)
        except OSError as error:  # the lock holds on this machine; on another one nobody would know
            log.error("that this bot serves the router cannot be kept in %s (%s)", holder, error.strerror or error)  # noqa: TRY400 - foreseen
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink(missing_ok=True)
    finally:
        lock.release()


def _boot() -> str:
    try:
        return read_bounded(_BOOT_ID, 100).decode("ascii", "replace").strip()
    except OSError:  # no Linux
        return socket.gethostname()


def holder_of(run_dir: Path) -> str | None:
    """Say who holds the operation lock: operation, process, machine and since when; None if it is free.

    Raises:
        LockUnavailable: the lock cannot be looked at.
    """
    if not run_dir.is_dir():
        return None
    try:
        lock = _lock_in(run_dir)
        with lock.acquire(timeout=0):
            return None
    except Timeout:
        return _described(run_dir / HOLDER)
    except (OSError, NotImplementedError) as error:
        raise LockUnavailable(f"The operation lock in {run_dir} cannot be looked at ({error}).") from error


def _lock_in(run_dir: Path, name: str = _LOCK) -> FileLock:
    make_folder(run_dir)
    close_to_strangers(run_dir / name)
    return FileLock(run_dir / name)  # it follows no link


def _described(holder: Path) -> str:
    facts = _facts_in(holder)
    try:
        return f"{facts['operation']} (process {facts['pid']} on {facts['host']}, since {facts['since']})"
    except KeyError:
        return "its holder has not said which"


def _facts_in(holder: Path) -> dict[str, Any]:
    try:
        facts = json.loads(read_bounded(holder, 4096))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
