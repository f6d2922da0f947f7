"""`anr manifest`."""

from typing import Annotated

import typer

from bot.slack.manifest import MANIFEST, manifest_over_http
from core.cli.output import print_json

commands = typer.Typer()


@commands.command()
def manifest(
    http: Annotated[
        str | None, typer.Option("--http", help="For HTTP mode: where Slack reaches the bot, as https://anr.example.com.")
    ] = None,
) -> None:
    """Print the Slack app's manifest, to be pasted at api.slack.com/apps; for Socket Mode unless `--http` is given."""
    print_json(MANIFEST if http is None else manifest_over_http(http))
