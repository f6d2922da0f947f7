"""`anr status`."""

import typer

from core.cli_options import AsJson
from core.cli_site import operating
from core.overview import look
from core.terminal import print_json
from core.views import print_overview

commands = typer.Typer()


@commands.command()
def status(*, as_json: AsJson = False) -> None:
    """Print stage, holds, requests and gates; a part that cannot be read says so and hides nothing else."""
    with operating() as (_, site):
        seen = look(site)
    if as_json:
        print_json(seen.as_json())
    else:
        print_overview(seen)
