"""Archiving the ledger: past months leave it, compressed and verified, and the router goes on writing meanwhile.

Two kinds of routers can be archived under: one that opens its ledger anew for each line, and one that keeps it open and opens
it anew when it is reloaded (`ledger_reopened_by_reload`). Under any other the archive is refused.

Excluded: how no line is lost (core/upkeep/cut.py).
"""

import contextlib
import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.actors import Actor, Role
from core.errors import ArchiveError, BrakeUnreadable, ReloadFailed, SettingsFileError
from core.receipts.chain import Sealed
from core.receipts.evidence import Deleted, LedgerArchive
from core.receipts.receipt import Action, Phase, Result
from core.rollout.refusals import Refuse, not_allowed
from core.system.logs import logger
from core.target.lock import operation_lock
from core.target.target import Target
from core.text import clean_text
from core.upkeep.archive_names import archives_to_delete, first_month_to_stay
from core.upkeep.cut import DRAIN_SECONDS, Cut, LedgerCut
from core.upkeep.months import Archives

log = logger(__name__)

SHORT_SECONDS = 2.0
"""How long a router that opens its ledger for each line is given to close the old file."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What was archived, or would be.

    Attributes:
        archives: the months that leave the ledger, in order.
        expired: names of archives that are too old.
        sealed: the receipt; None if nothing was changed.
    """

    archives: tuple[LedgerArchive, ...]
    expired: tuple[str, ...]
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """One archive run: who asked for it, and what it looks at."""

    site: Target
    actor: Actor
    cause: str | None
    now: datetime

    @property
    def ledger(self) -> Path:
        # a link is followed: the rename would replace it, and the router would go on writing to the file behind it
        return Path(os.path.realpath(self.site.target.ledger))

    @property
    def archives(self) -> Archives:
        return Archives(self.ledger, self.site.target.archive_dir)

    @property
    def until(self) -> datetime:
        return first_month_to_stay(self.now, self.site.target.retention.ledger_days).begins

    def record(self, **facts: Any) -> Sealed:
        standing = {"id": uuid.uuid4().hex, "operation": uuid.uuid4().hex, "result": Result.APPLIED, "ts": self.now}
        who = {"action": Action.ARCHIVE, "phase": Phase.EVENT, "actor": self.actor, "cause": self.cause}
        return self.site.journal.append(self.site.draft(**{**standing, **who, **facts}))


def archive(site: Target, actor: Actor, *, cause: str | None = None, dry_run: bool = False) -> Archived | Refuse:
    """Move whole past months that are older than the settings keep them out of the ledger, and delete archives that are too old.

    Raises:
        ArchiveError: it could not be done (somebody asked for it; of a scheduled run the receipt says so); no line was lost.
        OperationBusy, OperationTimedOut, JournalError: the same.
    """
    if actor.is_person and Role.OPERATE not in actor.roles:
        return not_allowed("archive the ledger", "operators")
    with operation_lock(site.target.run_dir, "archive", site.clock()):
        run = _Run(site, actor, cause, site.clock())
        if not dry_run and (done := site.done_before(cause)):
            return done
        try:
            expired = tuple(archives_to_delete(run.archives.names(), run.now, site.target.retention.archives_months))
            if dry_run:
                return Archived(run.archives.count(run.until, site.watch()).archives if run.ledger.exists() else (), expired)
            finish_archive(site)
            if run.ledger.exists() and run.archives.begins_before(run.until):
                return _cut(run, expired)
            sealed = run.record(deleted=Deleted.of(expired)) if expired else None
            run.archives.delete(expired)
            return Archived((), expired, sealed)
        except ArchiveError as error:
            if actor.is_person or dry_run:
                raise
            return Archived((), (), run.record(note=clean_text(str(error)), result=Result.NOT_APPLIED))


def _cut(run: _Run, expired: tuple[str, ...]) -> Archived:
    site, cutter = run.site, LedgerCut(run.ledger)
    cutter.can_prove()
    reopens = not cutter.is_kept_open()
    if not reopens:
        _refuse_to_lose_lines(site)
    late_seconds = SHORT_SECONDS if reopens else site.target.reload_timeout_s
    found = run.archives.write(run.until, cutter.fresh, late_seconds=late_seconds, watch=site.watch())
    inode, new_inode = cutter.inodes()
    cut = Cut(
        receipt_id=uuid.uuid4().hex,
        operation=uuid.uuid4().hex,
        actor=run.actor,
        cause=run.cause,
        at=run.now,
        archives=found.archives,
        expired=expired,
        inode=inode,
        copied=found.copied,
        new_inode=new_inode,
        room_at=found.stays,
        room=found.room,
    )
    cutter.swap(cut)
    if not reopens:
        _reload(site)
    if cutter.finish(cut, lambda: _seal(site, cut), wait_s=SHORT_SECONDS if reopens else DRAIN_SECONDS):
        run.archives.delete(expired)
        return Archived(cut.archives, expired, _receipt_of(site, cut))
    if cutter.take_back(cut):
        raise ArchiveError(
            "The router went on writing to the ledger's old file, so it got its name back: the ledger is as it was, and no line "
            "was lost. Only the archives are there already. See whether the reload makes the router open its ledger anew.",
        )
    raise ArchiveError(_still_written(site))


def _receipt_of(site: Target, cut: Cut) -> Sealed:
    return next(one for one in site.journal.of_operation(cut.operation) if one.receipt.id == cut.receipt_id)


def finish_archive(site: Target) -> None:
    """Finish an archive that died half-way, or that the router kept from its end. The caller holds the operation lock.

    Raises:
        ArchiveError: it still cannot be finished; no line was lost.
        JournalError: it is finished but for its receipt.
    """
    ledger = Path(os.path.realpath(site.target.ledger))
    cutter = LedgerCut(ledger)
    cut = cutter.pending()
    if cut is None:
        return
    finished = cutter.finish(cut, lambda: _seal(site, cut), wait_s=SHORT_SECONDS)
    if not finished and site.target.ledger_reopened_by_reload:
        _reload(site)
        finished = cutter.finish(cut, lambda: _seal(site, cut))
    if finished:
        Archives(ledger, site.target.archive_dir).delete(cut.expired)
    elif not cutter.take_back(cut):
        raise ArchiveError(_still_written(site))


def _still_written(site: Target) -> str:
    return (
        f"The router still writes to the old file of the ledger {site.target.ledger}, and somebody to the new one. No line was "
        "lost, but those in the old file are not counted; restart the router, then run `anr recover`."
    )


def _refuse_to_lose_lines(site: Target) -> None:
    if not site.target.ledger_reopened_by_reload or not site.target.reload_command:
        raise ArchiveError(
            "The router keeps its ledger open, and nothing says that a reload makes it open it anew, so lines would go to the "
            "archived file. Nothing was changed; set `ledger_reopened_by_reload` if `reload_command` does that.",
        )
    if drift := site.facts().drift:
        raise ArchiveError(f"Archiving has to reload the router, which would change it: {drift} Nothing was changed.")


def _reload(site: Target) -> None:
    """Make the router open its ledger anew, without changing its settings; a brake that came meanwhile wins (rule 2)."""
    try:
        site.router.reload_as_it_is(site.brake.read())
    except (ReloadFailed, BrakeUnreadable, SettingsFileError):
        log.exception("the router could not be reloaded; whether it let go of the ledger is looked at anyway")


def _seal(site: Target, cut: Cut) -> None:
    """Record a cut whose lines are all in place; once, however often it is finished."""
    _forget_index(site)
    if not site.journal.has(cut.receipt_id):
        run = _Run(site, cut.actor, cut.cause, cut.at)
        ids = {"id": cut.receipt_id, "operation": cut.operation}
        run.record(**ids, archived=cut.archives, deleted=Deleted.of(cut.expired))


def _forget_index(site: Target) -> None:
    """What was read of the ledger before its late lines came is not kept: they stand before what came later."""
    from core.scan.index import INDEX_FILE  # noqa: PLC0415 - it counts with numpy, and no other command of this file does

    for path in site.target.run_dir.glob(f"{INDEX_FILE}*"):
        with contextlib.suppress(OSError):
            path.unlink()
