"""The daily report in the channel, over the wire: its picture, its buttons, its thread."""

from typing import Any

import pytest

from bot.app import running
from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from bot.playground.workspace import limits
from core.receipts.receipt import Action
from core.rollout.schedule import PromotionMode
from core.settings.settings import Settings
from core.target.target import Target
from tests.scenarios.test_daily import due_now, promoted_by_people
from tests.support.workspace import WAIT, Played, cards, said, shown, whispers


def with_runbook(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"target": settings.target.model_copy(update={"runbook_url": "https://wiki.example/runbook"})}
    )


def report_in(playground: Playground) -> dict[str, Any]:
    return cards(playground, "Daily report:")[-1]


def of_kind(message: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in message["blocks"] if block["type"] == kind]


def thread_of(playground: Playground, ts: str) -> list[dict[str, Any]]:
    return [message for message in playground.messages(CHANNEL) if message.get("thread_ts") == ts and message["ts"] != ts]


def files_in(messages: list[dict[str, Any]]) -> list[str]:
    return [file["name"] for message in messages for file in message.get("files", ())]


def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workspace be one to which Slack has not rolled out its charts yet."""
    monkeypatch.setattr(limits, "_MESSAGE_TYPES", limits._MESSAGE_TYPES - {"data_visualization", "data_table"})


async def test_the_report_shows_gates_picture_and_receipt_and_brings_its_details(scene: Played) -> None:
    """Nine gates, the day as charts of Slack's own, the receipt in the thread; Details adds table and file there, once."""
    playground, settings = scene
    await promoted_by_people(scene)
    async with running(due_now(with_runbook(settings), PromotionMode.OFF)):
        await playground.wait_for(lambda: cards(playground, "Daily report: GO at 25%, nothing is promoted"), WAIT)
        report = report_in(playground)
        (table,) = of_kind(report, "table")
        assert len(table["rows"]) == 10
        rsi, tri = of_kind(report, "data_visualization")
        assert (rsi["title"], tri["title"]) == ("RSI, % of live decisions", "Median TRI change")
        assert of_kind(report, "image") == []
        receipts = Target.at(settings.target, settings.access).journal.receipts()
        (sealed,) = (sealed_receipt for sealed_receipt in receipts if sealed_receipt.receipt.action is Action.DAILY)
        assert sealed.mark not in said(report)
        await playground.wait_for(lambda: f"Receipt `{sealed.mark}`" in str(thread_of(playground, report["ts"])), WAIT)
        assert "https://wiki.example/runbook" in said(report)
        for _ in range(2):
            await playground.click("U0MEMBER", CHANNEL, report["ts"], "details")
        await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "in the report's thread"), WAIT)
        await playground.wait_for(lambda: "Hour by hour" in str(thread_of(playground, report["ts"])), WAIT)
        thread = thread_of(playground, report["ts"])
        assert [name for name in files_in(thread) if name.endswith("-hours.csv")] == files_in(thread)
        assert len(files_in(thread)) == 1
        await playground.click("U0MEMBER", CHANNEL, report["ts"], "runbook")
    assert not whispers(playground, "U0MEMBER", "no longer in use")


async def test_promote_now_opens_the_form_and_asks(scene: Played) -> None:
    """From a GO that promoted nothing by itself a person goes on in one click."""
    playground, settings = scene
    await promoted_by_people(scene)
    async with running(due_now(settings, PromotionMode.OFF)):
        await playground.wait_for(lambda: cards(playground, "Daily report: GO at 25%, nothing is promoted"), WAIT)
        await playground.click("U0OLIVIA", CHANNEL, report_in(playground)["ts"], "ask_promote")
        view = await shown(playground, "U0OLIVIA")
        await playground.submit_view("U0OLIVIA", view["id"], {"reason": {"reason": {"value": "the report is good"}}})
        await playground.wait_for(lambda: cards(playground, "Approval needed: 25% → 50%"), WAIT)


async def test_a_picture_that_slack_refuses_is_not_lost(scene: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report comes without it, and the file lies in its thread."""
    playground, settings = scene
    await promoted_by_people(scene)
    no_charts(monkeypatch)
    playground.workspace.file_refusals = 1000
    async with running(due_now(settings, PromotionMode.OFF)):
        await playground.wait_for(lambda: cards(playground, "Daily report: GO at 25%"), WAIT)
        report = report_in(playground)
        await playground.wait_for(lambda: files_in(thread_of(playground, report["ts"])), WAIT)
    assert of_kind(report, "image") == []
    assert len(of_kind(report, "table")) == 1
    (name,) = files_in(thread_of(playground, report["ts"]))
    assert name.endswith(".png")


async def test_without_a_right_to_upload_the_report_comes_without_its_picture(
    scene: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing scope costs the picture, never the report."""
    playground, settings = scene
    await promoted_by_people(scene)
    no_charts(monkeypatch)
    playground.fail("files.getUploadURLExternal", "missing_scope", times=50)
    async with running(due_now(settings, PromotionMode.OFF)):
        await playground.wait_for(lambda: cards(playground, "Daily report: GO at 25%"), WAIT)
    assert of_kind(report_in(playground), "image") == []
