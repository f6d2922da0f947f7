"""Adds the bot's commands to core's: `anr bot`, `anr doctor` and `anr demo`."""

from core.cli import COMMANDS, app, run

COMMANDS |= {"bot": "bot.cli_serving", "doctor": "bot.cli_doctor", "demo": "bot.cli_serving"}


def main() -> None:
    """Run the command line."""
    run(app)
