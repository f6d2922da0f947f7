"""`anr report`."""

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from core.canonical import parse_moment
from core.cli.context import AsJson, own_settings
from core.cli.output import err, out, print_json, working
from core.cli.said import NAMED_TARGET
from core.errors import ConfigurationError
from core.gates.evaluate import evaluate
from core.gates.report import NOT_ASKED, Report
from core.ledger.entry import CSV_COLUMNS, csv_row
from core.ledger.window import Window
from core.scan.measure import measure
from core.scan.scan import scan
from core.system.clock import utc_now
from core.system.files import write_durably

commands = typer.Typer()


@commands.command()
def report(
    *,
    ledger: Annotated[Path | None, typer.Option(help="Another ledger than the target's.")] = None,
    lookback_min: Annotated[int, typer.Option(min=1, max=44640, help="Length of the window, in minutes.")] = 1440,
    now: Annotated[str, typer.Option(help="End of the window, RFC 3339; makes the report reproducible.")] = "",
    as_json: AsJson = False,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Also write the window's entries to this file.")] = None,
) -> None:
    """Print the go/no-go report. With the same ledger and the same --now it is the same to the byte."""
    settings = own_settings(required=ledger is None)
    target = settings.target_named(NAMED_TARGET.get())
    if csv_file is not None and ledger is None and target.ledger_is_a_table:
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
        window = Window.ending(moment, lookback_min, clock=utc_now())
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
        from core.router.health import ask_slots  # noqa: PLC0415 - as below
        from core.target.target import Target  # noqa: PLC0415 - slow to import, and a report that can be made again asks nothing of this moment

        gates = Target.at(target, settings.access).held_against_gates(metrics, ask_slots(target), leaving_zero=False)
    found = Report(metrics, gates)
    if csv_file is not None:
        try:
            write_durably(csv_file, rows.getvalue().encode(), mode=0o644)
        except OSError as error:
            raise ConfigurationError(f"{csv_file} cannot be written ({error.strerror or error}). No CSV was made.") from error
    if as_json:
        print_json(found.as_json())
    else:
        from core.cli.tables import print_gates  # noqa: PLC0415 - rich's tables are slow to import, and JSON needs none

        print_gates(found.gates.gates, title="GO" if found.gates.go else "NO-GO")
        skipped = ", ".join(f"{count:,} {kind}" for kind, count in metrics.skipped.items() if count)
        out.say(f"{metrics.figures.decisions:,} decisions, {metrics.figures.live:,} live; skipped: {skipped or 'none'}")
        if not metrics.span.in_order:
            minutes = target.reading.slack_minutes
            err.say(f"Times in the ledger are out of order by more than {minutes} minutes, so that all of it was read.")
