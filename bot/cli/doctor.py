"""`anr doctor`."""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from bot.slack.checks import examine_deliveries, examine_shown, examine_slack
from bot.slack.deliveries import Deliveries
from core.cli.context import AsJson, examining
from core.cli.output import FAILED, print_json
from core.cli.tables import print_checks
from core.doctor.check import Check, Health
from core.doctor.own_checks import check_up
from core.errors import ConfigurationError
from core.settings.settings import load, options_file, stray_router_settings

commands = typer.Typer()


@commands.command()
def doctor(
    *,
    slack: Annotated[
        bool, typer.Option("--slack", help="Show Slack an example of each message, modal and home, and say what it thinks.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine everything that operating the router depends on, and say what to do next."""
    checks: tuple[Check, ...] = ()
    try:
        with examining(load()) as (settings, target):
            checks = check_up(target, stray=stray_router_settings(), secrets_in=options_file())
            channel = target.settings.channel or settings.slack.channel
            checks = (*checks, *examine_slack(settings.slack, (channel,), settings.access, settings.people))
            if settings.slack.bot_token.get_secret_value():
                with closing(Deliveries.at(target.settings)) as deliveries:
                    checks = (*checks, *examine_deliveries(deliveries))
            if slack:
                from bot.cli.examples import examples  # noqa: PLC0415 - made of everything, and only this needs it

                checks = (*checks, *examine_shown(settings.slack, examples()))
    except ConfigurationError as error:
        checks = (Check("options", Health.FAIL, str(error), "Correct the options; docs/configuration.md names them all."),)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        print_checks(checks)
    if any(check.health is Health.FAIL for check in checks):
        raise typer.Exit(FAILED)
