"""What receipts state about requests that wait for an approval, and about the review of what was done without one.

Pure. Excluded: what an approved request does (core/receipts/drafts/moves.py, brakes.py, upkeep.py).
"""

from core.gates.report import Report
from core.receipts.drafts.origin import Origin, judged, measured
from core.receipts.evidence import Signature, Terms
from core.receipts.receipt import Action, Phase, Statement
from core.text import clean_text


def request_asked(
    origin: Origin,
    stages: tuple[int | None, int | None],
    pilot: str | None,
    report: Report | None,
    terms: Terms | None = None,
) -> Statement:
    """Something was asked for that needs an approval.

    Args:
        origin: who asked; its operation is the request's id.
        stages: percent of live traffic at present, and as asked for; None if nobody knows, or if it stays.
        pilot: the pilot that stood in the router's settings, as it was written.
        report: the gates, where they are asked.
        terms: what it is bound to; None only in journals from before receipts had them.
    """
    before, wanted = stages
    return Statement(
        action=Action.REQUEST,
        phase=Phase.EVENT,
        stage_before=before,
        stage_after=wanted,
        pilot_before=pilot,
        approval_id=origin.operation,
        terms=terms,
        **measured(report),
        **origin.facts,
    )


def request_answered(
    origin: Origin, action: Action, signatures: tuple[Signature, ...], note: str = "", report: Report | None = None
) -> Statement:
    """A request was signed, or is over: approved, denied, expired or stale.

    Args:
        origin: who answered; its operation is the request's id.
        action: the answer.
        signatures: everybody's so far.
        note: why it is over, a sentence.
        report: the gates, where they were asked again.
    """
    return Statement(
        action=action,
        phase=Phase.EVENT,
        note=clean_text(note),
        approval_id=origin.operation,
        approvals=signatures,
        **judged(report),
        **origin.facts,
    )


def break_glass_reviewed(origin: Origin) -> Statement:
    """Somebody else has looked at a break-glass, whose story this is."""
    return Statement(action=Action.REVIEW, phase=Phase.EVENT, **origin.facts)
