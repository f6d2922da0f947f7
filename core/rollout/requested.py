"""A request as the chain has it, and by the rules of now: what is carried out is what was asked for, by whom it still may be.

Pure. Excluded: reading receipts (core/journal/journal.py), who somebody is now (core/target/target.py), and whether the world is
still as it was (core/rollout/approvals.py).
"""

from collections.abc import Callable, Iterable, Sequence

from core.actors import AccessPolicy, Actor, Approvable, Role
from core.receipts.receipt import Action, Receipt
from core.rollout.approvals import BRAKES, Approval, ApprovalStatus
from core.rollout.refusals import Code, Refuse

_STILL_WAITS = frozenset({Action.REQUEST, Action.APPROVE})
"""Receipts of a request after which it waits for an answer; every other one is its end."""


def as_recorded(receipts: Iterable[Receipt], approval_id: str) -> Approval | None:
    """Return a request as its receipts have it, while they say that it waits; None if they do not.

    Args:
        receipts: of a chain that verifies, in order; those of other stories are passed over.
        approval_id: the request's.
    """
    found: Approval | None = None
    for receipt in receipts:
        if receipt.approval_id != approval_id:
            continue
        if receipt.action not in _STILL_WAITS:
            return None
        if receipt.action is Action.REQUEST and found is None:
            found = _asked(receipt)
        elif receipt.action is Action.APPROVE and found is not None:
            found = found.model_copy(update={"signatures": receipt.approvals})
    return found


_ENDS = {
    Action.DENY: ApprovalStatus.DENIED,
    Action.EXPIRE: ApprovalStatus.EXPIRED,
    Action.STALE: ApprovalStatus.STALE,
}


def as_kept(story: Sequence[Receipt]) -> tuple[Approval, ...]:
    """Return what a request may look like in the journal after its receipts, the likeliest first; empty if it has no row.

    Which of them it was is told by the digest that receipts carry since they do.

    Args:
        story: the receipts that name the request, in order.
    """
    if not story or story[0].action is not Action.REQUEST:
        return ()  # it was pruned with its first receipt
    bound = [number for number, receipt in enumerate(story, 1) if receipt.request_digest is not None]
    told = story[: bound[-1]] if bound else story
    asked = _asked(story[0]) or _asked_without_terms(story[0])
    signatures = next((receipt.approvals for receipt in reversed(told) if receipt.approvals), ())
    # how many are needed is asked of the rules at each answer
    needed = dict.fromkeys((asked.needed, len(signatures)))
    requests, last = [asked.model_copy(update={"signatures": signatures, "needed": count}) for count in needed], told[-1]
    if last.action in _STILL_WAITS:
        return tuple(requests)
    status = _ENDS.get(last.action, ApprovalStatus.APPROVED)
    signed = [(signature.actor, signature.at) for signature in reversed(signatures)]
    decided = [(last.actor, last.ts), (None, last.ts)] if last.action in _ENDS else [*signed, (last.actor, last.ts)]
    notes = dict.fromkeys((last.note, "") if last.action in _ENDS else ("", last.note))
    return tuple(request.ended(status, at, by=by, note=note) for request in requests for by, at in decided for note in notes)


def _asked_without_terms(receipt: Receipt) -> Approval:
    """Return a request from before receipts had its terms: it cannot be carried out, only ended."""
    return Approval(
        id=receipt.approval_id or "",
        requester=receipt.actor,
        reason=receipt.reason,
        from_stage=receipt.stage_before,
        to_stage=receipt.stage_after,
        revision=0,
        policy_digest="",
        verdict_digest="",
        asked_at=receipt.ts,
        expires_at=receipt.ts,
    )


def _asked(receipt: Receipt) -> Approval | None:
    terms = receipt.terms
    if terms is None or receipt.approval_id is None:
        return None
    return Approval(
        id=receipt.approval_id,
        action=terms.action,
        subject=terms.subject,
        requester=receipt.actor,
        reason=receipt.reason,
        from_stage=receipt.stage_before,
        to_stage=receipt.stage_after,
        revision=terms.revision,
        epoch=terms.epoch,
        policy_digest=terms.policy_digest,
        verdict_digest=terms.verdict_digest,
        asked_at=receipt.ts,
        expires_at=terms.expires_at,
        needed=terms.needed,
    )


def tampered(approval: Approval, receipts: Iterable[Receipt]) -> Refuse | None:
    """Refuse a request whose row is not what its receipts say; None if it is.

    Args:
        approval: the row that waits for an answer.
        receipts: of a chain that verifies, in order.
    """
    recorded = as_recorded(receipts, approval.id)
    # how many are needed is asked of the rules of now, whatever either says
    if recorded is not None and recorded == approval.model_copy(update={"needed": recorded.needed}):
        return None
    return Refuse(
        Code.TAMPERED,
        f"Request {approval.id} is not what its receipts say: somebody changed it beside the chain, or it is from before "
        "receipts had a request's terms. Nothing was done; run `anr verify`, deny it and ask again.",
    )


def by_rules_of_now(approval: Approval, now: Callable[[Actor], Actor], access: AccessPolicy) -> Approval | Refuse:
    """Return a request under the rules of now: who asked may still ask, who signed may still approve, as many as are needed now.

    A signature that its owner could not give any more does not count; a requester who could not ask any more ends the request.

    Args:
        approval: as it was recorded.
        now: returns a person as they are now: under their one identity, with their roles and groups.
        access: who may do what.
    """
    requester = now(approval.requester) if approval.requester.is_person else approval.requester
    if requester.is_person and not _may_ask(approval, requester, access):
        return Refuse(
            Code.APPROVAL_STALE, f"{requester.id}, who asked for this, may not ask for it any more. Nothing was done; ask again."
        )
    signatures, signed = [], list[Actor]()
    for signature in approval.signatures:
        signer = now(signature.actor)
        counts = access.may_approve(signer, approval.action) and not any(map(signer.is_same_as, (requester, *signed)))
        if counts:
            signed.append(signer)
            signatures.append(signature.model_copy(update={"actor": signer}))
    needed = max(1, access.rule(approval.action).needed)
    return approval.model_copy(update={"requester": requester, "signatures": tuple(signatures), "needed": needed})


def _may_ask(approval: Approval, requester: Actor, access: AccessPolicy) -> bool:
    if approval.action in BRAKES:
        return True
    if approval.ends_drift:
        return access.may_approve(requester, Approvable.PROMOTE)
    return Role.OPERATE in requester.roles
