"""`anr verify`: core's, and with `--slack` the marks in the channel's messages."""

from typing import Annotated

import typer

from core.cli.commands import records
from core.cli.context import AsJson
from core.journal.marks import Marks
from core.settings.settings import Settings
from core.target.target import Target

commands = typer.Typer()


@commands.command()
def verify(
    *,
    expect: records.Expect = "",
    slack: Annotated[bool, typer.Option("--slack", help="Compare with the marks in the channel's messages.")] = False,
    alone: records.Alone = False,
    as_json: AsJson = False,
) -> None:
    """Check everything that is believed of the receipts: rows, requests, files, the chain, and the marks outside of it."""
    records.verify_and_print(expect, alone=alone, as_json=as_json, further=_channel if slack else records.nowhere)


def _channel(settings: Settings, target: Target) -> tuple[Marks, ...]:
    from bot.slack.channel_marks import channel_marks  # noqa: PLC0415 - slack_sdk is slow to import, and only this needs it

    marks = channel_marks(settings.slack, target.settings.channel or settings.slack.channel, target.settings.name)
    memory = target.witness.marks()
    if marks.marks and not memory.marks and not memory.problem:
        # the bot remembers each mark that it posts: somebody took that away
        return (marks, Marks(memory.source, problem="it is gone, although the channel has shown marks", outside=False))
    return (marks,)
