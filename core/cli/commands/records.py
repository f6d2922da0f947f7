"""`anr receipts`, `verify` and `recover`."""

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from core.cli.context import AsJson, operating
from core.cli.output import FAILED, err, out, print_json
from core.journal import verification
from core.receipts.observation import acted, to_do, told

commands = typer.Typer()


@commands.command()
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
        cells = (one.mark, f"{receipt.ts:%Y-%m-%d %H:%M:%S}", receipt.action, receipt.phase, receipt.ended, moved)
        table.add_row(*(escape(str(cell)) for cell in cells), escape(receipt.actor.id))
    out.print(table)


@commands.command()
def verify(
    *,
    expect: Annotated[str, typer.Option(help="A mark from a message, as 12:0c6082f58fd0; it has to be in the chain.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check that no receipt was altered, removed or swapped, in the journal and in the files."""
    with operating() as (_, site):
        found = verification.verify(site.journal, site.witness, expect)
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


@commands.command()
def recover() -> None:
    """Settle what died half-way: late records, an intent without an outcome, missing files."""
    from core.watch import recover as recovering  # noqa: PLC0415 - to read receipts, nothing of the upkeep is needed
    from core.watch.observe import follow  # noqa: PLC0415 - as above

    with operating() as (_, site):
        done = recovering.recover(site)
        seen = None if done.expected is None else follow(site, done.expected)
    settled = ", ".join(one.mark for one in (done.settled, *done.overtaken) if one is not None) or "nothing"
    out.say(f"{len(done.late)} recorded late, {settled} settled, {done.files} receipt files written again.")
    if done.made_safe is not None:
        out.say(f"The router was put in its safe settings, which the record did not say: {done.made_safe.mark}")
    if seen is not None:
        out.say(f"{acted(seen)} {told(seen)}")
    wrong = (*done.problems, *filter(None, (done.unfinished, to_do(seen) if seen is not None and seen.sight.contradicts else "")))
    for sentence in wrong:
        err.say(sentence)
    if wrong:
        raise typer.Exit(FAILED)


def _stage(stage: int | None) -> str:
    return "?" if stage is None else f"{stage}"
