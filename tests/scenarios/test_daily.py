"""The scheduled run over the wire: what the channel sees of a GO, a NO-GO, and a run that waits for an approval."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.app import running
from bot.playground.demo import CHANNEL
from core.rollout.schedule import PromotionMode, Schedule
from core.settings.settings import Settings
from core.target.target import Target
from tests.support.workspace import WAIT, Played, asked, cards, has_button, pilot_in, said, silenced


def due_now(settings: Settings, mode: PromotionMode = PromotionMode.AUTO) -> Settings:
    """The settings with a schedule whose time came a minute ago, in a zone where that is not near midnight."""
    now = datetime.now(UTC)
    hours = (12 - now.hour + 12) % 24 - 12
    local = now + timedelta(hours=hours, minutes=-1)
    zone = f"Etc/GMT{-hours:+d}"  # POSIX: the sign is the other way round
    schedule = Schedule(zone=zone, at=local.time().replace(microsecond=0), promotion=mode)
    return scheduled(settings, schedule)


def never(settings: Settings) -> Settings:
    """The settings with a schedule that is not due for hours."""
    return scheduled(settings, Schedule(at=(datetime.now(UTC) + timedelta(hours=12)).time()))


def scheduled(settings: Settings, schedule: Schedule) -> Settings:
    return settings.model_copy(update={"target": settings.target.model_copy(update={"schedule": schedule})})


async def promoted_by_people(scene: Played) -> None:
    """Go from 10 to 25% as people do; without that the daily run waits for a person."""
    playground, settings = scene
    async with running(never(settings)):
        card = await asked(playground)
        await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
        await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)


async def test_a_go_is_reported_and_promoted_once_also_across_a_restart(scene: Played) -> None:
    """One message says GO and that the router is one stage higher; the next start of the same day does nothing."""
    playground, settings = scene
    await promoted_by_people(scene)
    for _ in range(2):
        async with running(due_now(settings)):
            await playground.wait_for(lambda: cards(playground, "Now at *50%*"), WAIT)
    report = cards(playground, "Daily report: GO at 25%")
    assert len(report) == 1
    assert "9 of 9 gates pass" in said(report[0])
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.50"
    assert Target.at(settings.target, settings.access).journal.state().stage == 50


async def test_a_no_go_is_reported_with_its_reason_and_promotes_nothing(scene: Played) -> None:
    """The report names the gate and what happens next."""
    playground, settings = scene
    await promoted_by_people(scene)
    await silenced(playground)
    settings.target.ledger.write_bytes(b"")
    async with running(due_now(settings)):
        await playground.wait_for(lambda: cards(playground, "Daily report: NO-GO at 25%"), WAIT)
    report = said(cards(playground, "Daily report: NO-GO at 25%")[0])
    assert "*Next:*" in report
    assert "no data" in report
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"


@pytest.mark.parametrize(
    ("mode", "title"), [(PromotionMode.APPROVE, "Approval needed: 25% → 50%"), (PromotionMode.OFF, "GO at 25%")]
)
async def test_the_modes_without_promotion(scene: Played, mode: PromotionMode, title: str) -> None:
    """`approve` asks like a person, `off` only reports."""
    playground, settings = scene
    await promoted_by_people(scene)
    async with running(due_now(settings, mode)):
        await playground.wait_for(lambda: cards(playground, title), WAIT)
        assert has_button(cards(playground, title)[0]) == (mode is PromotionMode.APPROVE)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"


async def test_a_journal_that_has_just_begun_waits_for_a_person(scene: Played) -> None:
    """After a start, a rollback or a freeze the schedule does nothing until a person has asked; the report says so."""
    playground, settings = scene
    async with running(due_now(settings)):
        await playground.wait_for(lambda: cards(playground, "Daily report: GO at 10%"), WAIT)
    assert "person" in said(cards(playground, "Daily report: GO at 10%")[0])
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"
