"""`anr status`, `why` and `next`."""

import typer
from rich.markup import escape

from core.actors import Actor
from core.cli.context import AsJson, operating, overview_of
from core.cli.output import REFUSED, out, print_json
from core.cli.tables import print_overview
from core.rollout.blockers import Blocker
from core.rollout.outlook import insight_into

commands = typer.Typer()


@commands.command()
def why(*, as_json: AsJson = False) -> None:
    """List everything that stands in the way of the next promotion, with its owner and how to lift it."""
    with operating() as (_, target):
        found = overview_of(target)
        seen = insight_into(found.now, found.blockers, found.question, target.settings.schedule)
    if as_json:
        print_json(seen.as_json())
    else:
        for blocker in seen.blockers:
            _print(blocker)
        if seen.does_not_count:
            out.say(seen.does_not_count)
        if not seen.blockers:
            out.print("Nothing stands in the way of the next promotion.")
    if seen.blockers:
        raise typer.Exit(REFUSED)


@commands.command("next")
def ahead(*, as_json: AsJson = False) -> None:
    """Say the earliest possible promotion, and what the next scheduled run will do."""
    with operating() as (_, target):
        found = overview_of(target)
        seen = insight_into(found.now, found.blockers, found.question, target.settings.schedule)
    if as_json:
        print_json(seen.as_json())
        return
    for line in seen.lines():
        out.say(line)
    for blocker in seen.ahead.first:
        _print(blocker)


def _print(blocker: Blocker) -> None:
    alone = " (stops the scheduled run; a person may ask)" if blocker.scheduled_only else ""
    out.print(f"[bold]{blocker.code}[/bold]{alone}: {escape(blocker.text)}")
    out.print(f"  owner: {escape(_name(blocker.owner))} · to lift it: {escape(blocker.lift)}")


def _name(whose: Actor | str) -> str:
    return whose.id if isinstance(whose, Actor) else whose


@commands.command()
def status(*, as_json: AsJson = False) -> None:
    """Print stage, holds, requests and gates; a part that cannot be read says so and hides nothing else."""
    with operating() as (_, target):
        seen = overview_of(target)
    if as_json:
        print_json(seen.as_json())
    else:
        print_overview(seen)
