from datetime import timedelta
from typing import Any

import pytest

from core.actors import ALERTMANAGER, GUARD
from core.alerts.payload import AlertFacts, AlertStatus
from core.alerts.rules import Effect
from core.receipts.cause import Approved, Guard
from core.receipts.drafts import brakes
from core.receipts.drafts.brakes import BrakeActed, BrakeAsked
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import BreakGlass, Hold
from core.receipts.receipt import Action, Statement
from tests.support.receipts import (
    AT,
    AT_10,
    CONSENT,
    CONSENT_SAYS,
    MAX,
    MAX_SAYS,
    MEASURED_SAYS,
    NOW,
    OLIVIA,
    OLIVIA_SAYS,
    REPORT,
    SAFE,
    STORY,
    expected,
    expected_says,
    receipt_of,
    written,
)

ALERT = "alert:0123456789abcdef:2025-10-01T09:05:00.000000Z"
FACTS = AlertFacts(
    cause=ALERT,
    group="e7a2a451a4ef63b404fe",
    effect=Effect.FREEZE,
    status=AlertStatus.FIRING,
    name="AnrRsiLow",
    summary="RSI is 0.71",
    labels={"alertname": "AnrRsiLow"},
    whole=True,
    since=NOW,
)
FACTS_SAY = {
    "alertmanager_url": "",
    "cause": ALERT,
    "effect": "freeze",
    "ends": None,
    "generator_url": "",
    "group": "e7a2a451a4ef63b404fe",
    "labels": {"alertname": "AnrRsiLow"},
    "name": "AnrRsiLow",
    "runbook_url": "",
    "since": AT,
    "status": "firing",
    "summary": "RSI is 0.71",
    "whole": True,
}
BY_ALERT = Hold(id=STORY, actor=ALERTMANAGER, reason="AnrRsiLow: RSI is 0.71", since=NOW, cause=ALERT)
BY_ALERT_SAYS = {
    "actor": {"id": "alertmanager", "kind": "alert"},
    "cause": ALERT,
    "expires_at": None,
    "id": STORY,
    "keeps_stage": False,
    "reason": "AnrRsiLow: RSI is 0.71",
    "since": AT,
}
BY_MAX = Hold(id=STORY, actor=MAX, reason="the fair", since=NOW, expires_at=NOW + timedelta(hours=1), keeps_stage=True)
BY_MAX_SAYS = {
    "actor": MAX_SAYS,
    "cause": None,
    "expires_at": "2025-10-01T10:05:00.000000Z",
    "id": STORY,
    "keeps_stage": True,
    "reason": "the fair",
    "since": AT,
}
BEFORE = [
    pytest.param(
        brakes.brake_outcome(
            Origin("e7a2a451a4ef63b404fe0006610118dae240", NOW, ALERTMANAGER, "AnrRsiLow: RSI is 0.71", ALERT),
            BrakeAsked(Action.FREEZE, BY_ALERT, FACTS, None, "0.10"),
            BrakeActed(
                safe=True,
                stage_before=10,
                written=SAFE,
                settings=SAFE,
                stage_shown=0,
                expected=expected(0, safe=True),
                late=True,
            ),
        ),
        {
            "action": "freeze",
            "phase": "outcome",
            "actor": {"id": "alertmanager", "kind": "alert"},
            "operation": "e7a2a451a4ef63b404fe0006610118dae240",
            "ts": AT,
            "reason": "AnrRsiLow: RSI is 0.71",
            "cause": ALERT,
            "alert": FACTS_SAY,
            "holds_added": [BY_ALERT_SAYS],
            "late": True,
            "observation": expected_says(0, safe=True),
            "pilot_before": "0.10",
            "pilot_after": "0.00",
            "result": "applied",
            "settings_observed": SAFE,
            "settings_written": SAFE,
            "stage_before": 10,
            "stage_after": 0,
        },
        id="freeze-by-an-alert-recorded-late",
    ),
    pytest.param(
        brakes.brake_outcome(
            Origin("ced3gb3hph", NOW, MAX, "errors", Approved("ced3gb3hph")),
            BrakeAsked(Action.ROLLBACK, BY_ALERT, break_glass=BreakGlass(skipped=("rollback",))),
            BrakeActed(
                safe=False,
                stage_before=None,
                written=SAFE,
                settings=AT_10,
                stage_shown=10,
                expected=expected(0, safe=True),
            ),
        ),
        {
            "action": "rollback",
            "phase": "outcome",
            "actor": MAX_SAYS,
            "operation": "ced3gb3hph",
            "ts": AT,
            "reason": "errors",
            "cause": "approval:ced3gb3hph",
            "break_glass": {"gates": [], "skipped": ["rollback"]},
            "observation": expected_says(0, safe=True),
            "pilot_after": "0.10",
            "result": "not_applied",
            "settings_observed": AT_10,
            "settings_written": SAFE,
            "stage_after": 10,
        },
        id="rollback-that-was-not-applied",
    ),
    pytest.param(
        brakes.brake_outcome(
            Origin(STORY, NOW, MAX, "errors"),
            BrakeAsked(Action.ROLLBACK, BY_MAX),
            BrakeActed(
                safe=True, stage_before=10, written=SAFE, settings=None, stage_shown=None, expected=expected(0, safe=True)
            ),
        ),
        {
            "action": "rollback",
            "phase": "outcome",
            "actor": MAX_SAYS,
            "operation": STORY,
            "ts": AT,
            "reason": "errors",
            "observation": expected_says(0, safe=True),
            "result": "applied",
            "settings_written": SAFE,
            "stage_before": 10,
            "stage_after": 0,
        },
        id="rollback-whose-settings-cannot-be-read",
    ),
    pytest.param(
        brakes.hold_placed(Origin(STORY, NOW, MAX, "the fair", "view:V1"), BY_MAX, 10, AT_10),
        {
            "action": "hold",
            "phase": "event",
            "actor": MAX_SAYS,
            "operation": STORY,
            "ts": AT,
            "reason": "the fair",
            "cause": "view:V1",
            "holds_added": [BY_MAX_SAYS],
            "pilot_before": "0.10",
            "pilot_after": "0.10",
            "settings_observed": AT_10,
            "stage_before": 10,
            "stage_after": 10,
        },
        id="hold",
    ),
    pytest.param(
        brakes.holds_lifted(Origin("qg65uqr79h", NOW, OLIVIA, "found it"), 0, (STORY,), (BY_MAX,), CONSENT),
        {
            "action": "unfreeze",
            "phase": "event",
            "actor": OLIVIA_SAYS,
            "operation": "qg65uqr79h",
            "ts": AT,
            "reason": "found it",
            "holds_lifted": [STORY],
            "holds_in_force": [BY_MAX_SAYS],
            "stage_before": 0,
            "stage_after": 0,
            **CONSENT_SAYS,
        },
        id="unfreeze",
    ),
    pytest.param(
        brakes.guard_would_freeze(Origin(STORY, NOW, GUARD, cause=Guard("observe", NOW)), 10, "3 looks failed", REPORT),
        {
            "action": "guard",
            "phase": "event",
            "actor": {"id": "guard", "kind": "guard"},
            "operation": STORY,
            "ts": AT,
            "cause": "guard:observe:2025-10-01T09:05:00.000000Z",
            "note": "3 looks failed",
            "stage_before": 10,
            "stage_after": 10,
            **MEASURED_SAYS,
        },
        id="guard",
    ),
]


@pytest.mark.parametrize(("statement", "before"), BEFORE)
def test_receipts_of_brakes_have_the_bytes_that_they_always_had(statement: Statement, before: dict[str, Any]) -> None:
    """What stands in a journal from before the constructors is what they would write."""
    assert receipt_of(statement) == written(**before)
