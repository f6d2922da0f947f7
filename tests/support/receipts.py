"""Receipts as anr wrote them before its constructors: their set fields as literal data, and the rest, which was empty."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from core.actors import Actor, ActorKind
from core.canonical import canonical_bytes
from core.gates.policy import GateName
from core.gates.report import Gate, GateReport, Report, Verdict
from core.ledger.figures import Counts, LedgerSpan, WindowMetrics, figures_of
from core.ledger.window import Window
from core.receipts.chain import GENESIS, seal
from core.receipts.drafts.origin import Consent
from core.receipts.evidence import RouterSighting, Signature, StateCopy
from core.receipts.observation import Observation, Sight
from core.receipts.receipt import Draft, Statement

EMPTY: Mapping[str, Any] = {
    "alert": None,
    "alert_drill": None,
    "approval_id": None,
    "approvals": [],
    "archived": [],
    "backup": None,
    "break_glass": None,
    "cause": None,
    "checkpoint": None,
    "deleted": None,
    "due_at": None,
    "gates": [],
    "go": None,
    "holds_added": [],
    "holds_in_force": [],
    "holds_lifted": [],
    "late": False,
    "metrics": None,
    "note": "",
    "observation": None,
    "pilot_after": None,
    "pilot_before": None,
    "reason": "",
    "restored": None,
    "result": None,
    "router_seen": None,
    "router_version": None,
    "settings_observed": None,
    "settings_written": None,
    "stage_after": None,
    "stage_before": None,
    "state_change": None,
    "terms": None,
}
"""What a receipt says where an action has nothing to say."""
EVERYWHERE: Mapping[str, Any] = {
    "account": "anr",
    "adds_up": None,
    "build": "anr 0.1.0",
    "host": "vm",
    "id": "fe29a732bcf9490184dcd7aec23ca508",
    "prev": GENESIS,
    "request_digest": None,
    "runbook_url": "https://runbook.example/anr",
    "seq": 1,
    "target": "production",
    "version": 1,
}
"""What every receipt carries."""


def written(**stated: Any) -> bytes:
    """Return the bytes of the receipt that says this and nothing else."""
    unknown = set(stated) - set(EMPTY) - {"action", "phase", "actor", "operation", "ts"}
    assert not unknown
    return canonical_bytes({**EMPTY, **EVERYWHERE, **stated})


def receipt_of(statement: Statement) -> bytes:
    """Return the bytes of the receipt that a statement becomes."""
    known = {name: EVERYWHERE[name] for name in ("account", "build", "host", "id", "runbook_url")}
    return seal(Draft(**dict(statement), **known), target="production", seq=1, prev=GENESIS).data


NOW = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
AT = "2025-10-01T09:05:00.000000Z"
STORY = "e38f4b01aa72466b814589124f8aa24a"
OLIVIA, AARON, MAX = (Actor(kind=ActorKind.SLACK, id=name) for name in ("UOLIVIA", "UAARON", "UMAX"))
OLIVIA_SAYS, AARON_SAYS, MAX_SAYS = ({"id": person.id, "kind": "slack"} for person in (OLIVIA, AARON, MAX))
DAILY_SAYS = {"id": "daily", "kind": "scheduler"}
UPKEEP_SAYS = {"id": "upkeep", "kind": "scheduler"}

SAFE = {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_KILL": "1", "NOVA_ANR_PILOT": "0.00"}
AT_10 = {"NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.10"}
AT_25 = {
    "NOVA_ANR_ENABLED": "1",
    "NOVA_ANR_KILL": "0",
    "NOVA_ANR_MAX_FAST_PROB": "0.15",
    "NOVA_ANR_PILOT": "0.25",
    "NOVA_ANR_STRICT_ON_ANOMALY": "1",
}
IN_SHADOW = {**AT_25, "NOVA_ANR_PILOT": "0.00"}

CONSENT = Consent("qg65uqr79h", (Signature(actor=AARON, at=NOW, decision="approved"),))
CONSENT_SAYS = {
    "approval_id": "qg65uqr79h",
    "approvals": [{"actor": {"id": "UAARON", "kind": "slack"}, "at": AT, "decision": "approved"}],
}
SEEN_10 = RouterSighting(pilot=0.1, at=NOW)
SEEN_10_SAYS = {"at": AT, "pilot": 0.1}
COPY = StateCopy(name="anr_state_20251001_090500.json", size=12, digest="b8" * 32)
COPY_SAYS = {"digest": "b8" * 32, "name": "anr_state_20251001_090500.json", "size": 12}

REPORT = Report(
    WindowMetrics(
        window=Window.ending(NOW, 1440),
        figures=figures_of(Counts(), None),
        oldest_us=None,
        newest_us=None,
        skipped={},
        hours=(),
        span=LedgerSpan(0, ""),
    ),
    GateReport(gates=(Gate(name=GateName.RSI, verdict=Verdict.FAIL, value=0.5, bound=0.85, reason="only 50.0%"),)),
)
JUDGED_SAYS = {
    "gates": [{"bound": 0.85, "name": "rsi", "reason": "only 50.0%", "value": 0.5, "verdict": "FAIL"}],
    "go": False,
}
MEASURED_SAYS = {**JUDGED_SAYS, "metrics": REPORT.metrics.summary()}


def expected(stage: int, *, safe: bool = False) -> Observation:
    """Return what is expected of a router whose settings were written now."""
    return Observation(stage=stage, safe=safe, since=NOW, counts_from=NOW.replace(second=1), sight=Sight.NOT_YET_SEEN)


def expected_says(stage: int, *, safe: bool = False, **seen: Any) -> dict[str, Any]:
    """Return how a receipt says it."""
    return {
        "at": None,
        "at_least": False,
        "counts_from": "2025-10-01T09:05:01.000000Z",
        "live": 0,
        "pilot": None,
        "restarted": False,
        "safe": safe,
        "shadow": 0,
        "sight": "not_yet_seen",
        "since": AT,
        "source": "",
        "stage": stage,
        "took_s": None,
        "turn": 0,
        "version": None,
        "why": "",
        **seen,
    }
