"""The bot's process: puts everything together, listens in Socket Mode or HTTP mode, runs the schedule, shuts down in order.

Excluded: everything that these do.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import stamina
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.dispatch.channel import TargetChannel
from bot.dispatch.dispatcher import Dispatcher
from bot.http.lane import Lane
from bot.http.metrics import Metrics, SlackErrors
from bot.http.refusals import RefusalKeeper
from bot.http.server import Server
from bot.http.webhook import AlertWebhook
from bot.jobs import Jobs
from bot.observing import Following
from bot.slack.access import Access
from bot.slack.calls import SlackCalls, permalink
from bot.slack.channel_marks import channel_marks
from bot.slack.checks import examine_deliveries, examine_slack
from bot.slack.deliveries import Deliveries, Delivery
from bot.slack.errors import SLACK_FAILED, code_of, is_the_token
from bot.slack.members import Installation
from bot.slack.outbox import Outbox
from bot.stories.called import Callers
from bot.stories.compose import StoryComposer
from bot.stories.follow import Stories
from bot.surfaces.home import Home
from bot.surfaces.listeners import listeners
from bot.terminal.server import TerminalServer
from core.cli.context import Served
from core.doctor.check import Check
from core.doctor.own_checks import check_up
from core.errors import AnrError, ConfigurationError
from core.settings.settings import Settings, options_file, stray_router_settings
from core.settings.target import TargetSettings
from core.settings.terminal import not_the_bots_run
from core.system.clock import utc_now
from core.system.logs import logger
from core.target.lock import bot_lock
from core.target.observer import Observer
from core.target.target import Target
from core.watch import recover

log = logger(__name__)
T = TypeVar("T")

_RETRY_SECONDS = 5.0
_FILES_LOOKED_AT = 1024
"""Of how many of the newest receipts the start asks whether they have their file; `anr recover` asks of all."""


@asynccontextmanager
async def running(
    settings: Settings, clock: Callable[[], datetime] = utc_now, on_listening: Callable[[], None] | None = None
) -> AsyncIterator[int]:
    """Run the bot while the block lasts; yields the port on which it listens.

    While Slack cannot be reached alerts already freeze, the schedule runs, and this waits; what is done is told when Slack is
    back.

    Args:
        settings: all options.
        clock: returns the time in UTC.
        on_listening: called once alerts can freeze, whether or not Slack is there.

    Raises:
        ConfigurationError: Slack is not configured or refuses a token, the address is taken, this is not the account that runs
            anr for a router, or another bot serves one; the bot was stopped.
    """
    slack = settings.slack
    bot_token, app_token, secret = (
        token.get_secret_value() for token in (slack.bot_token, slack.app_token, slack.signing_secret)
    )
    channels = [target.channel or slack.channel for target in settings.every_target]
    if settings.unread_secrets:
        raise ConfigurationError(f"{'; '.join(settings.unread_secrets)}. Nothing was started; let the bot's account read it.")
    if not bot_token or not all(channels) or not (app_token or secret):
        raise ConfigurationError(
            "Slack is not configured. Nothing was started; set slack.bot_token, slack.channel, and slack.app_token "
            "(Socket Mode) or slack.signing_secret (HTTP mode).",
        )
    if wrong := [why for target in settings.every_target if (why := not_the_bots_run(target))]:
        raise ConfigurationError(f"{wrong[0]} Nothing was started; run the bot under that account.")
    metrics = Metrics(settings.http.measure_seconds)
    client = AsyncWebClient(token=bot_token, base_url=slack.api_url)
    client.retry_handlers.append(SlackErrors(metrics.counters))
    identity: AsyncSlackResponse | None = None
    with suppress(*SLACK_FAILED), _refusals("the bot token"):
        identity = await client.auth_test()  # a token that is wrong ends here, before anything was started
    async with AsyncExitStack() as parts:
        parts.callback(metrics.close)
        for target in settings.every_target:
            parts.enter_context(bot_lock(target.run_dir, clock()))
        calls = SlackCalls(client)
        calls.workspace_url = str(identity.get("url") or "") if identity is not None else ""
        target_channels = [
            await parts.enter_async_context(_target_channel(settings, target, calls, clock)) for target in settings.every_target
        ]
        lanes = [Lane(target_channel, metrics.counters) for target_channel in target_channels]
        refusals = RefusalKeeper([target_channel.target for target_channel in target_channels])
        webhook = AlertWebhook(settings.alerts, lanes, metrics.counters, refusals)
        parts.push_async_callback(webhook.drain)
        server = Server(webhook, metrics, target_channels)
        if identity is not None and not app_token:
            people = _people(settings, calls, client, identity, target_channels)
            server.serve_slack(await parts.enter_async_context(people), secret)
        port = await parts.enter_async_context(server.listening(settings.http))
        log.info("listening", host=settings.http.host, port=port)
        if on_listening is not None:
            on_listening()
        terminals = TerminalServer(settings, _served(target_channels), options_file(), partial(_wake, target_channels))
        await parts.enter_async_context(terminals.listening())
        await parts.enter_async_context(_following(metrics.run(target_channels)))
        if app_token or identity is None:
            if identity is None:
                identity = await _patiently(client.auth_test, "the bot token")
                calls.workspace_url = str(identity.get("url") or "")
            app = await parts.enter_async_context(_people(settings, calls, client, identity, target_channels))
            if app_token:
                server.slack_problem = await parts.enter_async_context(_socket(app, app_token, client))
            else:
                server.serve_slack(app, secret)
        yield port


def _served(target_channels: Sequence[TargetChannel]) -> dict[str, Served]:
    return {
        target_channel.target.settings.name: Served(target_channel.target, partial(target_channel.look, None))
        for target_channel in target_channels
    }


def _wake(target_channels: Sequence[TargetChannel]) -> None:
    for target_channel in target_channels:
        target_channel.stories.wake()


@asynccontextmanager
async def _people(
    settings: Settings,
    calls: SlackCalls,
    client: AsyncWebClient,
    identity: AsyncSlackResponse,
    target_channels: Sequence[TargetChannel],
) -> AsyncIterator[AsyncApp]:
    """Yield the Slack app, once Slack has said who the bot is; at the end wait for what people began."""
    slack = settings.slack
    known = AuthorizeResult.from_auth_test_response(bot_token=client.token, auth_test_response=identity)

    async def authorize() -> AuthorizeResult:
        # left to itself, Bolt asks Slack who the bot is at the first request: a brake would wait for Slack
        return known

    dispatcher = Dispatcher(
        target_channels, Access(client, settings.access, Installation.of(identity), calls), slack.allowed_channels
    )
    secret = slack.signing_secret.get_secret_value()
    bolt = AsyncApp(signing_secret=secret or None, client=AsyncWebClient(base_url=slack.api_url), authorize=authorize)
    home = Home(dispatcher, calls, settings.every_target[0].journal.with_suffix(".homes.json"))
    try:
        async with _following(home.run()):
            yield listeners(bolt, dispatcher, home)
    finally:
        await dispatcher.drain()


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """Make a sentence of a refusal for the token's sake; what passes, and that Slack cannot be reached, stays what it is."""
    try:
        yield
    except SlackApiError as error:
        if not is_the_token(error):  # the bot goes on without Slack: alerts freeze, and the schedule runs
            raise
        raise ConfigurationError(
            f"Slack does not accept {what} ({code_of(error)}). The bot was stopped; copy the token anew from the app's pages.",
        ) from error


async def _patiently(ask: Callable[[], Awaitable[T]], what: str) -> T:
    """Ask Slack until it answers, at an even pace; at the bot's end the task is cancelled in its pause.

    Raises:
        ConfigurationError: the answer is a refusal.
    """

    def is_away(error: Exception) -> bool:
        if not isinstance(error, SLACK_FAILED):
            return False
        log.warning("Slack cannot be reached, the schedule runs meanwhile; asked again in %.0f s: %s", _RETRY_SECONDS, error)
        return True

    async def asked() -> T:
        with _refusals(what):
            return await ask()

    pace = {"wait_initial": _RETRY_SECONDS, "wait_max": _RETRY_SECONDS, "wait_jitter": 0.0, "wait_exp_base": 1.0}
    return await stamina.AsyncRetryingCaller(attempts=None, timeout=None, **pace)(is_away, asked)


@asynccontextmanager
async def _target_channel(
    settings: Settings, options: TargetSettings, calls: SlackCalls, clock: Callable[[], datetime]
) -> AsyncIterator[TargetChannel]:
    """Serve one router while the block lasts: settle what died, follow its journal, run its schedule."""
    observer = Observer()
    target = Target.at(options, settings.access, clock, measured=observer.measure)
    try:
        await asyncio.to_thread(recover.recover, target, files=_FILES_LOOKED_AT)
    except AnrError:
        log.exception("what died half-way could not be settled; promotions stay refused until `anr recover` succeeds")
    channel = options.channel or settings.slack.channel
    deliveries = Deliveries.at(options)
    composer = StoryComposer(
        target,
        lambda: following.seen,
        callers=Callers(settings.slack.notify, settings.access, options.schedule.zone),
        link=lambda operation: _link(calls, deliveries.of(operation)),
        named=len(settings.every_target) > 1,
    )
    outbox = Outbox(calls, deliveries, channel, settings.slack.fallback_channel, target.journal)
    stories = Stories(target, composer, outbox, deliveries)
    marks = partial(channel_marks, settings.slack, channel, options.name)
    jobs = Jobs(target, stories.wake, stories.looked, marks)

    following = Following(target, stories.wake, stories.refresh)

    def examine() -> tuple[Check, ...]:
        own = check_up(target, stray=stray_router_settings(), secrets_in=options_file())
        return (
            *own,
            *examine_slack(settings.slack, (channel,), settings.access, settings.people),
            *examine_deliveries(deliveries),
        )

    with closing(target.journal), closing(observer), closing(deliveries), closing(following):
        async with _following(stories.run()), _following(following.run()):
            jobs.start()
            try:
                yield TargetChannel(
                    target, partial(observer.look, target), stories, channel, examine, lambda: following.seen, marks
                )
            finally:
                await jobs.stop()
                with suppress(AnrError, *SLACK_FAILED):
                    await asyncio.wait_for(stories.catch_up(), 5)


def _link(calls: SlackCalls, posted: Delivery) -> str:
    return permalink(calls.workspace_url, posted.channel, posted.ts)


@asynccontextmanager
async def _following(run: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let a follower run while the block lasts."""
    following = asyncio.create_task(run)
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


@asynccontextmanager
async def _socket(app: AsyncApp, app_token: str, client: AsyncWebClient) -> AsyncIterator[Callable[[], Awaitable[str | None]]]:
    """Connect in Socket Mode while the block lasts; yields what asks why the connection is down, None while it stands."""
    handler = AsyncSocketModeHandler(app, app_token, web_client=AsyncWebClient(token=client.token, base_url=client.base_url))
    connection = handler.client

    async def problem() -> str | None:
        return None if await connection.is_connected() else "the connection to Slack (Socket Mode) is down"

    try:
        # asked for here and not by the handler, which takes a refusal for an outage and asks for ever
        opened = await _patiently(lambda: client.apps_connections_open(app_token=app_token), "the app-level token")
        connection.wss_uri = str(opened["url"])
        await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt has no types here
        log.info("connected to Slack in Socket Mode")
        yield problem
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # as above
