"""One target with everything that operates it, and the gathering of facts that every operation begins with.

Excluded: decisions and effects.
"""

import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.metadata import version

from core.actors import AccessPolicy, Actor, ActorKind, Approvable, Role
from core.errors import AnrError, EndpointUnreadable, JournalError, LedgerUnreadable, OperationTimedOut, PersonUnknown
from core.gates.evaluate import evaluate
from core.gates.report import AlertPath, GateReport, Report, SlotsHealth
from core.journal.journal import Journal, JournalReading
from core.journal.witness import Witness, Witnesses
from core.ledger.figures import WindowMetrics
from core.ledger.window import Window, moment_of
from core.receipts.cause import Skip
from core.receipts.evidence import RouterSighting
from core.receipts.observation import TOLERANCE, Evidence, Observation, Tail, judge
from core.receipts.receipt import Draft, Statement
from core.rollout.approvals import Approval
from core.rollout.decisions import Preconditions, Veto
from core.rollout.drift import Drift, DriftKind, find_drift
from core.rollout.refusals import Code, Refuse
from core.rollout.schedule import PromotionMode, coming_run
from core.rollout.state import RolloutState, expected_of
from core.router.backups import Backups
from core.router.control import Router, RouterSettings
from core.router.endpoint import ask
from core.router.health import ask_slots
from core.router.marks import Brake, BrakeReading
from core.router.version import ask_version
from core.scan.tail import is_pilot_untold, newest_lines, newest_pilot_in, served_since
from core.settings.account import operating_system_user
from core.settings.target import TargetSettings
from core.system.clock import utc_now
from core.system.logs import logger
from core.system.progress import OnProgress
from core.target.alert_path import alert_path

log = logger(__name__)

Measure = Callable[[TargetSettings, Window, OnProgress], WindowMetrics]
"""Measures a window of a target's ledger: here (core/scan/scan.py) or in another process (core/target/observer.py)."""
MAX_OPERATION_SECONDS = 30 * 60
"""No operation lasts longer (runbook: 30 minutes), so that no lock is ever older."""


def measured_here(target: TargetSettings, window: Window, on_progress: OnProgress) -> WindowMetrics:
    """Measure in this process."""
    from core.scan.measure import measure  # noqa: PLC0415 - numpy is slow to import, and only measuring needs it

    return measure(target, window, on_progress)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so before an operation decides, read in an order in which no brake can be missed: its marks first.

    Attributes:
        brake: the brake's marks.
        settings: what the router's settings file says.
        state: what the journal adds up to.
        seen: what the running router last showed; None if nothing did.
        observation: what was seen of it since something is expected of it; None if nothing is.
        router_version: the router's own; None if nobody says it.
        waiting: the requests that wait for an answer, the oldest first; empty if they were not read.
        done: number of the receipt of the operation's cause, if it had its effect before; None if not, or if it was not asked.
    """

    brake: BrakeReading
    settings: RouterSettings
    state: RolloutState
    seen: RouterSighting | None = None
    observation: Observation | None = None
    router_version: str | None = None
    waiting: tuple[Approval, ...] = ()
    done: int | None = None

    @property
    def difference(self) -> Drift | None:
        """How the router differs from what the journal says, or None."""
        return find_drift(self.state, self.settings.values, self.settings.stage, self.seen, self.observation)

    @property
    def drift(self) -> str | None:
        """The difference as a sentence, or None."""
        found = self.difference
        return found.text if found else None


@dataclass(frozen=True, slots=True)
class Target:
    """A target and what operates it.

    Attributes:
        target: its settings.
        access: who may do what.
        journal: its receipts and requests.
        router: what writes its settings and reloads it.
        brake: the brake's marks.
        clock: returns the time in UTC.
        on_progress: told how far the reading of its ledger is; None if nobody wants to know.
        measured: what measures its ledger.
        doubts: what had to be guessed of it because the options are broken, each a sentence; only a brake acts then.
        not_its_run: why this process may not make the scheduled run, a sentence; empty if it may.
        asked_of: says who a person is now; None where only the options can be asked, as at the terminal.
    """

    settings: TargetSettings
    access: AccessPolicy
    journal: Journal
    router: Router
    brake: Brake
    clock: Callable[[], datetime] = utc_now
    on_progress: OnProgress | None = None
    measured: Measure = measured_here
    doubts: tuple[str, ...] = ()
    not_its_run: str = ""
    asked_of: Callable[[Actor], Actor] | None = None

    @classmethod
    def at(
        cls,
        target: TargetSettings,
        access: AccessPolicy,
        clock: Callable[[], datetime] = utc_now,
        on_progress: OnProgress | None = None,
        measured: Measure = measured_here,
    ) -> "Target":
        """Put a target together from its settings.

        Args:
            target: its settings.
            access: who may do what.
            clock: returns the time in UTC.
            on_progress: told how far the reading of its ledger is; None if nobody wants to know.
            measured: what measures its ledger.
        """
        brake = Brake(target.run_dir / "brake", spare=target.settings_file.with_name(f"{target.settings_file.name}.brake"))
        journal = Journal(target.journal, target=target.name, receipts_dir=target.receipts_dir, witnesses=Witnesses(target))
        return cls(target, access, journal, Router(target, brake), brake, clock, on_progress, measured)

    @property
    def witnesses(self) -> Witnesses:
        """Where marks of the journal are kept outside of it."""
        return Witnesses(self.settings)

    @property
    def witness(self) -> Witness:
        """The newest mark that the channel has shown."""
        return self.witnesses.memory

    @property
    def backups(self) -> Backups:
        """The backups of the bandit's state."""
        return Backups(self.settings.state_file, self.settings.backups_dir, self.settings.retention.backups)

    def facts(self, evidence: Evidence | None = None, *, whole: bool = True) -> Facts:
        """Read the brake's marks, the settings, the journal, and what the running router last showed.

        Args:
            evidence: what was seen of the running router a moment ago; it is looked at if this is left out.
            whole: ask of every receipt whether it is still what was verified; only who just looks may go without.

        Raises:
            BrakeUnreadable, SettingsFileError, JournalError: one of them cannot be read.
        """
        return self._facts(evidence, lambda: JournalReading(self.journal.state(whole=whole)))

    def facts_and_requests(self, evidence: Evidence, cause: str | None = None) -> Facts:
        """Read what `facts` does, and of the same journal the requests that wait and whether a cause had its effect before.

        Args:
            evidence: what was seen of the running router a moment ago.
            cause: what sets the operation off; None if nothing is known of it.

        Raises:
            BrakeUnreadable, SettingsFileError, JournalError: one of them cannot be read.
        """
        return self._facts(evidence, lambda: self.journal.read(cause))

    def _facts(self, evidence: Evidence | None, read_journal: Callable[[], JournalReading]) -> Facts:
        brake, settings, recorded = self.brake.read(), self.router.settings(), read_journal()
        state, evidence = recorded.state, evidence or self.evidence()
        told = (evidence.status.version if evidence.status is not None else None) or evidence.version
        seen, observation = sighting_in(evidence.tail), self.observe(state, evidence)
        version = told or state.router_version
        return Facts(brake, settings, state, seen, observation, version, recorded.waiting, recorded.done)

    def person_now(self, actor: Actor) -> Actor:
        """Return a person as they are now: under the one identity that the options give them, with their roles and groups.

        Raises:
            PersonUnknown: nobody can say at present; what it is asked for is not done.
        """
        if self.asked_of is not None:
            return self.asked_of(self.access.identity(actor))
        person = self.access.as_now(actor)
        if self.access.groups and person.kind is ActorKind.SLACK and not {Role.OPERATE, Role.APPROVE} <= person.roles:
            raise PersonUnknown(
                f"Whether {person.id} is in a user group is known only in Slack. Nothing was changed; answer the request there."
            )
        return person

    def done_before(self, cause: str | None) -> Refuse | None:
        """Refuse what was set off by a cause that had its effect before; None if it had not, or if nothing is known of a cause.

        Raises:
            JournalError: the journal cannot be read.
        """
        seq = None if cause is None else self.journal.find_cause(cause)
        return None if seq is None else already_done(seq)

    def day_ahead(self) -> date:
        """Return the local date of the run that comes next: one that is due and was not made yet, else that of the next time.

        Raises:
            JournalError: nobody can say whether the run that is due was made.
        """
        return coming_run(self.clock(), self.settings.schedule, self.journal.state().ran).day

    def veto(self, day: date) -> Veto | None:
        """Return who skipped the scheduled run of a local date (core/operations/daily.py), or None.

        Raises:
            JournalError: the journal cannot be read.
        """
        sealed = self.journal.by_cause(Skip(day))
        return None if sealed is None else Veto(sealed.receipt.actor, sealed.receipt.reason, day)

    def preconditions(self, facts: Facts, now: datetime, *, answers: bool = False) -> Preconditions:
        """Return everything on which the next step up depends, of facts that were read under the lock.

        Args:
            facts: what is so now.
            now: the moment of the operation.
            answers: it answers a request, or passes over those that wait: none of them is in its way.
        """
        waiting = () if answers else tuple(alert.id for alert in facts.waiting if alert.action is Approvable.PROMOTE)
        return self.standing(facts.state, now, marks=facts.brake, drift=facts.difference, waiting=waiting)

    def standing(
        self,
        state: RolloutState,
        now: datetime,
        *,
        marks: BrakeReading,
        drift: Drift | None,
        waiting: tuple[str, ...],
        report: Report | None = None,
    ) -> Preconditions:
        """Return everything on which the next step up depends: these facts, and what the settings ask.

        Args:
            state: what the journal adds up to.
            now: the operation's one reading of the clock.
            marks: the brake's marks.
            drift: how the router differs from the journal; None if it does not.
            waiting: ids of the promotions that wait for an answer.
            report: the gates' verdicts; None if they were not asked.
        """
        return Preconditions(
            state=state,
            stages=self.settings.stages,
            now=now,
            drift=drift.text if drift else None,
            braked=drift is not None and drift.kind is DriftKind.BRAKED,
            brake_marks=(*marks.frozen_by, *marks.waiting),
            soak_hours=self.settings.soaks,
            pilot_untold=self._pilot_untold(state),
            approvers_set=bool(self.access.rule(Approvable.PROMOTE).approvers),
            schedule_promotes=self.settings.schedule.promotion is not PromotionMode.OFF,
            waiting=waiting,
            gates=report.gates if report else None,
        )

    def _pilot_untold(self, state: RolloutState) -> bool:
        """Whether the running router serves live traffic since the stage began, and its ledger never says how much."""
        if state.since is None or not state.stage or state.observed_since is not None:
            return False  # no soak asks
        if self.settings.ledger_is_a_table:  # which is not asked for the pilot
            return True
        try:
            return is_pilot_untold(self.settings.ledger, state.since, self.settings.reading)
        except LedgerUnreadable:
            return False

    @property
    def _reading_seconds(self) -> float:
        """What an operation may spend on the ledger, in seconds: the rest is for the reloads, the health and the read-back."""
        target = self.settings
        return MAX_OPERATION_SECONDS - 2 * target.reload_timeout_s - target.health_timeout_s - target.observe_timeout_s

    def figures(self, now: datetime, minutes: int) -> WindowMetrics:
        """Measure the window of `minutes` that ends at `now`.

        Raises:
            LedgerUnreadable: the ledger cannot be read.
            OperationTimedOut: it took longer than an operation may.
        """
        begun = time.monotonic()
        figures = self.measured(self.settings, Window.ending(now, minutes), self.watch())
        took_s = round(time.monotonic() - begun, 3)
        log.info("window measured", minutes=minutes, decisions=figures.figures.decisions, took_s=took_s)
        return figures

    def watch(self) -> OnProgress:
        """Return what shows the progress of reading the ledger, and raises OperationTimedOut once it has taken too long."""
        ends = time.monotonic() + self._reading_seconds

        def watch(read: int, size: int) -> None:
            if time.monotonic() > ends:
                raise OperationTimedOut(
                    f"Reading the ledger took longer than {self._reading_seconds / 60:.0f} minutes, and an operation has 30. "
                    "Nothing was changed; is it still archived?",
                )
            if self.on_progress is not None:
                self.on_progress(read, size)

        return watch

    def measure(self, now: datetime, *, leaving_zero: bool) -> Report:
        """Measure the target's window that ends at `now` and hold it against the gates.

        Raises:
            LedgerUnreadable: the ledger cannot be read.
            OperationTimedOut: it took longer than an operation may.
        """
        metrics = self.figures(now, self.settings.window_minutes)
        return Report(metrics, self.held_against_gates(metrics, ask_slots(self.settings), leaving_zero=leaving_zero))

    def held_against_gates(self, metrics: WindowMetrics, slots: SlotsHealth, *, leaving_zero: bool) -> GateReport:
        """Hold figures of this moment against the gates, with the slots as they are now, and the alert path."""
        return evaluate(metrics, slots, self.settings.gates, alert_path=self._alert_path(), leaving_zero=leaving_zero)

    def _alert_path(self) -> AlertPath:
        """Return when the alert path last gave a sign of life; what its drills have proven only if the gates ask for it."""
        path = alert_path(self.settings.run_dir)
        if self.settings.gates.alert_path_proof_days is None:
            return path
        try:
            drills = self.journal.state().alert_drills
        except JournalError as error:
            return path.model_copy(update={"proof_error": f"what drills of the alert path have proven cannot be read ({error})"})
        return path.model_copy(update={"proven": drills.arrived, "drill_failed": drills.failed})

    def draft(self, statement: Statement, receipt_id: str = "") -> Draft:
        """Return a statement (core/receipts/drafts/ makes them) with what every receipt carries, and with an id of its own."""
        everywhere = {
            "account": operating_system_user(),
            "build": _build(),
            "host": socket.gethostname(),
            "runbook_url": self.settings.runbook_url,
        }
        return Draft(**{**dict(statement), **everywhere, "id": receipt_id or uuid.uuid4().hex})

    def sighting(self) -> RouterSighting | None:
        """Return the pilot that the running router last showed in its ledger, or None if it cannot be seen."""
        if self.settings.ledger_is_a_table:
            return None
        try:
            return sighting_in(newest_lines(self.settings.ledger, self.settings.reading))
        except LedgerUnreadable:
            return None

    def served_since(self, stage: int, now: datetime) -> RouterSighting | None:
        """Return since when the ledger shows this stage and no other, as far back as a soak asks; None if it does not."""
        hours = self.settings.soaks.get(stage, 0)
        if not hours or self.settings.ledger_is_a_table:
            return None
        try:
            since = served_since(self.settings.ledger, stage, now, timedelta(hours=hours + 1), self.settings.reading)
        except LedgerUnreadable:
            return None
        return None if since is None else RouterSighting(pilot=stage / 100, at=since)

    def evidence(self, *, with_version: bool = False) -> Evidence:
        """Look at what shows the running router: the newest lines of its ledger, and its endpoint if it has one.

        Args:
            with_version: also run the command for the router's version, where the endpoint tells none. It takes a moment:
                who looks every second goes without.
        """
        problems: list[str] = []
        tail = status = None
        now = self.clock()
        try:
            if self.settings.ledger_is_a_table:
                problems.append(
                    "The ledger is a table, which is not followed: only an endpoint (`target.observe`) shows the router."
                )
            else:
                tail = newest_lines(self.settings.ledger, self.settings.reading)
        except LedgerUnreadable as error:
            problems.append(str(error))
        if self.settings.observe.url:
            try:
                status = ask(self.settings.observe, now)
            except EndpointUnreadable as error:
                problems.append(str(error))
        version = self._version() if with_version and (status is None or status.version is None) else None
        return Evidence(now, tail, status, tuple(problems), version)

    def _version(self) -> str | None:
        try:
            return ask_version(self.settings)
        except EndpointUnreadable as error:  # the receipts go on with the version that was told last
            log.warning("%s", error)
            return None

    def unseen(self) -> Evidence:
        """Return the evidence of a router that nobody looks at: where nothing depends on what it does."""
        return Evidence(self.clock(), None)

    def observe(self, state: RolloutState, evidence: Evidence | None = None) -> Observation | None:
        """Return what is seen of the running router, against what the journal expects of it; None where it expects nothing."""
        asked = expected_of(state)
        return None if asked is None else judge(asked, evidence or self.evidence())

    def written(self, stage: int, *, safe: bool = False) -> Observation:
        """Return what is expected of the running router from now on: settings were written, and it was restarted if it could be.

        Nothing is looked at: a brake waits for no ledger.
        """
        since, took_s = self.clock(), self.router.restart_took_s
        return Observation(
            stage=stage,
            safe=safe,
            since=since,
            counts_from=since + TOLERANCE,
            restarted=took_s is not None,
            took_s=None if took_s is None else round(took_s, 3),
        )


def sighting_in(tail: Tail | None) -> RouterSighting | None:
    """Return the pilot that the newest lines show, or None if none says it."""
    seen = newest_pilot_in(tail) if tail is not None else None
    return None if seen is None else RouterSighting(pilot=seen.pilot, at=moment_of(seen.t_us))


@cache
def _build() -> str:
    return f"anr {version('anr')}"


def observed(target: Target) -> tuple[RouterSettings | None, str | None]:
    """Return the router's settings, or None and why they cannot be read."""
    try:
        return target.router.settings(), None
    except AnrError as error:
        return None, str(error)


def already_done(seq: int) -> Refuse:
    """Refuse what was set off by a cause that had its effect before, in the receipt of that number."""
    return Refuse(Code.ALREADY_DONE, f"This was already done: receipt #{seq}. Nothing was done again.")
