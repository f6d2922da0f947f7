"""What is so with one router, as samples for its metrics: one look at a time, never in the way of an operation.

Excluded: when it is measured, and what is counted as it happens (bot/http/metrics.py).
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.dispatch.channel import TargetChannel
from core.errors import AnrError
from core.gates.policy import GateName
from core.gates.report import Gate, Report, Verdict
from core.ledger.window import moment_of
from core.rollout.drift import find_drift
from core.rollout.schedule import Schedule, begin_of, next_run
from core.target.alert_path import alert_path
from core.target.overview import Overview

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
    """

    at: datetime
    seconds: float
    overview: Overview
    pilot: float | None
    drift: str | None
    unshown: int | None
    watchdog: datetime | None
    due: datetime

    def samples(self, now: float) -> Iterator[Sample]:
        """Yield what can be told; what cannot is missing, never zero.

        Args:
            now: seconds since 1970, for ages.
        """
        yield "anr_measured_timestamp_seconds", "When the figures of this router were measured.", {}, self.at.timestamp()
        yield "anr_measure_duration_seconds", "How long measuring took.", {}, self.seconds
        yield "anr_problems", "What is wrong or cannot be told.", {}, len(self.overview.problems)
        yield "anr_daily_due_timestamp_seconds", "When the newest daily run was due.", {}, self.due.timestamp()
        yield from _optional("anr_pilot_ratio", "Share of live traffic that the running router showed last.", self.pilot)
        yield from _optional("anr_outbox_depth", "Receipts that the channel does not show yet.", self.unshown)
        heard = self.watchdog.timestamp() if self.watchdog else 0
        yield "anr_watchdog_heard_timestamp_seconds", "When the Watchdog alert was last heard; 0 is never.", {}, heard
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
    begun, site = time.monotonic(), target_channel.site
    now = site.clock()
    overview = target_channel.look(None)
    seen, drift = site.sighting(), None
    if overview.state is not None and overview.settings is not None:
        settings = overview.settings
        found = find_drift(overview.state, settings.values, settings.stage, seen)
        drift = found.text if found else None
    try:
        unshown: int | None = target_channel.stories.unshown()
    except AnrError:
        unshown = None
    heard = alert_path(site.target.run_dir).heard
    due = _last_due(now, site.target.schedule)
    return Measured(now, time.monotonic() - begun, overview, seen.pilot if seen else None, drift, unshown, heard, due)


def _last_due(now: datetime, schedule: Schedule) -> datetime:
    ahead = next_run(now, schedule)
    days = (ahead.date() - timedelta(days=back) for back in range(4))
    return max(begins for day in days if (begins := begin_of(day, schedule)) <= now)


def _figures(report: Report, now: float) -> Iterator[Sample]:
    metrics, figures = report.metrics, report.metrics.figures
    yield from _optional("anr_rsi", "Route selection index of the window, a share of live decisions.", figures.rsi)
    yield from _optional("anr_rollbacks_per_1k", "Rollbacks per 1,000 live decisions in the window.", figures.rollbacks_per_1k)
    yield from _optional("anr_tri_median", "Median normalised TRI change in the window.", figures.tri_median)
    yield from _optional("anr_live_ratio", "Share of the window's decisions that were live.", figures.live_rate)
    breaches = "Decisions of the window above the fast-route cap during an anomaly."
    yield "anr_fast_cap_breaches", breaches, {}, figures.fast_cap_breaches
    yield "anr_window_decisions", "Decisions in the window.", {}, figures.decisions
    yield "anr_window_live_decisions", "Live decisions in the window.", {}, figures.live
    if metrics.newest_us is not None:
        age = now - moment_of(metrics.newest_us).timestamp()
        yield "anr_ledger_age_seconds", "Age of the newest ledger entry in the window.", {}, age
    malformed = metrics.skipped.get("malformed", 0)
    share = malformed / (figures.decisions + malformed) if malformed else 0.0
    yield "anr_ledger_malformed_ratio", "Share of the window's ledger lines that are malformed.", {}, share
    yield "anr_go", "1 if every gate lets a promotion through.", {}, float(report.gates.go)
    for gate in report.gates.gates:
        yield from _verdicts(gate)


def _verdicts(gate: Gate) -> Iterator[Sample]:
    text = "1 for the verdict that the gate gives, 0 for the others."
    for verdict in Verdict:
        yield "anr_gate_verdict", text, {"gate": gate.name.value, "verdict": verdict.value}, float(gate.verdict is verdict)
    if gate.name is GateName.SLOTS:
        yield from _optional("anr_slots_healthy", "Critical slots that are healthy.", gate.value)
        yield "anr_slots_critical", "Slots that have to be healthy.", {}, gate.bound


def _optional(name: str, text: str, value: float | None) -> Iterator[Sample]:
    if value is not None:
        yield name, text, {}, value
