"""Settling what died half-way: run at every start, and by `anr recover`.

An intent without an outcome is settled by what is observed (rule 4); a brake that could not be recorded is recorded late;
marks and files are brought in line with the journal. Nothing here ever raises the share of live traffic.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from core.actors import RECOVERY
from core.brake.brake import record
from core.brake.second_look import MadeSafe, make_safe_and_record, settle_overtaken
from core.errors import ArchiveError, BrakeUnreadable, ReloadFailed, SettingsFileError
from core.operations.restore import settle_restore
from core.receipts.chain import Sealed
from core.receipts.drafts.moves import settled_outcome
from core.receipts.drafts.origin import Ending, Origin
from core.receipts.effect import replaces_state
from core.receipts.evidence import RouterSighting
from core.receipts.observation import Observation
from core.receipts.receipt import Action, Result
from core.rollout.state import UnsettledIntent
from core.router.control import SAFE_SETTINGS, RouterSettings
from core.router.marks import BrakeNote
from core.system.logs import logger
from core.target.lock import operation_lock
from core.target.target import Target
from core.upkeep.archive import finish_archive

log = logger(__name__)

_UNDER_WAY = timedelta(seconds=5)
"""A note that is younger belongs to a brake that is just recording it."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery did.

    Attributes:
        late: brakes that were recorded late.
        settled: outcome of the intent that had none.
        files: how many receipt files were written again.
        made_safe: receipt of the safe settings, where a brake had not brought them to the router or they had not stayed.
        overtaken: outcomes of moves that died under a brake.
        problems: what could not be put right, each a sentence.
        unfinished: why there is no ledger where an archive died half-way, a sentence; None if there is one.
    """

    late: tuple[Sealed, ...]
    settled: Sealed | None
    files: int
    unfinished: str | None = None
    made_safe: Sealed | None = None
    overtaken: tuple[Sealed, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def expected(self) -> Observation | None:
        """What the running router is expected to do since, by the newest receipt that wrote its settings; None if none did."""
        written = [sealed.receipt.observation for sealed in (*self.late, self.made_safe, self.settled) if sealed is not None]
        return max(
            (observation for observation in written if observation is not None),
            key=lambda observation: observation.since,
            default=None,
        )


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an intent without an outcome ended, given what is observed.

    Attributes:
        serve: the stage whose settings are written once more, and the router restarted with them; None if nothing is written.
    """

    result: Result
    stage: int | None
    serve: int | None
    why: str


def settle(intent: UnsettledIntent, settings: RouterSettings, seen: RouterSighting | None, *, braked: bool) -> Settlement:
    """Decide how an intent ended. Pure.

    A step up that was written but never seen in the router goes back: nobody is watching it any more, and an approval must
    not take effect hours later.

    Args:
        intent: what was begun.
        settings: what the router's settings file says now.
        seen: what the running router last showed; None if nothing did.
        braked: whether a brake's mark is there.
    """
    if braked:
        return Settlement(Result.OVERTAKEN, settings.stage, None, "A brake was engaged meanwhile.")
    confirmed = seen is not None and seen.at >= intent.since and seen.shows(intent.to_stage)
    if intent.from_stage == intent.to_stage != 0:  # settings that were put back: from where, nobody can tell any more
        if confirmed:
            return Settlement(Result.APPLIED, intent.to_stage, None, "The router was seen to follow.")
        why = "The router was not seen to follow; nobody knows what it served before, and it was made safe. Ask again."
        return Settlement(Result.NOT_APPLIED, 0, 0, why)
    if settings.stage == intent.from_stage:
        why = "The settings say the stage before."
        return Settlement(Result.NOT_APPLIED, intent.from_stage, None, why)
    if settings.stage != intent.to_stage:
        why = "The settings say neither the stage before nor the one that was wanted."
        return Settlement(Result.UNKNOWN, None, None, why)
    if intent.to_stage < intent.from_stage:  # it may have died before the restart
        why = "The settings say the wanted stage; the router was restarted with them."
        return Settlement(Result.APPLIED, intent.to_stage, intent.to_stage, why)
    if confirmed:
        return Settlement(Result.APPLIED, intent.to_stage, None, "The settings say the wanted stage, and the router serves it.")
    why = "The settings were changed, but the router was never seen to follow; they were put back. Ask again."
    return Settlement(Result.NOT_APPLIED, intent.from_stage, intent.from_stage, why)


def recover(target: Target, *, files: int | None = None) -> Recovered:
    """Bring router, marks and files in line with the journal after a crash. Safe to repeat.

    Args:
        target: the router that is meant.
        files: of how many of the newest receipts it is asked whether they have their file; None for all of them.

    Raises:
        AnrError: something cannot be read or written; what could not be settled still blocks every promotion.
    """
    with operation_lock(target.settings.run_dir, "recover", target.clock()):
        late = _late(target, (*target.brake.unrecorded(), *_never_recorded(target)))
        safe = _make_braked_safe(target)
        settled = _settle(target)
        overtaken = settle_overtaken(target)
        _align_marks(target)
        written = target.journal.recreate_files(last=files)
        return Recovered(late, settled, written, _finish_archive(target), safe.sealed, overtaken, safe.problems)


def _finish_archive(target: Target) -> str | None:
    try:
        finish_archive(target)
    except ArchiveError as error:
        log.error("an archive of the ledger cannot be finished: %s", error)  # noqa: TRY400 - no bug's trace
        return str(error)
    return None


def record_waiting(target: Target) -> tuple[Sealed, ...]:
    """Record the brakes that could not be recorded when they acted. Costs a look at the marks if there are none.

    Raises:
        AnrError: they still wait.
    """
    now = target.clock()  # a note of the future is from before the clock was set back
    waiting = [note for note in target.brake.unrecorded() if not now - _UNDER_WAY <= note.at <= now]
    if not waiting:
        return ()
    with operation_lock(target.settings.run_dir, "record the brake", target.clock()):
        return _late(target, waiting)


def _late(target: Target, notes: Iterable[BrakeNote]) -> tuple[Sealed, ...]:
    """Record brakes late; the router is made safe again once, however many there are."""
    missing = []
    for note in notes:
        if target.journal.has(note.id):
            target.brake.mark_recorded(note)
        else:
            missing.append(note)
    if not missing:
        return ()
    # nothing was promoted while they waited, so that the router may be made safe again
    safe = not target.router.make_safe()
    return tuple(sealed for note in missing if (sealed := record(target, note, late=True, safe=safe)) is not None)


def _never_recorded(target: Target) -> Iterable[BrakeNote]:
    """Return the freezes whose marks do not wait, and of which the journal has never heard.

    A mark that cannot be understood does not say whether it waits; a journal that was put back from an older copy has lost
    what the mark remembers. A mark whose hold was lifted is no such: the journal has its receipt, or its story.
    """
    marks = target.brake.read().frozen_by  # before the notes: a freeze that comes in between is no mark without a note
    understood = {note.id: note for note in target.brake.freezes()}
    held = {hold.id for hold in target.journal.state().holds}
    for mark in marks:
        note = understood.get(mark)
        if mark in held or (note is not None and not note.recorded):
            continue
        if target.journal.has(mark) or target.journal.of_operation(mark):
            continue
        log.warning("the journal does not have the freeze of mark %s; it is recorded now", mark)
        unknown = "Its mark cannot be understood: who froze, and why, is not known."
        yield note or BrakeNote(id=mark, action=Action.FREEZE, actor=RECOVERY, reason=unknown, cause=None, at=target.clock())


def _make_braked_safe(target: Target) -> MadeSafe:
    """A promotion that was killed between its write and its look at the marks may have undone a brake; or the brake failed."""
    frozen = bool(target.brake.read().frozen_by)
    state = target.journal.state()
    settings = target.router.settings()
    if state.unsettled is None and (state.safe_only or (state.stage == 0 and settings.stage != 0)):
        return make_safe_and_record(target, "The safe settings were written once more: a brake asked for them.")
    if state.unsettled is None and state.stage and settings.carries(SAFE_SETTINGS):
        return make_safe_and_record(target, "The safe settings stand, and of the brake that wrote them there was no receipt.")
    return MadeSafe(target.router.make_safe()) if frozen else MadeSafe(())


def _settle(target: Target) -> Sealed | None:
    reading = target.brake.read()
    intent = target.journal.state().unsettled
    if intent is None:
        return None
    if replaces_state(intent.action):
        return settle_restore(target, intent)
    settings = target.router.settings()
    decided = settle(intent, settings, target.sighting(), braked=bool(reading.frozen_by))
    result, stage, note = decided.result, decided.stage, decided.why
    expected = None
    if decided.serve is not None:
        try:
            overtaken = (
                target.router.serve(decided.serve, reading).overtaken if decided.serve else bool(target.router.make_safe())
            )
            result = Result.OVERTAKEN if overtaken and decided.serve else result
            stage = target.router.settings().stage
            expected = target.written(stage or 0, safe=not decided.serve or overtaken)
        except (SettingsFileError, ReloadFailed, BrakeUnreadable) as error:
            result, stage, note = Result.UNKNOWN, None, f"{note} That failed: {error}"
    now_shown = target.router.settings()
    return target.journal.append(
        target.draft(
            settled_outcome(
                Origin(intent.operation, target.clock(), RECOVERY),
                intent.action,
                intent.from_stage,
                Ending(result, stage, note, now_shown.values, expected),
            ),
        ),
    )


def _align_marks(target: Target) -> None:
    held = {hold.id: hold for hold in target.journal.state().holds if not hold.keeps_stage}  # such a hold leaves no mark
    marked = set(target.brake.read().frozen_by)
    target.brake.release(tuple(marked - set(held)))
    for hold_id in set(held) - marked:
        hold = held[hold_id]
        note = BrakeNote(
            id=hold.id,
            action=Action.FREEZE,
            actor=hold.actor,
            reason=hold.reason,
            cause=hold.cause,
            at=hold.since,
            expires_at=hold.expires_at,
            recorded=True,
        )
        target.brake.engage(note)
        log.warning("the mark of hold %s was missing and was written again", hold_id)
