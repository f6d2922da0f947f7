"""`anr receipts`, `verify` and `recover`."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from core.canonical import canonical_bytes
from core.cli.context import AsJson, examining, operating, own_settings
from core.cli.output import FAILED, err, out, print_json
from core.errors import JournalCorrupt
from core.journal import verification
from core.journal.marks import Mark, Marks
from core.journal.signed_heads import head_of, signed
from core.receipts.observation import acted, to_do, told
from core.settings.settings import Settings
from core.target.target import Target

commands = typer.Typer()
_receipts = typer.Typer(help="Print the last receipts, or export them all.")
commands.add_typer(_receipts, name="receipts")
_HOW_TO_COMPARE = (
    "Compare with a message (`--expect`), with the channel (`--slack`), or set a witness; `--alone` asks for no mark."
)
Expect = Annotated[str, typer.Option(help="A mark from a message, as 12:0c6082f58fd0; it has to be in the chain.")]
Alone = Annotated[bool, typer.Option("--alone", help="Be content without any mark outside of the journal.")]


@_receipts.callback(invoke_without_command=True)
def receipts(
    context: typer.Context,
    *,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Print the last receipts, or export them all."""
    if context.invoked_subcommand is not None:
        return
    with operating() as (_, target):
        found = target.journal.receipts(last=last)
    if as_json:
        print_json([json.loads(sealed.data) for sealed in found])
        return
    table = Table("receipt", "time (UTC)", "action", "phase", "result", "stage", "by")
    for sealed in found:
        receipt = sealed.receipt
        moved = "" if receipt.stage_after is None else f"{_stage(receipt.stage_before)} → {_stage(receipt.stage_after)}"
        cells = (sealed.mark, f"{receipt.ts:%Y-%m-%d %H:%M:%S}", receipt.action, receipt.phase, receipt.ended, moved)
        table.add_row(*(escape(str(cell)) for cell in cells), escape(receipt.actor.id))
    out.print(table)


@_receipts.command()
def export(
    *,
    after: Annotated[int, typer.Option(min=0, help="Only receipts with a higher number.")] = 0,
    heads: Annotated[bool, typer.Option("--head", help="Only the head, without the receipts.")] = False,
    sign: Annotated[bool, typer.Option("--sign", help="Sign the head: signing_command, or signing_key_file.")] = False,
) -> None:
    """Print receipts as JSON Lines, and after them the head: number and digest of the newest, signed if that is asked for.

    Each line is a receipt's own bytes, so that its SHA-256 is the digest that the next one names. Nothing is written, and no
    write lock is taken: another account may do this, and keep what it prints where nobody else can change it.
    """
    with examining(own_settings()) as (_, target):
        found = () if heads else target.journal.receipts(after=after)
        newest = Mark.of(found[-1]) if found else target.journal.head()
        if newest is None:
            raise JournalCorrupt("There are no receipts. Nothing was exported; `anr init` begins the journal.")
        head = head_of(newest, target.settings.name, target.clock())
        key_file, command = target.settings.signing_key_file, target.settings.signing_command
        line = signed(head, key_file=key_file, command=command) if sign else canonical_bytes(head)
    for data in (*(sealed.data for sealed in found), line):
        sys.stdout.write(data.decode("utf-8"))


@commands.command()
def verify(*, expect: Expect = "", alone: Alone = False, as_json: AsJson = False) -> None:
    """Check everything that is believed of the receipts: rows, requests, files, the chain, and the marks outside of it."""
    verify_and_print(expect, alone=alone, as_json=as_json)


def nowhere(_settings: Settings, _target: Target) -> tuple[Marks, ...]:
    """Return no further marks."""
    return ()


def verify_and_print(
    expect: str, *, alone: bool, as_json: bool, further: Callable[[Settings, Target], Sequence[Marks]] = nowhere
) -> None:
    """Verify, and say what was found and what it was compared with.

    Args:
        expect: a mark from a message.
        alone: be content without any mark outside of the journal.
        as_json: print JSON.
        further: returns what further places hold.

    Raises:
        typer.Exit: something does not hold, or nothing outside confirms it.
    """
    with examining(own_settings()) as (settings, target):
        places = (*target.witnesses.marks(), *verification.given(expect), *further(settings, target))
        found = verification.verify(target.journal, places, target.on_progress)
    problems = [flaw.problem for flaw in found.flaws]
    count, head = len(found.readable), found.head
    if as_json:
        print_json(
            {
                "receipts": count,
                "head": head.digest if head else None,
                "flaws": problems,
                "compared": {
                    comparison.source: str(comparison.newest) if comparison.newest else None for comparison in found.compared
                },
                "proven": found.proven,
                "unproven": found.unproven,
            }
        )
    else:
        for problem in problems:
            err.say(problem)
        if not problems and head is not None:
            held = "hold together, rows, requests and files" if found.unproven else "verify"
            out.say(f"All {count} receipts {held}. The newest is {head.mark}.")
        for line in (*map(str, found.compared), found.unseen):
            if line:
                out.say(line)
        if found.unproven:
            err.say(found.unproven)
        if found.readable and not found.proven and not alone:
            err.say(_HOW_TO_COMPARE)
    if not found.holds(alone=alone):
        raise typer.Exit(FAILED)


@commands.command()
def recover() -> None:
    """Settle what died half-way: late records, an intent without an outcome, missing files."""
    from core.watch import recover as recovering  # noqa: PLC0415 - to read receipts, nothing of the upkeep is needed
    from core.watch.observe import follow  # noqa: PLC0415 - as above

    with operating() as (_, target):
        done = recovering.recover(target)
        seen = None if done.expected is None else follow(target, done.expected)
    settled = ", ".join(sealed.mark for sealed in (done.settled, *done.overtaken) if sealed is not None) or "nothing"
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
