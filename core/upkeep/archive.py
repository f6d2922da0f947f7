"""Archiving the ledger as logrotate does: rename, let the router open its ledger anew, compress what nobody writes to any more.

Once a month the ledger's file gets a dated name in its folder, and an empty one takes its place. Every line is read all the
while: what was the ledger is part of its family (core/scan/family.py), whoever still writes to it. Once nobody has for a day it
is compressed there; once it is older than reports have to reach it moves to the folder of archives; after twelve months it is
deleted. What anr did not name itself is never touched.

Nothing here is done under the operation lock but the rename, and the reload where the settings want one.

Excluded: the rename (core/upkeep/rotation.py), the compression (core/upkeep/packing.py), names (core/upkeep/archive_names.py).
"""

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from core.actors import Actor, Role
from core.errors import ArchiveError, BrakeUnreadable, ReloadFailed, SettingsFileError
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.upkeep import archive_failed, ledger_archived
from core.receipts.evidence import Deleted, LedgerArchive
from core.receipts.receipt import Action, Result, Statement
from core.rollout.refusals import Refuse, not_allowed
from core.system.files import make_folder, rename_patiently, sync_directory
from core.system.logs import logger
from core.target.lock import archive_lock, operation_lock
from core.target.target import Target
from core.upkeep.archive_names import archives_to_delete, is_packed, rotated_at, rotated_name
from core.upkeep.packing import Packed, described, is_let_go, pack
from core.upkeep.rotation import begins_before, go_on, rotate

log = logger(__name__)

_DAY = timedelta(days=1)
_BEYOND_THE_WINDOW = timedelta(hours=1)
"""How long after it left the window a file is compressed, so that no report of the usual length has to unpack it."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What was archived, or would be.

    Attributes:
        archives: what was compressed, in order.
        expired: names of archives that are too old.
        sealed: the receipt; None if nothing was changed.
        renamed: names that the ledger's file got, which no receipt told before.
        waiting: names of what was the ledger and is not compressed yet, because it may still be written to.
    """

    archives: tuple[LedgerArchive, ...]
    expired: tuple[str, ...]
    sealed: Sealed | None = None
    renamed: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


class _Run:
    """One archive run: who asked for it, and what it looks at."""

    def __init__(self, target: Target, actor: Actor, cause: str | None) -> None:
        self.target, self.now = target, target.clock()
        self.origin = Origin(uuid.uuid4().hex, self.now, actor, cause=cause)
        # a link is followed: the rename would move it, and not the file behind it
        self.ledger = Path(os.path.realpath(target.settings.ledger))

    @property
    def month_began(self) -> datetime:
        """The beginning of the month in which the scheduled run is due once."""
        local = self.now.astimezone(ZoneInfo(self.target.settings.schedule.zone))
        return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    @property
    def quiet(self) -> timedelta:
        """How long nobody has to have written to a file before it is compressed."""
        return max(_DAY, timedelta(minutes=self.target.settings.window_minutes) + _BEYOND_THE_WINDOW)

    def ours(self) -> list[Path]:
        """Return the files beside the ledger that were the ledger, packed or not, in the order of their names."""
        return [path for path in _files_in(self.ledger.parent) if rotated_at(path.name, self.ledger.name) is not None]

    def plain(self) -> list[Path]:
        return [path for path in self.ours() if not is_packed(path.name)]

    def let_go(self) -> list[Path]:
        ours = self.ours()
        later = {path: [*(our for our in ours if our.name > path.name), self.ledger] for path in self.plain()}
        return [path for path in later if is_let_go(path, later[path], self.now, self.quiet)]

    def expired(self) -> list[Path]:
        """Return the archives that are too old, beside the ledger and in their folder."""
        keep_months = self.target.settings.retention.archives_months
        found = [*_files_in(self.target.settings.archive_dir), *(path for path in self.ours() if not _plain_of(path).exists())]
        names = set(archives_to_delete((path.name for path in found), self.ledger.name, self.now, keep_months))
        return sorted((path for path in found if path.name in names), key=lambda path: path.name)

    def new_name(self) -> str | None:
        """Return the name that the ledger's file gets now: once a month, if it has lines from before this month."""
        moments = [rotated_at(path.name, self.ledger.name) for path in self.ours()]
        if not self.ledger.exists() or any(at is not None and at >= self.month_began for at in moments):
            return None
        return rotated_name(self.ledger.name, self.now) if begins_before(self.ledger, self.month_began) else None

    def record(self, statement: Statement) -> Sealed:
        return self.target.journal.append(self.target.draft(statement))


def archive(target: Target, actor: Actor, *, cause: str | None = None, dry_run: bool = False) -> Archived | Refuse:
    """Rename the ledger's file if it has lines of past months, compress what was the ledger, delete archives that are too old.

    Args:
        target: the router that is meant.
        actor: who asks; a person needs the role OPERATE.
        cause: key of the scheduled run, which archives once; None if somebody asked.
        dry_run: only say what would be archived.

    Raises:
        ArchiveError: it could not be done (somebody asked for it; of a scheduled run the receipt says so); no line was lost.
        OperationBusy, OperationTimedOut, JournalError: the same.
    """
    if actor.is_person and Role.OPERATE not in actor.roles:
        return not_allowed(actor, "archive the ledger", "operators")
    with archive_lock(target.settings.run_dir):
        run = _Run(target, actor, cause)
        if not dry_run and (done := target.done_before(cause)):
            return done
        try:
            return _planned(run) if dry_run else _archive(run)
        except ArchiveError as error:
            if actor.is_person or dry_run:
                raise
            return Archived((), (), run.record(archive_failed(run.origin, str(error))))


def finish_archive(target: Target) -> None:
    """Put an empty ledger in its place where an archive died between the rename and that.

    Raises:
        ArchiveError: it could not be made; or an archive of an earlier version died, and lines of it are in no ledger.
    """
    ledger = Path(os.path.realpath(target.settings.ledger))
    go_on(ledger)
    note, old = (ledger.with_name(f".{ledger.name}.{part}") for part in ("cut.json", "old"))
    if note.exists() and old.exists():
        raise ArchiveError(
            f"An earlier version of anr died while it archived: what the router appended to {old} after its first `copied` bytes "
            f"(a number in {note}) is in no ledger and is not counted. Nothing was changed. When nobody writes to it any more, "
            f"put those lines into {ledger.stem}-extra{ledger.suffix} beside the ledger, then remove both files."
        )


def _planned(run: _Run) -> Archived:
    name, let_go = run.new_name(), run.let_go()
    archives = tuple(described(plain, run.target.watch()) for plain in let_go)
    waiting = tuple(plain.name for plain in run.plain() if plain not in let_go)
    return Archived(archives, _names(run.expired()), None, (name,) if name else (), waiting)


def _archive(run: _Run) -> Archived:
    target = run.target
    finish_archive(target)
    if (name := run.new_name()) is not None:
        _rename(run, name)
    receipts = (sealed_receipt.receipt for sealed_receipt in target.journal.of_action(Action.ARCHIVE))
    told = [receipt for receipt in receipts if receipt.result is Result.APPLIED]
    packed, expired = [pack(plain, target.watch()) for plain in run.let_go()], run.expired()
    archives = tuple(
        pack_result.archive for pack_result in packed if not any(pack_result.archive in receipt.archived for receipt in told)
    )
    renamed = tuple(path.name for path in run.plain() if not any(path.name in receipt.note for receipt in told))
    listed = {name for receipt in told if receipt.deleted for name in receipt.deleted.names}
    deleted = tuple(name for name in _names(expired) if name not in listed)
    sealed = None
    if archives or renamed or deleted:  # an archive that died after its receipt is not told again
        note = f"The ledger goes on in a new file; until now it was {', '.join(renamed)}." if renamed else ""
        sealed = run.record(ledger_archived(run.origin, archives, Deleted.of(deleted), note))
    waiting = _cleared(run, packed, expired)
    return Archived(archives, deleted, sealed, renamed, waiting)


def _rename(run: _Run, name: str) -> None:
    target = run.target
    if not target.settings.reading.rotated:
        raise ArchiveError(
            "Rotated ledgers are not read here, so that reports would miss what the ledger had. Nothing was changed; set "
            "`target.reading.rotated` to true, or archive by other means.",
        )
    with operation_lock(target.settings.run_dir, "archive", target.clock()):
        rotate(run.ledger, run.ledger.with_name(name))
        if target.settings.ledger_reopened_by_reload and target.settings.reload_command:
            _reload(target)


def _reload(target: Target) -> None:
    """Make the router open its ledger anew, without changing its settings; a brake that came meanwhile wins (rule 2)."""
    if drift := target.facts().drift:
        log.warning("the router was not reloaded after its ledger was renamed, which would change it: %s", drift)
        return
    try:
        target.router.reload_as_it_is(target.brake.read())
    except (ReloadFailed, BrakeUnreadable, SettingsFileError):
        log.exception("the router could not be reloaded; until it is restarted it writes to the renamed file, which is read")


def _cleared(run: _Run, packed: Sequence[Packed], expired: Sequence[Path]) -> tuple[str, ...]:
    """Remove what is compressed and what is too old, and move what reports no longer look at; return what has to wait."""
    for pack_result in packed:
        pack_result.remove_plain()
    try:
        for path in expired:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in expired}:
            sync_directory(folder)
        _move_old(run)
    except OSError as error:
        raise ArchiveError(
            f"What was compressed is complete, but old archives could not be deleted or moved to "
            f"{run.target.settings.archive_dir} ({error.strerror or error}). Repair the permissions; the next archive does it.",
        ) from error
    return tuple(path.name for path in run.plain())


def _move_old(run: _Run) -> None:
    """Move to the folder of archives what is older than decisions have to stay in the ledger; on another disk it stays."""
    folder, before = run.target.settings.archive_dir, run.now - timedelta(days=run.target.settings.retention.ledger_days)
    old = [
        path
        for path in run.ours()
        if is_packed(path.name) and path.stat().st_mtime < before.timestamp() and not _plain_of(path).exists()
    ]
    if not old:
        return
    make_folder(folder)
    if folder.stat().st_dev != run.ledger.parent.stat().st_dev:
        log.info("archives stay beside the ledger: %s is on another file system", folder)
        return
    for path in old:
        if (folder / path.name).exists():
            raise FileExistsError(f"there is a {path.name} already")
        rename_patiently(path, folder / path.name)
    sync_directory(folder)
    sync_directory(run.ledger.parent)


def _plain_of(packed: Path) -> Path:
    return packed.with_suffix("")


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(path.name for path in paths)


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield the regular files of a folder, and nothing that only points to one.

    Raises:
        ArchiveError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            yield from sorted(Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False))
    except FileNotFoundError:
        return
    except OSError as error:
        raise ArchiveError(f"The archives in {folder} cannot be listed ({error.strerror or error}).") from error
