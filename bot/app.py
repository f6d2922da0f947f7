"""The bot's process: puts everything together, listens in Socket Mode or HTTP mode, runs the schedule, shuts down in order.

Excluded: everything that these do.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot import buttons, forms, questions, shortcuts, slash
from bot.access import Access
from bot.deliveries import Deliveries
from bot.desk import Answer, Desk, Request, Station
from bot.doctor import examine_slack
from bot.home import Home
from bot.jobs import Jobs
from bot.manifest import COMMAND
from bot.metrics import Metrics, SlackErrors
from bot.outage import SLACK_FAILED
from bot.outbox import Outbox
from bot.server import Server
from bot.slack_calls import SlackCalls
from bot.stories import Stories
from bot.telling import Telling
from bot.webhooks import AlertWebhook, Lane
from core import recovery
from core.clock import utc_now
from core.doctor import Check
from core.doctor_house import check_up
from core.errors import AnrError, ConfigurationError
from core.logs import logger
from core.lookout import Lookout
from core.settings import Settings, options_file, stray_router_settings
from core.site import Site
from core.target import Target

log = logger(__name__)
T = TypeVar("T")

_RETRY_SECONDS = 5.0
_PASSING = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
"""Errors with which Slack says that it is Slack's fault (Slack's documentation of auth.test), and no token's."""


@asynccontextmanager
async def running(settings: Settings, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[int]:
    """Run the bot while the block lasts; yields the port on which it listens.

    While Slack cannot be reached alerts already freeze, the schedule runs, and this waits; what is done is told when Slack is
    back.

    Raises:
        ConfigurationError: Slack is not configured or refuses a token, or the address is taken; the bot was stopped.
    """
    slack = settings.slack
    bot_token, app_token, secret = (one.get_secret_value() for one in (slack.bot_token, slack.app_token, slack.signing_secret))
    channels = [target.channel or slack.channel for target in settings.every_target]
    if not bot_token or not all(channels) or not (app_token or secret):
        raise ConfigurationError(
            "Slack is not configured. Nothing was started; set slack.bot_token, slack.channel, and slack.app_token "
            "(Socket Mode) or slack.signing_secret (HTTP mode).",
        )
    metrics = Metrics(settings.http.measure_seconds)
    client = AsyncWebClient(token=bot_token, base_url=slack.api_url)
    client.retry_handlers.append(SlackErrors(metrics.counters))
    identity: AsyncSlackResponse | None = None
    with suppress(*SLACK_FAILED), _refusals("the bot token"):
        identity = await client.auth_test()  # a token that is wrong ends here, before anything was started
    async with AsyncExitStack() as parts:
        parts.callback(metrics.close)
        calls = SlackCalls(client)
        stations = [await parts.enter_async_context(_station(settings, one, calls, clock)) for one in settings.every_target]
        webhook = AlertWebhook(settings.alerts, [Lane(station, metrics.counters) for station in stations], metrics.counters)
        parts.push_async_callback(webhook.drain)
        server = Server(webhook, metrics, stations)
        if identity is not None and not app_token:
            server.serve_slack(await parts.enter_async_context(_people(settings, calls, client, identity, stations)))
        port = await parts.enter_async_context(server.listening(settings.http))
        log.info("listening", host=settings.http.host, port=port)
        await parts.enter_async_context(_following(metrics.run(stations)))
        if app_token or identity is None:
            if identity is None:
                identity = await _patiently(client.auth_test, "the bot token")
            app = await parts.enter_async_context(_people(settings, calls, client, identity, stations))
            if app_token:
                server.slack_problem = await parts.enter_async_context(_socket(app, app_token, client))
            else:
                server.serve_slack(app)
        yield port


@asynccontextmanager
async def _people(
    settings: Settings, calls: SlackCalls, client: AsyncWebClient, identity: AsyncSlackResponse, stations: Sequence[Station]
) -> AsyncIterator[AsyncApp]:
    """Yield the Slack app, once Slack has said who the bot is; at the end wait for what people began."""
    slack = settings.slack
    known = AuthorizeResult.from_auth_test_response(bot_token=client.token, auth_test_response=identity)

    async def authorize() -> AuthorizeResult:
        # left to itself, Bolt asks Slack who the bot is at the first request: a brake would wait for Slack
        return known

    desk = Desk(stations, Access(client, settings.access, str(identity["team_id"])), slack.allowed_channels)
    secret = slack.signing_secret.get_secret_value()
    bolt = AsyncApp(signing_secret=secret or None, client=AsyncWebClient(base_url=slack.api_url), authorize=authorize)
    home = Home(desk, calls, settings.every_target[0].journal.with_suffix(".homes.json"))
    try:
        async with _following(home.run()):
            yield listeners(bolt, desk, home)
    finally:
        await desk.drain()


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """Make a sentence of a refusal; that Slack cannot be reached stays what it is."""
    try:
        yield
    except SlackApiError as error:
        code = error.response.get("error")
        if not code or code in _PASSING:
            raise
        raise ConfigurationError(
            f"Slack does not accept {what} ({code}). The bot was stopped; copy the token anew from the app's pages.",
        ) from error


async def _patiently(ask: Callable[[], Awaitable[T]], what: str) -> T:
    """Ask Slack until it answers.

    Raises:
        ConfigurationError: the answer is a refusal.
    """
    while True:
        try:
            with _refusals(what):
                return await ask()
        except SLACK_FAILED as error:
            log.warning("Slack cannot be reached, the schedule runs meanwhile; asked again in %.0f s: %s", _RETRY_SECONDS, error)
        await asyncio.sleep(_RETRY_SECONDS)


@asynccontextmanager
async def _station(
    settings: Settings, target: Target, calls: SlackCalls, clock: Callable[[], datetime]
) -> AsyncIterator[Station]:
    """Serve one router while the block lasts: settle what died, follow its journal, run its schedule."""
    lookout = Lookout()
    site = Site.at(target, settings.access, clock, measured=lookout.measure)
    try:
        await asyncio.to_thread(recovery.recover, site)
    except AnrError:
        log.exception("what died half-way could not be settled; promotions stay refused until `anr recover` succeeds")
    channel = target.channel or settings.slack.channel
    deliveries = Deliveries(target.journal.with_suffix(f".{target.name}.stories.sqlite"))
    stories = Stories(site, Telling(site), Outbox(calls, deliveries, channel, settings.slack.fallback_channel), deliveries)
    jobs = Jobs(site, stories.wake, stories.looked)

    def examine() -> tuple[Check, ...]:
        house = check_up(site, stray=stray_router_settings(), secrets_in=options_file())
        return (*house, *examine_slack(settings.slack, (channel,)))

    with closing(site.journal), closing(lookout), closing(deliveries):
        async with _following(stories.run()):
            jobs.start()
            try:
                yield Station(site, partial(lookout.look, site), stories, channel, examine)
            finally:
                await jobs.stop()
                with suppress(AnrError, *SLACK_FAILED):
                    await asyncio.wait_for(stories.catch_up(), 5)


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


def listeners(app: AsyncApp, desk: Desk, home: Home) -> AsyncApp:  # noqa: C901 - one listener after the other
    """Register every listener: acknowledge first, work afterwards."""

    @app.command(COMMAND)
    async def typed(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        desk.begin(slash.typed(desk, body, respond))

    @app.action(re.compile(f"^({'|'.join(buttons.DRIFT_ENDS)})$"))
    async def drift_ended(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        desk.begin(buttons.ended_drift(desk, body, respond))

    @app.action(re.compile(f"^({'|'.join(buttons.ANSWERS)})$"))
    async def answered(ack: Answer, body: dict[str, Any], client: AsyncWebClient, respond: Answer) -> None:
        await ack()
        desk.begin(buttons.answered(desk, body, client, respond))

    @app.action(re.compile(f"^({'|'.join(buttons.LOOKS)})$"))
    async def looked(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        desk.begin(buttons.looked(desk, body, respond))

    @app.action(re.compile(f"^({'|'.join(buttons.NOW)})$"))
    async def braked(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        desk.begin(buttons.braked(desk, body, respond))

    @app.action(buttons.DETAILS)
    async def details(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        desk.begin(buttons.details(desk, body, respond))

    @app.action(buttons.LINK)
    async def linked(ack: Answer) -> None:
        await ack()

    @app.action(re.compile(f"^({'|'.join(forms.OPENERS)})$"))
    async def asked(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        desk.begin(forms.clicked(desk, body, client))

    @app.view(re.compile(f"^({'|'.join(questions.WORDS)})$"))
    async def submitted(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack(**forms.acknowledgement(body["view"]))
        desk.begin(forms.submitted(desk, body, client))

    _elsewhere(app, desk, home)
    _alert_listeners(app, desk)

    @app.action(re.compile(".*"))
    async def unknown(ack: Answer, respond: Answer) -> None:
        await ack()
        await respond(text="This button is no longer in use. Nothing was done; try `/anr help`.", replace_original=False)

    return app


def _elsewhere(app: AsyncApp, desk: Desk, home: Home) -> None:
    """Register what is not in a channel: shortcuts and the home."""

    @app.shortcut(shortcuts.FREEZE)
    async def freeze_anywhere(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        desk.begin(shortcuts.freeze(desk, body, client))

    @app.event("app_home_opened")
    async def home_opened(ack: Answer, body: dict[str, Any]) -> None:
        await ack()
        if body["event"].get("tab") == "home":
            desk.begin(home.opened(body["event"]["user"], None))

    @app.action("home_refresh")
    async def home_refreshed(ack: Answer, body: dict[str, Any]) -> None:
        await ack()
        request = Request.of(body)
        desk.begin(home.opened(request.user, request.team))


def _alert_listeners(app: AsyncApp, desk: Desk) -> None:
    @app.action(buttons.ACKNOWLEDGE)
    async def acknowledged(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        desk.begin(buttons.acknowledged(desk, body, respond))

    @app.shortcut(shortcuts.BECAUSE)
    async def because_of_message(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        desk.begin(shortcuts.because_of_message(desk, body, client))

    @app.action({"type": "interactive_message", "callback_id": buttons.ALERT_MESSAGE})
    async def on_alert_message(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        desk.begin(buttons.on_alert_message(desk, body, respond))


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
