"""What every surface of Slack has in common: who asks, which router is meant, one call into core, one answer.

Excluded: understanding what was typed or clicked (one file per surface: bot/surfaces/slash.py, bot/surfaces/buttons.py,
bot/surfaces/modals.py), what each word does (bot/dispatch/handlers.py), and the messages in the channel (bot/stories/follow.py).
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from bot.blockkit.blocks import section
from bot.blockkit.post import Block
from bot.commands.command import BRAKE_WORDS, Command, Misunderstood
from bot.dispatch.channel import TargetChannel
from bot.dispatch.handlers import handle
from bot.dispatch.progress import PATIENCE_SECONDS, Progress
from bot.dispatch.request import Answer, Request
from bot.slack.access import Access
from bot.slack.answering import answer_person
from bot.views import answers, outlook
from core.actors import Actor, Approvable
from core.errors import AnrError
from core.system.logs import logger
from core.target.target import Target

log = logger(__name__)
T = TypeVar("T")
_LOOK_SECONDS = 0.05


class RouterUnclear(AnrError):
    """Nobody can tell which of several routers is meant."""


class NotOperatedHere(AnrError):
    """The settings do not let anr be operated in this channel."""


_MAY_ASK = {
    "promote": Approvable.PROMOTE,
    "unfreeze": Approvable.UNFREEZE,
    "restore": Approvable.RESTORE,
    "state": Approvable.RESET,
}
"""What may wait for an approval, apart from brakes: those wait for nobody who would have to be looked up."""


class Dispatcher:
    """Carries out what people ask for in Slack.

    Work is done after the acknowledgement, in tasks that are kept until they end. Brakes have threads of their own, and so
    have answers to requests, which may be for a brake: no report can delay them.
    """

    def __init__(
        self, target_channels: Sequence[TargetChannel], access: Access, allowed_channels: frozenset[str] = frozenset()
    ) -> None:
        self._target_channels = {target_channel.site.target.name: target_channel for target_channel in target_channels}
        self._access = access
        self._allowed_channels = allowed_channels
        self._work = ThreadPoolExecutor(8, thread_name_prefix="anr-work")
        self._brake = ThreadPoolExecutor(2, thread_name_prefix="anr-brake")
        self._answers = ThreadPoolExecutor(4, thread_name_prefix="anr-answer")
        self._tasks: set[asyncio.Task[None]] = set()

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
        self._answers.shutdown()

    async def carry_out(self, command: Command, request: "Request", respond: Answer) -> None:
        """Find out who asks, do it, and answer them alone; long reading says how far it is."""
        progress = Progress()
        waiting = asyncio.create_task(self._tell_progress(progress, respond))
        try:
            blocks = await self.consult(
                command,
                request,
                lambda site, actor: self._do(replace(site, on_progress=progress.note), command, actor, request.cause),
            )
            blocks += await self._nobody_answers(command, request)
        except RouterUnclear as error:
            blocks = answers.help_text(Misunderstood(str(error)))
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
        for one in self._target_channels.values():
            one.stories.wake()
        await self.tell(respond, blocks, request.user)

    async def _nobody_answers(self, command: Command, request: "Request") -> list[Block]:
        """Say it if somebody has asked for an approval and nobody who may give it is there."""
        if command.word not in _MAY_ASK or command.dry_run:
            return []
        action = _MAY_ASK[command.word]

        def asked(site: Target, actor: Actor) -> int:
            mine = (one for one in site.journal.pending() if one.action is action and one.requester.is_same_as(actor))
            return next((one.missing for one in mine), 0)

        missing = 0
        with suppress(AnrError):  # it was asked; that nobody can tell who may answer must not sound like a failure
            missing = await self.consult(command, request, asked)
        there = await self._access.could_approve(action, request.user) if missing else None
        return answers.too_few_approvers(missing, len(there)) if there is not None and len(there) < missing else []

    async def _tell_progress(self, progress: Progress, respond: Answer) -> None:
        await asyncio.sleep(PATIENCE_SECONDS)
        while (text := progress.text) is None:  # noqa: ASYNC110 - a thread takes the notes
            await asyncio.sleep(_LOOK_SECONDS)
        await self.tell(respond, [section(f":hourglass_flowing_sand: {text}")])

    async def consult(self, command: Command, request: "Request", call: Callable[[Target, Actor], T]) -> T:
        """Find out which router is meant and who asks, and call into core once, in a worker thread.

        Raises:
            RouterUnclear: nobody can tell which router is meant.
            AnrError: it may not be asked for here, nobody can say who asks, or the call failed.
        """
        brakes = command.word in BRAKE_WORDS
        # a freeze that keeps the stage waits for the operation lock, and must not make a brake wait with it
        pool = self._brake if brakes and not command.keep_stage else self._work
        if command.word in {"approve", "deny"}:  # what is answered may be a request for a brake
            pool = self._answers
        loop = asyncio.get_running_loop()
        target_channel = await loop.run_in_executor(pool, self.target_channel, command, request.channel)
        if isinstance(target_channel, Misunderstood):
            raise RouterUnclear(target_channel.problem)
        if not brakes and not self._is_allowed_in(request.channel):
            raise NotOperatedHere(
                "anr is not operated in this channel. Nothing was done; the settings name the channels that are allowed."
            )
        actor = await self._access.actor(
            request.user, request.team, for_brake=brakes, decides=command.word in {"approve", "break_glass"}
        )
        structlog.contextvars.bind_contextvars(router=target_channel.site.target.name, word=command.word, asked_by=actor.id)
        log.info("asked", channel=request.channel)
        return await loop.run_in_executor(pool, copy_context().run, call, target_channel.site, actor)

    def _do(self, site: Target, command: Command, actor: Actor, cause: str | None) -> list[Block]:
        if command.word == "doctor" and actor.roles:
            return outlook.examined(self._target_channels[site.target.name].examine())
        if command.word == "details" and actor.roles:
            self._target_channels[site.target.name].stories.open(command.operation)
        look = self._target_channels[site.target.name].look
        return handle(site, command, actor, cause, lambda: look(site.on_progress))

    def _is_allowed_in(self, channel: str | None) -> bool:
        """Whether anr is operated in a channel; a modal has none, and was opened where it is."""
        return channel is None or not self._allowed_channels or channel in self._allowed_channels

    async def who(self, request: "Request") -> Actor:
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

    def target_channel(self, command: Command, channel: str | None) -> TargetChannel | Misunderstood:
        """Return the router that is meant: the one that was named, the only one, or the only one of this channel."""
        if command.target is not None and command.target in self._target_channels:
            return self._target_channels[command.target]
        target_channels = list(self._target_channels.values())
        if len(target_channels) == 1:
            return target_channels[0]
        if command.word in {"approve", "deny"}:
            # the first one will say that there is no such request
            return self._that(lambda site: site.journal.approval(command.argument) is not None) or target_channels[0]
        if command.operation and (known := self._that(lambda site: bool(site.journal.of_operation(command.operation)))):
            return known
        here = [target_channel for target_channel in target_channels if target_channel.channel == channel]
        if len(here) == 1:
            return here[0]
        names = ", ".join(f"`/anr {command.word.removesuffix('_now')} {name}`" for name in self._target_channels)
        return Misunderstood(f"There are several routers, and nobody can tell which one you mean. Type {names}.")

    def _that(self, knows: Callable[[Target], bool]) -> TargetChannel | None:
        """Return the router that knows what was clicked; None if none says so, also because its journal cannot be read."""
        for target_channel in self._target_channels.values():
            with suppress(AnrError):
                if knows(target_channel.site):
                    return target_channel
        return None

    async def tell(self, respond: Answer, blocks: list[Block], user: str = "") -> None:
        """Answer the person who acted, and nobody else; directly if Slack does not take the answer where they acted."""
        text = next((block["text"]["text"] for block in blocks if block["type"] == "section"), "anr")
        await answer_person(respond, self._access.client, user, text, blocks)
