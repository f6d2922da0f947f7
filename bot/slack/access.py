"""Slack user -> actor with roles: one check for every way in.

Only immutable ids count. Guests, bots, deactivated people and people of other workspaces have no role, whatever a list
says. Excluded: what a role allows (core/rollout/decisions.py).
"""

import asyncio
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.calls import SlackCalls
from bot.slack.errors import SLACK_FAILED
from bot.slack.groups import Groups
from bot.slack.members import Installation
from core.actors import AccessPolicy, Actor, ActorKind, Approvable, Role
from core.errors import PersonUnknown
from core.system.logs import logger

log = logger(__name__)


BRAKE_PATIENCE_SECONDS = 0.5
"""How long a brake waits for Slack to say who somebody is."""


class Access:
    """Finds out who somebody is."""

    def __init__(
        self, client: AsyncWebClient, policy: AccessPolicy, installation: Installation, calls: SlackCalls | None = None
    ) -> None:
        self.client = client
        self._policy = policy
        self._installation = installation
        self._group_reader = Groups(calls or SlackCalls(client))
        self._seen: dict[str, _Person] = {}

    async def actor(self, user_id: str, team_id: str | None, *, for_brake: bool = False, decides: bool = False) -> Actor:
        """Return who acts, with the roles that they hold now.

        Promotion fails closed; the brake does not wait for Slack: if Slack is silent, it is open to everybody of our own
        workspace who was no guest when Slack last said so. The brake is also all that is open to somebody of whom Slack does
        not say where they belong.

        Args:
            user_id: Slack's id of the person.
            team_id: the workspace in which they acted; None if Slack does not say.
            for_brake: whether they brake.
            decides: whether they decide an approval, so that their groups are read afresh.

        Raises:
            PersonUnknown: Slack does not say who this is, and it is not for the brake.
        """
        if not self._installation.is_ours(team_id):
            return Actor(kind=ActorKind.SLACK, id=user_id)
        try:
            asking = asyncio.gather(
                self._full_member(user_id), self._group_reader.of(user_id, self._policy.groups, afresh=decides)
            )
            member, groups = await asyncio.wait_for(asking, BRAKE_PATIENCE_SECONDS if for_brake else None)
        except SLACK_FAILED as error:
            if not for_brake:
                raise PersonUnknown(
                    "Slack does not say at present who you are, so that nobody can say what you may do. Nothing was changed; "
                    "try again, or use the command line. `rollback` and `freeze` still work.",
                ) from error
            log.warning("Slack does not say who %s is (%s); the brake is open to them", user_id, error)
            known = self._seen.get(user_id, _Person(full_member=True))
            roles = self._policy.roles_of(user_id, full_member=known.full_member, groups=known.groups) & {Role.BRAKE}
            return Actor(kind=ActorKind.SLACK, id=user_id, roles=roles)
        self._seen[user_id] = _Person(member is not False, groups)
        roles = self._policy.roles_of(user_id, full_member=member is not False, groups=groups)
        if member is None:
            log.warning("Slack does not say where %s belongs; only the brake is open to them", user_id)
            roles &= {Role.BRAKE}
        return Actor(kind=ActorKind.SLACK, id=user_id, roles=roles, groups=groups)

    def as_listed(self, person: Actor) -> Actor:
        """Return somebody whom Slack does not know, with the roles that the options give them."""
        return self._policy.as_now(person)

    async def could_approve(self, action: Approvable, requester: str) -> frozenset[str] | None:
        """Return who in Slack could approve this person's request at present, also as a member of a group.

        None if Slack does not say: then nobody is told that there is nobody.
        """
        names = self._policy.rule(action).approvers
        groups = sorted(name for name in names if name.startswith("S"))
        try:
            members = await asyncio.gather(*(self._group_reader.members(group) for group in groups))
            people = sorted({name for name in names if name[0] in "UW"}.union(*members) - {requester})
            full = await asyncio.gather(*(self._full_member(person) for person in people))
        except SLACK_FAILED as error:
            log.warning("Slack does not say who could approve", error=str(error))
            return None
        return frozenset(person for person, is_full in zip(people, full, strict=True) if is_full)

    async def _full_member(self, user_id: str) -> bool | None:
        answer = await self.client.users_info(user=user_id)
        return self._installation.is_home_of(answer.get("user") or {})


@dataclass(frozen=True, slots=True)
class _Person:
    """What Slack last said of somebody: for the brake while Slack is silent."""

    full_member: bool
    groups: frozenset[str] = frozenset()
