"""Putting a backup of the bandit's state back, or removing the state, once it was approved, and settling one that died half-way.

The system comes up frozen and in a new epoch: from the intent's receipt on there is a hold, and every request from before it
is void. A running router keeps its models in memory and writes them over whatever is put in the file's place. So it is put in
its safe settings, stopped, and started again on what was put there; then the file is looked at: what the router writes next
tells from which state it goes on.

Excluded: asking for it and approving it (core/operations/propose.py, core/operations/requests.py), how a state is replaced
(core/router/backups.py), and what a state says (core/receipts/state_content.py).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from core.actors import RECOVERY
from core.errors import JournalError, OutcomeUnrecorded, ReloadFailed, StateFileError
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Ending, Step
from core.receipts.drafts.upkeep import state_change_intent, state_change_outcome
from core.receipts.evidence import Hold, StateCopy
from core.receipts.receipt import Action, Result
from core.receipts.state_content import StateChange, StateSeen, listed, seen_after
from core.rollout.approvals import Approval
from core.rollout.refusals import Code, Refuse
from core.rollout.state import UnsettledIntent
from core.router.backups import Backup
from core.router.control import SAFE_SETTINGS
from core.router.marks import BrakeNote
from core.router.presence import signs_of_life
from core.scan.family import siblings_of
from core.system.logs import logger
from core.target.order import Order
from core.target.target import Facts, Target, observed
from core.text import clean_text
from core.upkeep.backup import copy_of

log = logger(__name__)

_STARTS, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 3, 0.5, 2.0
"""How often the router is started at most before that is left to people, and how long is waited in between: for a port that is
not free yet, or a service manager that is busy."""
_LOOK_SECONDS = 0.02
"""How often the state file is looked at after the router was started: its first write says most."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore or a reset was carried out or tried; the outcome receipt says how it ended. The rollout is frozen either way."""

    sealed: Sealed

    @property
    def applied(self) -> bool:
        """Whether the router was started on the state that was put there, and nothing contradicts that it goes on from it."""
        return self.sealed.receipt.result is Result.APPLIED


@dataclass(frozen=True, slots=True)
class _Ending:
    result: Result
    note: str
    change: StateChange = field(default_factory=StateChange)
    kept: StateCopy | None = None


def chosen(target: Target, name: str, digest: str | None = None, *, other_routes: bool = True) -> Backup | Refuse:
    """Return the backup of that name if it can be restored, and if it is still the one with that digest.

    Args:
        target: the router that is meant.
        name: of a backup in the list.
        digest: SHA-256 of the bytes that were asked for; None if nobody asked yet.
        other_routes: whether it may have learned about other routes than the newest valid backup.

    Raises:
        StateFileError: the backups cannot be listed.
    """
    found = target.backups.find(name)
    if found is None:
        return Refuse(Code.BACKUP_UNKNOWN, "There is no backup of this name. Nothing was changed; `backups` lists them.")
    if found.problem is not None:
        return Refuse(Code.BACKUP_INVALID, f"{found.name} cannot be restored: {found.problem}. Nothing was changed.")
    if digest is not None and found.digest != digest:
        text = f"{found.name} is not the file that was asked for: its bytes have changed. Nothing was changed."
        return Refuse(Code.BACKUP_INVALID, text)
    newest = None if other_routes else target.backups.newest_valid()
    routes, usual = target.backups.routes_of(found), None if newest is None else target.backups.routes_of(newest)
    if newest is not None and routes != usual and routes is not None and usual is not None:
        text = (
            f"{found.name} has the routes {listed(routes)}, but the newest backup {newest.name} has {listed(usual)}: a router "
            "with those may not be able to use it. Nothing was changed; say `--other-routes` if it is meant."
        )
        return Refuse(Code.OTHER_ROUTES, text)
    return found


def nothing_to_reset(target: Target) -> Refuse | None:
    """Say that there is no state that could be removed, or None if there is."""
    if target.settings.state_file.exists():
        return None
    text = f"There is no state {target.settings.state_file}: the router begins anew as it is. Nothing was changed."
    return Refuse(Code.STATE_MISSING, text)


def router_in_the_way(target: Target) -> Refuse | None:
    """Say why the state cannot be exchanged: the router can neither be stopped from here nor is it seen to be down."""
    options = target.settings
    if options.stop_command and options.start_command:
        return None
    rotated = siblings_of(options.ledger, options.reading.other_ledgers)
    alive = signs_of_life(options, rotated)
    if alive is None:
        return None
    text = (
        "A running router keeps its models in memory and writes them over whatever is put in the state file's place, and "
        f"`target.stop_command` and `target.start_command` are not both set. It is not seen to be down either: {alive}. Nothing "
        "was changed; set both commands, or stop the router by hand and ask again after a minute."
    )
    return Refuse(Code.ROUTER_RUNS, text)


def carry_out(target: Target, facts: Facts, backup: Backup | None, order: Order, approval: Approval | None = None) -> Restored:
    """Put a backup back, or remove the state: freeze, stop the router, exchange, start it, look.

    The caller holds the lock and has decided so.

    Args:
        target: the router that is meant.
        facts: what was so when it was decided.
        backup: what is put back; None if the state is reset.
        order: who wants it, and why.
        approval: by whom it was approved.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    now = target.clock()
    action = Action.RESET if backup is None else Action.RESTORE
    what = "state reset" if backup is None else f"state restored from {backup.name}"
    reason = clean_text(f"{what}: {order.reason}".removesuffix(": "))
    hold = Hold(id=order.operation, actor=order.actor, reason=reason, since=now)
    step = Step(facts.state.stage, 0, facts.settings.pilot, SAFE_SETTINGS)
    restored = copy_of(backup) if backup else None
    consent = approval.consent if approval else None
    intent = state_change_intent(order.origin(now), action, step, hold, restored=restored, consent=consent)
    target.journal.append(target.draft(intent), approval)
    note = BrakeNote(id=hold.id, action=Action.FREEZE, actor=hold.actor, reason=reason, cause=None, at=now, recorded=True)
    try:
        target.brake.engage(note)
    except OSError:
        log.exception("the mark of hold %s could not be written; recover tries again", hold.id)
    ending = _exchanged(target, backup)
    outcome = _Outcome(action, order.operation, facts.state.stage, restored)
    return Restored(_record(target, outcome, order, ending))


def _exchanged(target: Target, backup: Backup | None) -> _Ending:
    """Make the router safe, stop it, exchange the state, start it, and look; after a stop there is always a start."""
    if problems := target.router.make_safe():
        text = "The router could not be put in its safe settings, so its state was left alone."
        return _Ending(Result.NOT_APPLIED, " ".join((text, *problems)))
    if refusal := router_in_the_way(target):
        return _Ending(Result.NOT_APPLIED, refusal.text)
    try:
        first = target.backups.keep_present(
            target.clock()
        )  # a router that is stopped in the middle of a write leaves half a state
    except StateFileError as error:
        return _Ending(Result.NOT_APPLIED, str(error))
    if not (target.settings.stop_command and target.settings.start_command):
        return _exchanged_while_down(target, backup, first)
    try:
        target.router.stop()
        kept = _put(target, backup, first)
    except ReloadFailed as error:
        text = f"The router could not be stopped, so its state was left alone. {error}"
        return _Ending(Result.NOT_APPLIED, " ".join((text, *_started(target))), kept=_copy(first))
    except StateFileError as error:
        return _Ending(Result.NOT_APPLIED, " ".join((str(error), *_started(target))), kept=_copy(first))
    except BaseException:  # not foreseen; but whatever it is, the router is not left down
        _started(target)
        raise
    return _started_on(target, backup, kept)


def _exchanged_while_down(target: Target, backup: Backup | None, first: Backup | None) -> _Ending:
    try:
        kept = _put(target, backup, first)
    except StateFileError as error:
        return _Ending(Result.NOT_APPLIED, str(error), kept=_copy(first))
    text = (
        "The router was seen to be down, and cannot be started from here: it was not seen to read its state. Start it, and see "
        "with `anr doctor` that it learns."
    )
    return _Ending(Result.UNKNOWN, text, StateChange(written=True), _copy(kept))


def _put(target: Target, backup: Backup | None, first: Backup | None) -> Backup | None:
    if backup is None:
        return target.backups.remove(target.clock(), first).kept
    return target.backups.put_back(backup, target.clock(), first).kept


def _started_on(target: Target, backup: Backup | None, before: Backup | None) -> _Ending:
    """Start the router on the state that was put there, and say what its file shows then."""
    put, had = _bytes(target, backup), _bytes(target, before)
    with _first_write(target, put) as written:
        problems = _started(target)
        if problems:
            text = "The state was exchanged, but the router could not be started on it. Start it by hand."
            return _Ending(Result.UNKNOWN, " ".join((text, *problems)), StateChange(written=True), _copy(before))
        written.wait(target.settings.observe_timeout_s)
    try:
        shown = written.found if written.seen.is_set() else target.backups.present()
    except StateFileError as error:
        change = StateChange(written=True, restarted=True, seen=StateSeen.UNCLEAR)
        return _Ending(Result.UNKNOWN, str(error), change, _copy(before))
    seen = seen_after(shown, put, had)
    change = StateChange(written=True, restarted=True, seen=seen)
    return _Ending(_RESULTS[seen], _TEXTS[seen], change, _copy(before))


_RESULTS = {
    StateSeen.CONTINUED: Result.APPLIED,
    StateSeen.UNCHANGED: Result.APPLIED,
    StateSeen.OVERWRITTEN: Result.UNKNOWN,
    StateSeen.UNCLEAR: Result.UNKNOWN,
}
_TEXTS = {
    StateSeen.CONTINUED: "The router was restarted, and what it has written since goes on from there.",
    StateSeen.UNCHANGED: "The router was restarted; it has not written its state since, which is as it was put there.",
    StateSeen.OVERWRITTEN: "The state file was written again after it was replaced, and not from there: the router may have "
    "kept its old state. See whether `stop_command` really ends it, then ask again.",
    StateSeen.UNCLEAR: "The state file was written again after it was replaced, and nobody can tell from which state the router "
    "went on. Look at it.",
}


def _started(target: Target) -> tuple[str, ...]:
    """Start the router, again if that fails, and say what went wrong at last.

    A router that was stopped for us stays down until it is started: nobody else may be there to do it.
    """
    from core.system.retries import caller  # noqa: PLC0415 - stamina is slow to import, and every request imports this module

    try:
        caller(_STARTS, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)(ReloadFailed, target.router.start)
    except ReloadFailed as error:
        return (f"It was tried {_STARTS} times. {error}",)
    return ()


class _FirstWrite:
    """What the state file said when it first differed from what was put there: later the two states may look alike."""

    def __init__(self) -> None:
        self.seen = threading.Event()
        self.over = threading.Event()
        self.found: bytes | None = None

    def wait(self, seconds: float) -> None:
        """Wait for the first write, so long at most."""
        self.seen.wait(seconds)

    def watch(self, target: Target, put: bytes | None) -> None:
        """Look until it differs or the watch is over."""
        while not self.over.is_set():
            try:
                shown = target.backups.present()
            except StateFileError as error:
                log.info("the state cannot be looked at now: %s", error)
            else:
                if shown is not None and shown != put:
                    self.found = shown
                    self.seen.set()
                    return
            time.sleep(_LOOK_SECONDS)


@contextmanager
def _first_write(target: Target, put: bytes | None) -> Iterator[_FirstWrite]:
    first = _FirstWrite()
    watching = threading.Thread(target=first.watch, args=(target, put), name="anr-first-write")
    watching.start()
    try:
        yield first
    finally:
        first.over.set()
        watching.join()


def _bytes(target: Target, backup: Backup | None) -> bytes | None:
    """Return the bytes of a backup; None if there is none, or if they are not those of a state."""
    try:
        return None if backup is None else target.backups.bytes_of(backup)
    except (StateFileError, OSError):
        return None


def _copy(backup: Backup | None) -> StateCopy | None:
    return None if backup is None else copy_of(backup)


def settle_restore(target: Target, intent: UnsettledIntent) -> Sealed:
    """Find out how a restore or a reset that died half-way ended, and record it. The rollout is frozen since its intent.

    The router may have been stopped: it is started again, on the state that there is, in its safe settings. Nothing is
    exchanged any more: an approval must not take effect hours later.

    Raises:
        JournalError: it could not be recorded; it still blocks every promotion.
    """
    wanted = next(
        (sealed.receipt.restored for sealed in target.journal.of_operation(intent.operation) if sealed.receipt.seq == intent.seq),
        None,
    )
    if wanted is None and intent.action is Action.RESTORE:
        raise JournalError(f"Receipt #{intent.seq} does not say what was to be restored. Run `anr verify`.")
    restarted, problems = _restarted(target)
    ending = _as_found(target, wanted, intent)
    change = ending.change.model_copy(update={"restarted": restarted})
    result = Result.UNKNOWN if problems and ending.result is Result.APPLIED else ending.result
    started = "The router was started again in its safe settings." if restarted else ""
    note = " ".join(filter(None, (ending.note, started, *problems)))
    outcome = _Outcome(intent.action, intent.operation, intent.from_stage, wanted)
    return _record(
        target, outcome, Order(RECOVERY, operation=intent.operation), replace(ending, result=result, note=note, change=change)
    )


def _restarted(target: Target) -> tuple[bool, tuple[str, ...]]:
    """Make the router safe and start it anew; say whether it was, and what went wrong."""
    problems = target.router.make_safe()
    if not (target.settings.stop_command and target.settings.start_command):
        return False, problems
    try:
        target.router.stop()
    except ReloadFailed as error:
        log.warning("the router could not be stopped, perhaps because it was: %s", error)
    failed = _started(target)
    return not failed, (*problems, *(f"The router could not be started; start it by hand. {text}" for text in failed))


def _as_found(target: Target, wanted: StateCopy | None, intent: UnsettledIntent) -> _Ending:
    """Say from the state file, and from the copy of the state before, whether a state had been exchanged."""
    receipts = (sealed.receipt for sealed in target.journal.saying(b'"backup":{'))
    earlier = {receipt.backup.name for receipt in receipts if receipt.backup and receipt.seq < intent.seq}
    if wanted is not None:
        earlier.add(wanted.name)
    try:
        shown = target.backups.present()
        backups = target.backups.found()
    except StateFileError as error:
        return _Ending(Result.UNKNOWN, str(error))
    since = intent.since.replace(microsecond=0)  # a backup's name says no more
    kept = [backup for backup in backups if backup.made_at >= since and backup.name not in earlier]
    before = kept[-1] if kept else None
    put = _bytes(
        target,
        next((backup for backup in backups if wanted and (backup.name, backup.digest) == (wanted.name, wanted.digest)), None),
    )
    copy = _copy(before)
    if wanted is not None and put is None:
        return _Ending(Result.UNKNOWN, f"The backup {wanted.name} is no longer what it was; nobody can say what the state is.")
    had = _bytes(target, before)
    # without a copy from before nothing was exchanged yet, unless there was no state
    seen = StateSeen.OVERWRITTEN if shown != put and had is None else seen_after(shown, put, had)
    there = "The state had been exchanged." if wanted else "The state had been removed."
    match seen:
        case StateSeen.UNCHANGED | StateSeen.CONTINUED:
            return _Ending(Result.APPLIED, there, StateChange(written=True, seen=seen), copy)
        case StateSeen.OVERWRITTEN:
            text = "The state file is not what was to be put there: it was not replaced, or was written again since. Ask again."
            return _Ending(Result.NOT_APPLIED, text, StateChange(seen=seen), copy)
        case _:
            return _Ending(Result.UNKNOWN, "Nobody can tell from the state file whether it was exchanged.", kept=copy)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of which operation an outcome is recorded."""

    action: Action
    operation: str
    stage_before: int | None
    wanted: StateCopy | None


def _record(target: Target, outcome: _Outcome, order: Order, ending: _Ending) -> Sealed:
    settings, unreadable = observed(target)
    safe = settings is not None and settings.carries(SAFE_SETTINGS)
    stage = 0 if safe else (settings.stage if settings else None)
    statement = state_change_outcome(
        replace(order.origin(target.clock()), operation=outcome.operation, cause=None),
        (outcome.action, outcome.stage_before, outcome.wanted),
        Ending(ending.result, stage, f"{ending.note} {unreadable or ''}", settings.values if settings else None),
        kept=ending.kept,
        change=ending.change,
    )
    try:
        return target.journal.append(target.draft(statement))
    except JournalError as error:
        shown = "a stage that cannot be read" if stage is None else f"{stage}%"
        said = f"The {outcome.action} ended as {ending.result}, and the router's settings say {shown}. {ending.note}"
        raise OutcomeUnrecorded(said, error) from error
