"""`anr journal`: copy it, check it, make it again."""

import typer

from core.cli.context import AsJson, examining, operating
from core.cli.output import FAILED, err, out, print_json
from core.cli.render import finish
from core.rollout.refusals import Refuse
from core.settings.settings import load
from core.upkeep import journal_copy

commands = typer.Typer()
_journal = typer.Typer(no_args_is_help=True, help="Copy the journal, check it with its copies, or make it again from receipts.")
commands.add_typer(_journal, name="journal")


@_journal.callback()
def journal() -> None:
    """Copy the journal, check it with its copies, or make it again from receipts."""


@_journal.command()
def backup(*, as_json: AsJson = False) -> None:
    """Copy the journal while others write, read the copy back, and delete the copies that are one too many."""
    with examining(load()) as (_, target):
        copy = journal_copy.copy_journal(target)
    if as_json:
        print_json({"copy": str(copy.path), "made_at": copy.made_at.isoformat(), "size": copy.size})
    else:
        out.say(f"The journal was copied to {copy.path} ({copy.size:,} bytes), and the copy verifies.")


@_journal.command()
def check(*, as_json: AsJson = False) -> None:
    """Check the database, its rows, the receipts' files, and every copy; marks outside are `anr verify`'s."""
    with examining(load()) as (_, target):
        problems = list(journal_copy.wrong_with_journal(target))
        copied = journal_copy.newest_copy(target, target.clock())
    if as_json:
        print_json({"problems": problems, "copies": copied})
    else:
        for problem in problems:
            err.say(problem)
        if not problems:
            out.say("The database is whole, and rows, requests, files and copies say the same.")
        out.say(copied)
    if problems:
        raise typer.Exit(FAILED)


@_journal.command()
def rebuild(*, as_json: AsJson = False) -> None:
    """Make a journal that was lost again from the receipts' files, to the byte; never over one that has receipts."""
    with operating() as (me, target):
        built = journal_copy.rebuild(target, me)
    if isinstance(built, Refuse):
        finish(built, as_json=as_json)
        return
    if as_json:
        print_json({"receipts": len(built.sealed), "head": built.sealed[-1].digest, "unproven_requests": list(built.unproven)})
        return
    out.say(
        f"{len(built.sealed)} receipts and {built.requests} requests are in the journal again, up to {built.sealed[-1].mark}."
    )
    out.say("Whether files were missing at the end only a mark outside can tell: compare that one with the newest message.")
    if built.unproven:
        err.say(
            f"No digest confirms requests {', '.join(built.unproven)}: those that wait have to be denied and asked for again."
        )
