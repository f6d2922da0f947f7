"""The members of user groups: one paced reader for everything that asks.

`usergroups.users.list` is Tier 2 (20 calls a minute), so that answers are kept for a while and read afresh only to decide an
approval. A group that is gone, disabled or not in the workspace's plan has no members: that is an answer, and no outage.

Excluded: what membership allows (core/actors.py).
"""

import asyncio
import time
from collections.abc import Iterable

from slack_sdk.errors import SlackApiError

from bot.slack.calls import MOST_SECONDS, SlackCalls
from bot.slack.errors import code_of
from core.system.logs import logger

log = logger(__name__)

KEPT_SECONDS = 45.0
"""How long an answer is used."""
WITHOUT_MEMBERS = frozenset({"no_such_subteam", "subteam_not_found", "subteam_disabled", "plan_upgrade_required"})
"""Errors with which Slack says that there is no such group (its documentation of usergroups.users.list and .disable)."""


class Groups:
    """Reads who is in a user group."""

    def __init__(self, calls: SlackCalls) -> None:
        self._calls = calls
        self._known: dict[str, tuple[float, frozenset[str]]] = {}
        self._reading: dict[str, asyncio.Task[frozenset[str]]] = {}

    async def members(self, group: str, *, afresh: bool = False) -> frozenset[str]:
        """Return the ids of a group's members; waits for as long as Slack asks.

        Args:
            group: its id, `S…`.
            afresh: whether what was known before is not good enough, because an approval is decided by it.

        Raises:
            SLACK_FAILED: Slack does not say.
        """
        at, known = self._known.get(group, (0.0, frozenset()))
        if not afresh and at and time.monotonic() - at < KEPT_SECONDS:
            return known
        reading = self._reading.get(group)
        if reading is None or afresh:  # a call that is under way may have been answered before the question
            reading = asyncio.create_task(self._read(group))
            self._reading[group] = reading
            reading.add_done_callback(lambda task: self._forget(group, task))
        # whoever stops waiting (a brake does, soon) does not stop the call that others wait for
        return await asyncio.shield(reading)

    async def of(self, user: str, groups: Iterable[str], *, afresh: bool = False) -> frozenset[str]:
        """Return those of these groups that somebody is in.

        Raises:
            SLACK_FAILED: Slack does not say.
        """
        named = sorted(groups)
        found = await asyncio.gather(*(self.members(group, afresh=afresh) for group in named))
        return frozenset(group for group, members in zip(named, found, strict=True) if user in members)

    async def _read(self, group: str) -> frozenset[str]:
        try:
            answer = await self._calls("usergroups.users.list", waits=MOST_SECONDS, usergroup=group)
        except SlackApiError as error:
            if code_of(error) not in WITHOUT_MEMBERS:
                raise
            log.warning("the user group %s has no members: Slack answers %s", group, code_of(error))
            members: frozenset[str] = frozenset()
        else:
            members = frozenset(str(user) for user in answer.get("users") or ())
        self._known[group] = (time.monotonic(), members)
        return members

    def _forget(self, group: str, task: asyncio.Task[frozenset[str]]) -> None:
        if self._reading.get(group) is task:
            del self._reading[group]
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may have
