"""Asking for an approval: a request, and what it is bound to.

Excluded: whether something needs one (core/operations/propose.py), and answering it (core/operations/requests.py).
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.actors import Approvable
from core.gates.report import Report
from core.operations.results import Asked, Refused
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.requests import request_asked
from core.rollout.approvals import Approval, nobody_eligible
from core.rollout.refusals import Code, Refuse
from core.target.order import Order
from core.target.target import Facts, Target
from core.text import clean_text

_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that people confuse when they type an id."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is to be done once it is approved.

    Attributes:
        subject: what it is to be done to: ids of holds, the name of a backup, how a drift is ended; empty for a promotion.
        to_stage: percent of live traffic afterwards; None if it leaves the stage alone.
    """

    action: Approvable
    subject: tuple[str, ...] = ()
    to_stage: int | None = None


def ask(
    target: Target,
    facts: Facts,
    intent: Proposal,
    order: Order,
    now: datetime,
    report: Report | None = None,
) -> Asked | Refused:
    """Record a request and what it is bound to. The caller holds the lock and has decided that it may be asked.

    Args:
        target: the router that is meant.
        facts: what is so now, with the requests that wait (`Target.facts_and_requests`).
        intent: what is asked for.
        order: who asks, why, and what set it off.
        now: the moment of the operation.
        report: what the gates say; None where no gate is asked.

    Raises:
        JournalError: nothing was asked.
    """
    for waiting in facts.waiting:
        if waiting.action is intent.action:
            text = f"Request {waiting.id} already waits for an answer. Nothing was asked again; approve or deny that one."
            return Refused(Refuse(Code.APPROVAL_PENDING, text), report, waiting)
    rule = target.access.rule(intent.action)
    if refusal := nobody_eligible(order.actor, rule):
        return Refused(refusal, report)
    approval = Approval(
        id="".join(secrets.choice(_ID_ALPHABET) for _ in range(10)),
        action=intent.action,
        subject=intent.subject,
        requester=order.actor,
        reason=clean_text(order.reason),
        from_stage=facts.state.stage,
        to_stage=intent.to_stage,
        revision=facts.state.revision,
        epoch=facts.state.epoch,
        policy_digest=target.settings.policy_digest,
        verdict_digest=report.gates.verdict_digest if report else "",
        asked_at=now,
        expires_at=now + timedelta(minutes=target.settings.approval_minutes),
        needed=rule.needed,
    )
    draft = target.draft(
        request_asked(
            Origin(approval.id, now, order.actor, approval.reason, order.cause),
            (facts.state.stage, intent.to_stage),
            facts.settings.pilot,
            report,
            approval.terms,
        ),
    )
    return Asked(approval, report, target.journal.append(draft, approval))
