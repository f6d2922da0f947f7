"""A ledger that takes long to read, seen from Slack."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from bot.playground.demo import CHANNEL
from tests.core.ledger_lines import decision_text
from tests.scenarios.workspace import WAIT, Played, said


async def test_who_waits_for_a_report_is_told_how_far_it_is(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """First how many megabytes of how many, then the answer, to the asker alone."""
    playground, settings = played
    monkeypatch.setattr("bot.desk.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("core.segments.SEGMENT_BYTES", 64 << 10)
    rng, now = random.Random(1), datetime.now(UTC)
    lines = "".join(decision_text(rng, now - timedelta(seconds=40_000 - number)) + "\n" for number in range(40_000))
    settings.target.ledger.write_text(lines, encoding="utf-8")
    assert (await playground.slash("U0OLIVIA", CHANNEL, "/anr", "report")).acked
    told = await playground.wait_for(lambda: [said(one) for one in playground.ephemerals("U0OLIVIA")][1:], WAIT)
    first, *rest = [said(one) for one in playground.ephemerals("U0OLIVIA")]
    assert "Reading the ledger:" in first
    assert "The answer follows" in first
    assert any("decisions in 24 h" in one for one in (*told, *rest))
