"""The command line: `anr …`. The same operations and the same policy as in Slack; the operating-system user acts.

Exit codes: 0 done, 1 refused by gates or policy, 2 wrong usage or settings, 3 the operation failed.
"""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from core import approving, emergency, holding, logs, operations, recovery, verification
from core.actors import Approvable
from core.actuation import Order
from core.canonical import parse_moment, parse_span
from core.cli_emergency import emergency_app
from core.cli_insight import insight_app
from core.cli_ledger import ledger_commands
from core.cli_options import NAMED_TARGET, VERBOSE, AsJson, Now, Reason, operating
from core.cli_upkeep import upkeep_app
from core.errors import AnrError, ConfigurationError
from core.files import write_durably
from core.gates import NOT_ASKED, evaluate
from core.ledger import CSV_COLUMNS, csv_row
from core.logs import logger
from core.metrics import Window
from core.overview import look
from core.report import Report
from core.settings import load
from core.site import Site, utc_now
from core.terminal import FAILED, USAGE, err, finish, out, print_gates, print_json, print_overview, working

log = logger(__name__)

EXIT_CODES = "Exit codes: 0 done · 1 refused by gates or policy · 2 wrong usage or settings · 3 the operation failed."


class _Group(TyperGroup):
    """The commands; `--verbose` may stand anywhere, as in the runbook's scripts."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move `--verbose` to the front, unless it comes after `--`."""
        end = args.index("--") if "--" in args else len(args)
        said = [word for word in args[:end] if word != "--verbose"]
        moved = ["--verbose"] * (len(said) < end)
        return super().parse_args(ctx, [*moved, *said, *args[end:]])


app = typer.Typer(cls=_Group, no_args_is_help=True, add_completion=False)
app.add_typer(insight_app)
app.add_typer(emergency_app)
app.add_typer(upkeep_app)
app.add_typer(ledger_commands)


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
    except Exception:  # the top of every command: the trace is shown, and the exit code is not that of a refusal
        log.exception("this was not foreseen")
        err.print("Something went wrong inside anr. Look at `anr status` before you go on; `anr recover` settles what was begun.")
        sys.exit(FAILED)


@app.callback(epilog=EXIT_CODES)
def common(
    context: typer.Context,
    *,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Name of the router, where there are several.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens, on the error stream.")] = False,
) -> None:
    """Operate the progressive rollout of the ANR router."""
    NAMED_TARGET.set(target)
    logs.configure(verbose=verbose)
    VERBOSE.set(verbose)
    logs.about(command=context.invoked_subcommand or "")


@app.command()
def init(reason: Reason = "") -> None:
    """Record the stage that the router's settings show, as the journal's first receipt."""
    with operating() as (settings, site):
        result = operations.init(site, settings.terminal_actor(), reason)
    finish(result)


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
    from core.ledger_scan import measure, scan  # noqa: PLC0415 - numpy is slow to import, and only measuring needs it

    settings = load()
    target = settings.target_named(NAMED_TARGET.get())
    if csv_file is not None and ledger is None and target.ledger_table.get_secret_value():
        raise ConfigurationError("A table has no CSV of its own: name a ledger file with --ledger. Nothing was measured.")
    try:
        moment = parse_moment(now) if now else utc_now()
    except ValueError as error:
        text = f"--now takes a time such as 2025-10-01T09:05:00Z (RFC 3339, with its offset), not {now!r}. Nothing was measured."
        raise ConfigurationError(text) from error
    rows = io.StringIO(newline="")
    writer = csv.writer(rows)
    writer.writerow(CSV_COLUMNS)
    with working() as on_progress:
        window = Window.ending(moment, lookback_min)
        if ledger is None and csv_file is None:
            metrics = measure(target, window, on_progress)
        else:
            metrics = scan(
                ledger or target.ledger,
                window,
                target.gates.fast_cap,
                options=target.reading,
                on_entry=(lambda entry: writer.writerow(csv_row(entry))) if csv_file else None,
                on_progress=on_progress,
            )
    # the health of slots and of the alert path is of this moment: a report on another ledger or another time does not ask
    if now or ledger:
        gates = evaluate(metrics, NOT_ASKED, target.gates)
    else:
        gates = Site.at(target, settings.access).held_against_gates(metrics, leaving_zero=False)
    found = Report(metrics, gates)
    if csv_file is not None:
        try:
            write_durably(csv_file, rows.getvalue().encode(), mode=0o644)
        except OSError as error:
            raise ConfigurationError(f"{csv_file} cannot be written ({error.strerror or error}). No CSV was made.") from error
    if as_json:
        print_json(found.as_json())
    else:
        print_gates(found.gates.gates, title="GO" if found.gates.go else "NO-GO")
        skipped = ", ".join(f"{count:,} {kind}" for kind, count in metrics.skipped.items() if count)
        out.print(f"{metrics.figures.decisions:,} decisions, {metrics.figures.live:,} live; skipped: {skipped or 'none'}")
        if not metrics.span.in_order:
            minutes = target.reading.slack_minutes
            err.print(f"Times in the ledger are out of order by more than {minutes} minutes, so that all of it was read.")


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Print stage, holds, requests and gates; a part that cannot be read says so and hides nothing else."""
    with operating() as (_, site):
        seen = look(site)
    if as_json:
        print_json(seen.as_json())
    else:
        print_overview(seen)


@app.command()
def promote(
    stage: Annotated[int | None, typer.Argument(help="Stage in percent; the next one if it is left out.")] = None,
    *,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a move on the ladder: a step up waits for an approval, a move down happens at once."""
    with operating() as (settings, site):
        result = operations.propose(site, Order(settings.terminal_actor(), reason), wanted=stage, dry_run=dry_run)
    finish(result, as_json=as_json)


@app.command()
def approve(request: str, *, as_json: AsJson = False) -> None:
    """Approve a request and carry it out, after checking everything again."""
    with operating() as (settings, site):
        result = approving.approve(site, settings.terminal_actor(), request)
    finish(result, as_json=as_json)


@app.command()
def deny(request: str, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """End a request with a no."""
    with operating() as (settings, site):
        result = approving.deny(site, settings.terminal_actor(), request, reason)
    finish(result, as_json=as_json)


@app.command()
def rollback(*, reason: Reason = "", now: Now = False, as_json: AsJson = False) -> None:
    """Put the router in its safe settings at once."""
    with operating() as (settings, site):
        result = emergency.brake(site, Approvable.ROLLBACK, Order(settings.terminal_actor(), reason), at_once=now)
    finish(result, as_json=as_json)


@app.command()
def freeze(
    *,
    reason: Reason = "",
    keep_stage: Annotated[bool, typer.Option("--keep-stage", help="Only hold promotions; leave the router as it is.")] = False,
    lasts: Annotated[str, typer.Option("--for", help="How long, as 90m, 2h or 3d; until it is lifted if left out.")] = "",
    now: Now = False,
    as_json: AsJson = False,
) -> None:
    """Roll back at once, and hold every promotion until the hold is lifted or its time is over."""
    span = parse_span(lasts)
    if lasts and span is None:  # a brake is not refused for a word: it acts, and lasts until somebody lifts it
        err.print(escape(f"{lasts!r} is no length of time such as 90m, 2h or 3d (at most 30d): the freeze has no end."))
    result: object
    with operating() as (settings, site):
        if keep_stage:
            result = holding.hold_promotions(site, Order(settings.terminal_actor(), reason), lasts=span)
        else:
            order = Order(settings.terminal_actor(), reason)
            result = emergency.brake(site, Approvable.FREEZE, order, lasts=span, at_once=now)
    finish(result, as_json=as_json)


@app.command()
def unfreeze(
    holds: Annotated[list[str] | None, typer.Argument(help="Ids of holds, or their first characters; all if left out.")] = None,
    *,
    reason: Reason = "",
    while_firing: Annotated[bool, typer.Option(help="Although an alert still fires; needs a reason.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lift holds; the router stays at 0 %."""
    with operating() as (settings, site):
        order = Order(settings.terminal_actor(), reason)
        result = operations.unfreeze(site, order, frozenset(holds or ()), while_firing=while_firing)
    finish(result, as_json=as_json)


@app.command()
def receipts(*, last: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 5, as_json: AsJson = False) -> None:
    """Print the last receipts."""
    with operating() as (_, site):
        found = site.journal.receipts(last=last)
    if as_json:
        print_json([json.loads(one.data) for one in found])
        return
    table = Table("receipt", "time (UTC)", "action", "phase", "result", "stage", "by")
    for one in found:
        receipt = one.receipt
        moved = "" if receipt.stage_after is None else f"{_stage(receipt.stage_before)} → {_stage(receipt.stage_after)}"
        cells = (one.mark, f"{receipt.ts:%Y-%m-%d %H:%M:%S}", receipt.action, receipt.phase, receipt.result or "", moved)
        table.add_row(*(escape(str(cell)) for cell in cells), escape(receipt.actor.id))
    out.print(table)


@app.command()
def verify(
    *,
    expect: Annotated[str, typer.Option(help="A mark from a message, as 12:0c6082f58fd0; it has to be in the chain.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check that no receipt was altered, removed or swapped, in the journal and in the files."""
    with operating() as (_, site):
        found = verification.verify(site, expect)
    problems = [flaw.problem for flaw in found.flaws]
    count, head = len(found.sealed), found.head
    if as_json:
        print_json({"receipts": count, "head": head.digest if head else None, "flaws": problems})
    else:
        for problem in problems:
            err.print(escape(problem))
        if not problems:
            out.print(f"All {count} receipts verify." + (f" The newest is {head.mark}." if head else ""))
    if problems:
        raise typer.Exit(FAILED)


@app.command()
def recover() -> None:
    """Settle what died half-way: late records, an intent without an outcome, missing files."""
    with operating() as (_, site):
        done = recovery.recover(site)
    settled = done.settled.mark if done.settled else "nothing"
    out.print(f"{len(done.late)} recorded late, {settled} settled, {done.files} receipt files written again.")
    if done.unfinished:
        err.print(escape(done.unfinished))
        raise typer.Exit(FAILED)


@app.command()
def daily(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make today's scheduled run: report, and promote when GO. Once per local date."""
    with operating() as (_, site):
        today = site.clock().astimezone(ZoneInfo(site.target.schedule.zone)).date()
        ran = operations.daily(site, today, site.target.schedule.promotion, dry_run=dry_run)
    if not isinstance(ran, operations.DailyRun):
        finish(ran, as_json=as_json)
        return
    if not as_json:
        print_gates(ran.report.gates.gates, title="GO" if ran.report.gates.go else "NO-GO")
    finish(ran.outcome, as_json=as_json)


def _stage(stage: int | None) -> str:
    return "?" if stage is None else f"{stage}"
