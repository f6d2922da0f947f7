"""Reasons for which something is refused, as closed codes, each with a sentence.

Pure. Excluded: when they apply (core/rollout/decisions.py).
"""

from dataclasses import dataclass
from enum import StrEnum

from core.actors import Actor, ActorKind, Role


class Code(StrEnum):
    """Every reason for which something is refused."""

    NOT_INITIALISED = "not_initialised"
    ALREADY_INITIALISED = "already_initialised"
    STAGE_UNKNOWN = "stage_unknown"
    UNSETTLED = "unsettled"
    FROZEN = "frozen"
    BRAKE_ENGAGED = "brake_engaged"
    BRAKE_FAILED = "brake_failed"
    BRAKED = "braked"
    DRIFT = "drift"
    NOT_AT_ZERO = "not_at_zero"
    NOT_ON_LADDER = "not_on_ladder"
    NOT_NEXT_STAGE = "not_next_stage"
    ALREADY_THERE = "already_there"
    TOP_OF_LADDER = "top_of_ladder"
    GATES_NOT_PASSED = "gates_not_passed"
    NO_APPROVERS = "no_approvers"
    NOT_ALLOWED = "not_allowed"
    NOT_APPROVER = "not_approver"
    SELF_APPROVAL = "self_approval"
    IDENTITY_UNPROVEN = "identity_unproven"
    APPROVAL_PENDING = "approval_pending"
    APPROVAL_UNKNOWN = "approval_unknown"
    APPROVAL_OVER = "approval_over"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_STALE = "approval_stale"
    TAMPERED = "tampered"
    NO_PERSON = "no_person"
    NOT_THE_ACCOUNT = "not_the_account"
    NOT_DUE = "not_due"
    PERSON_MUST_ASK = "person_must_ask"
    PROMOTION_OFF = "promotion_off"
    SCHEDULE_PAUSED = "schedule_paused"
    SOAKING = "soaking"
    NO_DRIFT = "no_drift"
    NOTHING_TO_ACCEPT = "nothing_to_accept"
    NOT_FROZEN = "not_frozen"
    HOLD_UNKNOWN = "hold_unknown"
    UNREADABLE = "unreadable"
    STILL_FIRING = "still_firing"
    NO_ALERT = "no_alert"
    NOT_CONFIGURED = "not_configured"
    NOT_SILENCED = "not_silenced"
    ALREADY_DONE = "already_done"
    NO_BACKUP = "no_backup"
    BACKUP_UNKNOWN = "backup_unknown"
    BACKUP_INVALID = "backup_invalid"
    OTHER_ROUTES = "other_routes"
    STATE_MISSING = "state_missing"
    ROUTER_RUNS = "router_runs"
    LEDGER_KEPT_OPEN = "ledger_kept_open"
    SKIPPED = "skipped"
    NOT_FAILING = "not_failing"
    NO_REASON = "no_reason"
    NOT_REVIEWED = "not_reviewed"
    NOTHING_TO_REVIEW = "nothing_to_review"


@dataclass(frozen=True, slots=True)
class Refuse:
    """It is not done. `text` says why and what to do next; `blockers` lists the evidence.

    Attributes:
        code: why, for machines.
        text: why, and what to do next, as sentences.
        blockers: the evidence, a line each; empty if the text says it all.
    """

    code: Code
    text: str
    blockers: tuple[str, ...] = ()


def may_operate(actor: Actor, what: str) -> Refuse | None:
    """Refuse what only a person who operates may do; None if this actor may."""
    if actor.kind is ActorKind.ACCOUNT:
        return no_person(what)
    return None if Role.OPERATE in actor.roles else not_allowed(actor, what, "operators")


def no_person(what: str) -> Refuse:
    """Refuse the account that runs anr, which is nobody's hand."""
    text = (
        f"The account that runs anr is no person, and cannot {what}: whoever comes by `sudo -u` or as root is that account. "
        "Nothing was changed; use Slack, or an account of your own that the options name."
    )
    return Refuse(Code.NO_PERSON, text)


def not_allowed(actor: Actor, what: str, setting: str) -> Refuse:
    """Refuse somebody without the role; say who they were taken for, and which option would change that."""
    (name,) = actor.names - actor.groups
    who = f"`{name}`" if actor.kind is ActorKind.OS else name
    mapped = ", or your Slack id under `people`" if actor.kind is ActorKind.OS else ""
    text = (
        f"You may not {what}: you are {who} here, who is not in `{setting}`. Nothing was changed; an administrator can add {who} "
        f"there{mapped}."
    )
    return Refuse(Code.NOT_ALLOWED, text)
