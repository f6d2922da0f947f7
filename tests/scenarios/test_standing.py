"""What stands in the way, over the wire: why and next, drift with its buttons, the paused schedule, a freeze that ends."""

import io
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from bot.app import running
from bot.playground.demo import CHANNEL
from core.gates.guard import GuardMode, GuardPolicy
from core.rollout.state import RolloutState
from core.settings.settings import Settings
from core.system.logs import configure, hide
from core.target.target import Target
from tests.support.workspace import WAIT, Played, cards, pilot_in, said, whispers


def edit(path: Path, pilot: str) -> None:
    """Somebody changes the pilot by hand."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("NOVA_ANR_PILOT")]
    path.write_text("\n".join([*lines, f"NOVA_ANR_PILOT={pilot}", ""]), encoding="utf-8")


async def test_why_and_next_are_answered_with_owners_and_ways_out(played: Played) -> None:
    """A freeze, a paused schedule and an empty ledger are listed at once; next says what has to be lifted first."""
    playground, settings = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "why")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "a person has to ask"), WAIT)
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "schedule pause the fair")
    await playground.wait_for(lambda: cards(playground, "Schedule paused"), WAIT)
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "freeze 2h deploy <!channel>")
    await playground.wait_for(lambda: cards(playground, "Frozen"), WAIT)
    await playground.slash("U0PRIYA", CHANNEL, "/anr", "why")
    await playground.wait_for(lambda: whispers(playground, "U0PRIYA", "`unfreeze "), WAIT)
    answer = next(said(message) for message in playground.ephemerals("U0PRIYA") if "`unfreeze " in said(message))
    assert "`schedule resume`" in answer
    assert "<@U0OLIVIA>" in answer
    assert "ends by itself" in answer
    assert "<!channel>" not in answer
    await playground.slash("U0PRIYA", CHANNEL, "/anr", "next")
    await playground.wait_for(lambda: whispers(playground, "U0PRIYA", "Next scheduled run"), WAIT)
    hold = Target.at(settings.target, settings.access).journal.state().holds[0]
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", f"unfreeze {hold.id[:8]} done")
    await playground.wait_for(lambda: cards(playground, "Unfrozen"), WAIT)
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "schedule resume")
    await playground.wait_for(lambda: cards(playground, "Schedule resumed"), WAIT)


@pytest_asyncio.fixture
async def looking(scene: Played, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Played]:
    """A bot that looks for a drift every second, and not every twenty."""
    monkeypatch.setattr("bot.jobs._LOOK_SECONDS", 1)
    async with running(scene[1]):
        yield scene


async def test_a_drift_is_alarmed_once_and_ended_by_an_approvers_click(looking: Played) -> None:
    """One alarm with two buttons; an operator's click is refused, an approver's puts the settings back, the buttons go."""
    playground, settings = looking
    edit(settings.target.settings_file, "0.50")
    await playground.wait_for(lambda: cards(playground, "Router and journal differ"), WAIT)
    (alarm,) = cards(playground, "Router and journal differ")
    await playground.click("U0OLIVIA", CHANNEL, alarm["ts"], "reapply")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "You may not end a drift"), WAIT)
    await playground.click("U0AARON", CHANNEL, alarm["ts"], "reapply")
    await playground.wait_for(lambda: cards(playground, "Drift put back"), WAIT)
    (over,) = cards(playground, "Drift put back")
    assert over["ts"] == alarm["ts"]
    assert "'action_id': 'reapply'" not in said(over)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"
    assert state_of(settings).stage == 10


async def test_a_drift_downwards_is_accepted(looking: Played) -> None:
    """Somebody pulled the router down by hand; an approver adopts it, and the channel says so."""
    playground, settings = looking
    edit(settings.target.settings_file, "0.00")
    await playground.wait_for(lambda: cards(playground, "Router and journal differ"), WAIT)
    (alarm,) = cards(playground, "Router and journal differ")
    await playground.click("U0PRIYA", CHANNEL, alarm["ts"], "accept")
    await playground.wait_for(lambda: cards(playground, "Drift accepted"), WAIT)
    assert (state_of(settings).stage, state_of(settings).person_required) == (0, True)


def state_of(settings: Settings) -> RolloutState:
    return Target.at(settings.target, settings.access).journal.state()


async def test_the_doctor_tells_in_slack_what_it_tells_at_the_terminal(scene: Played) -> None:
    """Every check is in the answer, Slack's own too; what is ill comes first, with what to do."""
    playground, settings = scene
    corrupt = settings.target.state_file.with_name("another_state.json")  # the simulated router would mend its own
    corrupt.write_bytes(b"{")
    ill = settings.model_copy(update={"target": settings.target.model_copy(update={"state_file": corrupt})})
    async with running(ill):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "doctor all")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "is corrupt"), WAIT)
    answer = next(said(message) for message in playground.ephemerals("U0OLIVIA") if "is corrupt" in said(message))
    for name in ("settings file", "observed router", "slots", "ledger", "operation lock", "journal", "slack scopes"):
        assert f"*{name}*" in answer
    assert "failure" in answer.split("*state file*")[0]
    assert "The bot is in" in answer


async def test_a_talkative_bot_tells_what_it_does_and_no_secret(scene: Played) -> None:
    """With --verbose, and slack_sdk told to log every call with its headers: no token in any line, who asked for what in one."""
    playground, settings = scene
    stream = io.StringIO()
    hide(settings.secrets)
    configure(verbose=True, stream=stream)
    logging.getLogger("slack_sdk").setLevel(logging.DEBUG)
    async with running(settings):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "schedule pause for xoxb-1-2-typed")
        await playground.wait_for(lambda: cards(playground, "Schedule paused"), WAIT)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    asked = next(message for message in told if message["message"] == "asked")
    assert (asked["word"], asked["asked_by"], asked["router"]) == ("schedule", "U0OLIVIA", "demo")
    recorded = next(message for message in told if message["message"] == "recorded" and message["action"] == "pause")
    assert recorded["word"] == "schedule"
    for secret in (*settings.secrets, "xoxb-1-2-typed"):
        assert secret not in stream.getvalue()
    assert any(message["logger"].startswith("slack_sdk") for message in told)


@pytest.mark.parametrize("mode", [GuardMode.OBSERVE, GuardMode.ACT])
async def test_a_slot_that_stays_down_is_posted_or_freezes(scene: Played, mode: GuardMode) -> None:
    """Observing, the channel reads what would have been done; acting, the router is safe and the guard owns the hold."""
    playground, settings = scene
    policy = GuardPolicy(mode=mode, failures=1)
    settings = settings.model_copy(update={"target": settings.target.model_copy(update={"guard": policy})})
    async with aiohttp.ClientSession() as client:
        await client.post(f"{playground.url}/router/misbehave", json={"slot_down": True})
    async with running(settings, clock=lambda: datetime.now(UTC) + timedelta(minutes=5)):
        title = "The guard would have frozen" if mode is GuardMode.OBSERVE else "Frozen"
        await playground.wait_for(lambda: cards(playground, title), WAIT)
    (card,) = cards(playground, title)
    assert "slot08_lock is down" in said(card)
    state = state_of(settings)
    if mode is GuardMode.OBSERVE:
        assert (state.stage, state.frozen) == (10, False)
    else:
        assert (state.stage, [hold.actor.id for hold in state.holds]) == (0, ["guard"])
        assert "the guard" in said(card)
