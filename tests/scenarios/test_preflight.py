"""The pre-flight over the wire: what the run will do, and the veto of somebody who skips it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.app import running
from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.receipts.receipt import Action
from core.rollout.schedule import Schedule
from core.settings.settings import Settings
from core.target.target import Target
from tests.scenarios.test_daily import due_now, promoted_by_people, scheduled
from tests.support.workspace import WAIT, Played, cards, pilot_in, said, shown


def announced_now(settings: Settings) -> Settings:
    """The settings with a run a quarter of an hour from now, in a zone where that is not near midnight."""
    standing = due_now(settings).target.schedule
    at = (datetime.combine(datetime.now(UTC).date(), standing.at) + timedelta(minutes=16)).time()
    return scheduled(settings, standing.model_copy(update={"at": at, "preflight_minutes": 30}))


def announcement(playground: Playground) -> dict[str, Any]:
    return cards(playground, "Pre-flight:")[0]


async def skipped_by(playground: Playground, user: str, reason: str) -> None:
    await playground.click(user, CHANNEL, announcement(playground)["ts"], "ask_skip")
    view = await shown(playground, user)
    await playground.submit_view(user, view["id"], {"reason": {"reason": {"value": reason}}})


async def test_a_run_that_is_announced_can_be_skipped_and_then_promotes_nothing(scene: Played) -> None:
    """The veto has a message of its own, the announcement ends, the run reports and says who skipped it and why."""
    playground, settings = scene
    await promoted_by_people(scene)
    schedule = announced_now(settings)
    async with running(schedule):
        await playground.wait_for(lambda: cards(playground, "Pre-flight: GO so far at 25%"), WAIT)
        assert "It reports, and promotes 25% → 50% if the gates still pass." in said(announcement(playground))
        await playground.click("U0MEMBER", CHANNEL, announcement(playground)["ts"], "ask_skip")
        assert "You may not skip the scheduled run" in said(await shown(playground, "U0MEMBER"))
        await skipped_by(playground, "U0OLIVIA", "migration <!channel> at ten")
        await playground.wait_for(lambda: cards(playground, "Skipped: nothing is promoted by the run of"), WAIT)
        await playground.wait_for(lambda: "*Skipped* by <@U0OLIVIA>" in said(announcement(playground)), WAIT)
    assert "ask_skip" not in said(announcement(playground))
    veto = cards(playground, "Skipped: nothing is promoted by the run of")
    assert len(veto) == 1
    assert "“migration &lt;!channel&gt; at ten”" in said(veto[0])
    target = Target.at(settings.target, settings.access)
    assert [sealed.receipt.action for sealed in target.journal.receipts()].count(Action.SKIP) == 1
    async with running(due_now(settings)):
        await playground.wait_for(lambda: cards(playground, "Daily report: GO at 25%, nothing is promoted"), WAIT)
        await playground.wait_for(lambda: "*Over.*" in said(announcement(playground)), WAIT)
    assert "skipped by U0OLIVIA: migration" in said(cards(playground, "Daily report:")[0])
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"
    assert len(cards(playground, "Pre-flight:")) == 1


async def test_an_announcement_is_made_once_also_across_a_restart(scene: Played) -> None:
    """And a schedule that wants none has none."""
    playground, settings = scene
    schedule = announced_now(settings)
    async with running(scheduled(settings, schedule.target.schedule.model_copy(update={"preflight_minutes": 0}))):
        await playground.wait_for(lambda: cards(playground, "The journal begins"), WAIT)
    assert cards(playground, "Pre-flight:") == []
    for _ in range(2):
        async with running(schedule):
            await playground.wait_for(lambda: cards(playground, "Pre-flight:"), WAIT)
    assert len(cards(playground, "Pre-flight:")) == 1
    assert "a person has to ask" in said(announcement(playground))
    assert Schedule().preflight_minutes == 30
