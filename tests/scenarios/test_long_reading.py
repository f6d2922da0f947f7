"""A ledger that takes long to read, seen from Slack."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from bot.playground.demo import CHANNEL
from tests.support.ledger_lines import decision_text
from tests.support.workspace import WAIT, Played, said


async def test_who_waits_for_a_report_is_told_how_far_it_is(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """First how many megabytes of how many, then the answer, to the asker alone."""
    playground, settings = played
    monkeypatch.setattr("bot.dispatch.progress.PATIENCE_SECONDS", 0.0)
    begin = datetime.now(UTC) - timedelta(hours=23)
    head, tail = decision_text(random.Random(1), begin).split(f"{begin:%Y-%m-%dT%H:%M:%SZ}")
    moments = (begin + timedelta(seconds=number // 2) for number in range(150_000))
    settings.target.ledger.write_text(
        "".join(f"{head}{moment:%Y-%m-%dT%H:%M:%SZ}{tail}\n" for moment in moments), encoding="utf-8"
    )
    assert (await playground.slash("U0OLIVIA", CHANNEL, "/anr", "report")).acked
    told = await playground.wait_for(lambda: [said(message) for message in playground.ephemerals("U0OLIVIA")][1:], WAIT)
    first, *rest = [said(message) for message in playground.ephemerals("U0OLIVIA")]
    assert "Reading the ledger:" in first
    assert "The answer follows" in first
    assert any("decisions in 24 h" in text for text in (*told, *rest))
