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
from core.receipts.state_content import listed
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


@dataclass(frozen=True, slots=True)
class Adopted:
    """A backup that anr did not make, or not to its end, was validated and given its checksum.

    Attributes:
        routes: the routes that it has learned about, for people.
    """

    copy: StateCopy
    routes: str
    sealed: Sealed


def copy_of(backup: Backup) -> StateCopy:
    """Return a backup as receipts name it."""
    return StateCopy(name=backup.name, size=backup.size, digest=backup.digest)


def keep_state(site: Target, now: datetime) -> StateBackup | Refuse:
    """Back the bandit's state up before a promotion. The caller holds the operation lock.

    A router that never wrote its state has none to lose, and the promotion goes on with a note. A state that cannot be
    backed up refuses the promotion, and so does one that is gone although it was backed up before.
    """
    try:
        return take_backup(site, now)
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
            kept, result = take_backup(site, now), Result.APPLIED
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


def adopt(site: Target, actor: Actor, name: str) -> Adopted | Refuse:
    """Take on a backup that has no checksum: validate it, and write its checksum beside it. From then on it counts.

    Raises:
        StateFileError: the backups cannot be listed, or the checksum cannot be written.
        OperationBusy, JournalError: nothing was done, or the checksum was written but not recorded.
    """
    if Role.OPERATE not in actor.roles:
        return not_allowed("adopt backups", "operators")
    with operation_lock(site.target.run_dir, "adopt", site.clock()):
        found = site.backups.find(name)
        if found is None:
            return Refuse(Code.BACKUP_UNKNOWN, "There is no backup of this name. Nothing was changed; `backups` lists them.")
        if not found.without_checksum:
            standing = "is valid as it is" if found.valid else f"has a checksum, and {found.problem}"
            return Refuse(Code.BACKUP_INVALID, f"{found.name} {standing}. Nothing was changed.")
        adopted = site.backups.adopt(found)
        if adopted.problem is not None:
            raise StateFileError(f"{adopted.name} got its checksum, but is not valid: {adopted.problem}.")
        routes = site.backups.routes_of(adopted)
        shown = "that cannot be told" if routes is None else listed(routes)
        draft = site.draft(
            operation=uuid.uuid4().hex,
            ts=site.clock(),
            action=Action.ADOPT,
            phase=Phase.EVENT,
            actor=actor,
            note=clean_text(f"It is one JSON object with routes {shown}."),
            result=Result.APPLIED,
            backup=copy_of(adopted),
        )
        return Adopted(copy_of(adopted), shown, site.journal.append(draft))


def take_backup(site: Target, now: datetime) -> StateBackup:
    """Back the state up, and delete the backups that are one too many. The caller holds the operation lock.

    Raises:
        StateFileError: no backup was made.
    """
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
