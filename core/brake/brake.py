"""Rollback and freeze, and the lifting of holds.

The brake acts on the router first and records afterwards (rule 1): it waits for no lock, needs no ledger, no journal and no
Slack, and its answer waits for nobody either. What cannot be recorded waits in the brake's notes until the next chance
(core/watch/recover.py).

Excluded: the look after it (core/brake/second_look.py); steps down to a stage above 0, which are ordinary operations
(core/operations/propose.py).
"""

import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.actors import Actor, Role
from core.brake.second_look import MadeSafe, stay_safe
from core.errors import CauseAlreadyRecorded, JournalCorrupt, JournalError, JournalUnavailable
from core.receipts.chain import Sealed
from core.receipts.drafts.brakes import BrakeActed, BrakeAsked, brake_outcome
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import Hold
from core.receipts.observation import Observation
from core.receipts.receipt import Action, Draft
from core.rollout.refusals import Refuse, not_allowed
from core.router.control import SAFE_SETTINGS
from core.router.marks import BrakeNote, in_files
from core.system.logs import logger
from core.target.order import Order
from core.target.target import Target, already_done, observed
from core.text import clean_text

log = logger(__name__)

LOOK_SECONDS = 0.2
"""How long a brake looks for an earlier effect of the same cause before it acts regardless."""
_RECORD_SECONDS = 0.5
"""How long the answer waits for another process's transaction; then the brake is recorded late."""


@dataclass(frozen=True, slots=True)
class Braked:
    """What a brake did.

    Attributes:
        note: what was asked, and its id.
        sealed: the receipt; None if it could not be recorded and waits to be.
        safe: whether the settings file carries the safe settings and the reload succeeded.
        problems: what went wrong, each a sentence; empty if nothing did.
        observation: what is expected of the running router since then, and what was seen of it so far. Settings that were
            written and a reload that succeeded prove nothing.
        remarks: what is worth knowing although nothing went wrong, each a sentence.
    """

    note: BrakeNote
    sealed: Sealed | None
    safe: bool
    problems: tuple[str, ...]
    observation: Observation | None = None
    remarks: tuple[str, ...] = ()


def rollback(target: Target, actor: Actor, reason: str, cause: str | None = None) -> Braked | Refuse:
    """Put the router in its safe settings at once: ANR off, guardrail route forced.

    Args:
        target: the router that is meant.
        actor: who asks; a person needs the role BRAKE.
        reason: why; it is cleaned and bounded.
        cause: key of what set it off, which has one effect however often it is told; None if it can be told once only.
    """
    return engage(target, Action.ROLLBACK, Order(actor, reason, cause))


def freeze(
    target: Target, actor: Actor, reason: str, cause: str | None = None, *, lasts: timedelta | None = None
) -> Braked | Refuse:
    """Roll back at once, and hold every promotion until the hold is lifted, or has lasted its time.

    Args:
        target: the router that is meant.
        actor: who asks; a person needs the role BRAKE.
        reason: why; it is cleaned and bounded.
        cause: key of what set it off, which has one effect however often it is told; None if it can be told once only.
        lasts: when the hold ends by itself, from now on; None if only somebody ends it.
    """
    return engage(target, Action.FREEZE, Order(actor, reason, cause), lasts)


def engage(
    target: Target, action: Action, order: Order, lasts: timedelta | None = None, *, operation: str = ""
) -> Braked | Refuse:
    """Roll back or freeze at once; the receipt begins a story of its own, or joins that of a request.

    Args:
        target: the router that is meant.
        action: ROLLBACK or FREEZE.
        order: who asks, why, and what set it off.
        lasts: when a freeze ends by itself, from now on; None if only somebody ends it.
        operation: story of the request that asked for it; empty if it begins one of its own.
    """
    now, actor, cause = target.clock(), order.actor, order.cause
    if actor.is_person and Role.BRAKE not in actor.roles:
        return not_allowed(actor, str(action), "operators")
    if cause is not None and (seq := _earlier_effect(target, cause)) is not None:
        return already_done(seq)
    note = BrakeNote(
        id=uuid.uuid4().hex,
        operation=operation,
        action=action,
        actor=actor,
        reason=clean_text(order.reason),
        cause=cause,
        break_glass=order.break_glass,
        at=now,
        expires_at=now + lasts if lasts else None,
    )
    unmarked, went_wrong = stop(target, (note,))
    expected = target.written(0, safe=True)
    sealed, unrecorded = _recorded(target, note, expected, safe=not went_wrong)
    remarks: tuple[str, ...] = ()
    again, unlooked = _looked_again(target, now, failed=bool(went_wrong))
    if again is not None and not again.problems:
        expected, sealed = target.written(0, safe=True), again.sealed or sealed
        remarks, went_wrong = tuple(f"The second try put it right. {problem}" for problem in went_wrong), ()
    problems = (
        *went_wrong,
        *target.router.unsynced,
        *_not_kept(note, unmarked.get(note.id), unrecorded),
        *unlooked,
        *target.doubts,
    )
    if problems:  # whoever braked is told each of them, so that at a terminal the log is for `--verbose`
        log.warning("%s by %s: %s", action, actor.id, " ".join(problems))
    safe = not went_wrong and not target.doubts  # no router is called safe that may be another than the one that is meant
    return Braked(note, sealed, safe, problems, expected, (*remarks, *target.router.remarks))


def stop(target: Target, notes: tuple[BrakeNote, ...], *, trusted_s: float = 0.0) -> tuple[dict[str, OSError], tuple[str, ...]]:
    """Leave the marks of one brake or several and put the router in its safe settings, doing as much as can be done.

    The router does not wait for more than one file of marks, however many there are.

    Args:
        target: the router that is meant.
        notes: what the brakes are.
        trusted_s: for how many seconds a router is left alone whose settings still are as a brake of this process left them.

    Returns:
        Why notes could not be left, by their ids, and what went wrong at the router, each a sentence.
    """
    first, *others = in_files(notes)
    unmarked = _unmarked(target, first)
    went_wrong = () if trusted_s and target.router.is_left_safe(trusted_s) else target.router.make_safe()
    for group in others:
        unmarked |= _unmarked(target, group)
    return unmarked, went_wrong


def _unmarked(target: Target, notes: tuple[BrakeNote, ...]) -> dict[str, OSError]:
    """Leave notes that share a file; return why they could not be left, by their ids."""
    try:
        target.brake.engage(*notes)
    except OSError as error:
        return {note.id: error for note in notes}
    return {}


def _recorded(target: Target, note: BrakeNote, expected: Observation, *, safe: bool) -> tuple[Sealed | None, JournalError | None]:
    with closing(target.journal.with_patience(_RECORD_SECONDS)) as journal:
        try:
            return record(replace(target, journal=journal), note, late=False, safe=safe, expected=expected), None
        except JournalError as error:
            return None, error
        except (OSError, ImportError) as error:  # what records is imported late, and that may be what a dying disk refuses
            return None, JournalUnavailable(f"What records cannot be loaded ({error}).")
        except Exception as error:  # a bug, or a row that nobody foresaw: the mark keeps what was done
            log.exception("the brake acted, and recording it ended in what nobody foresaw")
            return None, JournalUnavailable(f"Recording it ended in what nobody foresaw ({type(error).__name__}).")


def _looked_again(target: Target, now: datetime, *, failed: bool) -> tuple[MadeSafe | None, tuple[str, ...]]:
    """Look after the brake; return what came of it, and what went wrong with looking, which takes nothing from the brake."""
    try:
        return stay_safe(target, now, failed=failed), ()
    except Exception as error:  # a bug, or a machine that has nothing left
        log.exception("the look after the brake ended in what nobody foresaw")
        return None, (f"Whether the safe settings still stand could not be looked at again ({type(error).__name__}).",)


def _not_kept(note: BrakeNote, unmarked: OSError | None, unrecorded: JournalError | None) -> tuple[str, ...]:
    """Say what of a brake could not be kept; what only this process remembers goes into the log whole."""
    if unmarked is None:
        return () if unrecorded is None else (f"This is not in the journal yet; it is recorded at the next chance. {unrecorded}",)
    reason = unmarked.strerror or unmarked
    if unrecorded is None:
        return (f"The brake's mark could not be written ({reason}); a promotion under way may not see it. Look at the stage.",)
    log.critical("this brake is kept nowhere but here: %s", note.model_dump_json())
    shout = (
        f"NOTHING OF THIS COULD BE KEPT, neither a mark ({reason}) nor a receipt: only this process and its log know of it, and "
        f"nothing forbids the next promotion. Make room, then give the command again. {unrecorded}"
    )
    return (shout,)


def record(
    target: Target, note: BrakeNote, *, late: bool, safe: bool, newest: Sealed | None = None, expected: Observation | None = None
) -> Sealed | None:
    """Record a brake that has acted; None if its cause turns out to be recorded already.

    Args:
        target: the router that is meant.
        note: what the brake left.
        late: it is recorded later than it acted.
        safe: the router is in its safe settings.
        newest: a brake's receipt that was the newest a moment ago: if it still is, the stage before is the one after it.
        expected: what is expected of the running router since when; from now on if it is left out.

    Raises:
        JournalError: it could not be recorded; the note stays.
    """
    (draft,) = _drafts(target, (note,), late=late, safe=safe, newest=newest, expected=expected)
    sealed: Sealed | None = None
    try:
        sealed = target.journal.append(draft)
    except JournalError as error:
        told = target.journal.of_operation(note.operation or note.id)
        sealed = next(
            (message for message in told if message.receipt.id == note.id), None
        )  # somebody else was quicker to record it
        if sealed is None and not isinstance(error, CauseAlreadyRecorded):
            raise
        if sealed is None and _is_lifted(target, note):
            sealed = target.journal.append(draft.model_copy(update={"cause": None}))
    _align_mark(target, note, sealed)
    return sealed


def record_together(
    target: Target, notes: Sequence[BrakeNote], *, safe: bool, newest: Sealed | None = None
) -> tuple[Sealed, ...]:
    """Record brakes that acted just now in one transaction: a storm of alerts waits for one sync of the disk.

    Args:
        target: the router that is meant.
        notes: what the brakes left.
        safe: the router is in its safe settings.
        newest: as for one brake.

    Raises:
        JournalError: some could not be recorded; their notes stay.
    """
    drafts = _drafts(target, notes, late=False, safe=safe, newest=newest)
    by_id = {sealed.receipt.id: sealed for sealed in target.journal.append_together(drafts)}
    recorded: list[Sealed] = []
    for note in notes:
        one = by_id.get(note.id)
        if one is not None:
            _align_mark(target, note, one)
        else:
            one = record(target, note, late=False, safe=safe)  # its cause, or it itself, is in the journal
        recorded.extend([one] if one else [])
    return tuple(recorded)


def _drafts(
    target: Target,
    notes: Sequence[BrakeNote],
    *,
    late: bool,
    safe: bool,
    newest: Sealed | None,
    expected: Observation | None = None,
) -> tuple[Draft, ...]:
    """Return the receipts of brakes, one after the other: the stage before a brake is the one after the brake before it."""
    settings, _ = observed(target)
    try:
        before, version = _known(target, newest)
    except JournalCorrupt:  # its last receipts may do all the same
        before = version = None
    expected = expected or target.written(0, safe=True)
    drafts: list[Draft] = []
    for note in notes:
        hold = Hold(id=note.id, actor=note.actor, reason=note.reason, since=note.at, cause=note.cause, expires_at=note.expires_at)
        statement = brake_outcome(
            Origin(note.operation or note.id, note.at, note.actor, note.reason, note.cause),
            BrakeAsked(note.action, hold, note.alert, note.break_glass, note.pilot_before),
            BrakeActed(
                safe=safe,
                stage_before=before,
                written=SAFE_SETTINGS,
                settings=settings.values if settings else None,
                stage_shown=settings.stage if settings else None,
                expected=expected,
                late=late,
                doubts=target.doubts,
                remarks=(*target.router.unsynced, *target.router.remarks),
                router_version=version,
            ),
        )
        drafts.append(target.draft(statement, note.id))
        before = drafts[-1].stage_after
    return tuple(drafts)


def _align_mark(target: Target, note: BrakeNote, sealed: Sealed | None) -> None:
    try:
        if sealed is None:
            target.brake.release((note.id,))
        else:
            target.brake.mark_recorded(note)
    except OSError as error:
        log.warning("the brake's mark %s could not be updated (%s); recover tries again", note.id, error.strerror or error)


def _known(target: Target, newest: Sealed | None) -> tuple[int | None, str | None]:
    """Return the stage and the router's version; a storm of alerts is spared a look at the whole journal for each brake."""
    if newest is not None and target.journal.newest_digest() == newest.digest:
        return newest.receipt.stage_after, newest.receipt.router_version
    state = target.journal.state()
    return state.stage, state.router_version


def _is_lifted(target: Target, note: BrakeNote) -> bool:
    """Whether the cause of a freeze is recorded, but its hold was lifted: this is a hold anew, nobody could tell it so."""
    return note.action is Action.FREEZE and all(hold.cause != note.cause for hold in target.journal.state().holds)


def _earlier_effect(target: Target, cause: str) -> int | None:
    with closing(target.journal.with_patience(LOOK_SECONDS)) as journal:
        try:
            return journal.find_cause(cause)
        except (JournalError, OSError, ImportError):
            return None  # a brake that comes twice is safe, a brake that waits is not
        except Exception:  # a bug, or a row that nobody foresaw
            log.exception("whether this brake acted before ended in what nobody foresaw; it acts")
            return None
