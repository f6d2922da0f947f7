from typing import Any

import pytest

from core.actors import ALERTMANAGER
from core.receipts.drafts import alerts
from core.receipts.drafts.origin import Origin
from core.receipts.receipt import Statement
from tests.core.receipts.drafts.test_brakes import ALERT, FACTS, FACTS_SAY
from tests.support.receipts import AT, NOW, OLIVIA, OLIVIA_SAYS, STORY, receipt_of, written

BEFORE = [
    pytest.param(
        alerts.alert_noted(Origin(STORY, NOW, ALERTMANAGER, cause=FACTS.key_after(2)), FACTS),
        {
            "action": "alert",
            "phase": "event",
            "actor": {"id": "alertmanager", "kind": "alert"},
            "operation": STORY,
            "ts": AT,
            "cause": f"firing:{ALERT}:2",
            "alert": FACTS_SAY,
        },
        id="alert",
    ),
    pytest.param(
        alerts.alerts_acknowledged(Origin(STORY, NOW, OLIVIA)),
        {
            "action": "acknowledge",
            "phase": "event",
            "actor": OLIVIA_SAYS,
            "operation": STORY,
            "ts": AT,
            "cause": f"acknowledge:{STORY}",
        },
        id="acknowledge",
    ),
    pytest.param(
        alerts.alerts_silenced(Origin(STORY, NOW, OLIVIA, "known", "view:V1"), "AnrRsiLow silenced for 2 h (1 alerts)"),
        {
            "action": "silence",
            "phase": "event",
            "actor": OLIVIA_SAYS,
            "operation": STORY,
            "ts": AT,
            "reason": "known",
            "cause": "view:V1",
            "note": "AnrRsiLow silenced for 2 h (1 alerts)",
        },
        id="silence",
    ),
]


@pytest.mark.parametrize(("statement", "before"), BEFORE)
def test_receipts_of_alerts_have_the_bytes_that_they_always_had(statement: Statement, before: dict[str, Any]) -> None:
    """What stands in a journal from before the constructors is what they would write."""
    assert receipt_of(statement) == written(**before)
