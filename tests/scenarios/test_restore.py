"""Backing the bandit's state up and putting it back, over the wire: what the channel and the people see."""

import json

from bot.app import running
from bot.playground.demo import CHANNEL
from core.rollout.schedule import PromotionMode
from core.target.target import Target
from tests.scenarios.test_daily import due_now, never
from tests.support.workspace import WAIT, Played, cards, has_button, pilot_in, said, whispers


async def test_a_state_is_backed_up_listed_and_restored_after_an_approval(scene: Played) -> None:
    """The card says what is restored, one message follows it to its end, and the rollout is frozen with the deciders named."""
    playground, settings = scene
    target = settings.target
    async with running(never(settings)):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "backup")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "anr_state_"), WAIT)
        newest = Target.at(target, settings.access).backups.found()[0]
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "backups")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", newest.digest[:12]), WAIT)
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", f"restore {newest.name} it learned nonsense")
        await playground.wait_for(lambda: cards(playground, "Approval needed: restore"), WAIT)
        card = cards(playground, "Approval needed: restore")[0]
        assert newest.name in said(card)
        assert "Restore?" in said(card)
        assert pilot_in(target.settings_file) == "NOVA_ANR_PILOT=0.10"
        await playground.click("U0OLIVIA", CHANNEL, card["ts"], "approve")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "somebody else has to approve"), WAIT)
        await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
        await playground.wait_for(lambda: cards(playground, "Done: restore"), WAIT)
        over = cards(playground, "Done: restore")[0]
    assert over["ts"] == card["ts"]
    assert not has_button(over)
    assert "<@U0AARON>" in said(over)
    state = Target.at(target, settings.access).journal.state()
    assert (state.frozen, state.epoch, state.stage) == (True, 1, 0)
    assert pilot_in(target.settings_file) == "NOVA_ANR_PILOT=0.00"


async def test_a_backup_that_is_not_in_the_list_is_refused_in_slack(scene: Played) -> None:
    """A path is no name; nothing is asked."""
    playground, settings = scene
    async with running(never(settings)):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "restore ../../etc/passwd")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "There is no backup of this name"), WAIT)
    assert cards(playground, "Approval needed") == []


async def test_the_bot_backs_the_state_up_once_a_day(scene: Played) -> None:
    """It is due with the daily run, shown in the channel, and not made again after a restart on the same date."""
    playground, settings = scene
    for _ in range(2):
        async with running(due_now(settings, PromotionMode.OFF)):
            await playground.wait_for(lambda: cards(playground, "State backed up"), WAIT)
            await playground.slash("U0OLIVIA", CHANNEL, "/anr", "verify")
            await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "receipts verify"), WAIT)
    assert len(cards(playground, "State backed up")) == 1
    (backup,) = Target.at(settings.target, settings.access).backups.found()
    assert backup.valid
    assert json.loads((settings.target.backups_dir / backup.name).read_bytes())["model"] == "linucb"


async def test_a_state_is_reset_after_an_approval_and_the_router_begins_anew(scene: Played) -> None:
    """The card says what is lost; the router is stopped and started around it, and what it was is a backup."""
    playground, settings = scene
    options = settings.target
    before = json.loads(options.state_file.read_bytes())
    async with running(never(settings)):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "state reset nothing else helps")
        await playground.wait_for(lambda: cards(playground, "Approval needed: reset"), WAIT)
        card = cards(playground, "Approval needed: reset")[0]
        assert "what it has learned is forgotten" in said(card)
        await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
        await playground.wait_for(lambda: cards(playground, "Done: reset"), WAIT)
        assert "The state was removed" in said(cards(playground, "Done: reset")[0])
    target = Target.at(options, settings.access)
    state = target.journal.state()
    assert (state.frozen, state.epoch, state.stage) == (True, 1, 0)
    kept = json.loads((options.backups_dir / target.backups.found()[0].name).read_bytes())
    now = json.loads(options.state_file.read_bytes())
    pulls = {name: state_file["arms"]["R2"]["A"][0][0] for name, state_file in (("before", before), ("kept", kept), ("now", now))}
    assert pulls["now"] < pulls["before"] <= pulls["kept"]


async def test_a_drill_is_seen_in_the_channel_and_by_whoever_asked(scene: Played) -> None:
    """Its message says that the safety nets hold, and how old each was."""
    playground, settings = scene
    async with running(never(settings)):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "drill")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "restored and verified beside the live files"), WAIT)
        await playground.wait_for(lambda: cards(playground, "Drill: the safety nets hold"), WAIT)
    assert "newest valid backup: none" in said(cards(playground, "Drill: the safety nets hold")[0])
