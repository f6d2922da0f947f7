"""Who belongs to our workspace, and from which workspace somebody acted, as Slack's payloads say it. Pure.

On Enterprise Grid a person's own `team_id` may be missing or name another workspace of the organisation; the workspaces that
they belong to are `team_id`, `teams[]` or `enterprise_user.teams[]` (Slack's documentation of users.info and of the user type).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.web import SlackResponse
from slack_sdk.web.async_slack_response import AsyncSlackResponse

_BARRED = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the app is installed.

    Attributes:
        team: id of the workspace; of the organisation, or any of its workspaces, if it is installed there.
        enterprise: id of the organisation, `E…`; empty outside Enterprise Grid.
        org_wide: whether the app is installed in the whole organisation.
    """

    team: str
    enterprise: str = ""
    org_wide: bool = False

    @classmethod
    def of(cls, identity: Mapping[str, Any] | SlackResponse | AsyncSlackResponse) -> "Installation":
        """Read Slack's answer to auth.test."""
        return cls(
            str(identity.get("team_id") or ""),
            str(identity.get("enterprise_id") or ""),
            org_wide=identity.get("is_enterprise_install") is True,
        )

    def is_home_of(self, user: Mapping[str, Any]) -> bool | None:
        """Whether `users.info` describes a full, active person of ours; None if it does not say where they belong."""
        if any(user.get(flag) for flag in _BARRED):
            return False
        in_organisation: Mapping[str, Any] = user.get("enterprise_user") or {}
        if self.org_wide:
            organisation = in_organisation.get("enterprise_id") or user.get("enterprise_id")
            if organisation:
                return bool(organisation == self.enterprise)
        teams = {user.get("team_id"), *(user.get("teams") or ()), *(in_organisation.get("teams") or ())} - {None, ""}
        if not teams:
            return None
        if teams & {self.team, self.enterprise} - {""}:
            return True
        # of a person without a list of workspaces an organisation-wide app only knows one, which it may not know
        return None if self.org_wide else False

    def is_ours(self, team: str | None) -> bool:
        """Whether something that was done in this workspace may be ours; what nobody says may be."""
        return not team or self.org_wide or team in {self.team, self.enterprise}


def team_of(body: Mapping[str, Any]) -> str | None:
    """Return the workspace in which somebody acted; the organisation where the app is installed in all of it.

    Never the person's own `user.team_id`, which may be another workspace of the organisation.
    """
    for place in ("team", "enterprise"):
        if found := (body.get(place) or {}).get("id"):
            return str(found)
    return None
