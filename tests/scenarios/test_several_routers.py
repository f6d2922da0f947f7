import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from bot.app import running
from bot.playground.demo import CHANNEL, OPERATOR
from bot.playground.server import Playground
from bot.playground.workspace.workspace import BOT_USER
from core.actors import Actor, ActorKind
from core.operations import propose
from core.settings.target import TargetSettings
from core.target.target import Target
from tests.support.workspace import WAIT, Played, cards, pilot_in, said

STAGING_CHANNEL = "C0RANDOM"


@pytest_asyncio.fixture
async def two(scene: Played) -> AsyncIterator[tuple[Playground, TargetSettings, TargetSettings]]:
    """The playground with a bot that operates two routers, staging in a channel of its own."""
    playground, settings = scene
    production = settings.target
    folder = production.run_dir.parent
    playground.workspace.channels[STAGING_CHANNEL].members.add(BOT_USER)
    staging = production.model_copy(
        update={
            "name": "staging",
            "channel": STAGING_CHANNEL,
            "settings_file": folder / "staging.env",
            "ledger": folder / "staging.ndjson",
            "run_dir": folder / "run-staging",
            "state_file": folder / "staging.json",
            "backups_dir": folder / "backups-staging",
            "archive_dir": folder / "archive-staging",
            "receipts_dir": folder / "receipts-staging",
            "reload_command": (),
            "observe_timeout_s": 0,
        }
    )
    await asyncio.to_thread(staging.settings_file.write_text, "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\n", "utf-8")
    await asyncio.to_thread(staging.ledger.write_bytes, production.ledger.read_bytes())
    target = Target.at(staging, settings.access)
    roles = settings.access.roles_of(OPERATOR, full_member=True)
    propose.init(target, Actor(kind=ActorKind.SLACK, id=OPERATOR, roles=roles), "begin")
    target.journal.close()
    several = settings.model_copy(update={"targets": {"demo": production, "staging": staging}})
    async with running(several):
        yield playground, production, staging


async def test_a_command_names_the_router_that_it_is_for(two: tuple[Playground, TargetSettings, TargetSettings]) -> None:
    """Rolling back staging leaves production alone, and the story stands in staging's channel."""
    playground, production, staging = two
    await playground.slash(OPERATOR, CHANNEL, "/anr", "rollback staging errors")
    await playground.wait_for(
        lambda: [message for message in playground.messages(STAGING_CHANNEL) if "Rolled back" in said(message)], WAIT
    )
    assert pilot_in(staging.settings_file) == "NOVA_ANR_PILOT=0.00"
    assert pilot_in(production.settings_file) == "NOVA_ANR_PILOT=0.10"
    assert cards(playground, "Rolled back") == []


async def test_in_a_routers_own_channel_it_need_not_be_named(two: tuple[Playground, TargetSettings, TargetSettings]) -> None:
    """Where exactly one router is operated in the channel, it is the one that is meant."""
    playground, _, _ = two
    await playground.slash(OPERATOR, STAGING_CHANNEL, "/anr", "promote good day")
    await playground.wait_for(
        lambda: [message for message in playground.messages(STAGING_CHANNEL) if "50% → 75%" in said(message)], WAIT
    )
    assert cards(playground, "Approval needed") == []


async def test_an_approval_reaches_the_router_that_it_was_asked_for(
    two: tuple[Playground, TargetSettings, TargetSettings],
) -> None:
    """A button carries an id and no name, and still only its own router moves."""
    playground, production, staging = two
    await playground.slash(OPERATOR, STAGING_CHANNEL, "/anr", "promote good day")
    await playground.wait_for(
        lambda: [message for message in playground.messages(STAGING_CHANNEL) if "Approval needed" in said(message)], WAIT
    )
    card = next(message for message in playground.messages(STAGING_CHANNEL) if "Approval needed" in said(message))
    await playground.click("U0AARON", STAGING_CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: pilot_in(staging.settings_file) == "NOVA_ANR_PILOT=0.75", WAIT)
    assert pilot_in(production.settings_file) == "NOVA_ANR_PILOT=0.10"
