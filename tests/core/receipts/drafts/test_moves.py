from typing import Any

import pytest

from core.actors import RECOVERY
from core.receipts.drafts import moves
from core.receipts.drafts.origin import Ending, Origin, Step
from core.receipts.evidence import BreakGlass, Deleted, StateBackup
from core.receipts.receipt import Action, Result, Statement
from tests.support.receipts import (
    AARON,
    AARON_SAYS,
    AT,
    AT_10,
    AT_25,
    CONSENT,
    CONSENT_SAYS,
    COPY,
    COPY_SAYS,
    IN_SHADOW,
    JUDGED_SAYS,
    MAX,
    MAX_SAYS,
    MEASURED_SAYS,
    NOW,
    OLIVIA,
    OLIVIA_SAYS,
    REPORT,
    SAFE,
    SEEN_10,
    SEEN_10_SAYS,
    STORY,
    expected,
    expected_says,
    receipt_of,
    written,
)

UP, DOWN = Step(10, 25, "0.10", AT_25), Step(10, 0, "0.10", IN_SHADOW)
PROMOTION = moves.promotion_intent(
    Origin("qg65uqr79h", NOW, OLIVIA, " good\n day ", "slash:1"),
    UP,
    REPORT,
    StateBackup(COPY, Deleted(count=1, names=("anr_state_20250901_090500.json",), digest="b3" * 32), "Kept."),
    consent=CONSENT,
    break_glass=BreakGlass(skipped=("promote",)),
)
PROMOTED: dict[str, Any] = {
    "action": "promote",
    "actor": OLIVIA_SAYS,
    "operation": "qg65uqr79h",
    "ts": AT,
    "reason": "good day",
    "stage_before": 10,
    "pilot_before": "0.10",
    "pilot_after": "0.25",
    "go": False,
    "settings_written": AT_25,
    "break_glass": {"gates": [], "skipped": ["promote"]},
    **CONSENT_SAYS,
}
BEFORE = [
    pytest.param(
        moves.initialised(Origin(STORY, NOW, OLIVIA, "begin"), 10, AT_10, SEEN_10),
        {
            "action": "init",
            "phase": "event",
            "actor": OLIVIA_SAYS,
            "operation": STORY,
            "ts": AT,
            "reason": "begin",
            "pilot_after": "0.10",
            "router_seen": SEEN_10_SAYS,
            "settings_observed": AT_10,
            "stage_after": 10,
        },
        id="init",
    ),
    pytest.param(
        PROMOTION,
        {
            **PROMOTED,
            "phase": "intent",
            "cause": "slash:1",
            "note": "Kept.",
            "stage_after": 25,
            "backup": COPY_SAYS,
            "deleted": {
                "count": 1,
                "digest": "b3" * 32,
                "names": ["anr_state_20250901_090500.json"],
            },
            **MEASURED_SAYS,
        },
        id="promotion-intended",
    ),
    pytest.param(
        moves.move_outcome(PROMOTION, NOW, Ending(Result.APPLIED, 25, " ", AT_25, expected(25))),
        {
            **PROMOTED,
            "phase": "outcome",
            "result": "applied",
            "stage_after": 25,
            "settings_observed": AT_25,
            "observation": expected_says(25),
        },
        id="promotion-applied",
    ),
    pytest.param(
        moves.move_outcome(PROMOTION, NOW, Ending(Result.UNKNOWN, None, "The file is gone. ", None)),
        {**PROMOTED, "phase": "outcome", "result": "unknown", "note": "The file is gone.", "pilot_after": None},
        id="promotion-of-which-nobody-knows",
    ),
    pytest.param(
        moves.lowering_intent(Origin(STORY, NOW, MAX, "errors"), DOWN),
        {
            "action": "lower",
            "phase": "intent",
            "actor": MAX_SAYS,
            "operation": STORY,
            "ts": AT,
            "reason": "errors",
            "pilot_after": "0.00",
            "pilot_before": "0.10",
            "settings_written": IN_SHADOW,
            "stage_after": 0,
            "stage_before": 10,
        },
        id="lowering-intended",
    ),
    pytest.param(
        moves.reapply_intent(Origin(STORY, NOW, AARON), Step(25, 25, "0.10", AT_25), REPORT),
        {
            "action": "reapply",
            "phase": "intent",
            "actor": AARON_SAYS,
            "operation": STORY,
            "ts": AT,
            "pilot_after": "0.25",
            "pilot_before": "0.10",
            "settings_written": AT_25,
            "stage_after": 25,
            "stage_before": 25,
            **JUDGED_SAYS,
        },
        id="reapplying-intended",
    ),
    pytest.param(
        moves.reapply_intent(Origin(STORY, NOW, AARON), Step(0, 0, "0.10", SAFE)),
        {
            "action": "reapply",
            "phase": "intent",
            "actor": AARON_SAYS,
            "operation": STORY,
            "ts": AT,
            "pilot_after": "0.00",
            "pilot_before": "0.10",
            "settings_written": SAFE,
            "stage_after": 0,
            "stage_before": 0,
        },
        id="reapplying-the-safe-settings-intended",
    ),
    pytest.param(
        moves.shadow_intent(Origin(STORY, NOW, OLIVIA, "healed"), Step(0, 0, "0.00", IN_SHADOW)),
        {
            "action": "shadow",
            "phase": "intent",
            "actor": OLIVIA_SAYS,
            "operation": STORY,
            "ts": AT,
            "reason": "healed",
            "pilot_after": "0.00",
            "pilot_before": "0.00",
            "settings_written": IN_SHADOW,
            "stage_after": 0,
            "stage_before": 0,
        },
        id="shadow-intended",
    ),
    pytest.param(
        moves.settled_outcome(Origin(STORY, NOW, RECOVERY), Action.PROMOTE, 10, Ending(Result.APPLIED, 25, "It shows.", AT_25)),
        {
            "action": "promote",
            "phase": "outcome",
            "actor": {"id": "start", "kind": "recovery"},
            "operation": STORY,
            "ts": AT,
            "note": "It shows.",
            "result": "applied",
            "stage_before": 10,
            "stage_after": 25,
            "pilot_after": "0.25",
            "settings_observed": AT_25,
        },
        id="settled-after-a-death",
    ),
    pytest.param(
        moves.drift_accepted(
            Origin(STORY, NOW, AARON, "it was me"), (10, 25), "The settings say 25%.", AT_25, seen=SEEN_10, report=REPORT
        ),
        {
            "action": "accept",
            "phase": "event",
            "actor": AARON_SAYS,
            "operation": STORY,
            "ts": AT,
            "reason": "it was me",
            "note": "The settings say 25%.",
            "result": "applied",
            "stage_before": 10,
            "stage_after": 25,
            "pilot_after": "0.25",
            "router_seen": SEEN_10_SAYS,
            "settings_observed": AT_25,
            **JUDGED_SAYS,
        },
        id="drift-accepted",
    ),
]


@pytest.mark.parametrize(("statement", "before"), BEFORE)
def test_receipts_of_moves_have_the_bytes_that_they_always_had(statement: Statement, before: dict[str, Any]) -> None:
    """What stands in a journal from before the constructors is what they would write."""
    assert receipt_of(statement) == written(**before)
