"""A card that waits looks at the gates again by itself, over the wire."""

import json
from datetime import UTC, datetime

from bot.app import running
from bot.playground.server import Playground
from core.receipts.receipt import Action
from core.settings.settings import Settings
from core.target.target import Target
from tests.scenarios.test_daily import never
from tests.support.workspace import WAIT, Played, asked, cards, has_button, pilot_in, said


def impatient(settings: Settings) -> Settings:
    """The settings with cards that look again every three seconds."""
    quiet = never(settings)
    return quiet.model_copy(update={"target": quiet.target.model_copy(update={"recheck_minutes": 0.05})})


def spoil(settings: Settings) -> None:
    """Write rollbacks into the ledger, as a bad release would."""
    entry = {
        "id": "x",
        "t": datetime.now(UTC).isoformat(),
        "shadow": {"route": "R2", "argmax": "R2"},
        "live": {"route": "R2", "pilot": 0.1},
        "rewards": {"deployment": {"rollback": 1}},
    }
    with settings.target.ledger.open("a", encoding="utf-8") as ledger:
        ledger.writelines(json.dumps(entry) + "\n" for _ in range(50))


def posted(playground: Playground) -> int:
    return len(cards(playground, "10% → 25%"))


async def test_a_waiting_card_says_when_it_looked_and_turns_stale_by_itself(scene: Played) -> None:
    """Nobody clicks: the card first says that the gates still pass, then that they fail, and its buttons are gone."""
    playground, settings = scene
    async with running(impatient(settings)):
        card = await asked(playground)
        await playground.wait_for(lambda: "asked again" in said(cards(playground, "Approval needed")[0]), WAIT)
        assert has_button(cards(playground, "Approval needed")[0])
        spoil(settings)
        await playground.wait_for(lambda: cards(playground, "no longer valid: 10% → 25%"), WAIT)
    ended = cards(playground, "no longer valid: 10% → 25%")[0]
    assert ended["ts"] == card["ts"]
    assert not has_button(ended)
    assert "rollbacks" in said(ended)
    assert posted(playground) == 1
    receipts = [sealed.receipt for sealed in Target.at(settings.target, settings.access).journal.receipts()]
    assert [receipt.action for receipt in receipts].count(Action.STALE) == 1
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"


async def test_a_router_whose_health_is_silent_makes_a_card_warn_and_wait(scene: Played) -> None:
    """What nobody can tell ends nothing; the card says that an approval would be refused now."""
    playground, settings = scene
    quiet = impatient(settings)
    async with running(quiet):
        await asked(playground)
    deaf = quiet.target.model_copy(update={"health_url": f"{playground.url}/nowhere"})
    async with running(quiet.model_copy(update={"target": deaf})):
        await playground.wait_for(lambda: "Would be refused now" in said(cards(playground, "Approval needed")[0]), WAIT)
    assert has_button(cards(playground, "Approval needed")[0])
    assert len(Target.at(settings.target, settings.access).journal.pending()) == 1
