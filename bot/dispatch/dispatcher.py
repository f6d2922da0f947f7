"""What every surface of Slack has in common: who asks, which router is meant, one call into core, one answer.

Excluded: understanding what was typed or clicked (one file per surface: bot/surfaces/slash.py, bot/surfaces/buttons.py,
bot/surfaces/modals.py), what each command does (bot/commands), and the messages in the channel (bot/stories/follow.py).
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import structlog

from bot.blockkit.blocks import section
from bot.blockkit.post import Block
from bot.commands.command import Addressed, Call, Misunderstood, Row
from bot.commands.table import Command, explained, row_of
from bot.dispatch.channel import TargetChannel
from bot.dispatch.progress import Progress
from bot.dispatch.request import Answer, Request
from bot.slack.access import Access
from bot.slack.answering import answer_person
from bot.views import answers
from core.actors import Actor, ActorKind
from core.errors import AnrError
from core.operations.results import Asked, Refused
from core.rollout.approvals import Approval
from core.rollout.refusals import Code, Refuse
from core.system.logs import logger
from core.system.threads import running
from core.target.target import Target

log = logger(__name__)
T = TypeVar("T")

_APART_SECONDS = 0.003
"""How far apart answers are put together and sent: those that waited for the same look would hold up the event loop together."""


class RouterUnclear(AnrError):
    """Nobody can tell which of several routers is meant."""


class NotOperatedHere(AnrError):
    """The settings do not let anr be operated in this channel."""


class Dispatcher:
    """Carries out what people ask for in Slack.

    Work is done after the acknowledgement, in tasks that are kept until they end. Each router's brakes have threads of their
    own, and so have answers to requests, which may be for a brake: no report can delay them, and no other router.
    """

    def __init__(
        self, target_channels: Sequence[TargetChannel], access: Access, allowed_channels: frozenset[str] = frozenset()
    ) -> None:
        self._target_channels = {target_channel.target.settings.name: target_channel for target_channel in target_channels}
        self._access = access
        self._allowed_channels = allowed_channels
        self._work = ThreadPoolExecutor(8, thread_name_prefix="anr-work")
        self._brake = running(2, "anr-brake")
        self._brakes = {name: running(2, f"anr-brake-{name}") for name in self._target_channels}
        self._answers = ThreadPoolExecutor(4, thread_name_prefix="anr-answer")
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Lock()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work and keep hold of it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait for everything that was begun, then let the threads go."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._work.shutdown()
        self._brake.shutdown()
        for pool in self._brakes.values():
            pool.shutdown()
        self._answers.shutdown()

    async def carry_out(self, command: Command, request: Request, respond: Answer) -> None:
        """Find out who asks, do it, and answer them alone; long reading says how far it is."""
        progress = Progress()
        waiting = asyncio.create_task(self._tell_progress(progress, respond))
        try:
            blocks = await self._answer(command, request, progress)
        except RouterUnclear as error:
            blocks = explained(Misunderstood(str(error)))
        except AnrError as error:
            blocks = answers.failure(str(error))
        except Exception:  # the top of a listener: the person is told, the trace is kept
            log.exception("a command failed")
            blocks = answers.failure(
                "Something went wrong inside anr; the log has the details. Look at `/anr status` before you go on."
            )
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        for target_channel in self._target_channels.values():
            target_channel.stories.wake()
        await self.tell(respond, blocks, request.user)

    async def _answer(self, command: Command, request: Request, progress: Progress) -> list[Block]:
        """Carry a command out, and render its result once.

        Raises:
            AnrError: it could not be done; the message says what was not.
        """
        row, loop = row_of(command), asyncio.get_running_loop()

        def who_now(person: Actor) -> Actor:
            """Ask Slack from a worker thread; whom it does not know has what the options say."""
            if person.kind is not ActorKind.SLACK:
                return self._access.as_listed(person)
            asking = self._access.actor(person.id, request.team, decides=True)
            return asyncio.run_coroutine_threadsafe(asking, loop).result()

        def handle(channel: TargetChannel, actor: Actor) -> Any:
            if not row.brakes and not actor.roles:
                return answers.NOT_A_MEMBER
            target = replace(channel.target, on_progress=progress.note, asked_of=who_now)
            look = partial(channel.look, progress.note)
            call = Call(target, actor, request.cause, look, channel.examine, channel.stories.open, channel.marks)
            return row.handle(call, command)

        result = await self.consult(row, command, request, handle)
        if not row.brakes:
            async with self._turns:
                await asyncio.sleep(_APART_SECONDS)
        blocks = answers.answer(result) if isinstance(result, Refuse) else row.view(result)
        if row.may_ask and (approval := _waiting(result, request.user)) is not None:
            # it was asked; that nobody can tell who may answer must not sound like a failure
            there = await self._access.could_approve(approval.action, request.user)
            if there is not None and len(there) < approval.missing:
                return [*blocks, *answers.too_few_approvers(approval.missing, len(there))]
        return blocks

    async def _tell_progress(self, progress: Progress, respond: Answer) -> None:
        await self.tell(respond, [section(f":hourglass_flowing_sand: {await progress.shown()}")])

    async def consult(
        self, row: Row[Any, Any], said: Addressed, request: Request, call: Callable[[TargetChannel, Actor], T]
    ) -> T:
        """Find out which router is meant and who asks, and call into core once, in a worker thread.

        Args:
            row: the command's.
            said: where it is meant.
            request: who asks, and where.
            call: the one call.

        Raises:
            RouterUnclear: nobody can tell which router is meant.
            AnrError: it may not be asked for here, nobody can say who asks, or the call failed.
        """
        pool = self._brake if row.brakes and not row.waits else self._answers if row.answers_request else self._work
        loop = asyncio.get_running_loop()
        channel = await loop.run_in_executor(pool, self.target_channel, row, said, request.channel)
        if isinstance(channel, Misunderstood):
            raise RouterUnclear(channel.problem)
        if not row.brakes and not self._is_allowed_in(request.channel):
            raise NotOperatedHere(
                "anr is not operated in this channel. Nothing was done; the settings name the channels that are allowed."
            )
        decides = row.answers_request or row.word == "break-glass"
        actor = await self._access.actor(request.user, request.team, for_brake=row.brakes, decides=decides)
        structlog.contextvars.bind_contextvars(router=channel.target.settings.name, word=row.word, asked_by=actor.id)
        log.info("asked", channel=request.channel)
        if pool is self._brake:
            pool = self._brakes[channel.target.settings.name]
        return await loop.run_in_executor(pool, copy_context().run, call, channel, actor)

    def _is_allowed_in(self, channel: str | None) -> bool:
        """Whether anr is operated in a channel; a modal has none, and was opened where it is."""
        return channel is None or not self._allowed_channels or channel in self._allowed_channels

    async def who(self, request: Request) -> Actor:
        """Return who asks, with the roles that they hold now.

        Raises:
            PersonUnknown: Slack does not say.
        """
        return await self._access.actor(request.user, request.team)

    @property
    def target_channels(self) -> Mapping[str, TargetChannel]:
        """Each router, by its name."""
        return self._target_channels

    @property
    def routers(self) -> tuple[str, ...]:
        """The names of the routers, in the order of the settings."""
        return tuple(self._target_channels)

    def target_channel(self, row: Row[Any, Any], said: Addressed, channel: str | None) -> TargetChannel | Misunderstood:
        """Return the router that is meant: the one that was named, the only one, or the only one of this channel."""
        if said.target is not None and said.target in self._target_channels:
            return self._target_channels[said.target]
        target_channels = list(self._target_channels.values())
        if len(target_channels) == 1:
            return target_channels[0]
        if row.answers_request:
            # the first one will say that there is no such request
            return self._that(lambda target: target.journal.approval(said.operation) is not None) or target_channels[0]
        if said.operation and (known := self._that(lambda target: bool(target.journal.of_operation(said.operation)))):
            return known
        here = [target_channel for target_channel in target_channels if target_channel.channel == channel]
        if len(here) == 1:
            return here[0]
        names = ", ".join(f"`/anr {row.word} {name}`" for name in self._target_channels)
        return Misunderstood(f"There are several routers, and nobody can tell which one you mean. Type {names}.")

    def _that(self, knows: Callable[[Target], bool]) -> TargetChannel | None:
        """Return the router that knows what was clicked; None if none says so, also because its journal cannot be read."""
        for target_channel in self._target_channels.values():
            with suppress(AnrError):
                if knows(target_channel.target):
                    return target_channel
        return None

    async def tell(self, respond: Answer, blocks: list[Block], user: str = "") -> None:
        """Answer the person who acted, and nobody else; directly if Slack does not take the answer where they acted."""
        text = next((block["text"]["text"] for block in blocks if block["type"] == "section"), "anr")
        await answer_person(respond, self._access.client, user, text, blocks)


def _waiting(result: object, user: str) -> Approval | None:
    """Return the request that somebody has made, or made before and asked for again; None if there is none."""
    if isinstance(result, Asked):
        return result.approval
    if isinstance(result, Refused) and result.refusal.code is Code.APPROVAL_PENDING and result.approval is not None:
        return result.approval if result.approval.requester.id == user else None
    return None
