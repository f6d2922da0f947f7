"""What is looked at in a terminal: the overview, gates and checks as tables and coloured lines."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from core.cli.output import err, out
from core.doctor.check import Check, Health
from core.gates.report import Gate, Verdict
from core.receipts.observation import told
from core.rollout.blockers import codes
from core.target.overview import Overview

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.NO_DATA: "yellow", Verdict.NOT_APPLICABLE: "dim"}


def print_overview(seen: Overview) -> None:
    """Print stage, holds, requests and gates on the output, and what is wrong on the error stream."""
    state = seen.state
    stage = "unknown" if state is None or state.stage is None else f"{state.stage}%"
    frozen = "unknown whether frozen" if state is None else "FROZEN" if state.frozen else "not frozen"
    out.print(f"[bold]{escape(seen.target)}[/bold]: stage {stage}, {frozen}")
    if seen.observation is not None:
        (err if seen.observation.sight.contradicts else out).print(f"running router: {escape(told(seen.observation))}")
    for hold in state.holds if state else ():
        ends = f", ends {hold.expires_at:%Y-%m-%d %H:%M} UTC" if hold.expires_at else ""
        since = f"since {hold.since:%Y-%m-%d %H:%M} UTC"
        out.print(f"  hold {hold.short_id}: {escape(hold.reason)} ({escape(hold.actor.id)}, {since}{ends})")
    if state is not None and state.paused is not None:
        out.print(f"  schedule paused by {escape(state.paused.actor.id)} since {state.paused.since:%Y-%m-%d %H:%M} UTC")
    for intent in seen.pending:
        out.print(f"  request {intent.id}: {intent.from_stage}% → {intent.to_stage}% by {escape(intent.requester.id)}")
    if seen.report is not None:
        print_gates(seen.report.gates.gates, title="GO" if seen.report.gates.go else "NO-GO")
    if seen.blockers:
        out.print(f"In the way of the next promotion: {codes(seen.blockers)} (`anr why` says more)")
    for problem in seen.problems:
        err.print(f"[yellow]{escape(problem)}[/yellow]")


def print_gates(gates: tuple[Gate, ...], *, title: str) -> None:
    """Print the gates as a table."""
    table = Table("gate", "verdict", "reason", title=title)
    for gate in gates:
        table.add_row(gate.name, f"[{_STYLES[gate.verdict]}]{gate.verdict}[/]", escape(gate.reason))
    out.print(table)


_HEALTH_STYLES = {Health.OK: "green", Health.WARN: "yellow", Health.FAIL: "bold red"}


def print_checks(checks: Sequence[Check]) -> None:
    """Print what a doctor found, a line each, and below what to do next."""
    for check in checks:
        out.print(f"[{_HEALTH_STYLES[check.health]}]{check.health:<4}[/] [bold]{check.name}[/bold]: {escape(check.text)}")
        if check.remedy:
            out.print(f"     → {escape(check.remedy)}")
