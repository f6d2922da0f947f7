"""The app's home: published when somebody opens it, and again for them when something was recorded.

Slack does not say when somebody closes it, so that it is kept up to date for a while after it was opened. Excluded: what it
shows (bot/views/home.py); its buttons open modals (bot/surfaces/modals.py) or answer requests (bot/surfaces/buttons.py).
"""

import asyncio
import json
import math
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.dispatch.channel import TargetChannel
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.request import Request
from bot.slack.calls import SlackCalls
from bot.slack.errors import SLACK_FAILED, is_for_good
from bot.views import answers, home
from bot.views.home import DAYS, Glance
from core.canonical import canonical_bytes
from core.doctor.check import Check
from core.errors import AnrError
from core.rollout.schedule import coming_run
from core.rollout.timeline import spells
from core.system.files import read_bounded, write_durably
from core.system.logs import logger
from core.target.target import Target

log = logger(__name__)

POLL_SECONDS = 2.0
"""How often the journals are looked at for news while somebody has the home open."""
OPEN_SECONDS = 12 * 3600.0
"""How long a home is kept up to date after it was opened."""
MAX_OPEN = 200
_RECEIPTS_SHOWN = 5
_EXAMINED_SECONDS = 600.0
"""How old the doctor's look that a home shows may be: it asks Slack and the router, too."""
_MAX_FILE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class _Open:
    """A home that somebody has opened.

    Attributes:
        team: their workspace, as Slack said.
        at: when they opened it, in seconds since 1970.
        heads: number of each router's newest receipt when it was last drawn.
    """

    team: str | None
    at: float
    heads: tuple[int, ...] = ()


class Home:
    """The homes of everybody who has opened theirs."""

    def __init__(self, dispatcher: Dispatcher, calls: SlackCalls, file: Path) -> None:
        self._dispatcher = dispatcher
        self._calls = calls
        self._file = file
        self._open = _remembered(file)
        self._checked: dict[str, tuple[float, tuple[Check, ...]]] = {}

    async def opened(self, user: str, team: str | None) -> None:
        """Show somebody their home, and keep it up to date."""
        self._open.pop(user, None)
        self._open[user] = _Open(team, time.time())
        while len(self._open) > MAX_OPEN:
            self._open.pop(next(iter(self._open)))
        await asyncio.to_thread(self._remember)
        await self._publish([user])
        if await self._examine():
            await self._publish([user])

    async def _examine(self) -> bool:
        """Let the doctor look where the last look is old; return whether there is something new to show."""
        due = time.monotonic() - _EXAMINED_SECONDS
        old = [name for name in self._dispatcher.target_channels if self._checked.get(name, (-math.inf, ()))[0] < due]
        for name in old:
            checks = await asyncio.to_thread(self._dispatcher.target_channels[name].examine)
            self._checked[name] = (time.monotonic(), checks)
        return bool(old)

    async def deliver_again(self, request: Request, router: str) -> None:
        """Try again what the channel of a router does not show, for anybody who may use anr; then draw their home anew."""
        channel = self._dispatcher.target_channels.get(router)
        try:
            if channel is not None and (await self._dispatcher.who(request)).roles:
                count = await channel.stories.try_again()
                log.info("tried again", router=router, asked_by=request.user, messages=count)
        except (AnrError, sqlite3.Error) as error:
            log.warning("what could not be delivered was not tried again: %s", error)
        await self.opened(request.user, request.team)

    def _remember(self) -> None:
        """Keep who has a home open, so that a restart leaves nobody with an old one."""
        try:
            write_durably(self._file, canonical_bytes({user: open_home.at for user, open_home in self._open.items()}))
        except OSError as error:
            log.warning("who has a home open could not be kept: %s", error)

    async def run(self) -> None:
        """Follow the journals until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._follow()
            except Exception:  # the top of a follower that must not die: the next look tries again
                log.exception("the homes were not drawn anew")

    async def _follow(self) -> None:
        still = time.time() - OPEN_SECONDS
        self._open = {user: open_home for user, open_home in self._open.items() if open_home.at > still}
        if not self._open:
            return
        heads = await self._heads()
        await self._publish([user for user, open_home in self._open.items() if open_home.heads != heads])

    async def _publish(self, users: Sequence[str]) -> None:
        """Show these people their homes; who cannot be shown theirs is tried again at the next look."""
        if not users:
            return
        heads = await self._heads()
        glances = [
            await asyncio.to_thread(glance, channel, self._checked.get(name, (0.0, ()))[1])
            for name, channel in self._dispatcher.target_channels.items()
        ]
        for user in users:
            known = self._open.get(user)
            if known is None:
                continue
            view = await self._view(Request(user, known.team, None), glances)
            try:
                await self._calls("views.publish", user_id=user, view=view)
            except SLACK_FAILED as error:
                log.warning("the home of %s was not published: %s", user, error)
                if is_for_good(error):  # the same again would be refused again: it waits for something new to show
                    self._open[user] = replace(known, heads=heads)
            else:
                self._open[user] = replace(known, heads=heads)

    async def _heads(self) -> tuple[int, ...]:
        return tuple(
            [
                await asyncio.to_thread(_head, target_channel.target)
                for target_channel in self._dispatcher.target_channels.values()
            ]
        )

    async def _view(self, request: Request, glances: list[Glance]) -> dict[str, Any]:
        try:
            actor = await self._dispatcher.who(request)
        except AnrError as error:
            return home.closed(answers.failure(str(error)))
        if not actor.roles:
            return home.closed(answers.answer(answers.NOT_A_MEMBER))
        return home.home(glances, next(iter(self._dispatcher.target_channels.values())).target.clock())


def glance(target_channel: TargetChannel, checks: tuple[Check, ...] = ()) -> Glance:
    """Look at everything that the home shows of one router; what cannot be read says so and hides nothing else."""
    target, seen = target_channel.target, target_channel.look(None)
    try:
        parked, waiting = target_channel.stories.undelivered()
    except sqlite3.Error:
        parked, waiting = (), ()  # doctor says that it cannot be read
    now = seen.now
    try:
        newest = target.journal.receipts(last=_RECEIPTS_SHOWN)
    except AnrError:
        newest = ()  # the overview says that it cannot be read
    return Glance(
        seen=seen,
        receipts=newest,
        spells=spells(seen.state, now - timedelta(days=DAYS), now) if newest and seen.state is not None else (),
        next_run=coming_run(now, target.settings.schedule, seen.state.ran if seen.state else None).begins,
        schedule=target.settings.schedule,
        stages=target.settings.stages,
        parked=parked,
        waiting=waiting,
        checks=checks,
    )


def _remembered(file: Path) -> dict[str, _Open]:
    try:
        kept = json.loads(read_bounded(file, _MAX_FILE_BYTES))
        known = {str(user): _Open(None, float(at)) for user, at in kept.items()}
        return dict(sorted(known.items(), key=lambda user_and_home: user_and_home[1].at)[-MAX_OPEN:])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("who had a home open cannot be read; they open it again: %s", error)
        return {}


def _head(target: Target) -> int:
    try:
        newest = target.journal.head()
    except AnrError:
        return -1
    return newest.seq if newest is not None else 0
