"""The look after a brake: whether the safe settings still stand once nobody can be writing others, and the record of it.

A promotion that had looked at the marks before the brake, and was killed after its write, could not put the router back
itself; and a write of the brake's own may have failed. What is made safe here is recorded: a journal that says otherwise would
call the safe settings a drift, and offer the way up.

Excluded: the brake itself (core/brake/brake.py), and settling what died at the next start (core/watch/recover.py).
"""

import threading
import uuid
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

from core.actors import RECOVERY
from core.errors import JournalError, LockUnavailable, OperationBusy
from core.receipts.chain import Sealed
from core.receipts.drafts.brakes import made_safe
from core.receipts.drafts.moves import settled_outcome
from core.receipts.drafts.origin import Ending, Origin
from core.receipts.receipt import Phase, Result
from core.router.control import SAFE_SETTINGS, RouterSettings
from core.system.logs import logger
from core.target.lock import operation_lock
from core.target.target import Target, observed

log = logger(__name__)

_CONFIRM_SECONDS = 2.0
"""How long a brake that has answered waits for an operation under way, to look at the settings once more."""
_LONGEST_SECONDS = 1800.0
"""How long a process that goes on anyway waits for it: no operation takes longer."""
_RECORD_SECONDS = 0.5
"""How long another process's transaction is waited for; then `recover` records what was seen."""
_RECENT = 20
"""How many receipts back a move may be that died beside a brake."""


@dataclass(frozen=True, slots=True)
class MadeSafe:
    """What came of putting the router in its safe settings once more.

    Attributes:
        problems: what went wrong, each a sentence; empty if nothing did.
        sealed: the receipt; None if the record said so already, or cannot be written.
    """

    problems: tuple[str, ...]
    sealed: Sealed | None = None


def stay_safe(target: Target, now: datetime, *, failed: bool = False) -> MadeSafe | None:
    """Look at the settings again once nobody can be writing them, and make them safe again if need be.

    Who still holds the lock after the wait looks at the marks after its write. The answer does not wait for that: while somebody
    holds the lock, a thread does.

    Args:
        target: the router that is meant.
        now: when the brake acted.
        failed: the brake did not put the router in its safe settings; this is its second try.

    Returns:
        What came of making it safe again; None if that was not needed, or waits for the lock.
    """
    try:
        with operation_lock(target.settings.run_dir, "look after the brake", now, wait_s=0):
            return _look_again(target, failed=failed)
    except OperationBusy:
        if not _begun(
            threading.Thread(target=_wait_and_look, args=(target, now, failed, _CONFIRM_SECONDS), name="anr-after-brake")
        ):
            _wait_and_look(target, now, failed, _CONFIRM_SECONDS)  # the answer waits for once: the router is safe by now
    except LockUnavailable:
        log.warning("the operation lock cannot be taken, so that nobody can hold it either")
        return _look_again(target, failed=failed)
    return None


def _wait_and_look(target: Target, now: datetime, failed: bool, wait_s: float) -> None:  # noqa: FBT001 - a thread's arguments
    try:
        with operation_lock(target.settings.run_dir, "look after the brake", now, wait_s=wait_s):
            _look_again(target, failed=failed, half_way=_left_half_way(target))
    except LockUnavailable:
        log.warning("the operation lock cannot be taken; the next look is the watch's")
    except OperationBusy:
        if wait_s >= _LONGEST_SECONDS:
            log.warning("the operation lock is held; whoever holds it looks at the brake's marks")
            return
        # whoever holds it looks at the marks, unless it is stopped, and dies: a bot waits for that, a command line ends
        longer = threading.Thread(
            target=_wait_and_look, args=(target, now, failed, _LONGEST_SECONDS), name="anr-long-after-brake", daemon=True
        )
        if not _begun(longer):
            log.warning("the operation lock is held, and there is no thread to wait for it; the next look is the watch's")


def _begun(thread: threading.Thread) -> bool:
    """Start a thread; whether there is one to be had: an account may have as many as it is allowed."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def _look_again(target: Target, *, failed: bool = False, half_way: bool = False) -> MadeSafe | None:
    settings, _ = observed(target)
    raised = settings is not None and not settings.carries(SAFE_SETTINGS)
    if not (raised or failed or half_way):
        return None
    log.error("a promotion died beside the brake, the settings were raised after it, or it had failed; they are made safe again")
    return make_safe_and_record(target, "The safe settings were written once more after a brake.")


def make_safe_and_record(target: Target, why: str) -> MadeSafe:
    """Put the router in its safe settings, and record it if the journal says anything else; the outcomes that are missing, too.

    Args:
        target: the router that is meant; the caller holds its lock, unless it cannot be taken.
        why: for the receipt, a sentence.
    """
    before, _ = observed(target)
    if problems := target.router.make_safe():
        log.error("the router could not be put in its safe settings: %s", " ".join(problems))
        return MadeSafe(problems)
    with closing(target.journal.with_patience(_RECORD_SECONDS)) as journal:
        patient = replace(target, journal=journal)
        try:
            sealed = _record(patient, why, before)
            settle_overtaken(patient)
        except (JournalError, OSError, ImportError) as error:
            log.error("that the router is in its safe settings cannot be recorded; recover tries again: %s", error)  # noqa: TRY400 - no bug
            return MadeSafe(())
        return MadeSafe((), sealed)


def _record(target: Target, why: str, before: RouterSettings | None) -> Sealed | None:
    """Record that the safe settings were written; None if they stood, and the journal says so.

    Raises:
        JournalError: it could not be recorded.
    """
    state = target.journal.state()
    stood = before is not None and before.stage == 0
    if not state.revision or state.unsettled is not None:
        return None  # what is under way is settled first (core/watch/recover.py), and begins with these settings
    if state.stage == 0 and not state.brake_failed and stood:
        return None
    if not stood:
        why = f"{why} They said {'nothing that can be read' if before is None else _stage(before)} before."
    settings, _ = observed(target)
    operation = state.acted_in if state.brake_failed and state.acted_in else uuid.uuid4().hex
    statement = made_safe(
        Origin(operation, target.clock(), RECOVERY, why),
        state.stage,
        SAFE_SETTINGS,
        settings.values if settings else None,
        target.written(0, safe=True),
        target.doubts,
    )
    return target.journal.append(target.draft(statement))


def _stage(settings: RouterSettings) -> str:
    return "a pilot that cannot be understood" if settings.stage is None else f"{settings.stage}%"


def settle_overtaken(target: Target) -> tuple[Sealed, ...]:
    """Record the outcome of each move that died under a brake: whoever looks for it finds how it ended.

    The caller holds the lock, so that none of them is under way.

    Raises:
        JournalError: an outcome could not be recorded.
    """
    state = target.journal.state()
    settings, _ = observed(target)
    return tuple(
        target.journal.append(
            target.draft(
                settled_outcome(
                    Origin(intent.operation, target.clock(), RECOVERY),
                    intent.action,
                    intent.from_stage,
                    Ending(Result.OVERTAKEN, state.stage, "A brake overtook it.", settings.values if settings else None),
                )
            )
        )
        for intent in state.overtaken
    )


def _left_half_way(target: Target) -> bool:
    """Whether a move has an intent and no outcome: its reload may have come after the brake's."""
    try:
        receipts = [sealed.receipt for sealed in target.journal.receipts(last=_RECENT)]
    except (JournalError, OSError, ImportError):
        return True
    begun = {receipt.operation for receipt in receipts if receipt.phase is Phase.INTENT}
    return bool(begun - {receipt.operation for receipt in receipts if receipt.phase is Phase.OUTCOME})
