"""`anr doctor`."""

from dataclasses import asdict

import typer

from bot.doctor import examine_slack
from core.cli_options import AsJson
from core.cli_site import operating
from core.doctor import Check, Health
from core.doctor_house import check_up
from core.errors import ConfigurationError
from core.settings import options_file, stray_router_settings
from core.terminal import FAILED, print_json
from core.views import print_checks

commands = typer.Typer()


@commands.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Examine everything that operating the router depends on, and say what to do next."""
    checks: tuple[Check, ...] = ()
    try:
        with operating() as (settings, site):
            checks = check_up(site, stray=stray_router_settings(), secrets_in=options_file())
            checks = (*checks, *examine_slack(settings.slack, (site.target.channel or settings.slack.channel,)))
    except ConfigurationError as error:
        checks = (Check("options", Health.FAIL, str(error), "Correct the options; docs/configuration.md names them all."),)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        print_checks(checks)
    if any(check.health is Health.FAIL for check in checks):
        raise typer.Exit(FAILED)
