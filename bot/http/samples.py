"""What is so with one router, as samples for its metrics: one look at a time, never in the way of an operation.

Excluded: when it is measured, and what is counted as it happens (bot/http/metrics.py).
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from bot.dispatch.channel import TargetChannel
from core.errors import AnrError
from core.gates.policy import GateName, GatePolicy
from core.gates.report import Gate, Report, Verdict
from core.ledger.window import moment_of
from core.rollout.drift import find_drift
from core.rollout.schedule import Schedule, begin_of, next_run
from core.target.alert_path import alert_path
from core.target.overview import Overview
from core.target.refusals import refusals, unmatched
from core.upkeep.journal_copy import copies_of

STALE_SECONDS = 600.0
"""Figures older than this are of another moment: they are left out, so that no alert and no dashboard takes them for now."""

T = TypeVar("T")
Sample = tuple[str, str, dict[str, str], float]
"""Name, help, labels beside the target, value."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One router at one moment.

    Attributes:
        at: when the look began.
        seconds: how long it took.
        pilot: share of live traffic that the running router showed last; None if nobody can say.
        drift: how router and journal differ; None if they agree or nobody can say.
        unshown: receipts that the channel does not show yet; None if nobody can say.
        watchdog: when the alert that always fires was last heard.
        due: when the newest daily run was due.
        bounds: by gate, what its figure is held against, in the gate's own unit.
        parked: messages that Slack refused for good; None if nobody can say.
        refused: requests that the alert webhook refused in the last hour; None if nobody can say.
        unmatched: alerts about ANR of the last day that no rule matched; None if nobody can say.
        state_age: seconds since the router wrote its state; None if there is none that can be seen.
        copied: when the newest copy of the journal was made; None if there is none, or nobody can say.
        ready: the router can be written and the journal be read.
    """

    at: datetime
    seconds: float
    overview: Overview
    pilot: float | None
    drift: str | None
    unshown: int | None
    watchdog: datetime | None
    due: datetime
    bounds: Mapping[GateName, float]
    parked: int | None
    refused: int | None
    unmatched: int | None
    state_age: float | None
    copied: datetime | None
    ready: bool

    def samples(self, now: float) -> Iterator[Sample]:
        """Yield what can be told; what cannot is missing, never zero. Of a look that is too old only its age is told.

        Args:
            now: seconds since 1970, for ages.
        """
        at = self.at.timestamp()
        yield "anr_measured_timestamp_seconds", "When the figures of this router were measured.", {}, at
        yield "anr_measured_age_seconds", "How old the figures of this router are; over 600 they are left out.", {}, now - at
        yield "anr_measure_duration_seconds", "How long measuring took.", {}, self.seconds
        if now - at > STALE_SECONDS:
            return
        yield "anr_problems", "What is wrong or cannot be told.", {}, len(self.overview.problems)
        yield "anr_daily_due_timestamp_seconds", "When the newest daily run was due.", {}, self.due.timestamp()
        yield from _optional("anr_pilot_ratio", "Share of live traffic that the running router showed last.", self.pilot)
        yield from _optional("anr_outbox_depth", "Receipts that the channel does not show yet.", self.unshown)
        heard = self.watchdog.timestamp() if self.watchdog else 0
        yield "anr_watchdog_heard_timestamp_seconds", "When the Watchdog alert was last heard; 0 is never.", {}, heard
        yield "anr_ready", "1 if the router can be written and the journal be read.", {}, float(self.ready)
        yield from _optional("anr_parked_messages", "Messages that Slack refused for good.", self.parked)
        yield from _optional("anr_webhook_refusals", "Requests that the alert webhook refused in the last hour.", self.refused)
        unmatched = "Alerts about ANR of the last day that no rule matched."
        yield from _optional("anr_unmatched_alerts", unmatched, self.unmatched)
        yield from _optional("anr_state_age_seconds", "Since when the router has not written its state.", self.state_age)
        copied = self.copied.timestamp() if self.copied else None
        yield from _optional("anr_journal_copy_timestamp_seconds", "When the newest copy of the journal was made.", copied)
        for gate, bound in self.bounds.items():
            yield "anr_gate_bound", "What a gate holds its figure against, in the gate's own unit.", {"gate": gate.value}, bound
        yield from self._rollout()
        if self.overview.report is not None:
            yield from _figures(self.overview.report, now)

    def _rollout(self) -> Iterator[Sample]:
        state, settings = self.overview.state, self.overview.settings
        if settings is not None and settings.stage is not None:
            text = "Share of live traffic that the settings file serves."
            yield "anr_settings_stage_ratio", text, {}, settings.stage / 100
        if state is None:
            return
        if state.stage is not None:
            yield "anr_stage_ratio", "Share of live traffic that the journal says.", {}, state.stage / 100
        yield "anr_frozen", "1 while any hold is in force.", {}, float(state.frozen)
        yield "anr_holds", "Holds in force.", {}, len(state.holds)
        yield "anr_firing_holds", "Holds whose alert still fires.", {}, len(state.firing)
        yield "anr_drift", "1 while router and journal differ.", {}, float(self.drift is not None)
        yield "anr_approvals_pending", "Requests that wait for an answer.", {}, len(self.overview.pending)


def measure(target_channel: TargetChannel) -> Measured:
    """Take one look; what goes wrong is part of the answer."""
    begun, target = time.monotonic(), target_channel.target
    now = target.clock()
    overview = target_channel.look(None)
    seen, drift = target.sighting(), None
    if overview.state is not None and overview.settings is not None:
        settings = overview.settings
        found = find_drift(overview.state, settings.values, settings.stage, seen, overview.observation)
        drift = found.text if found else None
    return Measured(
        at=now,
        overview=overview,
        pilot=seen.pilot if seen else None,
        drift=drift,
        unshown=_told(target_channel.stories.unshown),
        watchdog=alert_path(target.settings.run_dir).heard,
        due=_last_due(now, target.settings.schedule),
        bounds=_bounds(target.settings.gates),
        parked=_told(target_channel.stories.parked),
        refused=_told(lambda: sum(refusal.count for refusal in refusals(target.settings.run_dir, now))),
        unmatched=_told(lambda: len(unmatched(target.settings.run_dir, now))),
        state_age=_state_age(target.settings.state_file, now),
        copied=_told(lambda: next((copy.made_at for copy in copies_of(target).found()), None)),
        ready=target.router.unwritable() is None and _told(lambda: len(target.journal.receipts(last=1))) is not None,
        seconds=time.monotonic() - begun,
    )


def _told(count: Callable[[], T]) -> T | None:
    try:
        return count()
    except (AnrError, sqlite3.Error):
        return None


def _state_age(state_file: Path, now: datetime) -> float | None:
    try:
        return now.timestamp() - state_file.stat().st_mtime
    except OSError:
        return None


def _bounds(policy: GatePolicy) -> dict[GateName, float]:
    """Return what each gate's figure is held against."""
    bounds = {
        GateName.RSI: policy.rsi_min,
        GateName.ROLLBACKS: policy.rollbacks_per_1k_max,
        GateName.TRI: policy.tri_median_min,
        GateName.FAST_CAP: 0.0,
        GateName.SLOTS: len(policy.critical_slots),
        GateName.DECISIONS: policy.decisions_min,
        GateName.FRESHNESS: policy.fresh_minutes,
    }
    return bounds if policy.alert_path_bound is None else {**bounds, GateName.ALERT_PATH: policy.alert_path_bound}


def _last_due(now: datetime, schedule: Schedule) -> datetime:
    ahead = next_run(now, schedule)
    days = (ahead.date() - timedelta(days=back) for back in range(4))
    return max(begins for day in days if (begins := begin_of(day, schedule)) <= now)


def _figures(report: Report, now: float) -> Iterator[Sample]:
    metrics, figures = report.metrics, report.metrics.figures
    judged = {gate.name: gate.value for gate in report.gates.gates if gate.verdict is not Verdict.NO_DATA}
    # what too few entries tell is no figure: an alert on it would page for three decisions
    rsi, rollbacks, tri = (judged.get(name) for name in (GateName.RSI, GateName.ROLLBACKS, GateName.TRI))
    yield from _optional("anr_rsi", "Route selection index of the window, a share of live decisions.", rsi)
    yield from _optional("anr_rollbacks_per_1k", "Rollbacks per 1,000 live decisions in the window.", rollbacks)
    yield from _optional("anr_tri_median", "Median normalised TRI change in the window.", tri)
    yield from _optional("anr_live_ratio", "Share of the window's decisions that were live.", figures.live_rate)
    breaches = "Decisions of the window above the fast-route cap during an anomaly."
    yield from _optional("anr_fast_cap_breaches", breaches, judged.get(GateName.FAST_CAP))
    yield "anr_window_decisions", "Decisions in the window.", {}, figures.decisions
    yield "anr_window_live_decisions", "Live decisions in the window.", {}, figures.live
    if metrics.newest_us is not None:
        age = now - moment_of(metrics.newest_us).timestamp()
        yield "anr_ledger_age_seconds", "Age of the newest ledger entry in the window.", {}, age
    malformed = metrics.skipped.get("malformed", 0)
    share = malformed / (figures.decisions + malformed) if malformed else 0.0
    yield "anr_ledger_malformed_ratio", "Share of the window's ledger lines that are malformed.", {}, share
    skipped = "Share of the window's ledger lines that could not be counted: malformed, undated or in the future."
    yield from _optional("anr_ledger_skipped_ratio", skipped, metrics.skipped_share)
    spanned = "Share of the window between the ledger's oldest entry in it and its newest."
    yield from _optional("anr_ledger_span_ratio", spanned, metrics.span_share)
    yield "anr_go", "1 if every gate lets a promotion through.", {}, float(report.gates.go)
    told = "Share of the entries that the gate judges which tell it anything."
    for name, share in asdict(figures.coverage).items():
        if share is not None:
            yield "anr_coverage_ratio", told, {"gate": name}, share
    fresh = any(gate.name is GateName.FRESHNESS and gate.passes for gate in report.gates.gates)
    for gate in report.gates.gates:
        yield from _verdicts(gate, fresh=fresh)


def _verdicts(gate: Gate, *, fresh: bool) -> Iterator[Sample]:
    text = "1 for the verdict that the gate gives, 0 for the others."
    for verdict in Verdict:
        yield "anr_gate_verdict", text, {"gate": gate.name.value, "verdict": verdict.value}, float(gate.verdict is verdict)
    if gate.name is GateName.SLOTS:
        yield from _optional("anr_slots_healthy", "Critical slots that are healthy.", gate.value)
        up = "1 if the router answers for its health, or has written a fresh ledger entry."
        yield "anr_router_up", up, {}, float(gate.verdict is not Verdict.NO_DATA or fresh)
        yield "anr_slots_critical", "Slots that have to be healthy.", {}, gate.bound


def _optional(name: str, text: str, value: float | None) -> Iterator[Sample]:
    if value is not None:
        yield name, text, {}, value
