"""Approvals: a request that somebody else has to approve, what it is bound to, and who may answer it.

Pure. Excluded: where requests are kept (core/journal/journal.py) and the buttons that answer them. An approval is bound to its
intent: the action and its subject, both stages, the state's revision, the policy, the gates' verdicts, the requester and an
expiry. All of it is checked again when somebody answers, on a fresh report; what changed makes the request stale, for good.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from core.actors import AccessPolicy, Actor, ActorKind, Approvable, ApprovalRule
from core.canonical import MARK_DIGITS, Moment
from core.gates.report import GateReport
from core.receipts.drafts.origin import Consent
from core.receipts.evidence import HOLD_DIGITS, Signature, Terms
from core.rollout.decisions import may_restore
from core.rollout.refusals import Code, Refuse, no_person
from core.rollout.state import RolloutState
from core.text import Sentence

BRAKES = frozenset({Approvable.ROLLBACK, Approvable.FREEZE})
"""They happen at once; only a setting gives them an approval."""


_SKEW = timedelta(minutes=5)
"""How far the clocks of two machines of one target may be apart."""


class ApprovalStatus(StrEnum):
    """Where a request stands. All but PENDING are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    STALE = "stale"


class Approval(BaseModel):
    """A request, and its answer.

    Attributes:
        action: what is asked for.
        subject: what it is to be done to: ids of holds to lift, name and digest of a backup, how a drift is ended and the stage
            that the router shows; empty for any other promotion.
        from_stage: percent of live traffic when it was asked; None if nobody knew.
        to_stage: percent afterwards; None if the action leaves it alone.
        epoch: of the state when it was asked; a restore begins a new one and voids every request of the one before.
        verdict_digest: of the gates when it was asked; empty where no gate is asked.
        needed: how many people have to approve.
        signatures: who has approved so far, and when.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    action: Approvable = Approvable.PROMOTE
    subject: tuple[str, ...] = ()
    requester: Actor
    reason: str
    from_stage: int | None
    to_stage: int | None
    revision: int
    epoch: int = 0
    policy_digest: str
    verdict_digest: str
    asked_at: Moment
    expires_at: Moment
    needed: int = 1
    signatures: tuple[Signature, ...] = ()
    status: ApprovalStatus = ApprovalStatus.PENDING
    decided_by: Actor | None = None
    decided_at: Moment | None = None
    note: str = ""

    @property
    def ends_drift(self) -> str | None:
        """Of a promotion, how it ends a drift upwards: `accept` or `reapply`; None if it ends none."""
        return self.subject[0] if self.action is Approvable.PROMOTE and self.subject else None

    @property
    def leaves_zero(self) -> bool:
        """Whether it is the first step of the ladder: only there may live decisions be missing."""
        return (self.subject[1] == "0" if self.ends_drift == "reapply" else self.from_stage == 0) and bool(self.to_stage)

    @property
    def what(self) -> str:
        """What is asked for, in a few words."""
        if self.ends_drift == "reapply":
            return f"put {self.to_stage}% of live traffic back (`drift reapply`), where the router shows {self.subject[1]}%"
        if self.ends_drift:
            return f"accept what the router shows (`drift accept`): {self.from_stage}% → {self.to_stage}% of live traffic"
        if self.action is Approvable.PROMOTE:
            return f"{self.from_stage}% → {self.to_stage}% of live traffic"
        if self.action is Approvable.RESTORE and len(self.subject) == 2:
            return f"restore {self.subject[0]} (sha256 {self.subject[1][:MARK_DIGITS]}…)"
        if self.action is Approvable.RESET:
            return "reset the bandit's state: what it has learned is forgotten"
        if self.action is Approvable.UNFREEZE:
            holds = f"{len(self.subject)} hold{'' if len(self.subject) == 1 else 's'}"
            return f"lift {holds}: {', '.join(hold_id[:HOLD_DIGITS] for hold_id in self.subject)}"
        about = ", ".join(self.subject)
        if self.action in BRAKES:
            return f"{'freeze' if self.action is Approvable.FREEZE else 'roll back'}{f' for {about}' if about else ''}"
        return f"{self.action} {about}".rstrip()

    @property
    def asked_with(self) -> str:
        """The command with which it is asked for."""
        if self.ends_drift:
            return f"drift {self.ends_drift}"
        return "state reset" if self.action is Approvable.RESET else str(self.action)

    @property
    def missing(self) -> int:
        """How many people still have to approve."""
        return max(0, self.needed - len(self.signatures))

    @property
    def consent(self) -> Consent:
        """What receipts say of this request where it allowed something."""
        return Consent(self.id, self.signatures)

    @property
    def terms(self) -> Terms:
        """What it is bound to, as its receipt carries it."""
        return Terms(
            action=self.action,
            subject=self.subject,
            revision=self.revision,
            epoch=self.epoch,
            policy_digest=self.policy_digest,
            verdict_digest=self.verdict_digest,
            expires_at=self.expires_at,
            needed=self.needed,
        )

    def signed(self, by: Actor, at: datetime) -> "Approval":
        """Return this request with one more approval."""
        return self.model_copy(update={"signatures": (*self.signatures, Signature(actor=by, at=at, decision="approved"))})

    def ended(self, status: ApprovalStatus, at: datetime, *, by: Actor | None = None, note: str = "") -> "Approval":
        """Return this request in a final status.

        Args:
            status: a status that is final.
            at: when it ended.
            by: who ended it; None if its time was over or the world had changed.
            note: why, as a sentence; empty if the status says it all.
        """
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
        return Refuse(
            Code.APPROVAL_EXPIRED, f"This request has expired. Nothing was changed; ask again with `{approval.asked_with}`."
        )
    return None


def from_the_future(approval: Approval, now: datetime) -> Refuse | None:
    """Say that a request was made later than the clock says it is, so that nobody can tell how old it is; None if not."""
    if approval.asked_at - now <= _SKEW:
        return None
    return Refuse(
        Code.APPROVAL_STALE,
        Sentence(
            "This was asked for at ",
            approval.asked_at,
            ", and the clock has not come so far: it was set back. Nothing was "
            "changed; set the clock right, or deny this and ask again.",
        ),
    )


def nobody_eligible(requester: Actor, rule: ApprovalRule) -> Refuse | None:
    """Say why nobody could approve this requester's request, and what to do about it; None if enough people may.

    A user group counts as enough: who is in it is known only when somebody clicks.
    """
    others = rule.approvers - (requester.names - requester.groups)
    at_terminal = requester.kind is ActorKind.OS
    elsewhere = {name for name in others if name.startswith("os:") != at_terminal} if requester.is_person else set()
    eligible = others - elsewhere
    if len(eligible) >= rule.needed or any(name.startswith("S") for name in eligible):
        return None
    people = "one other person has" if rule.needed == 1 else f"{rule.needed} other people have"
    text = f"Nobody could approve this: {people} to, and the settings name {_listed(eligible)} who may. Nothing was asked; "
    if elsewhere:
        here, there = ("the terminal", "Slack") if requester.kind is ActorKind.OS else ("Slack", "the terminal")
        text += f"{_listed(elsewhere)} cannot: this was asked for from {here}, and they are known from {there} alone. Name who "
        text += "they are under `people` in the settings, or "
    return Refuse(Code.NO_APPROVERS, text + "add somebody to `approvers` in the settings.")


def _listed(names: AbstractSet[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"


def may_approve(approval: Approval, actor: Actor, access: AccessPolicy) -> Refuse | None:
    """Say why this actor may not approve this request, or None if they may."""
    if actor.is_same_as(approval.requester):
        return Refuse(
            Code.SELF_APPROVAL,
            "You asked for this yourself, so somebody else has to approve it. Nothing was changed.",
        )
    if actor.is_person and any(person.is_person and person.kind is not actor.kind for person in _hands(approval)):
        return Refuse(
            Code.IDENTITY_UNPROVEN,
            "This was asked for or approved in one place and is approved in another, and nobody can tell whether both are one "
            "person. Nothing was changed; name the terminal user's Slack id under `people` in the settings.",
        )
    if actor.kind is ActorKind.ACCOUNT:
        return no_person("approve this")
    if not actor.is_person or not access.may_approve(actor, approval.action):
        return Refuse(Code.NOT_APPROVER, "Only an approver can approve this. Nothing was changed; ask one of the approvers.")
    if any(actor.is_same_as(signature.actor) for signature in approval.signatures):
        return Refuse(Code.ALREADY_DONE, f"You have approved this already; {approval.missing} more is needed.")
    return None


def _hands(approval: Approval) -> tuple[Actor, ...]:
    """Everybody whose hand a request has seen: who asked, and who has approved so far."""
    return (approval.requester, *(signature.actor for signature in approval.signatures))


def may_deny(approval: Approval, actor: Actor, access: AccessPolicy) -> Refuse | None:
    """Say why this actor may not deny this request: approvers may, and the requester may take it back."""
    if actor.kind is ActorKind.ACCOUNT:
        return no_person("deny this")
    if actor.is_same_as(approval.requester) or access.may_approve(actor, approval.action):
        return None
    return Refuse(Code.NOT_APPROVER, "Only an approver or the requester can deny this. Nothing was changed.")


def still_true(approval: Approval, state: RolloutState, policy_digest: str) -> Refuse | None:
    """Say what changed since the request was made, apart from the gates; None if nothing did."""
    if approval.action in BRAKES:
        return None  # the safe settings are right wherever the rollout has moved
    if state.epoch != approval.epoch:
        return Refuse(
            Code.APPROVAL_STALE,
            "The bandit's state was reset or restored after this request was made, which voids it. Nothing was done; ask again.",
        )
    if approval.action in {Approvable.RESTORE, Approvable.RESET}:
        return may_restore(state)  # further holds since then are no reason against it: it freezes anyway
    if approval.action is Approvable.UNFREEZE:
        return _still_held(approval, state)
    if state.frozen and approval.action is Approvable.PROMOTE:
        return Refuse(Code.FROZEN, "The rollout was frozen after this request was made. Nothing was promoted.")
    if state.revision != approval.revision or state.stage != approval.from_stage:
        now_at = "at an unknown stage" if state.stage is None else f"at {state.stage}%"
        return Refuse(
            Code.APPROVAL_STALE,
            f"The rollout moved after this request was made (it is {now_at}). Nothing was done; ask again.",
        )
    if policy_digest != approval.policy_digest:
        return Refuse(
            Code.APPROVAL_STALE,
            "The gates' bounds were changed after this request was made. Nothing was done; ask again.",
        )
    return None


def _still_held(approval: Approval, state: RolloutState) -> Refuse | None:
    held = {hold.id for hold in state.holds}
    if set(approval.subject) <= held:
        return None
    return Refuse(Code.APPROVAL_STALE, "A hold that this was about is no longer in force. Nothing was lifted; ask again.")


def decide_approval(approval: Approval, gates: GateReport) -> Refuse | None:
    """Say what a fresh gate report has against a promotion that somebody entitled has approved; None if nothing."""
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
    return None
