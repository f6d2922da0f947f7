"""Adds the bot's commands to core's: `anr bot`, `doctor`, `demo`, `docs`, `manifest`, and `anr verify --slack`."""

import gc

from core.cli.app import COMMANDS, Listed, app, run

COMMANDS |= {
    "verify": Listed("bot.cli.verify", COMMANDS["verify"].summary),
    "bot": Listed("bot.cli.serving", "Run the Slack bot until it is stopped."),
    "doctor": Listed("bot.cli.doctor", "Examine everything that operating the router depends on, and say what to do next."),
    "demo": Listed("bot.cli.serving", "Start a local Slack workspace, a simulated router and the bot, and print where to look."),
    "docs": Listed("bot.cli.docs", "Print a page of the documentation, or a file of ops/; the list of them without a NAME."),
    "manifest": Listed(
        "bot.cli.manifest",
        "Print the Slack app's manifest, to be pasted at api.slack.com/apps; for Socket Mode unless `--http` is given.",
    ),
}


def main() -> None:
    """Run the command line."""
    gc.disable()  # imports leave no garbage, and looking for it takes a tenth of a short command; core/cli/app.py goes on with it
    try:
        run(app)
    finally:
        gc.freeze()  # the process ends: as much time again to look through all of it for the last time
