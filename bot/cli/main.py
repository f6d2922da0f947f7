"""Adds the bot's commands to core's: `anr bot`, `anr doctor`, `anr demo` and `anr manifest`."""

import gc

from core.cli.app import COMMANDS, app, run

COMMANDS |= {"bot": "bot.cli.serving", "doctor": "bot.cli.doctor", "demo": "bot.cli.serving", "manifest": "bot.cli.manifest"}


def main() -> None:
    """Run the command line."""
    gc.disable()  # imports leave no garbage, and looking for it takes a tenth of a short command; `common` goes on with it
    try:
        run(app)
    finally:
        gc.freeze()  # the process ends: as much time again to look through all of it for the last time
