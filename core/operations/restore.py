"""Putting a backup of the bandit's state back, once it was approved, and settling one that died half-way.

The system comes up frozen and in a new epoch: from the intent's receipt on there is a hold, and every request from before it
is void. The router is put in its safe settings first, and once more afterwards, so that it reads the state that was put back.

Excluded: asking for it and approving it (core/operations/propose.py, core/operations/requests.py), and how a state is replaced
(core/router/backups.py).
"""

import uuid
from dataclasses import dataclass

from core.actors import RECOVERY
from core.errors import JournalError, StateFileError
from core.receipts.chain import Sealed
from core.receipts.evidence import Hold, StateCopy
from core.receipts.receipt import Action, Phase, Result
from core.rollout.approvals import Approval
from core.rollout.refusals import Code, Refuse
from core.rollout.state import UnsettledIntent
from core.router.backups import Backup
from core.router.control import SAFE_SETTINGS
from core.router.marks import BrakeNote
from core.system.logs import logger
from core.target.order import Order
from core.target.target import Facts, Target, observed
from core.text import clean_text
from core.upkeep.backup import copy_of

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore was carried out or tried; the outcome receipt says how it ended. The rollout is frozen either way."""

    sealed: Sealed

    @property
    def applied(self) -> bool:
        """Whether the state file is the backup's, also after the router was reloaded."""
        return self.sealed.receipt.result is Result.APPLIED


@dataclass(frozen=True, slots=True)
class _Ending:
    result: Result
    note: str
    kept: StateCopy | None = None


def chosen(site: Target, name: str, digest: str | None = None) -> Backup | Refuse:
    """Return the backup of that name if it can be restored, and if it is still the one with that digest.

    Raises:
        StateFileError: the backups cannot be listed.
    """
    found = site.backups.find(name)
    if found is None:
        return Refuse(Code.BACKUP_UNKNOWN, "There is no backup of this name. Nothing was changed; `backups` lists them.")
    if found.problem is not None:
        return Refuse(Code.BACKUP_INVALID, f"{found.name} cannot be restored: {found.problem}. Nothing was changed.")
    if digest is not None and found.digest != digest:
        text = f"{found.name} is not the file that was asked for: its bytes have changed. Nothing was changed."
        return Refuse(Code.BACKUP_INVALID, text)
    return found


def carry_out(site: Target, facts: Facts, backup: Backup, order: Order, approval: Approval | None = None) -> Restored:
    """Put a backup back: freeze, keep the present state, replace it, reload. The caller holds the lock and has decided so.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    now = site.clock()
    reason = clean_text(f"state restored from {backup.name}: {order.reason}".removesuffix(": "))
    hold = Hold(id=order.operation, actor=order.actor, reason=reason, since=now)
    intent = site.draft(
        operation=order.operation,
        ts=now,
        action=Action.RESTORE,
        phase=Phase.INTENT,
        actor=order.actor,
        reason=clean_text(order.reason),
        cause=order.cause,
        stage_before=facts.state.stage,
        stage_after=0,
        pilot_before=facts.settings.pilot,
        holds_added=(hold,),
        approval_id=approval.id if approval else None,
        approvals=approval.signatures if approval else (),
        settings_written=dict(SAFE_SETTINGS),
        restored=copy_of(backup),
    )
    site.journal.append(intent, approval)
    note = BrakeNote(id=hold.id, action=Action.FREEZE, actor=hold.actor, reason=reason, cause=None, at=now, recorded=True)
    try:
        site.brake.engage(note)
    except OSError:
        log.exception("the mark of hold %s could not be written; recover tries again", hold.id)
    return Restored(_record(site, intent.operation, order, facts.state.stage, copy_of(backup), _replaced(site, backup)))


def _replaced(site: Target, backup: Backup) -> _Ending:
    if problems := site.router.make_safe():
        text = "The router could not be put in its safe settings, so its state was left alone."
        return _Ending(Result.NOT_APPLIED, " ".join((text, *problems)))
    try:
        kept = site.backups.put_back(backup, site.clock()).kept
    except StateFileError as error:
        return _Ending(Result.NOT_APPLIED, str(error))
    return _looked_at(site, copy_of(backup), kept=copy_of(kept) if kept else None)


def _looked_at(site: Target, wanted: StateCopy, *, kept: StateCopy | None = None) -> _Ending:
    """Reload the router in its safe settings, and say whether its state is then the one that was put back."""
    problems = site.router.make_safe()
    try:
        there = site.backups.state_digest() == wanted.digest
    except StateFileError as error:
        return _Ending(Result.UNKNOWN, str(error), kept)
    if not there:
        text = "The state file was written again after it was replaced: the router may have kept its old state. Look at it."
        return _Ending(Result.UNKNOWN, " ".join((text, *problems)), kept)
    text = "" if not problems else "The state was replaced, but the router could not be reloaded to read it."
    return _Ending(Result.UNKNOWN if problems else Result.APPLIED, " ".join((text, *problems)).strip(), kept)


def settle_restore(site: Target, intent: UnsettledIntent) -> Sealed:
    """Find out how a restore that died half-way ended, and record it. The rollout is frozen since its intent.

    Raises:
        JournalError: it could not be recorded; it still blocks every promotion.
    """
    wanted = next(
        (one.receipt.restored for one in site.journal.of_operation(intent.operation) if one.receipt.seq == intent.seq), None
    )
    if wanted is None:
        raise JournalError(f"Receipt #{intent.seq} does not say what was to be restored. Run `anr verify`.")
    problems = site.router.make_safe()
    try:
        there = site.backups.state_digest() == wanted.digest
    except StateFileError as error:
        ending = _Ending(Result.UNKNOWN, str(error))
    else:
        if there:
            text = "The state had been replaced; the router was reloaded."
            ending = _Ending(Result.UNKNOWN if problems else Result.APPLIED, " ".join((text, *problems)))
        else:
            text = (
                "The state file is not the backup's: it was not replaced, or was written again since. Ask again if it is wanted."
            )
            ending = _Ending(Result.NOT_APPLIED, " ".join((text, *problems)))
    return _record(site, intent.operation, Order(RECOVERY, operation=intent.operation), intent.from_stage, wanted, ending)


def _record(site: Target, operation: str, order: Order, stage_before: int | None, wanted: StateCopy, ending: _Ending) -> Sealed:
    settings, unreadable = observed(site)
    safe = settings is not None and settings.carries(SAFE_SETTINGS)
    return site.journal.append(
        site.draft(
            id=uuid.uuid4().hex,
            operation=operation,
            ts=site.clock(),
            action=Action.RESTORE,
            phase=Phase.OUTCOME,
            actor=order.actor,
            reason=clean_text(order.reason),
            note=clean_text(f"{ending.note} {unreadable or ''}"),
            result=ending.result,
            stage_before=stage_before,
            stage_after=0 if safe else (settings.stage if settings else None),
            pilot_after=settings.pilot if settings else None,
            settings_observed=dict(settings.values) if settings else None,
            backup=ending.kept,
            restored=wanted,
        ),
    )
