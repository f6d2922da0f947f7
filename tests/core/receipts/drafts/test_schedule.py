from datetime import date
from typing import Any

import pytest

from core.actors import SCHEDULER
from core.receipts.drafts import schedule
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import Hold
from core.receipts.receipt import Statement
from tests.support.receipts import (
    AT,
    DAILY_SAYS,
    JUDGED_SAYS,
    MAX,
    MAX_SAYS,
    MEASURED_SAYS,
    NOW,
    OLIVIA,
    OLIVIA_SAYS,
    REPORT,
    STORY,
    receipt_of,
    written,
)

DAY = date(2025, 10, 1)
RUN = Origin(STORY, NOW, SCHEDULER)
RUN_SAYS = {"phase": "event", "actor": DAILY_SAYS, "operation": STORY, "ts": AT}
BEFORE = [
    pytest.param(
        schedule.daily_run(
            RUN,
            schedule.Run(DAY),
            REPORT,
            stage=10,
            pilot="0.10",
            holds=(Hold(id="h1", actor=MAX, reason="the fair", since=NOW),),
            note="The rollout is frozen.",
        ),
        {
            **RUN_SAYS,
            "action": "daily",
            "cause": "daily:2025-10-01",
            "note": "The rollout is frozen.",
            "stage_before": 10,
            "stage_after": 10,
            "pilot_before": "0.10",
            "holds_in_force": [
                {
                    "actor": MAX_SAYS,
                    "cause": None,
                    "expires_at": None,
                    "id": "h1",
                    "keeps_stage": False,
                    "reason": "the fair",
                    "since": AT,
                }
            ],
            **JUDGED_SAYS,
            "metrics": REPORT.metrics.as_json(),
        },
        id="daily",
    ),
    pytest.param(
        schedule.run_announced(RUN, DAY, REPORT, stages=(25, 50), note="It reports, and promotes 25% → 50%."),
        {
            **RUN_SAYS,
            "action": "preflight",
            "cause": "preflight:2025-10-01",
            "note": "It reports, and promotes 25% → 50%.",
            "stage_before": 25,
            "stage_after": 50,
            **MEASURED_SAYS,
        },
        id="preflight",
    ),
    pytest.param(
        schedule.run_skipped(Origin(STORY, NOW, OLIVIA, "no"), DAY),
        {**RUN_SAYS, "action": "skip", "actor": OLIVIA_SAYS, "cause": "skip:2025-10-01", "reason": "no"},
        id="skip",
    ),
    pytest.param(
        schedule.run_missed(Origin(STORY, NOW, SCHEDULER, "It was missed."), DAY),
        {**RUN_SAYS, "action": "skip", "cause": "missed:2025-10-01", "reason": "It was missed."},
        id="missed",
    ),
    pytest.param(
        schedule.schedule_paused(Origin(STORY, NOW, OLIVIA, "the fair", "slash:1"), 25),
        {
            **RUN_SAYS,
            "action": "pause",
            "actor": OLIVIA_SAYS,
            "reason": "the fair",
            "cause": "slash:1",
            "stage_before": 25,
            "stage_after": 25,
        },
        id="pause",
    ),
    pytest.param(
        schedule.schedule_resumed(Origin(STORY, NOW, OLIVIA), None),
        {**RUN_SAYS, "action": "resume", "actor": OLIVIA_SAYS},
        id="resume",
    ),
]


@pytest.mark.parametrize(("statement", "before"), BEFORE)
def test_receipts_of_the_schedule_have_the_bytes_that_they_always_had(statement: Statement, before: dict[str, Any]) -> None:
    """What stands in a journal from before the constructors is what they would write."""
    assert receipt_of(statement) == written(**before)
