"""Slack user -> actor with roles: one check for every way in.

Only immutable ids count. Guests, bots, deactivated people and people of other workspaces have no role, whatever a list
says. Excluded: what a role allows (core/decisions.py).
"""

import logging
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.outage import SLACK_FAILED
from core.actors import AccessPolicy, Actor, ActorKind, Role

log = logging.getLogger(__name__)


def is_full_member(user: dict[str, Any], team_id: str) -> bool:
    """Whether `users.info` describes a full, active person of our own workspace."""
    barred = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")
    return user.get("team_id") == team_id and not any(user.get(flag) for flag in barred)


class Access:
    """Finds out who somebody is."""

    def __init__(self, client: AsyncWebClient, policy: AccessPolicy, team_id: str) -> None:
        self._client = client
        self._policy = policy
        self._team_id = team_id

    async def actor(self, user_id: str, team_id: str | None) -> Actor:
        """Return who acts, with the roles that they hold now.

        If Slack cannot say who a user of our own workspace is, nothing but the brake is open to them: promotion fails
        closed, the brake does not wait for Slack.
        """
        if team_id not in {None, self._team_id}:
            return Actor(kind=ActorKind.SLACK, id=user_id)
        try:
            answer = await self._client.users_info(user=user_id)
        except SLACK_FAILED:
            log.exception("Slack does not say who %s is; only the brake is open to them", user_id)
            roles = self._policy.roles_of(user_id, full_member=True) & {Role.BRAKE}
            return Actor(kind=ActorKind.SLACK, id=user_id, roles=roles)
        full_member = is_full_member(answer.get("user") or {}, self._team_id)
        return Actor(kind=ActorKind.SLACK, id=user_id, roles=self._policy.roles_of(user_id, full_member=full_member))
