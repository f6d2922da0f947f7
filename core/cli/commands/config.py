"""`anr config check`."""

from dataclasses import asdict

import typer

from core.cli.context import AsJson
from core.cli.output import USAGE, err, out, print_json
from core.errors import ConfigurationError
from core.settings.in_force import in_force
from core.settings.settings import as_written, load
from core.settings.terminal import at_terminal

commands = typer.Typer()
config_app = typer.Typer(no_args_is_help=True, help="Look at the options that are in force.")
commands.add_typer(config_app, name="config")


@config_app.command()
def check(*, as_json: AsJson = False) -> None:
    """Print every option in force and where it comes from; or everything that is wrong, with its place and what to write."""
    try:
        settings, written = load(), as_written()
        found = in_force(settings, written)
    except ConfigurationError as error:
        if as_json:
            print_json({"mistakes": error.mistakes or [str(error)], "options": []})
        for mistake in error.mistakes or (str(error),):
            err.say(mistake)
        raise typer.Exit(USAGE) from None
    told = {target.name: at_terminal(settings, target).distrust for target in settings.every_target}
    if as_json:
        notes = [*settings.unread_secrets, *filter(None, told.values())]
        print_json(
            {"file": str(written.file) if written.file else None, "notes": notes, "options": [asdict(one) for one in found]}
        )
        return
    out.write(f"# {written.file or 'no file: variables alone'}\n" + "".join(f"{option.line()}\n" for option in found))
    for unread in settings.unread_secrets:
        err.say(f"{unread} Only the bot needs it.")
    for name, distrust in told.items():
        if distrust:
            err.say(f"{name}: of these options nothing that could raise traffic counts for you here. {distrust}")
