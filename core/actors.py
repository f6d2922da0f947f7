"""Who acts, and what they may do.

Pure. Excluded: how a surface finds out who somebody is (bot/slack/access.py for Slack, core/cli/app.py for the terminal).
"""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class ActorKind(StrEnum):
    """Where an identity comes from."""

    SLACK = "slack"
    OS = "os"
    ACCOUNT = "account"
    """The account that runs anr for a target: it runs schedule, brake, recovery and upkeep, and is nobody's hand."""
    SCHEDULER = "scheduler"
    RECOVERY = "recovery"
    GUARD = "guard"
    ALERT = "alert"


class Role(StrEnum):
    """What an actor may do."""

    BRAKE = "brake"
    OPERATE = "operate"
    APPROVE = "approve"


class Actor(BaseModel):
    """Somebody or something that acts. Two actors are the same person exactly if kind and id are equal.

    A terminal user whom the settings map to a Slack user acts as that Slack user, so that nobody can ask in one place and
    approve in the other. Roles and groups are looked up anew for every operation and never recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ActorKind
    id: str = Field(min_length=1, max_length=100)
    roles: frozenset[Role] = Field(default=frozenset(), exclude=True, repr=False)
    groups: frozenset[str] = Field(default=frozenset(), exclude=True, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The names under which the settings may list this actor: the own one, and those of their groups."""
        return self.groups | {f"os:{self.id}" if self.kind is ActorKind.OS else self.id}

    @property
    def is_person(self) -> bool:
        """Whether this is a human being."""
        return self.kind in {ActorKind.SLACK, ActorKind.OS}

    def is_same_as(self, other: "Actor") -> bool:
        """Whether both are one person, whatever their roles."""
        return (self.kind, self.id) == (other.kind, other.id)


SCHEDULER = Actor(kind=ActorKind.SCHEDULER, id="daily")
UPKEEP = Actor(kind=ActorKind.SCHEDULER, id="upkeep")
RECOVERY = Actor(kind=ActorKind.RECOVERY, id="start")
GUARD = Actor(kind=ActorKind.GUARD, id="guard")
ALERTMANAGER = Actor(kind=ActorKind.ALERT, id="alertmanager")


class Approvable(StrEnum):
    """What may need somebody's approval. The values are those of the receipts' actions."""

    PROMOTE = "promote"
    UNFREEZE = "unfreeze"
    RESTORE = "restore"
    RESET = "reset"
    ROLLBACK = "rollback"
    FREEZE = "freeze"


class ApprovalRule(BaseModel):
    """How one action is approved.

    Attributes:
        needed: how many people have to approve; 0 means that it happens at once.
        approvers: who may; empty means those of the general list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    needed: int = Field(ge=0, le=5)
    approvers: frozenset[str] = frozenset()


STANDARD_RULES: Mapping[Approvable, ApprovalRule] = {
    Approvable.PROMOTE: ApprovalRule(needed=1),
    Approvable.UNFREEZE: ApprovalRule(needed=0),
    Approvable.RESTORE: ApprovalRule(needed=1),
    Approvable.RESET: ApprovalRule(needed=1),
    Approvable.ROLLBACK: ApprovalRule(needed=0),
    Approvable.FREEZE: ApprovalRule(needed=0),
}
"""What holds where the settings say nothing: a promotion, a restore and a reset need one approval, a brake needs none."""


class AccessPolicy(BaseModel):
    """Who holds which role.

    Names are Slack user ids (`U…`, `W…`), Slack user groups (`S…`) or `os:<user>`; display names never count.

    Attributes:
        operators: who may ask for promotions and unfreeze.
        approvers: who may approve.
        brake_open_to_members: whether every full member may brake.
        rules: how an action is approved, where it is not as the standard has it.
        people: Slack user id of each operating-system user, so that one person has one identity.
    """

    model_config = ConfigDict(frozen=True)

    operators: frozenset[str] = frozenset()
    approvers: frozenset[str] = frozenset()
    brake_open_to_members: bool = True
    rules: Mapping[Approvable, ApprovalRule] = Field(default_factory=dict)
    people: Mapping[str, str] = Field(default_factory=dict)

    def rule(self, action: Approvable) -> ApprovalRule:
        """Return how an action is approved, with the general list of approvers where it has none of its own."""
        rule = self.rules.get(action, STANDARD_RULES[action])
        return rule if rule.approvers else rule.model_copy(update={"approvers": self.approvers})

    @property
    def names(self) -> frozenset[str]:
        """Everybody whom any list names, and every group."""
        return self.operators.union(self.approvers, *(rule.approvers for rule in self.rules.values()))

    @property
    def groups(self) -> frozenset[str]:
        """The Slack user groups that any list names."""
        return frozenset(name for name in self.names if name.startswith("S"))

    def may_approve(self, actor: Actor, action: Approvable) -> bool:
        """Whether this actor is among those who may approve that action. Somebody without any role never is."""
        return Role.APPROVE in actor.roles and bool(actor.names & self.rule(action).approvers)

    def identity(self, actor: Actor) -> Actor:
        """Return a person under the one identity that they have by now: `people` may have named them since."""
        slack = self.people.get(actor.id) if actor.kind is ActorKind.OS else None
        return actor if slack is None else Actor(kind=ActorKind.SLACK, id=slack)

    def as_now(self, actor: Actor) -> Actor:
        """Return a person with the roles that the lists give to their own name now; who is in a group only Slack knows."""
        if not actor.is_person:
            return actor
        person = self.identity(actor)
        (name,) = person.names - person.groups
        return person.model_copy(update={"roles": self.roles_of(name, full_member=True)})

    def roles_of(self, identity: str, *, full_member: bool, groups: frozenset[str] = frozenset()) -> frozenset[Role]:
        """Return the roles of one identity.

        Args:
            identity: a Slack user id or `os:<user>`.
            full_member: whether the person is a full, active member of our own workspace (or sits at the terminal).
                Without that nobody has any role, whatever a list says.
            groups: the Slack user groups that the person is in.
        """
        if not full_member:
            return frozenset()
        names = groups | {identity}
        approves = bool(names & self.approvers.union(*(rule.approvers for rule in self.rules.values())))
        operates = approves or bool(names & self.operators)
        roles = {
            Role.BRAKE: operates or self.brake_open_to_members,
            Role.OPERATE: operates,
            Role.APPROVE: approves,
        }
        return frozenset(role for role, held in roles.items() if held)
