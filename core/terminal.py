"""How results look in a terminal: sentences, tables, JSON, progress, and the exit code that a result means.

Excluded: the commands (core/cli.py).
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from core import braking, operations
from core.decisions import Refuse
from core.gates import Gate, Verdict
from core.overview import Overview
from core.site import OnProgress

REFUSED, USAGE, FAILED = 1, 2, 3
PATIENCE_SECONDS = 1.0
"""What lasts longer than this shows its progress."""

out, err = Console(), Console(stderr=True)

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.NO_DATA: "yellow", Verdict.NOT_APPLICABLE: "dim"}


@contextmanager
def reading(what: str, console: Console = err) -> Iterator[OnProgress]:
    """Yield what shows a bar on the error stream once reading has lasted a second; nothing where nobody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(what, total=None)
    begun = time.monotonic()

    def show(read: int, size: int) -> None:
        if not bar.live.is_started and time.monotonic() - begun >= PATIENCE_SECONDS:
            bar.start()
        bar.update(task, completed=read, total=size)

    try:
        yield show
    finally:
        bar.stop()


def finish(result: object) -> None:  # noqa: C901 - one arm a kind of result
    """Say how it ended, and end with the exit code that means it."""
    match result:
        case operations.Refused(refusal=refusal):
            _refused(refusal)
        case Refuse():
            _refused(result)
        case operations.Asked(approval=approval):
            out.print(f"Asked: {approval.from_stage} → {approval.to_stage} %. Somebody else runs `anr approve {approval.id}`.")
        case operations.WouldMove(decision=decision):
            out.print(f"Dry run: {decision.from_stage} → {decision.to_stage} % would be possible. Nothing was changed.")
        case operations.Moved(sealed=sealed):
            receipt = sealed.receipt
            out.print(
                f"{receipt.action}: {receipt.result or 'recorded'}, stage {receipt.stage_after} %. {sealed.mark}",
                escape(receipt.note),
            )
            if receipt.result is not None and not result.applied:
                raise typer.Exit(FAILED)
        case operations.Ended(approval=approval):
            err.print(f"Request {approval.id} is {approval.status}. {escape(approval.note)}")
            raise typer.Exit(REFUSED)
        case braking.Braked(safe=safe, problems=problems, sealed=sealed):
            out.print("The router is in its safe settings." if safe else "[bold red]The router may not be safe.[/bold red]")
            out.print(sealed.mark if sealed else "Not recorded yet.")
            for problem in problems:
                err.print(escape(problem))
            if problems:
                raise typer.Exit(FAILED)
        case braking.Unfrozen(lifted=lifted, left=left):
            out.print(f"{len(lifted)} lifted, {len(left)} left. The router stays at 0 %.")
        case _:
            raise TypeError(f"nothing says how to end with {type(result).__name__}")


def _refused(refusal: Refuse) -> None:
    err.print(escape(refusal.text))
    for blocker in refusal.blockers:
        err.print(f"  {escape(blocker)}")
    raise typer.Exit(REFUSED)


def print_overview(seen: Overview) -> None:
    """Print stage, holds, requests and gates on the output, and what is wrong on the error stream."""
    state = seen.state
    stage = "unknown" if state is None or state.stage is None else f"{state.stage} %"
    frozen = "unknown whether frozen" if state is None else "FROZEN" if state.frozen else "not frozen"
    out.print(f"[bold]{escape(seen.target)}[/bold]: stage {stage}, {frozen}")
    for hold in state.holds if state else ():
        out.print(f"  hold {hold.id}: {escape(hold.reason)} ({escape(hold.actor.id)}, {hold.since:%Y-%m-%d %H:%M} UTC)")
    for one in seen.pending:
        out.print(f"  request {one.id}: {one.from_stage} → {one.to_stage} % by {escape(one.requester.id)}")
    if seen.report is not None:
        print_gates(seen.report.gates.gates, title="GO" if seen.report.gates.go else "NO-GO")
    for problem in seen.problems:
        err.print(f"[yellow]{escape(problem)}[/yellow]")


def print_gates(gates: tuple[Gate, ...], *, title: str) -> None:
    """Print the gates as a table."""
    table = Table("gate", "verdict", "reason", title=title)
    for gate in gates:
        table.add_row(gate.name, f"[{_STYLES[gate.verdict]}]{gate.verdict}[/]", escape(gate.reason))
    out.print(table)


def print_json(value: Any) -> None:
    """Print one line of JSON whose bytes depend on the value alone."""
    sys.stdout.write(json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
