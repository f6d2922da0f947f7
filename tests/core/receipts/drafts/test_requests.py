from typing import Any

import pytest

from core.actors import SCHEDULER
from core.receipts.drafts import requests
from core.receipts.drafts.origin import Origin
from core.receipts.receipt import Action, Statement
from tests.support.receipts import (
    AARON,
    AARON_SAYS,
    AT,
    CONSENT,
    CONSENT_SAYS,
    DAILY_SAYS,
    JUDGED_SAYS,
    MEASURED_SAYS,
    NOW,
    OLIVIA,
    OLIVIA_SAYS,
    REPORT,
    STORY,
    receipt_of,
    written,
)

ASKED = "qg65uqr79h"
BEFORE = [
    pytest.param(
        requests.request_asked(Origin(ASKED, NOW, OLIVIA, "good day", "slash:1"), (10, 25), "0.10", REPORT),
        {
            "action": "request",
            "phase": "event",
            "actor": OLIVIA_SAYS,
            "operation": ASKED,
            "ts": AT,
            "reason": "good day",
            "cause": "slash:1",
            "approval_id": ASKED,
            "pilot_before": "0.10",
            "stage_before": 10,
            "stage_after": 25,
            **MEASURED_SAYS,
        },
        id="request-of-a-promotion",
    ),
    pytest.param(
        requests.request_asked(Origin(ASKED, NOW, OLIVIA), (10, None), None, None),
        {
            "action": "request",
            "phase": "event",
            "actor": OLIVIA_SAYS,
            "operation": ASKED,
            "ts": AT,
            "approval_id": ASKED,
            "stage_before": 10,
        },
        id="request-that-leaves-the-stage",
    ),
    pytest.param(
        requests.request_answered(Origin(ASKED, NOW, AARON), Action.APPROVE, CONSENT.signatures, report=REPORT),
        {
            "action": "approve",
            "phase": "event",
            "actor": AARON_SAYS,
            "operation": ASKED,
            "ts": AT,
            **CONSENT_SAYS,
            **JUDGED_SAYS,
        },
        id="approve",
    ),
    *(
        pytest.param(
            requests.request_answered(Origin(ASKED, NOW, SCHEDULER), action, (), "Nobody answered in time."),
            {
                "action": action.value,
                "phase": "event",
                "actor": DAILY_SAYS,
                "operation": ASKED,
                "ts": AT,
                "note": "Nobody answered in time.",
                "approval_id": ASKED,
            },
            id=action.value,
        )
        for action in (Action.DENY, Action.EXPIRE, Action.STALE)
    ),
    pytest.param(
        requests.break_glass_reviewed(Origin(STORY, NOW, AARON, "it was right")),
        {"action": "review", "phase": "event", "actor": AARON_SAYS, "operation": STORY, "ts": AT, "reason": "it was right"},
        id="review",
    ),
]


@pytest.mark.parametrize(("statement", "before"), BEFORE)
def test_receipts_of_requests_have_the_bytes_that_they_always_had(statement: Statement, before: dict[str, Any]) -> None:
    """What stands in a journal from before the constructors is what they would write."""
    assert receipt_of(statement) == written(**before)
