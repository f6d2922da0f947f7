"""Approvals: a request to promote, what it is bound to, and who may answer it.

Pure. Excluded: where requests are kept (core/journal.py) and the buttons that answer them. An approval is bound to its
intent: both stages, the state's revision, the policy, the gates' verdicts, the requester and an expiry. All of it is
checked again when somebody answers, on a fresh report; what changed makes the request stale, for good.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from core.actors import Actor, Role
from core.canonical import Moment
from core.decisions import Code, Proceed, Refuse
from core.gates import GateReport
from core.rollout import RolloutState


class ApprovalStatus(StrEnum):
    """Where a request stands. All but PENDING are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    STALE = "stale"


class Approval(BaseModel):
    """A request to promote, and its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    requester: Actor
    reason: str
    from_stage: int
    to_stage: int
    revision: int
    policy_digest: str
    verdict_digest: str
    asked_at: Moment
    expires_at: Moment
    status: ApprovalStatus = ApprovalStatus.PENDING
    decided_by: Actor | None = None
    decided_at: Moment | None = None
    note: str = ""

    def ended(self, status: ApprovalStatus, at: datetime, *, by: Actor | None = None, note: str = "") -> "Approval":
        """Return this request in a final status."""
        return self.model_copy(update={"status": status, "decided_by": by, "decided_at": at, "note": note})


def still_open(approval: Approval | None, approval_id: str, now: datetime) -> Refuse | None:
    """Say why a request cannot be answered any more, or None if it waits for an answer."""
    if approval is None:
        return Refuse(
            Code.APPROVAL_UNKNOWN, f"There is no request {approval_id!r}. Nothing was changed. Open requests: `status`."
        )
    if approval.status is not ApprovalStatus.PENDING:
        return Refuse(Code.APPROVAL_OVER, f"This request is over: it was already {approval.status}. Nothing was changed.")
    if now >= approval.expires_at:
        return Refuse(Code.APPROVAL_EXPIRED, "This request has expired. Nothing was changed; ask again with `promote`.")
    return None


def may_approve(approval: Approval, actor: Actor) -> Refuse | None:
    """Say why this actor may not approve this request, or None if they may."""
    if actor.is_same_as(approval.requester):
        return Refuse(
            Code.SELF_APPROVAL,
            "You asked for this promotion, so somebody else has to approve it. Nothing was changed.",
        )
    if approval.requester.is_person and actor.is_person and actor.kind is not approval.requester.kind:
        return Refuse(
            Code.IDENTITY_UNPROVEN,
            "This was asked for in one place and is approved in another, and nobody can tell whether both are one person. "
            "Nothing was changed; name the terminal user's Slack id under `people` in the settings.",
        )
    if not actor.is_person or Role.APPROVE not in actor.roles:
        return Refuse(Code.NOT_APPROVER, "Only an approver can approve this. Nothing was changed; ask one of the approvers.")
    return None


def may_deny(approval: Approval, actor: Actor) -> Refuse | None:
    """Say why this actor may not deny this request: approvers may, and the requester may take it back."""
    if actor.is_same_as(approval.requester) or Role.APPROVE in actor.roles:
        return None
    return Refuse(Code.NOT_APPROVER, "Only an approver or the requester can deny this. Nothing was changed.")


def still_true(approval: Approval, state: RolloutState, policy_digest: str) -> Refuse | None:
    """Say what changed since the request was made, apart from the gates; None if nothing did."""
    if state.frozen:
        return Refuse(Code.FROZEN, "The rollout was frozen after this request was made. Nothing was promoted.")
    if state.revision != approval.revision or state.stage != approval.from_stage:
        now_at = "at an unknown stage" if state.stage is None else f"at {state.stage} %"
        return Refuse(
            Code.APPROVAL_STALE,
            f"The rollout moved after this request was made (it is {now_at}). Nothing was promoted; ask again.",
        )
    if policy_digest != approval.policy_digest:
        return Refuse(
            Code.APPROVAL_STALE,
            "The gates' bounds were changed after this request was made. Nothing was promoted; ask again.",
        )
    return None


def decide_approval(approval: Approval, gates: GateReport) -> Proceed | Refuse:
    """Decide on a request that somebody entitled has approved, given a fresh gate report."""
    if not gates.go:
        failing = tuple(f"{gate.name}: {gate.reason}" for gate in gates.blocking)
        return Refuse(
            Code.GATES_NOT_PASSED,
            "The gates no longer pass, although they did when this was asked for. Nothing was promoted.",
            failing,
        )
    if gates.verdict_digest != approval.verdict_digest:
        return Refuse(
            Code.APPROVAL_STALE,
            "The gates were asked differently when this was requested. Nothing was promoted; ask again.",
        )
    return Proceed(approval.from_stage, approval.to_stage)
