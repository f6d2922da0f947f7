"""Where a receipt comes from, and the parts that the statements of several actions share.

Pure. Excluded: the statements themselves (the other modules here).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.actors import Actor
from core.gates.report import Report
from core.receipts.cause import Cause
from core.receipts.evidence import Signature
from core.receipts.observation import Observation
from core.receipts.receipt import Result
from core.text import clean_text

_PILOT = "NOVA_ANR_PILOT"


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose story a receipt belongs to, when it was written, and who did what it states.

    Attributes:
        operation: joins the receipts of one story.
        at: when it happened.
        actor: who did it, or asked for it.
        reason: why, in the actor's own words; it is cleaned and bounded on the way into the receipt.
        cause: what set it off, if that has one effect only; a key as a surface was given it, or a value.
    """

    operation: str
    at: datetime
    actor: Actor
    reason: str = ""
    cause: Cause | str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The fields of a statement that tell this, by name."""
        return {
            "operation": self.operation,
            "ts": self.at,
            "actor": self.actor,
            "reason": clean_text(self.reason),
            "cause": None if self.cause is None else str(self.cause),
        }


@dataclass(frozen=True, slots=True)
class Consent:
    """The request that allowed something.

    Attributes:
        approval_id: of the request.
        signatures: who approved it, and when.
    """

    approval_id: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A change of the router's settings that is intended.

    Attributes:
        from_stage: percent of live traffic before; None if nobody knows.
        to_stage: percent that is wanted.
        pilot_before: the pilot that stood in the settings, as it was written.
        wanted: the settings that are to be written, by name.
        router_version: of the running router, as its endpoint told it last; None if it never did.
    """

    from_stage: int | None
    to_stage: int
    pilot_before: str | None
    wanted: Mapping[str, str]
    router_version: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a change of the router's settings ended.

    Attributes:
        stage: percent of live traffic afterwards; None if nobody can say.
        note: what else happened, in sentences.
        settings: what the settings file said afterwards, by name; None if it could not be read.
        expected: what is expected of the running router from then on; None if nobody can say.
    """

    result: Result
    stage: int | None
    note: str
    settings: Mapping[str, str] | None
    expected: Observation | None = None


def consented(consent: Consent | None) -> dict[str, Any]:
    """Return the fields that say which request allowed it, by name."""
    if consent is None:
        return {}
    return {"approval_id": consent.approval_id, "approvals": consent.signatures}


def judged(report: Report | None) -> dict[str, Any]:
    """Return the fields that tell the gates' verdicts, by name; none if the gates were not asked."""
    return {} if report is None else {"go": report.gates.go, "gates": report.gates.gates}


def measured(report: Report | None) -> dict[str, Any]:
    """Return the fields that tell the gates' verdicts and the figures in brief, by name."""
    return {} if report is None else {**judged(report), "metrics": report.metrics.summary()}


def read_back(settings: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the fields that tell what the settings file said afterwards, by name."""
    return {} if settings is None else {"pilot_after": pilot_in(settings), "settings_observed": dict(settings)}


def pilot_in(settings: Mapping[str, str] | None) -> str | None:
    """Return the pilot as it is written in the router's settings, or None."""
    return None if settings is None else settings.get(_PILOT)


def unmoved(stage: int | None) -> dict[str, Any]:
    """Return the fields that tell a stage in percent that stays, by name."""
    return {"stage_before": stage, "stage_after": stage}
