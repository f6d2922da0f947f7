"""The command line: `anr …`. The same operations and the same policy as in Slack; the operating-system user acts.

Exit codes: 0 done, 1 refused by gates or policy, 2 wrong usage or settings, 3 the operation failed.
"""

import csv
import io
import json
import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core import braking, operations, recovery
from core.actuation import Order
from core.approvals import Approval
from core.canonical import parse_moment
from core.decisions import Refuse
from core.errors import AnrError, ConfigurationError
from core.files import write_durably
from core.gates import NOT_ASKED, Gate, Verdict, evaluate
from core.ledger import CSV_COLUMNS, csv_row
from core.ledger_scan import scan
from core.receipts import Sealed
from core.settings import load
from core.site import Report, Site, observed, utc_now

REFUSED, USAGE, FAILED = 1, 2, 3

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Operate the progressive rollout of the ANR router.")
out, err = Console(), Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the receipt.")]
_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.NO_DATA: "yellow", Verdict.NOT_APPLICABLE: "dim"}


def run(application: typer.Typer) -> None:
    """Run the command line; errors that are foreseen become a sentence and an exit code.

    Raises:
        SystemExit: always, with the exit code.
    """
    try:
        application()
    except ConfigurationError as error:
        err.print(escape(str(error)))
        sys.exit(USAGE)
    except AnrError as error:
        err.print(escape(str(error)))
        sys.exit(FAILED)


@app.callback()
def common(*, verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens.")] = False) -> None:
    """Operate the progressive rollout of the ANR router."""
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(asctime)s %(levelname)s %(name)s %(message)s")


@app.command()
def init(reason: Reason = "") -> None:
    """Record the stage that the router's settings show, as the journal's first receipt."""
    settings = load()
    _finish(operations.init(Site.at(settings.target, settings.access), settings.terminal_actor(), reason))


@app.command()
def report(
    *,
    ledger: Annotated[Path | None, typer.Option(help="Another ledger than the target's.")] = None,
    lookback_min: Annotated[int, typer.Option(min=1, max=44640, help="Length of the window, in minutes.")] = 1440,
    now: Annotated[str, typer.Option(help="End of the window, RFC 3339; makes the report reproducible.")] = "",
    as_json: AsJson = False,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Also write the window's entries to this file.")] = None,
) -> None:
    """Print the go/no-go report. With the same ledger and the same --now it is the same to the byte."""
    target = load().target
    try:
        moment = parse_moment(now) if now else utc_now()
    except ValueError as error:
        raise ConfigurationError(f"--now: {error}. Nothing was measured.") from error
    rows = io.StringIO(newline="")
    writer = csv.writer(rows)
    writer.writerow(CSV_COLUMNS)
    metrics = scan(
        ledger or target.ledger,
        now=moment,
        minutes=lookback_min,
        fast_cap=target.gates.fast_cap,
        on_entry=(lambda entry: writer.writerow(csv_row(entry))) if csv_file else None,
    )
    slots = NOT_ASKED
    if not now and ledger is None:
        site = Site.at(target, load().access)
        slots = site.router.slots()
    found = Report(metrics, evaluate(metrics, slots, target.gates))
    if csv_file is not None:
        try:
            write_durably(csv_file, rows.getvalue().encode(), mode=0o644)
        except OSError as error:
            raise ConfigurationError(f"{csv_file} cannot be written ({error.strerror or error}). No CSV was made.") from error
    if as_json:
        _print_json(found.as_json())
    else:
        _print_gates(found.gates.gates, title="GO" if found.gates.go else "NO-GO")
        skipped = ", ".join(f"{count:,} {kind}" for kind, count in metrics.skipped.items() if count)
        out.print(f"{metrics.figures.decisions:,} decisions, {metrics.figures.live:,} live; skipped: {skipped or 'none'}")


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Print stage, holds, requests and gates; a part that cannot be read says so and hides nothing else."""
    settings = load()
    site = Site.at(settings.target, settings.access)
    problems: list[str] = []
    state, found = None, None
    pending: tuple[Approval, ...] = ()
    try:
        state, pending = site.journal.state(), site.journal.pending()
    except AnrError as error:
        problems.append(str(error))
    shown, unreadable = observed(site)
    problems.extend([unreadable] if unreadable else [])
    if state is not None and shown is not None and state.stage not in {None, shown.stage}:
        problems.append(f"Drift: the settings serve {shown.stage} %, the journal says {state.stage} %.")
    try:
        found = site.measure(site.clock(), leaving_zero=state is not None and state.stage == 0)
    except AnrError as error:
        problems.append(str(error))
    if as_json:
        facts = {
            "target": settings.target.name,
            "state": state.model_dump(mode="json") if state else None,
            "settings": dict(shown.values) if shown else None,
            "pending": [one.model_dump(mode="json") for one in pending],
            "report": found.as_json() if found else None,
            "problems": problems,
        }
        _print_json(facts)
        return
    stage = "unknown" if state is None or state.stage is None else f"{state.stage} %"
    out.print(
        f"[bold]{escape(settings.target.name)}[/bold]: stage {stage}, {'FROZEN' if state and state.frozen else 'not frozen'}"
    )
    for hold in state.holds if state else ():
        out.print(f"  hold {hold.id}: {escape(hold.reason)} ({escape(hold.actor.id)}, {hold.since:%Y-%m-%d %H:%M} UTC)")
    for one in pending:
        out.print(f"  request {one.id}: {one.from_stage} → {one.to_stage} % by {escape(one.requester.id)}")
    if found is not None:
        _print_gates(found.gates.gates, title="GO" if found.gates.go else "NO-GO")
    for problem in problems:
        err.print(f"[yellow]{escape(problem)}[/yellow]")


@app.command()
def promote(
    stage: Annotated[int | None, typer.Argument(help="Stage in percent; the next one if it is left out.")] = None,
    *,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")] = False,
) -> None:
    """Ask for a move on the ladder: a step up waits for an approval, a move down happens at once."""
    settings = load()
    site = Site.at(settings.target, settings.access)
    _finish(operations.propose(site, Order(settings.terminal_actor(), reason), wanted=stage, dry_run=dry_run))


@app.command()
def approve(request: str) -> None:
    """Approve a request and carry it out, after checking everything again."""
    settings = load()
    _finish(operations.approve(Site.at(settings.target, settings.access), settings.terminal_actor(), request))


@app.command()
def deny(request: str, reason: Reason = "") -> None:
    """End a request with a no."""
    settings = load()
    ended = operations.deny(Site.at(settings.target, settings.access), settings.terminal_actor(), request, reason)
    if isinstance(ended, operations.Ended):
        out.print(f"Request {ended.approval.id} is {ended.approval.status}.")
        return
    _finish(ended)


@app.command()
def rollback(reason: Reason = "") -> None:
    """Put the router in its safe settings at once."""
    settings = load()
    _finish(braking.rollback(Site.at(settings.target, settings.access), settings.terminal_actor(), reason))


@app.command()
def freeze(reason: Reason = "") -> None:
    """Roll back at once, and hold every promotion."""
    settings = load()
    _finish(braking.freeze(Site.at(settings.target, settings.access), settings.terminal_actor(), reason))


@app.command()
def unfreeze(
    holds: Annotated[list[str] | None, typer.Argument(help="Ids of holds; all if left out.")] = None, reason: Reason = ""
) -> None:
    """Lift holds; the router stays at 0 %."""
    settings = load()
    site = Site.at(settings.target, settings.access)
    _finish(braking.unfreeze(site, settings.terminal_actor(), reason, frozenset(holds or ())))


@app.command()
def receipts(*, last: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 5, as_json: AsJson = False) -> None:
    """Print the last receipts."""
    settings = load()
    found = Site.at(settings.target, settings.access).journal.receipts(last=last)
    if as_json:
        _print_json([json.loads(one.data) for one in found])
        return
    table = Table("receipt", "time (UTC)", "action", "phase", "result", "stage", "by")
    for one in found:
        receipt = one.receipt
        moved = "" if receipt.stage_after is None else f"{receipt.stage_before} → {receipt.stage_after}"
        cells = (one.mark, f"{receipt.ts:%Y-%m-%d %H:%M:%S}", receipt.action, receipt.phase, receipt.result or "", moved)
        table.add_row(*(escape(str(cell)) for cell in cells), escape(receipt.actor.id))
    out.print(table)


@app.command()
def verify(
    *,
    expect: Annotated[str, typer.Option(help="A mark that a message showed, as SEQ:HEX; it has to be in the chain.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check that no receipt was altered, removed or swapped, in the journal and in the files."""
    settings = load()
    sealed, flaws = Site.at(settings.target, settings.access).journal.verify()
    problems = [flaw.problem for flaw in flaws]
    if expect and not _is_in(sealed, expect):
        problems.append(f"{expect} is not in the chain: receipts were cut off or replaced")
    if as_json:
        _print_json({"receipts": len(sealed), "head": sealed[-1].digest if sealed else None, "flaws": problems})
    else:
        for problem in problems:
            err.print(escape(problem))
        if not problems:
            out.print(f"All {len(sealed)} receipts verify." + (f" The newest is {sealed[-1].mark}." if sealed else ""))
    if problems:
        raise typer.Exit(FAILED)


@app.command()
def recover() -> None:
    """Settle what died half-way: late records, an intent without an outcome, missing files."""
    settings = load()
    done = recovery.recover(Site.at(settings.target, settings.access))
    settled = done.settled.mark if done.settled else "nothing"
    out.print(f"{len(done.late)} recorded late, {settled} settled, {done.files} receipt files written again.")


@app.command()
def daily(*, dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")] = False) -> None:
    """Make today's scheduled run: report, and promote when GO. Once per local date."""
    settings = load()
    site = Site.at(settings.target, settings.access)
    today = datetime.now(ZoneInfo(settings.schedule.zone)).date()
    ran = operations.daily(site, today, settings.schedule.promotion, dry_run=dry_run)
    if isinstance(ran, operations.DailyRun):
        _print_gates(ran.report.gates.gates, title="GO" if ran.report.gates.go else "NO-GO")
        _finish(ran.outcome)
        return
    _finish(ran)


def _finish(result: object) -> None:  # noqa: C901 - one arm a kind of result
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


def _print_gates(gates: tuple[Gate, ...], *, title: str) -> None:
    table = Table("gate", "verdict", "reason", title=title)
    for gate in gates:
        table.add_row(gate.name, f"[{_STYLES[gate.verdict]}]{gate.verdict}[/]", escape(gate.reason))
    out.print(table)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def _is_in(sealed: tuple[Sealed, ...], expect: str) -> bool:
    seq, _, digest = expect.partition(":")
    return any(str(one.receipt.seq) == seq and len(digest) >= 12 and one.digest.startswith(digest) for one in sealed)
