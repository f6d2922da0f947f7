from typing import Any

import pytest

from core.actors import UPKEEP
from core.receipts.cause import Archive, Drill
from core.receipts.drafts import upkeep
from core.receipts.drafts.origin import Ending, Origin, Step
from core.receipts.evidence import Deleted, Hold, LedgerArchive, StateBackup
from core.receipts.receipt import Action, Result, Statement
from core.receipts.state_content import StateChange, StateSeen
from tests.support.receipts import (
    AT,
    CONSENT,
    CONSENT_SAYS,
    COPY,
    COPY_SAYS,
    NOW,
    OLIVIA,
    OLIVIA_SAYS,
    SAFE,
    STORY,
    UPKEEP_SAYS,
    receipt_of,
    written,
)

GONE = Deleted(count=1, names=("anr_ledger_202409.ndjson.gz",), digest="b3" * 32)
GONE_SAYS = {"count": 1, "digest": "b3" * 32, "names": ["anr_ledger_202409.ndjson.gz"]}
MONTH = LedgerArchive(name="anr_ledger_202508.ndjson.gz", lines=7, size=70, digest="c4" * 32)
MONTH_SAYS = {"digest": "c4" * 32, "lines": 7, "name": "anr_ledger_202508.ndjson.gz", "size": 70}
HOLD = Hold(id="qg65uqr79h", actor=OLIVIA, reason="state restored: nonsense", since=NOW)
HOLD_SAYS = {
    "actor": OLIVIA_SAYS,
    "cause": None,
    "expires_at": None,
    "id": "qg65uqr79h",
    "keeps_stage": False,
    "reason": "state restored: nonsense",
    "since": AT,
}
JOB_SAYS = {"phase": "event", "actor": UPKEEP_SAYS, "operation": STORY, "ts": AT}
RESTORE = Origin("qg65uqr79h", NOW, OLIVIA, "it learned nonsense")
RESTORE_SAYS = {"actor": OLIVIA_SAYS, "operation": "qg65uqr79h", "ts": AT, "reason": "it learned nonsense", "stage_before": 10}


def job(cause: str = "") -> Origin:
    return Origin(STORY, NOW, UPKEEP, cause=cause or None)


BEFORE = [
    pytest.param(
        upkeep.backup_made(job("backup:2025-10-01"), StateBackup(COPY, GONE, "An old one stays.")),
        {
            **JOB_SAYS,
            "action": "backup",
            "cause": "backup:2025-10-01",
            "note": "An old one stays.",
            "result": "applied",
            "backup": COPY_SAYS,
            "deleted": GONE_SAYS,
        },
        id="backup",
    ),
    pytest.param(
        upkeep.backup_failed(job("backup:2025-10-01"), "The disk is full."),
        {
            **JOB_SAYS,
            "action": "backup",
            "cause": "backup:2025-10-01",
            "note": "The disk is full.",
            "result": "not_applied",
        },
        id="backup-that-failed",
    ),
    pytest.param(
        upkeep.backup_adopted(Origin(STORY, NOW, OLIVIA), COPY, "It is one JSON object with routes R1, R2."),
        {
            **JOB_SAYS,
            "action": "adopt",
            "actor": OLIVIA_SAYS,
            "note": "It is one JSON object with routes R1, R2.",
            "result": "applied",
            "backup": COPY_SAYS,
        },
        id="adopt",
    ),
    pytest.param(
        upkeep.drill_held(
            Origin(STORY, NOW, UPKEEP, cause=Drill(2025, 40)),
            StateBackup(COPY, GONE, "An old one stays."),
            "Before it: last drill: none.",
            passed=True,
            restored=COPY,
        ),
        {
            **JOB_SAYS,
            "action": "drill",
            "cause": "drill:2025-W40",
            "note": "Before it: last drill: none.",
            "result": "applied",
            "backup": COPY_SAYS,
            "deleted": GONE_SAYS,
            "restored": COPY_SAYS,
        },
        id="drill",
    ),
    pytest.param(
        upkeep.drill_held(job(), StateBackup(None), "There is no backup.", passed=False, restored=None),
        {**JOB_SAYS, "action": "drill", "note": "There is no backup.", "result": "not_applied"},
        id="drill-that-found-something",
    ),
    pytest.param(
        upkeep.receipts_pruned(job("prune:2025-W40"), "Receipt #2 and those after it stay."),
        {**JOB_SAYS, "action": "prune", "cause": "prune:2025-W40", "note": "Receipt #2 and those after it stay."},
        id="prune",
    ),
    pytest.param(
        upkeep.ledger_archived(Origin(STORY, NOW, UPKEEP, cause=Archive(2025, 10)), (MONTH,), GONE, "It was X."),
        {
            **JOB_SAYS,
            "action": "archive",
            "cause": "archive:2025-10",
            "note": "It was X.",
            "result": "applied",
            "archived": [MONTH_SAYS],
            "deleted": GONE_SAYS,
        },
        id="archive",
    ),
    pytest.param(
        upkeep.archive_failed(job("archive:2025-10"), "The disk is full."),
        {
            **JOB_SAYS,
            "action": "archive",
            "cause": "archive:2025-10",
            "result": "not_applied",
            "note": "The disk is full.",
        },
        id="archive-that-failed",
    ),
    pytest.param(
        upkeep.state_change_intent(RESTORE, Action.RESTORE, Step(10, 0, "0.10", SAFE), HOLD, restored=COPY, consent=CONSENT),
        {
            **RESTORE_SAYS,
            "action": "restore",
            "phase": "intent",
            "stage_after": 0,
            "pilot_before": "0.10",
            "holds_added": [HOLD_SAYS],
            "settings_written": SAFE,
            "restored": COPY_SAYS,
            **CONSENT_SAYS,
        },
        id="restore-intended",
    ),
    pytest.param(
        upkeep.state_change_outcome(
            RESTORE,
            (Action.RESTORE, 10, COPY),
            Ending(Result.APPLIED, 0, "The router was restarted. ", SAFE),
            kept=COPY,
            change=StateChange(written=True, restarted=True, seen=StateSeen.UNCHANGED),
        ),
        {
            **RESTORE_SAYS,
            "action": "restore",
            "phase": "outcome",
            "note": "The router was restarted.",
            "result": "applied",
            "stage_after": 0,
            "pilot_after": "0.00",
            "settings_observed": SAFE,
            "backup": COPY_SAYS,
            "restored": COPY_SAYS,
            "state_change": {"restarted": True, "seen": "unchanged", "written": True},
        },
        id="restored",
    ),
    pytest.param(
        upkeep.state_change_intent(RESTORE, Action.RESET, Step(10, 0, "0.10", SAFE), HOLD, restored=None, consent=None),
        {
            **RESTORE_SAYS,
            "action": "reset",
            "phase": "intent",
            "stage_after": 0,
            "pilot_before": "0.10",
            "holds_added": [HOLD_SAYS],
            "settings_written": SAFE,
        },
        id="reset-intended",
    ),
]


@pytest.mark.parametrize(("statement", "before"), BEFORE)
def test_receipts_of_upkeep_have_the_bytes_that_they_always_had(statement: Statement, before: dict[str, Any]) -> None:
    """What stands in a journal from before the constructors is what they would write."""
    assert receipt_of(statement) == written(**before)
