"""Slack user -> actor with roles: one check for every way in.

Only immutable ids count. Guests, bots, deactivated people and people of other workspaces have no role, whatever a list
says. Excluded: what a role allows (core/rollout/decisions.py).
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.errors import SLACK_FAILED
from core.actors import AccessPolicy, Actor, ActorKind, Approvable, Role
from core.errors import AnrError
from core.system.logs import logger

log = logger(__name__)


def is_full_member(user: dict[str, Any], team_id: str) -> bool:
    """Whether `users.info` describes a full, active person of our own workspace."""
    barred = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")
    return user.get("team_id") == team_id and not any(user.get(flag) for flag in barred)


BRAKE_PATIENCE_SECONDS = 0.5
"""How long a brake waits for Slack to say who somebody is."""


class PersonUnknown(AnrError):
    """Slack does not say who acts."""


class Access:
    """Finds out who somebody is."""

    def __init__(self, client: AsyncWebClient, policy: AccessPolicy, team_id: str) -> None:
        self._client = client
        self._policy = policy
        self._team_id = team_id
        self._seen: dict[str, _Person] = {}

    async def actor(self, user_id: str, team_id: str | None, *, for_brake: bool = False) -> Actor:
        """Return who acts, with the roles that they hold now. Groups are read anew each time.

        Promotion fails closed; the brake does not wait for Slack: if Slack is silent, it is open to everybody of our own
        workspace who was no guest when Slack last said so.

        Raises:
            PersonUnknown: Slack does not say who this is, and it is not for the brake.
        """
        if team_id not in {None, self._team_id}:
            return Actor(kind=ActorKind.SLACK, id=user_id)
        try:
            asking = asyncio.gather(self._is_full_member(user_id), self._groups(user_id))
            full_member, groups = await asyncio.wait_for(asking, BRAKE_PATIENCE_SECONDS if for_brake else None)
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
        self._seen[user_id] = _Person(full_member, groups)
        roles = self._policy.roles_of(user_id, full_member=full_member, groups=groups)
        return Actor(kind=ActorKind.SLACK, id=user_id, roles=roles, groups=groups)

    async def could_approve(self, action: Approvable, requester: str) -> frozenset[str] | None:
        """Return who in Slack could approve this person's request at present, also as a member of a group.

        None if Slack does not say: then nobody is told that there is nobody.
        """
        names = self._policy.rule(action).approvers
        groups = sorted(name for name in names if name.startswith("S"))
        try:
            answers = await asyncio.gather(*(self._client.usergroups_users_list(usergroup=group) for group in groups))
            listed = {name for name in names if name[0] in "UW"}.union(*(answer.get("users") or () for answer in answers))
            people = sorted(listed - {requester})
            full = await asyncio.gather(*(self._is_full_member(person) for person in people))
        except SLACK_FAILED as error:
            log.warning("Slack does not say who could approve", error=str(error))
            return None
        return frozenset(person for person, is_full in zip(people, full, strict=True) if is_full)

    async def _is_full_member(self, user_id: str) -> bool:
        answer = await self._client.users_info(user=user_id)
        return is_full_member(answer.get("user") or {}, self._team_id)

    async def _groups(self, user_id: str) -> frozenset[str]:
        """Return the user groups, of those that the settings name, that somebody is in."""
        named = sorted(self._policy.groups)
        answers = await asyncio.gather(*(self._client.usergroups_users_list(usergroup=group) for group in named))
        return frozenset(group for group, answer in zip(named, answers, strict=True) if user_id in (answer.get("users") or ()))


@dataclass(frozen=True, slots=True)
class _Person:
    """What Slack last said of somebody: for the brake while Slack is silent."""

    full_member: bool
    groups: frozenset[str] = frozenset()
