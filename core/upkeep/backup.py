"""Upkeep: backups of the bandit's state, and the pruning of old receipts.

Excluded: putting a backup back (core/operations/restore.py) and archiving the ledger (core/upkeep/archive.py). What a scheduled
run could not do is recorded too, once for its cause, so that a backup that fails is seen in the channel.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from core.actors import Actor, Role
from core.errors import StateFileError, StateFileMissing
from core.receipts.chain import Sealed
from core.receipts.evidence import Deleted, StateCopy
from core.receipts.receipt import Action, Phase, Result
from core.rollout.refusals import Code, Refuse, not_allowed
from core.router.backups import Backup
from core.system.logs import logger
from core.target.lock import operation_lock
from core.target.target import Target
from core.text import clean_text

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class StateBackup:
    """What became of the bandit's state before something was done.

    Attributes:
        copy: the backup that was made; None if there is no state to back up.
        deleted: the backups that were one too many.
        note: what else is worth knowing, a sentence; empty if nothing is.
    """

    copy: StateCopy | None
    deleted: Deleted | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup was made, or could not be; the receipt says which."""

    sealed: Sealed

    @property
    def made(self) -> bool:
        """Whether there is a new backup."""
        return self.sealed.receipt.backup is not None


def copy_of(backup: Backup) -> StateCopy:
    """Return a backup as receipts name it."""
    return StateCopy(name=backup.name, size=backup.size, digest=backup.digest)


def keep_state(site: Target, now: datetime) -> StateBackup | Refuse:
    """Back the bandit's state up before a promotion. The caller holds the operation lock.

    A router that never wrote its state has none to lose, and the promotion goes on with a note. A state that cannot be
    backed up refuses the promotion, and so does one that is gone although it was backed up before.
    """
    try:
        return _taken(site, now)
    except StateFileMissing as error:
        try:
            earlier = site.backups.found()
        except StateFileError as unreadable:
            return Refuse(Code.NO_BACKUP, f"{unreadable} Nothing was promoted.")
        if earlier:
            text = f"{error} There are backups of it, so it was lost: put one back with `restore`. Nothing was promoted."
            return Refuse(Code.NO_BACKUP, text)
        return StateBackup(None, note="The router has not written its state yet, so there was nothing to back up.")
    except StateFileError as error:
        return Refuse(Code.NO_BACKUP, f"The bandit's state has to be backed up first. {error} Nothing was promoted.")


def back_up(site: Target, actor: Actor, *, cause: str | None = None) -> BackedUp | Refuse:
    """Back the bandit's state up, and delete the backups that are one too many.

    Raises:
        StateFileError: no backup was made (somebody asked for it; of a scheduled run the receipt says so).
        OperationBusy, JournalError: nothing was done, or the backup was made but not recorded.
    """
    if actor.is_person and Role.OPERATE not in actor.roles:
        return not_allowed("make backups", "operators")
    with operation_lock(site.target.run_dir, "backup", site.clock()):
        now = site.clock()
        if done := site.done_before(cause):
            return done
        try:
            kept, result = _taken(site, now), Result.APPLIED
        except StateFileError as error:
            if actor.is_person:
                raise
            if isinstance(error, StateFileMissing) and not site.backups.found():
                return Refuse(Code.NO_BACKUP, str(error))
            kept, result = StateBackup(None, note=str(error)), Result.NOT_APPLIED
        draft = site.draft(
            operation=uuid.uuid4().hex,
            ts=now,
            action=Action.BACKUP,
            phase=Phase.EVENT,
            actor=actor,
            cause=cause,
            note=clean_text(kept.note),
            result=result,
            backup=kept.copy,
            deleted=kept.deleted,
        )
        return BackedUp(site.journal.append(draft))


def _taken(site: Target, now: datetime) -> StateBackup:
    backups = site.backups
    copy = copy_of(backups.take(now))
    deleted, note = discard(site)
    return StateBackup(copy, deleted, note)


def discard(site: Target) -> tuple[Deleted | None, str]:
    """Delete the backups that are one too many; return which, and what went wrong, as a sentence."""
    try:
        names = site.backups.surplus()
        site.backups.delete(names)
    except StateFileError as error:
        log.warning("old backups stay: %s", error)
        return None, str(error)
    return Deleted.of(names), ""
