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
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.upkeep import backup_adopted, backup_failed, backup_made
from core.receipts.evidence import Deleted, StateBackup, StateCopy
from core.receipts.state_content import listed
from core.rollout.refusals import Code, Refuse, not_allowed
from core.router.backups import Backup
from core.system.logs import logger
from core.target.lock import operation_lock
from core.target.target import Target

log = logger(__name__)


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


def keep_state(target: Target, now: datetime) -> StateBackup | Refuse:
    """Back the bandit's state up before a promotion. The caller holds the operation lock.

    A router that never wrote its state has none to lose, and the promotion goes on with a note. A state that cannot be
    backed up refuses the promotion, and so does one that is gone although it was backed up before.
    """
    try:
        return take_backup(target, now)
    except StateFileMissing as error:
        try:
            earlier = target.backups.found()
        except StateFileError as unreadable:
            return Refuse(Code.NO_BACKUP, f"{unreadable} Nothing was promoted.")
        if earlier:
            text = f"{error} There are backups of it, so it was lost: put one back with `restore`. Nothing was promoted."
            return Refuse(Code.NO_BACKUP, text)
        return StateBackup(None, note="The router has not written its state yet, so there was nothing to back up.")
    except StateFileError as error:
        return Refuse(Code.NO_BACKUP, f"The bandit's state has to be backed up first. {error} Nothing was promoted.")


def back_up(target: Target, actor: Actor, *, cause: str | None = None) -> BackedUp | Refuse:
    """Back the bandit's state up, and delete the backups that are one too many.

    Raises:
        StateFileError: no backup was made (somebody asked for it; of a scheduled run the receipt says so).
        OperationBusy, JournalError: nothing was done, or the backup was made but not recorded.
    """
    if actor.is_person and Role.OPERATE not in actor.roles:
        return not_allowed(actor, "make backups", "operators")
    with operation_lock(target.settings.run_dir, "backup", target.clock()):
        now = target.clock()
        if done := target.done_before(cause):
            return done
        origin = Origin(uuid.uuid4().hex, now, actor, cause=cause)
        try:
            statement = backup_made(origin, take_backup(target, now))
        except StateFileError as error:
            if actor.is_person:
                raise
            if isinstance(error, StateFileMissing) and not target.backups.found():
                return Refuse(Code.NO_BACKUP, str(error))
            statement = backup_failed(origin, str(error))
        return BackedUp(target.journal.append(target.draft(statement)))


def adopt(target: Target, actor: Actor, name: str) -> Adopted | Refuse:
    """Take on a backup that has no checksum: validate it, and write its checksum beside it. From then on it counts.

    Raises:
        StateFileError: the backups cannot be listed, or the checksum cannot be written.
        OperationBusy, JournalError: nothing was done, or the checksum was written but not recorded.
    """
    if Role.OPERATE not in actor.roles:
        return not_allowed(actor, "adopt backups", "operators")
    with operation_lock(target.settings.run_dir, "adopt", target.clock()):
        found = target.backups.find(name)
        if found is None:
            return Refuse(Code.BACKUP_UNKNOWN, "There is no backup of this name. Nothing was changed; `backups` lists them.")
        if not found.without_checksum:
            standing = "is valid as it is" if found.valid else f"has a checksum, and {found.problem}"
            return Refuse(Code.BACKUP_INVALID, f"{found.name} {standing}. Nothing was changed.")
        adopted = target.backups.adopt(found)
        if adopted.problem is not None:
            raise StateFileError(f"{adopted.name} got its checksum, but is not valid: {adopted.problem}.")
        routes = target.backups.routes_of(adopted)
        shown = "that cannot be told" if routes is None else listed(routes)
        draft = target.draft(
            backup_adopted(
                Origin(uuid.uuid4().hex, target.clock(), actor), copy_of(adopted), f"It is one JSON object with routes {shown}."
            ),
        )
        return Adopted(copy_of(adopted), shown, target.journal.append(draft))


def take_backup(target: Target, now: datetime) -> StateBackup:
    """Back the state up, and delete the backups that are one too many. The caller holds the operation lock.

    Raises:
        StateFileError: no backup was made.
    """
    backups = target.backups
    copy = copy_of(backups.take(now))
    deleted, note = discard(target)
    return StateBackup(copy, deleted, note)


def discard(target: Target) -> tuple[Deleted | None, str]:
    """Delete the backups that are one too many; return which, and what went wrong, as a sentence."""
    try:
        names = target.backups.surplus()
        target.backups.delete(names)
    except StateFileError as error:
        log.warning("old backups stay: %s", error)
        return None, str(error)
    return Deleted.of(names), ""
