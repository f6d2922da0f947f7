from typing import Any

import pytest

from core.actors import SCHEDULER
from core.receipts.cause import Observed
from core.receipts.drafts import sightings
from core.receipts.drafts.origin import Origin
from core.receipts.observation import Sight
from core.receipts.receipt import Statement
from tests.support.receipts import (
    AT,
    AT_25,
    DAILY_SAYS,
    NOW,
    SEEN_10,
    SEEN_10_SAYS,
    STORY,
    expected,
    expected_says,
    receipt_of,
    written,
)

LOOK = Origin(STORY, NOW, SCHEDULER)
LOOK_SAYS = {"phase": "event", "actor": DAILY_SAYS, "operation": STORY, "ts": AT}
SHOWN = {"at": NOW, "live": 3, "pilot": 0.1, "source": "ledger", "turn": 1}
SHOWN_SAYS: dict[str, Any] = {"at": AT, "live": 3, "pilot": 0.1, "source": "ledger", "turn": 1}
SERVES_10 = expected(10).model_copy(update={**SHOWN, "sight": Sight.SEEN_STAGE})
SERVES_10_NOT_25 = expected(25).model_copy(update={**SHOWN, "sight": Sight.OTHER_STAGE})
BEFORE = [
    pytest.param(
        sightings.stage_seen(LOOK, 10, Observed(6, 1), SEEN_10, SERVES_10),
        {
            **LOOK_SAYS,
            "action": "seen",
            "cause": "observed:6:1",
            "note": "Seen at 10% (ledger, 09:05:00 UTC).",
            "observation": expected_says(10, **SHOWN_SAYS, sight="seen_stage"),
            "router_seen": SEEN_10_SAYS,
            "stage_before": 10,
            "stage_after": 10,
        },
        id="seen",
    ),
    pytest.param(
        sightings.stage_seen(LOOK, 10, Observed(1, 1), SEEN_10),
        {
            **LOOK_SAYS,
            "action": "seen",
            "cause": "observed:1:1",
            "router_seen": SEEN_10_SAYS,
            "stage_before": 10,
            "stage_after": 10,
        },
        id="seen-of-a-router-that-is-not-followed",
    ),
    pytest.param(
        sightings.router_observed(LOOK, 25, Observed(4, 1), SEEN_10, SERVES_10_NOT_25),
        {
            **LOOK_SAYS,
            "action": "observed",
            "cause": "observed:4:1",
            "note": "NOT FOLLOWING: the running router shows 10%, not 25% (ledger, 09:05:00 UTC).",
            "observation": expected_says(25, **SHOWN_SAYS, sight="other_stage"),
            "router_seen": SEEN_10_SAYS,
            "stage_before": 25,
            "stage_after": 25,
        },
        id="observed",
    ),
    pytest.param(
        sightings.drift_found(LOOK, 25, "It serves 10%.", AT_25, seen=SEEN_10, observation=SERVES_10_NOT_25),
        {
            **LOOK_SAYS,
            "action": "drift",
            "note": "It serves 10%.",
            "observation": expected_says(25, **SHOWN_SAYS, sight="other_stage"),
            "router_seen": SEEN_10_SAYS,
            "settings_observed": AT_25,
            "stage_before": 25,
            "stage_after": 25,
        },
        id="drift",
    ),
    pytest.param(
        sightings.drift_over(LOOK, 10),
        {**LOOK_SAYS, "action": "agreed", "stage_before": 10, "stage_after": 10},
        id="agreed",
    ),
]


@pytest.mark.parametrize(("statement", "before"), BEFORE)
def test_receipts_of_sightings_have_the_bytes_that_they_always_had(statement: Statement, before: dict[str, Any]) -> None:
    """What stands in a journal from before the constructors is what they would write."""
    assert receipt_of(statement) == written(**before)
