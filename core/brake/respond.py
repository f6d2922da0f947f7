"""What one target does about the alerts of a payload: freeze first, then note down what was heard.

`act` is the brake: it asks the journal for a moment at most, leaves a mark for every new cause, and puts the router in its
safe settings (rule 1), unless a brake of this process left them so seconds ago: a storm of alerts reloads the router rarely.
`note_down` records that, and what resolved or only has to be shown. A group of alerts is one story: its receipts share one
operation, from the first alert until all have ended and their holds are lifted.

What was done about an instance stands in the journal (a cause has one receipt) and in the brake's marks; what is remembered
(core/brake/alert_memory.py) only saves asking again, at a repeat every second.

Excluded: what an alert asks for (core/alerts/payload.py), and HTTP (bot/http/webhook.py).
"""

import threading
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from core.actors import ALERTMANAGER
from core.alerts.cause import StatusCause, parse_instance
from core.alerts.payload import AlertFacts, AlertStatus, operation_of
from core.alerts.steps import Handled, Step, next_step
from core.brake import brake
from core.brake.alert_memory import AlertMemory, Instance
from core.brake.turns import BrakeResult, RecordResult, nothing_in_common, until_shown
from core.errors import BrakeUnreadable, CauseAlreadyRecorded, JournalError
from core.receipts.chain import Sealed
from core.receipts.drafts.alerts import alert_noted
from core.receipts.drafts.origin import Origin
from core.receipts.receipt import Action
from core.router.marks import BrakeNote
from core.system.logs import logger
from core.target.target import Target, observed
from core.text import clean_text

log = logger(__name__)

IDLE_SECONDS = 0.25
"""How long the journal's file stays open for the next alert: they come in bursts."""
TRUST_SECONDS = 2.0
"""How long a router counts as safe for new alerts without being made so again: a reload that another process began before the
brake's may take effect after it."""
_GLANCE_SECONDS = 0.05
"""How long the brake waits for the journal to say what was done about an alert before: no writer keeps readers out for long."""
_RESTS_SECONDS = 10.0
"""For how long a journal that did not answer is not asked again, unless something was recorded in it meanwhile: a storm of
alerts would wait for it one by one."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one payload asks for."""

    notes: tuple[BrakeNote, ...]
    keeps: int
    shown: tuple[tuple[str, AlertFacts], ...]

    def with_pilot_before(self, pilot: str | None) -> "_Plan":
        return replace(self, notes=tuple(note.model_copy(update={"pilot_before": pilot}) for note in self.notes))


class AlertResponder:
    """Acts on alerts at one target. Safe to use from several threads: one payload acts at a time, and one is recorded."""

    def __init__(self, target: Target) -> None:
        self._target = target = replace(target, journal=target.journal.held_open(IDLE_SECONDS))
        self._memory = AlertMemory()
        self._groups: set[str] = set()
        self._acting = threading.Lock()
        self._recording = threading.Lock()
        self._newest: Sealed | None = None
        self._unkept: dict[str, BrakeNote] = {}
        self._unnoted: dict[str, AlertFacts] = {}  # the last word on each cause, until another thread has noted it
        self._unnoted_lock = threading.Lock()
        self._journal_rests_until = 0.0
        self._glance = target.journal.with_patience(_GLANCE_SECONDS)

    def close(self) -> None:
        """Let go of the journal."""
        self._glance.close()
        self._target.journal.close()

    def act(self, heard: tuple[AlertFacts, ...]) -> BrakeResult:
        """Freeze for every new cause that asks for it, and see that the router is safe for those that are held."""
        return self.act_on_all((heard,))[0]

    def act_on_all(self, payloads: Sequence[tuple[AlertFacts, ...]]) -> tuple[BrakeResult, ...]:
        """Act on payloads in their order: those that have nothing in common share the brake, so that none waits for another."""
        results: list[BrakeResult] = []
        with self._acting:
            for together in nothing_in_common(payloads):
                results.extend(self._act(together))
        return tuple(results)

    def _act(self, payloads: Sequence[tuple[AlertFacts, ...]]) -> list[BrakeResult]:
        now = self._target.clock()
        try:
            self._recall([facts for heard in payloads for facts in heard])
            plans = [self._plan(heard, now) for heard in payloads]
        except Exception:  # a bug, or a row of the journal that nobody foresaw: a brake too many is safe
            log.exception("what was done about these alerts before cannot be told; every one that freezes brakes")
            plans = [self._plan_anew(heard, now) for heard in payloads]
        notes = tuple(note for plan in plans for note in plan.notes)
        if notes:
            before, _ = observed(self._target)
            pilot = before.pilot if before else None
            plans = [plan.with_pilot_before(pilot) for plan in plans]
            notes = tuple(note for plan in plans for note in plan.notes)
        unmarked: dict[str, OSError] = {}
        wrong: tuple[str, ...] = ()
        if notes:
            unmarked, wrong = brake.stop(self._target, notes, trusted_s=TRUST_SECONDS)
        elif any(plan.keeps for plan in plans) and not self._target.router.is_left_safe():
            wrong = self._target.router.make_safe()
        for note in notes:
            if note.id in unmarked:
                self._unkept[note.cause or ""] = note
            else:
                self._remember(note.operation, note.alert, note.id)
        return [self._result(now, plan, unmarked, wrong) for plan in plans]

    def _plan(self, heard: tuple[AlertFacts, ...], now: datetime) -> "_Plan":
        newest = self._newest_of(heard)
        heard = (*heard, *self._seen_again(heard, now), *self._outdated(heard, newest))
        steps = [(facts, self._step(facts, newest)) for facts in heard]
        fresh = self._story_of_group(heard)
        notes = tuple(self._note(facts, now, self._story(facts, fresh)) for facts, step in steps if step.freeze)
        shown = tuple((self._story(facts, fresh), facts) for facts, step in steps if step.show)
        with self._unnoted_lock:
            self._unnoted |= {facts.cause: facts for facts, step in steps if step.freeze or step.show}
        return _Plan(notes, sum(step.keep for _, step in steps), shown)

    def _plan_anew(self, heard: tuple[AlertFacts, ...], now: datetime) -> "_Plan":
        """Plan as if nothing were known of any alert: who records finds out whether it is recorded already."""
        freezing = (facts for facts in heard if next_step(facts.effect, facts.status, Handled.NEW, None).freeze)
        return _Plan(tuple(self._note(facts, now, operation_of(facts)) for facts in freezing), 0, ())

    def _result(
        self, now: datetime, plan: "_Plan", unmarked: Mapping[str, OSError], wrong_at_router: tuple[str, ...]
    ) -> BrakeResult:
        mine = {note.id: unmarked[note.id] for note in plan.notes if note.id in unmarked}
        wrong = wrong_at_router if plan.notes or plan.keeps else ()
        unwritten = dict.fromkeys(str(error.strerror or error) for error in mine.values())
        unwritten_marks = (f"The brake's mark could not be written ({reason})." for reason in unwritten)
        unsynced = self._target.router.unsynced if plan.notes or plan.keeps else ()
        problems = (*unwritten_marks, *wrong, *unsynced)
        if problems:
            log.error("a freeze by alert is not whole", problems=problems)
        return BrakeResult(now, plan.notes, plan.shown, plan.keeps, not mine, not wrong, problems, frozenset(mine))

    def note_down(self, acted: BrakeResult) -> RecordResult:
        """Record what the brake did and what was heard; what cannot be recorded waits in the brake's marks."""
        return self.note_down_all((acted,))[0]

    def note_down_all(self, acted: Sequence[BrakeResult]) -> tuple[RecordResult, ...]:
        """Record what the brake did about several payloads, in their order; what cannot be recorded waits in the marks."""
        with self._recording:
            try:
                return tuple(result for run in until_shown(acted) for result in self._note_down_run(run))
            finally:
                with self._unnoted_lock:
                    for facts in (facts for result in acted for facts in result.heard):
                        if self._unnoted.get(facts.cause) == facts:  # and nothing newer was heard meanwhile
                            del self._unnoted[facts.cause]

    def _note_down_run(self, acted: Sequence[BrakeResult]) -> Iterator[RecordResult]:
        """Record freezes together, and then what the last of these payloads only shows."""
        wrong: JournalError | None = None
        sealed: list[Sealed] = []
        frozen: set[str] = set()
        for safe in (True, False):
            notes = [note for result in acted if result.safe is safe for note in result.notes]
            if not notes or wrong is not None:
                continue  # the next would wait as long, for the same
            try:
                sealed.extend(brake.record_together(self._target, notes, safe=safe, newest=self._newest))
            except JournalError as error:
                wrong = error
                continue
            self._journal_rests_until = 0.0
            self._newest = sealed[-1] if sealed else self._newest
            frozen.update(note.id for note in notes)
            for note in notes:
                self._remember(note.operation, note.alert, note.id)
        return (self._note_down(result, sealed, frozen, wrong) for result in acted)

    def _note_down(
        self, acted: BrakeResult, recorded: Sequence[Sealed], frozen: Collection[str], wrong: JournalError | None
    ) -> RecordResult:
        """Record what was heard, and say what came of recording the freezes.

        Args:
            acted: what was done about one payload.
            recorded: receipts of freezes, others' too.
            frozen: ids of the freezes that are in the journal.
            wrong: why the others are not.
        """
        mine = {note.id for note in acted.notes}
        sealed = [sealed_receipt for sealed_receipt in recorded if sealed_receipt.receipt.id in mine]
        problems: list[str] = []
        lost = False
        if waiting := mine - set(frozen):
            problems.append(f"The freeze is not in the journal yet; it is recorded when the journal is back: {wrong}")
            lost = bool(waiting & acted.unmarked)
        for operation, facts in acted.shown:
            try:
                sealed.append(self._show(acted.at, operation, facts))
            except CauseAlreadyRecorded:
                pass
            except JournalError as error:
                problems.append(f"That {facts.name} is {facts.status} is not recorded: {error}")
                lost = True
                break
            self._remember(operation, facts)
        if problems:
            log.error("alerts are not recorded", problems=problems)
        return RecordResult(tuple(sealed), not lost, tuple(dict.fromkeys(problems)))

    def _recall(self, heard: Iterable[AlertFacts]) -> None:
        """Learn what was done about instances that are not remembered: from the journal, else from the brake's marks."""
        unknown = {facts.cause: facts for facts in heard if self._memory.find(facts.cause) is None}
        if not unknown:
            return
        if time.monotonic() < self._journal_rests_until:
            self._recall_marks(unknown)
            return
        statuses = {str(StatusCause(status, parse_instance(cause))) for cause in unknown for status in AlertStatus}
        remembered = self._memory.causes()
        try:
            operations = set(self._glance.operations_of(statuses | set(unknown)).values())
            strangers = {facts.group for facts in unknown.values()} - self._groups
            newest = (self._glance.newest_operation(group) for group in strangers)
            operations |= {operation for operation in newest if operation is not None}
            for operation in operations:
                for receipt in (sealed.receipt for sealed in self._glance.of_operation(operation)):
                    if receipt.alert is not None and receipt.alert.cause not in remembered:
                        self._remember(operation, receipt.alert, *(hold.id for hold in receipt.holds_added))
            self._groups |= strangers
        except JournalError as error:
            log.warning("whether these alerts were acted on before cannot be read, the brake does not wait", error=str(error))
            self._journal_rests_until = time.monotonic() + _RESTS_SECONDS
            self._recall_marks(unknown)

    def _recall_marks(self, unknown: dict[str, AlertFacts]) -> None:
        if all(self._memory.find(cause) is not None for cause in unknown):
            return
        try:
            marks = self._target.brake.freezes(besides=self._memory.holds())
        except BrakeUnreadable:
            return
        for note in marks:
            if note.cause in unknown and self._memory.find(note.cause) is None:
                self._remember(note.operation or note.id, note.alert, note.id)

    def _remember(self, operation: str, facts: AlertFacts | None, hold: str = "") -> None:
        if facts is not None:
            self._memory.remember(operation, facts, hold)

    def _step(self, facts: AlertFacts, newest: Mapping[str, AlertFacts]) -> Step:
        instance = self._memory.find(facts.cause)
        told = self._unnoted.get(facts.cause) or (instance.noted if instance else None)  # the first is not in the journal yet
        noted = told.status if told else None
        step = next_step(facts.effect, facts.status, self._standing(facts.cause, instance), noted)
        if noted is not None and facts.status is AlertStatus.FIRING and newest[facts.fingerprint].is_after(facts):
            return Step(keep=step.keep)  # a late word on an instance that is known to be over
        return step

    def _newest_of(self, heard: Iterable[AlertFacts]) -> dict[str, AlertFacts]:
        """Return the newest instance of each alert that was heard of, by fingerprint."""
        newest: dict[str, AlertFacts] = {}
        for facts in heard:
            for alert in (facts, *self._known_of(facts.fingerprint)):
                if facts.fingerprint not in newest or alert.since > newest[facts.fingerprint].since:
                    newest[facts.fingerprint] = alert
        return newest

    def _known_of(self, fingerprint: str) -> tuple[AlertFacts, ...]:
        """Return the last word on each instance of one alert, whether it is noted yet or not."""
        words = {alert.cause: alert for alert in self._memory.of_alert(fingerprint)}
        with self._unnoted_lock:
            words |= {cause: alert for cause, alert in self._unnoted.items() if alert.fingerprint == fingerprint}
        return tuple(words.values())

    def _outdated(self, heard: Iterable[AlertFacts], newest: Mapping[str, AlertFacts]) -> list[AlertFacts]:
        """Return the end of each instance that was followed by another: Alertmanager tells of the newest one only."""
        known = [alert for fingerprint in newest for alert in self._known_of(fingerprint)]
        alerts = [*known, *(facts for facts in heard if self._memory.find(facts.cause) is None)]
        followed = ((alert, newest[alert.fingerprint]) for alert in alerts if alert.status is AlertStatus.FIRING)
        return [
            earlier.model_copy(update={"status": AlertStatus.RESOLVED, "ends": later.since})
            for earlier, later in followed
            if later.is_after(earlier) and not earlier.is_unseen
        ]

    def _standing(self, cause: str, instance: Instance | None) -> Handled:
        if instance is None:
            return Handled.NEW
        if not instance.hold:
            return Handled.SHOWN
        if instance.lifted:
            return Handled.LIFTED
        if self._target.brake.has(instance.hold):
            return Handled.HELD
        try:
            held = any(hold.id == instance.hold for hold in self._glance.state().holds)
        except JournalError:
            held = False  # its mark was removed, and only lifting removes a mark
        if not held:
            self._memory.lift(cause, instance.hold)
        return Handled.HELD if held else Handled.LIFTED

    def _seen_again(self, heard: tuple[AlertFacts, ...], now: datetime) -> list[AlertFacts]:
        """Return the end of what stood for alerts that were cut off and now are shown, or are cut off after another alert."""
        groups, causes = {facts.group for facts in heard}, {facts.cause for facts in heard}
        over = self._memory.unseen(groups, causes)
        return [alert.model_copy(update={"status": AlertStatus.RESOLVED, "ends": now}) for alert in over]

    def _note(self, facts: AlertFacts, now: datetime, operation: str) -> BrakeNote:
        if (unkept := self._unkept.pop(facts.cause, None)) is not None:
            return unkept  # the same freeze is tried again
        return BrakeNote(
            id=uuid.uuid4().hex,
            action=Action.FREEZE,
            actor=ALERTMANAGER,
            reason=clean_text(f"{facts.name}: {facts.summary}" if facts.summary else facts.name),
            cause=facts.cause,
            at=now,
            operation=operation,
            alert=facts,
        )

    def _story(self, facts: AlertFacts, fresh: str) -> str:
        """Return the story of an alert: its own if it has one, else that of its group."""
        instance = self._memory.find(facts.cause)
        return instance.operation if instance is not None else fresh

    def _story_of_group(self, heard: Sequence[AlertFacts]) -> str:
        """Return the group's story while it is open, else a new one."""
        if not heard:
            return ""
        oldest = min(heard, key=lambda facts: facts.since)
        for cause, instance in self._memory.of_group(oldest.group):
            if self._open(cause, instance):
                return instance.operation
        return operation_of(oldest)

    def _open(self, cause: str, instance: Instance) -> bool:
        firing = instance.noted is None or instance.noted.status is AlertStatus.FIRING
        return firing or self._standing(cause, instance) is Handled.HELD

    def _show(self, now: datetime, operation: str, facts: AlertFacts) -> Sealed:
        """Note the status of an alert.

        Raises:
            CauseAlreadyRecorded: it is noted already.
            JournalError: it is not.
        """
        instance = self._memory.find(facts.cause)
        cause = facts.key_after(instance.changes_with(facts) if instance else 0)
        draft = self._target.draft(alert_noted(Origin(operation, now, ALERTMANAGER, cause=cause), facts))
        try:
            return self._target.journal.append(draft)
        except CauseAlreadyRecorded:
            # another process noted changes that are not remembered here
            noted = [sealed.receipt.alert for sealed in self._target.journal.of_operation(operation)]
            heard = [alert for alert in noted if alert is not None and alert.cause == facts.cause]
            changes = sum(earlier.status is not later.status for earlier, later in pairwise(heard))
            if not heard or heard[-1].status is facts.status:
                raise
            return self._target.journal.append(draft.model_copy(update={"cause": facts.key_after(changes + 1)}))
