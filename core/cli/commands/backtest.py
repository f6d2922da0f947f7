"""`anr backtest`."""

from datetime import date
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from core.backtest.history import PastDecisions
from core.backtest.judge import Rules, judge_days, span_of, verdict_counts, with_bound
from core.backtest.ledgers import columns_of
from core.cli.context import AsJson, own_settings
from core.cli.output import out, print_json, working
from core.cli.said import NAMED_TARGET
from core.errors import ConfigurationError
from core.scan.family import siblings_of
from core.settings.target import TargetSettings
from core.system.files import write_durably

commands = typer.Typer()

_MAX_DAYS = 400
_CAPTION = "rb/1k: rollbacks per 1,000 live decisions; frozen at: UTC, first freeze by the guard in the 24 h before the run"


@commands.command()
def backtest(
    ledgers: Annotated[
        list[Path] | None, typer.Argument(help="Ledgers, also .gz, .bz2, .xz; the target's and its archives if left out.")
    ] = None,
    *,
    first: Annotated[str, typer.Option("--from", help="First day, as 2025-09-01.")],
    last: Annotated[str, typer.Option("--to", help="Last day, as 2025-09-30.")],
    gate: Annotated[list[str] | None, typer.Option("--gate", help="Another bound than the settings', as rsi=0.9.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Also draw the days into this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge past days by the gates: which would have been GO, and on which the guard would have frozen."""
    target = own_settings(required=not ledgers).target_named(NAMED_TARGET.get())
    begin, end = _days(first, last)
    policy = target.gates
    for text in gate or ():
        try:
            policy = with_bound(policy, text)
        except ValidationError as error:
            raise ConfigurationError(f"--gate {text}: {error.errors()[0]['msg']}. Nothing was measured.") from None
        except ValueError as error:
            raise ConfigurationError(f"--gate {error}. Nothing was measured.") from None
    rules = Rules(policy, target.guard, target.schedule, target.window_minutes)
    span = span_of(begin, end, rules)
    with working() as on_progress:
        parts = chain.from_iterable(
            columns_of(path, span, target.reading, on_progress, rotated=not ledgers and path == target.ledger)
            for path in ledgers or _all_of(target)
        )
        days = list(judge_days(PastDecisions(parts, span.start_us, span.end_us, policy.fast_cap), begin, end, rules))
    if png is not None:
        from core.backtest.chart import draw  # noqa: PLC0415 - matplotlib is slow to import

        try:
            write_durably(png, draw(days, policy), mode=0o644)
        except OSError as error:
            raise ConfigurationError(f"{png} cannot be written ({error.strerror or error}). No picture was made.") from error
    if as_json:
        print_json({"days": [day.as_json() for day in days], **verdict_counts(days)})
        return
    table = Table("day", "gates", "in the way", "RSI", "rb/1k", "TRI Δ", "decisions", "frozen at", caption=_CAPTION)
    for column in ("day", "gates", "RSI", "decisions", "frozen at"):
        next(column_of_table for column_of_table in table.columns if column_of_table.header == column).no_wrap = True
    for day in days:
        figures = day.metrics.figures
        blocking = ", ".join(f"{blocker.name} {blocker.verdict}" for blocker in day.blocking)
        shares = (_number(figures.rsi), _number(figures.rollbacks_per_1k), _number(figures.tri_median))
        frozen = "" if day.trip is None else f"{day.trip.looks[-1].at:%m-%d %H:%M}"
        table.add_row(str(day.date), "GO" if day.go else "NO-GO", escape(blocking), *shares, f"{figures.decisions:,}", frozen)
    out.print(table)
    counts = verdict_counts(days)
    out.print(f"{counts['go']} GO, {counts['no_go']} NO-GO, {counts['frozen']} with a freeze.")
    out.print("The health of slots is not kept, so that its gate is left out.")


def _days(first: str, last: str) -> tuple[date, date]:
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError as error:
        raise ConfigurationError(f"--from and --to take days, as 2025-09-01 ({error}). Nothing was measured.") from error
    if not 0 <= (end - begin).days < _MAX_DAYS:
        raise ConfigurationError(f"--from has to be before --to, and at most {_MAX_DAYS} days. Nothing was measured.")
    return begin, end


def _all_of(target: TargetSettings) -> list[Path]:
    beside = {target.ledger, *siblings_of(target.ledger, target.reading.other_ledgers)}  # they are read with the ledger
    archives = sorted(path for path in target.archive_dir.glob("*.ndjson*") if path.is_file() and path not in beside)
    return [*archives, target.ledger]


def _number(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.4g}"
