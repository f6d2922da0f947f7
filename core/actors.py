"""Who acts, and what they may do.

Pure. Excluded: how a surface finds out who somebody is (bot/access.py for Slack, core/cli.py for the terminal).
"""

from collections.abc import Collection
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class ActorKind(StrEnum):
    """Where an identity comes from."""

    SLACK = "slack"
    OS = "os"
    SCHEDULER = "scheduler"
    RECOVERY = "recovery"


class Role(StrEnum):
    """What an actor may do."""

    BRAKE = "brake"
    OPERATE = "operate"
    APPROVE = "approve"


class Actor(BaseModel):
    """Somebody or something that acts. Two actors are the same person exactly if kind and id are equal.

    A terminal user whom the settings map to a Slack user acts as that Slack user, so that nobody can ask in one place and
    approve in the other. Roles are looked up anew for every operation and never recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ActorKind
    id: str = Field(min_length=1, max_length=100)
    roles: frozenset[Role] = Field(default=frozenset(), exclude=True, repr=False)

    @property
    def is_person(self) -> bool:
        """Whether this is a human being."""
        return self.kind in {ActorKind.SLACK, ActorKind.OS}

    def is_same_as(self, other: "Actor") -> bool:
        """Whether both are one person, whatever their roles."""
        return (self.kind, self.id) == (other.kind, other.id)


SCHEDULER = Actor(kind=ActorKind.SCHEDULER, id="daily")
RECOVERY = Actor(kind=ActorKind.RECOVERY, id="start")


class AccessPolicy(BaseModel):
    """Who holds which role. Names are Slack user ids (`U…`, `W…`) or `os:<user>`; display names never count."""

    model_config = ConfigDict(frozen=True)

    operators: frozenset[str] = frozenset()
    approvers: frozenset[str] = frozenset()
    brake_open_to_members: bool = True

    def roles_of(self, identity: str, *, full_member: bool) -> frozenset[Role]:
        """Return the roles of one identity.

        Args:
            identity: a Slack user id or `os:<user>`.
            full_member: whether the person is a full, active member of our own workspace (or sits at the terminal).
                Without that nobody has any role, whatever a list says.
        """
        if not full_member:
            return frozenset()
        operates = identity in self.operators or identity in self.approvers
        roles = {
            Role.BRAKE: operates or self.brake_open_to_members,
            Role.OPERATE: operates,
            Role.APPROVE: identity in self.approvers,
        }
        return frozenset(role for role, held in roles.items() if held)


def names(identities: Collection[str]) -> str:
    """Return identities as a stable, readable list."""
    return ", ".join(sorted(identities)) or "nobody"
