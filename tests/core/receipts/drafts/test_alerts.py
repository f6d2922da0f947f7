from typing import Any

import pytest

from core.actors import ALERTMANAGER, UPKEEP
from core.receipts.cause import DrillAlerts
from core.receipts.drafts import alerts
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import AlertDrill
from core.receipts.receipt import Statement
from tests.core.receipts.drafts.test_brakes import ALERT, FACTS, FACTS_SAY
from tests.support.receipts import AT, NOW, OLIVIA, OLIVIA_SAYS, STORY, UPKEEP_SAYS, receipt_of, written

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
        alerts.alert_drill_held(
            Origin(STORY, NOW, UPKEEP, cause=DrillAlerts(2025, 40)), AlertDrill(accepted_s=0.25, heard_s=31.5), ""
        ),
        {
            "action": "alertdrill",
            "phase": "event",
            "actor": UPKEEP_SAYS,
            "operation": STORY,
            "ts": AT,
            "cause": "drill-alerts:2025-W40",
            "note": "posted → accepted by Alertmanager 0.25 s → heard at the webhook 31.50 s.",
            "result": "applied",
            "alert_drill": {"accepted_s": 0.25, "heard_s": 31.5},
        },
        id="drill-alert-that-arrived",
    ),
    pytest.param(
        alerts.alert_drill_held(
            Origin(STORY, NOW, UPKEEP, cause=DrillAlerts(2025, 40)), AlertDrill(accepted_s=0.25), "It did not arrive."
        ),
        {
            "action": "alertdrill",
            "phase": "event",
            "actor": UPKEEP_SAYS,
            "operation": STORY,
            "ts": AT,
            "cause": "drill-alerts:2025-W40",
            "note": "It did not arrive.",
            "result": "not_applied",
            "alert_drill": {"accepted_s": 0.25, "heard_s": None},
        },
        id="drill-alert-that-did-not-arrive",
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
