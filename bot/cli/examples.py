"""One example of everything that is shown in Slack: each story's message and replies, each answer, each modal, the home.

They are told by the code that shows the real ones, from the journal of a router that does not exist, in a folder that is gone
afterwards. Excluded: what Slack says to them (bot/slack/checks.py).
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.blockkit.post import Post, with_picture
from bot.commands.command import Call
from bot.commands.table import MODALS, TABLE
from bot.slack.checks import Example
from bot.stories.compose import StoryComposer
from bot.views import home
from bot.views.modals import About
from core.actors import SCHEDULER, AccessPolicy, Actor, ActorKind
from core.alerts.payload import AlertFacts, AlertStatus
from core.alerts.rules import Effect
from core.doctor.check import Check, Health
from core.gates.policy import GateName
from core.gates.report import Gate, GateReport, Report, Verdict
from core.journal.marks import Marks
from core.ledger.figures import Counts, HourMetrics, LedgerSpan, WindowMetrics, figures_of
from core.ledger.window import Window
from core.receipts.drafts import alerts, brakes, moves, requests, schedule, sightings, upkeep
from core.receipts.drafts.brakes import BrakeActed, BrakeAsked
from core.receipts.drafts.origin import Ending, Origin, Step
from core.receipts.evidence import AlertDrill, BreakGlass, Deleted, Hold, LedgerArchive, Signature, StateBackup, StateCopy
from core.receipts.observation import Observation, Sight
from core.receipts.receipt import Action, Result, Statement
from core.rollout.approvals import Approval, ApprovalStatus
from core.rollout.schedule import next_run
from core.rollout.timeline import spells
from core.settings.target import TargetSettings
from core.target.overview import look
from core.target.target import Target

_NOW = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
_LATER = timedelta(minutes=1)
_OLIVIA, _AARON, _PRIYA = (Actor(kind=ActorKind.SLACK, id=f"U0{name}") for name in ("OLIVIA", "AARON", "PRIYA"))
_ALERTS = Actor(kind=ActorKind.ALERT, id="alertmanager")
_ACCESS = AccessPolicy(operators=frozenset({"U0OLIVIA"}), approvers=frozenset({"U0AARON", "U0PRIYA"}))
_REASON = "yesterday was good, and <the dashboard> says so & more"
_LIVE = {"NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.10", "NOVA_ANR_KILL": "0"}
_SAFE = {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_PILOT": "0.00", "NOVA_ANR_KILL": "1"}
_COPY = StateCopy(name="anr_state_20260302_090500.json", size=48_213, digest="e" * 64)
_ASKED_FOR = ("help", "status", "why", "next", "report", "receipts", "verify", "doctor", "backups")
"""What can be looked at without changing anything."""


def examples() -> tuple[Example, ...]:
    """Return one example of each message, modal and home."""
    with TemporaryDirectory(prefix="anr-examples-") as folder:
        target = _target(Path(folder))
        with closing(target.journal):
            return tuple(_Film(target).examples())


def _target(folder: Path) -> Target:
    settings = TargetSettings(
        name="example",
        ledger=folder / "ledger.ndjson",
        settings_file=folder / "anr.env",
        health_url="http://127.0.0.1:9/",  # nobody listens there: nothing here waits for a router
        journal=folder / "journal.sqlite",
        receipts_dir=folder / "receipts",
        run_dir=folder / "run",
        state_file=folder / "state.json",
        backups_dir=folder / "backups",
        archive_dir=folder / "archive",
        runbook_url="https://runbook.example/anr",
        soak_hours=0,
    )
    settings.settings_file.write_text("".join(f"{name}={value}\n" for name, value in _LIVE.items()), encoding="utf-8")
    settings.state_file.write_text("{}", encoding="utf-8")
    return Target.at(settings, _ACCESS, lambda: _NOW, measured=lambda *_: _figures())


def _figures() -> WindowMetrics:
    window, first = Window.ending(_NOW, 1440), (_NOW - timedelta(hours=24)).replace(minute=0)
    counts = Counts(decisions=1_000, live=100, matching=98, rollbacks_known=100, tri_known=1_000, anomalies_known=1_000)
    starts = (int((first + timedelta(hours=number)).timestamp() * 1e6) for number in range(25))
    hours = tuple(HourMetrics(start, figures_of(counts, 0.12)) for start in starts)
    whole = figures_of(replace(counts, decisions=25_000, live=2_500, matching=2_450, rollbacks_known=2_500), 0.12)
    return WindowMetrics(window, whole, hours[0].start_us, window.end_us, {"malformed": 2}, hours, LedgerSpan(0, ""))


def _report(verdict: Verdict = Verdict.PASS) -> Report:
    gates = tuple(Gate(name=name, verdict=verdict, value=0.98, bound=0.85, reason="0.98 of at least 0.85") for name in GateName)
    return Report(_figures(), GateReport(gates=gates))


def _seen(stage: int, sight: Sight) -> Observation:
    return Observation(stage=stage, safe=not stage, since=_NOW, counts_from=_NOW, restarted=True, sight=sight, live=3, at=_NOW)


@dataclass
class _Film:
    """A router's story, receipt by receipt; what is shown of it is taken down as it goes on."""

    target: Target
    number: int = 0
    shown: list[Example] = field(default_factory=list)

    def examples(self) -> list[Example]:
        self._told("the journal begins", self._receipt(moves.initialised(self._origin(_OLIVIA), 10, _LIVE, None)))
        self._promotions()
        self._brakes()
        self._alerts()
        self._notices()
        self._upkeep()
        self._days()
        self._answers()
        self._home()
        return self.shown

    def _origin(self, actor: Actor, operation: str = "", reason: str = _REASON) -> Origin:
        self.number += 1
        return Origin(operation or f"{self.number:032x}", _NOW + self.number * _LATER, actor, reason)

    def _receipt(self, *statements: Statement, approval: Approval | None = None) -> str:
        for statement in statements:
            self.target.journal.append(self.target.draft(statement), approval)
        return statements[-1].operation

    def _told(self, name: str, operation: str, *, details: bool = False) -> None:
        composer = StoryComposer(self.target)
        if details:
            composer.open(operation)
        post = composer.post_of(self.target.journal.of_operation(operation))
        if post is not None:  # a story's replies stay as they are while it goes on
            before = [example.content for example in self.shown]
            self.shown.extend(example for example in _messages(name, post) if example.content not in before)

    def _asked(self, name: str, actor: Actor, about: About) -> None:
        """Take down a modal, as it is loaded for somebody now."""
        modal = MODALS[name].modal
        if modal is None:
            raise AssertionError("MODALS has the rows with a modal")
        roles = _ACCESS.roles_of(actor.id, full_member=True)
        view = modal.load(self.target, actor.model_copy(update={"roles": roles}), about)
        view = view or (modal.at_once(about, ["example", "another"]) if modal.at_once is not None else None)
        if view is not None:
            self.shown.append(Example(f"modal {name}", "view", view))

    def _approval(self, **change: object) -> Approval:
        standing = {
            "id": f"abcdefgh{self.number + 1:02d}".replace("0", "x").replace("1", "y"),
            "requester": _OLIVIA,
            "reason": _REASON,
            "from_stage": 10,
            "to_stage": 25,
            "revision": 1,
            "policy_digest": "c" * 64,
            "verdict_digest": "d" * 64,
            "asked_at": _NOW,
            "expires_at": _NOW + timedelta(hours=1),
        }
        return Approval(**{**standing, **change})

    def _request(self, report: Report | None) -> Approval:
        approval = self._approval()
        origin = self._origin(_OLIVIA, approval.id)
        self._receipt(requests.request_asked(origin, (10, 25), "0.10", report, approval.terms), approval=approval)
        return approval

    def _promotions(self) -> None:
        asked = self._request(_report())
        self._told("approval wanted", asked.id)
        self._asked("deny", _AARON, About(argument=asked.id))
        no = Signature(actor=_PRIYA, at=_NOW, decision="denied")
        denied = asked.ended(ApprovalStatus.DENIED, _NOW, by=_PRIYA, note="too early")
        self._receipt(requests.request_answered(self._origin(_PRIYA, asked.id), Action.DENY, (no,)), approval=denied)
        self._told("denied", asked.id)
        asked = self._request(_report()).signed(_AARON, _NOW)
        step = Step(10, 25, "0.10", {**_LIVE, "NOVA_ANR_PILOT": "0.25"})
        going = moves.promotion_intent(
            self._origin(_OLIVIA, asked.id), step, _report(), StateBackup(_COPY), consent=asked.consent
        )
        approved = asked.ended(ApprovalStatus.APPROVED, _NOW, by=_AARON)
        yes = requests.request_answered(self._origin(_AARON, asked.id), Action.APPROVE, asked.signatures, report=_report())
        self._receipt(yes, going, approval=approved)
        self._told("being carried out", asked.id)
        there = Ending(Result.APPLIED, 25, "", step.wanted, _seen(25, Sight.SEEN_STAGE))
        self._told("promoted", self._receipt(moves.move_outcome(going, _NOW, there)))
        self._asked("promote", _OLIVIA, About("example"))
        self._asked("break_glass", _AARON, About("example"))
        down = moves.lowering_intent(self._origin(_OLIVIA), Step(25, 10, "0.25", _LIVE))
        seen = Ending(Result.APPLIED, 10, "", _LIVE, _seen(10, Sight.STILL_SERVING))
        self._told("stepped down", self._receipt(down, moves.move_outcome(down, _NOW, seen)))
        alone = BreakGlass(gates=(GateName.RSI,), skipped=("approvers",))
        glass = moves.promotion_intent(
            self._origin(_AARON), replace(step), _report(Verdict.FAIL), StateBackup(_COPY), break_glass=alone
        )
        self._told("break-glass", self._receipt(glass, moves.move_outcome(glass, _NOW, there)))
        self._asked("review", _PRIYA, About("example", glass.operation))

    def _brake(self, action: Action, alert: AlertFacts | None = None, sight: Sight = Sight.NOT_YET_SEEN) -> str:
        origin = self._origin(_ALERTS if alert else _AARON, reason=alert.name if alert else "errors in the checkout")
        hold = Hold(id=f"{self.number:x}", actor=origin.actor, reason=origin.reason, since=origin.at)
        acted = BrakeActed(safe=True, stage_before=25, written=_SAFE, settings=_SAFE, stage_shown=0, expected=_seen(0, sight))
        asked = BrakeAsked(action, hold, alert, None, "0.25")
        return self._receipt(brakes.brake_outcome(origin, asked, acted))

    def _brakes(self) -> None:
        self._told("rolled back", self._brake(Action.ROLLBACK, sight=Sight.STILL_SERVING))
        self._asked("shadow", _OLIVIA, About("example"))
        back = moves.shadow_intent(self._origin(_OLIVIA), Step(0, 0, "0.00", {**_SAFE, "NOVA_ANR_KILL": "0"}))
        seen = Ending(Result.APPLIED, 0, "", back.settings_written, _seen(0, Sight.SEEN_SHADOW))
        self._told("observing in shadow", self._receipt(back, moves.move_outcome(back, _NOW, seen)))
        self._told("frozen", self._brake(Action.FREEZE, sight=Sight.SEEN_SAFE))
        origin = self._origin(_PRIYA)
        ends = origin.at + timedelta(hours=4)
        hold = Hold(id="a1b2c3d4", actor=_PRIYA, reason="a deploy", since=origin.at, keeps_stage=True, expires_at=ends)
        self._told("promotions held", self._receipt(brakes.hold_placed(origin, hold, 10, _LIVE)))
        self._asked("freeze", _PRIYA, About())
        self._asked("unfreeze", _OLIVIA, About("example"))
        self._told("unfrozen", self._receipt(brakes.holds_lifted(self._origin(_OLIVIA), 10, ("a1b2c3d4",), (hold,))))

    def _alerts(self) -> None:
        facts = AlertFacts(
            cause="f" * 40,
            group="a" * 20,
            effect=Effect.FREEZE,
            status=AlertStatus.FIRING,
            name="AnrRsiLow",
            summary="RSI is 0.71 & falling",
            labels={"alertname": "AnrRsiLow", "severity": "page"},
            whole=True,
            since=_NOW,
            runbook_url="https://runbook.example/anr",
            alertmanager_url="https://alertmanager.example",
        )
        operation = self._brake(Action.FREEZE, facts)
        self._told("frozen by an alert", operation)
        self._asked("silence", _OLIVIA, About("example", operation))
        self._receipt(alerts.alerts_acknowledged(self._origin(_AARON, operation, "")))
        over = facts.model_copy(update={"status": AlertStatus.RESOLVED, "ends": _NOW + timedelta(hours=1)})
        self._receipt(alerts.alert_noted(self._origin(_ALERTS, operation, ""), over))
        self._told("alert resolved", operation)

    def _notices(self) -> None:
        self._told("paused", self._receipt(schedule.schedule_paused(self._origin(_OLIVIA), 10)))
        self._told("resumed", self._receipt(schedule.schedule_resumed(self._origin(_OLIVIA), 10)))
        why = "RSI was below its bound at 3 looks in a row"
        self._told("guard", self._receipt(brakes.guard_would_freeze(self._origin(SCHEDULER), 10, why, _report(Verdict.FAIL))))
        differs = "The settings file says 50%, the journal 10%."
        drift = sightings.drift_found(self._origin(SCHEDULER), 10, differs, _LIVE, seen=None, observation=None)
        self._told("drift", self._receipt(drift))
        again = moves.reapply_intent(self._origin(_AARON, drift.operation), Step(10, 10, "0.50", _LIVE))
        done = Ending(Result.APPLIED, 10, "", _LIVE, _seen(10, Sight.SEEN_STAGE))
        self._told("drift put back", self._receipt(again, moves.move_outcome(again, _NOW, done)))
        drift = sightings.drift_found(self._origin(SCHEDULER), 10, differs, _LIVE, seen=None, observation=None)
        accepted = moves.drift_accepted(
            self._origin(_AARON, drift.operation), (10, 50), differs, _LIVE, seen=None, report=_report()
        )
        self._told("drift accepted", self._receipt(drift, accepted))

    def _upkeep(self) -> None:
        kept = StateBackup(_COPY, Deleted.of(["anr_state_20260101_000000.json"]))
        self._told("backed up", self._receipt(upkeep.backup_made(self._origin(_OLIVIA), kept)))
        self.target.backups.take(_NOW)
        self._asked("restore", _OLIVIA, About("example"))
        drill = upkeep.drill_held(self._origin(SCHEDULER), kept, "All was found.", passed=True, restored=_COPY)
        self._told("drill", self._receipt(drill))
        legs = AlertDrill(accepted_s=0.1, heard_s=4.0)
        self._told("drill of alerts", self._receipt(alerts.alert_drill_held(self._origin(SCHEDULER), legs, "")))
        archived = (LedgerArchive(name="ledger-20260301.ndjson.gz", lines=25_000, size=9_000_000, digest="d" * 64),)
        self._told("archived", self._receipt(upkeep.ledger_archived(self._origin(SCHEDULER), archived, None)))

    def _days(self) -> None:
        day = _NOW.date()
        nothing = "A person must ask."
        announced = schedule.run_announced(self._origin(SCHEDULER), day, _report(), stages=(10, 25), note="It will promote.")
        self._told("pre-flight", self._receipt(announced))
        self._asked("skip", _OLIVIA, About("example", announced.operation))
        self._told("skipped", self._receipt(schedule.run_skipped(self._origin(_OLIVIA), day)))
        self._told("missed", self._receipt(schedule.run_missed(self._origin(SCHEDULER), day)))
        run = schedule.daily_run(
            self._origin(SCHEDULER), schedule.Run(day, _NOW), _report(), stage=10, pilot="0.10", holds=(), note=nothing
        )
        self._told("daily report", self._receipt(run), details=True)

    def _answers(self) -> None:
        checks = tuple(Check("example", health, "What was found.", "What to do.") for health in Health)
        actor = _OLIVIA.model_copy(update={"roles": _ACCESS.roles_of(_OLIVIA.id, full_member=True)})
        ignored: Callable[[str], None] = _nothing
        call = Call(actor=actor, target=self.target, cause=None, overview=lambda: look(self.target), examine=lambda: checks,
                    add_details=ignored, channel_marks=lambda: Marks("the channel"))  # fmt: skip
        for row in TABLE:
            if row.word in _ASKED_FOR:
                blocks = row.view(row.handle(call, row.kind()))
                self.shown.append(Example(f"answer {row.word}", "message", {"text": row.word, "blocks": blocks}))

    def _home(self) -> None:
        seen, schedule_now = look(self.target), self.target.settings.schedule
        glance = home.Glance(
            seen=seen,
            receipts=self.target.journal.receipts(last=5),
            spells=spells(self.target.journal.state(), _NOW - timedelta(days=home.DAYS), _NOW + timedelta(hours=1)),
            next_run=next_run(_NOW, schedule_now),
            schedule=schedule_now,
            stages=self.target.settings.stages,
        )
        self.shown.append(Example("home", "view", home.home([glance], _NOW)))


def _nothing(_: str) -> None:
    """Add no details to a story that nobody sees."""


def _messages(name: str, post: Post) -> Iterator[Example]:
    """A file's picture is left out: it would have to be uploaded."""
    yield Example(name, "message", {"text": post.text, "blocks": list(with_picture(post.blocks, ""))})
    for reply in post.replies:
        if reply.blocks:
            yield Example(f"{name}: {reply.key}", "message", {"text": reply.text, "blocks": list(reply.blocks)})
