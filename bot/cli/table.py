"""Adds the bot's commands to core's: `anr bot`, `anr doctor`, `anr demo`, `anr manifest`, and `anr verify --slack`."""

from core.cli.app import COMMANDS, Listed

COMMANDS |= {
    "verify": Listed("bot.cli.verify", COMMANDS["verify"].summary),
    "bot": Listed("bot.cli.serving", "Run the Slack bot until it is stopped."),
    "doctor": Listed("bot.cli.doctor", "Examine everything that operating the router depends on, and say what to do next."),
    "demo": Listed("bot.cli.serving", "Start a local Slack workspace, a simulated router and the bot, and print where to look."),
    "manifest": Listed(
        "bot.cli.manifest",
        "Print the Slack app's manifest, to be pasted at api.slack.com/apps; for Socket Mode unless `--http` is given.",
    ),
}
