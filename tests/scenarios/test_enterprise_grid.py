"""Enterprise Grid: an app of one workspace of an organisation, and one of the whole organisation."""

import pytest

from bot.app import running
from bot.playground.demo import CHANNEL
from bot.playground.workspace.workspace import TEAM_ID, User
from tests.support.workspace import WAIT, Played, asked, cards, pilot_in

SISTER = "T0SISTER"


@pytest.mark.parametrize("org_wide", [False, True], ids=["one workspace", "whole organisation"])
async def test_people_of_the_organisation_ask_approve_and_brake(scene: Played, *, org_wide: bool) -> None:
    """Their own workspace is another one, or the organisation itself, and ids begin with W: they hold their roles."""
    playground, settings = scene
    workspace = playground.workspace
    workspace.enterprise_id, workspace.org_wide = "E0ORG", org_wide
    workspace.users["U0AARON"].team_id, workspace.users["U0AARON"].teams = "E0ORG", (SISTER, TEAM_ID)
    workspace.users["U0OLIVIA"].team_id, workspace.users["U0OLIVIA"].teams = "", (TEAM_ID,)
    workspace.users["W0WENDY"] = User("W0WENDY", "wendy", "Wendy Wide", team_id=SISTER, teams=(SISTER, TEAM_ID))
    workspace.channels[CHANNEL].members.add("W0WENDY")
    async with running(settings):
        card = await asked(playground)
        await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
        await playground.wait_for(lambda: cards(playground, "Promoted"), WAIT)
        assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"
        await playground.slash("W0WENDY", CHANNEL, "/anr", "rollback errors")
        await playground.wait_for(lambda: cards(playground, "errors"), WAIT)
        assert pilot_in(settings.target.settings_file).startswith("NOVA_ANR_PILOT=0.0")
