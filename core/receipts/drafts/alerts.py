"""What receipts state about alerts: their status, who looks after them, what was silenced, whether a drill arrived.

Pure. Excluded: a freeze because of an alert (core/receipts/drafts/brakes.py).
"""

from dataclasses import replace

from core.alerts.payload import AlertFacts
from core.receipts.cause import Acknowledged
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import AlertDrill
from core.receipts.receipt import Action, Phase, Result, Statement
from core.text import clean_text


def alert_noted(origin: Origin, facts: AlertFacts) -> Statement:
    """An alert fires or is over, and nothing else is done about it; the key says which status it is."""
    return Statement(action=Action.ALERT, phase=Phase.EVENT, alert=facts, **origin.facts)


def alerts_acknowledged(origin: Origin) -> Statement:
    """Somebody looks after a group of alerts, whose story this is; the first counts."""
    return Statement(action=Action.ACKNOWLEDGE, phase=Phase.EVENT, **replace(origin, cause=Acknowledged(origin.operation)).facts)


def alert_drill_held(origin: Origin, legs: AlertDrill, problem: str) -> Statement:
    """An alert was posted to Alertmanager, to see whether it comes back at the webhook.

    Args:
        origin: who held the drill.
        legs: how far the alert came.
        problem: why it came no further, in sentences; empty if it arrived.
    """
    return Statement(
        action=Action.ALERT_DRILL,
        phase=Phase.EVENT,
        note=clean_text(problem or f"{legs}."),
        result=Result.NOT_APPLIED if problem else Result.APPLIED,
        alert_drill=legs,
        **origin.facts,
    )


def alerts_silenced(origin: Origin, what: str) -> Statement:
    """Alertmanager sends no more notifications about some alerts for a while; `what` is a sentence."""
    return Statement(action=Action.SILENCE, phase=Phase.EVENT, note=clean_text(what), **origin.facts)
