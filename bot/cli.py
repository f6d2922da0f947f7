"""Adds the bot's commands to core's: `anr bot`, `anr doctor`, `anr demo` and `anr manifest`."""

import gc

from core.cli import COMMANDS, app, run

COMMANDS |= {"bot": "bot.cli_serving", "doctor": "bot.cli_doctor", "demo": "bot.cli_serving", "manifest": "bot.cli_manifest"}


def main() -> None:
    """Run the command line."""
    gc.disable()  # imports leave no garbage, and looking for it takes a tenth of a short command; `common` goes on with it
    try:
        run(app)
    finally:
        gc.freeze()  # the process ends: as much time again to look through all of it for the last time
