"""The one HTTP server of the bot: Alertmanager's webhook, metrics, health, and Slack's requests in HTTP mode.

It runs in Socket Mode too, and does not wait for Slack. A client that sends nothing, or its headers drop by drop, holds a
connection for seconds only, and connections are few: open files are what the brake needs.

Excluded: what the routes do (bot/http/webhook.py, bot/http/metrics.py), and Slack's requests (Bolt).
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestHandler
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp

from bot.dispatch.channel import TargetChannel
from bot.http.metrics import Metrics
from bot.http.readiness import Purpose, is_ready, unready
from bot.http.signature import refuse_unsigned
from bot.http.webhook import BODY_SECONDS, AlertWebhook
from bot.slack.manifest import EVENTS_PATH
from core.errors import ConfigurationError
from core.receipts.observation import told
from core.settings.surfaces import HttpSettings

HEADER_SECONDS = 5.0
"""How long a new connection may take to send its first request."""
IDLE_SECONDS = 75.0
MAX_CONNECTIONS = 200
_SWEEP_SECONDS = 0.5
_REUSE = os.name == "posix"
"""Whether an address may be taken that a bot before had a moment ago; Windows would share it with one that runs."""
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Server:
    """The routes, and what they need to know of Slack.

    Attributes:
        slack: the Slack app in HTTP mode, once Slack has said who the bot is.
        slack_problem: asks why people in Slack cannot reach the bot; None if they can.
    """

    def __init__(self, webhook: AlertWebhook, metrics: Metrics, target_channels: Sequence[TargetChannel]) -> None:
        self.slack: AsyncApp | None = None
        self.slack_problem: Callable[[], Awaitable[str | None]] = _not_met
        self._signing_secret = ""
        self._webhook = webhook
        self._metrics = metrics
        self._target_channels = tuple(target_channels)
        self._busy: dict[RequestHandler, int] = {}
        self._since: dict[RequestHandler, tuple[float, float]] = {}

    def serve_slack(self, app: AsyncApp, signing_secret: str) -> None:
        """Take Slack's requests from now on (HTTP mode)."""
        self.slack = app
        self._signing_secret = signing_secret
        self.slack_problem = _met

    @asynccontextmanager
    async def listening(self, settings: HttpSettings) -> AsyncIterator[int]:
        """Serve while the block lasts; yields the port.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        app = web.Application(middlewares=[self._counted()])
        app.add_routes(
            [
                web.post("/alertmanager/webhook", self._webhook.receive),
                web.get("/metrics", self._exposition),
                web.get("/livez", self._alive),
                web.get("/healthz", self._alive),  # as it was called in 0.1.0
                web.get("/readyz", self._ready),
                web.post(EVENTS_PATH, self._slack_request),
            ],
        )
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE_SECONDS, auto_decompress=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port, reuse_address=_REUSE).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                f"Nothing can listen on {settings.host}:{settings.port} ({error.strerror or error}). The bot was stopped; "
                "set another http.port."
            ) from error
        sweeping = asyncio.create_task(self._sweep(runner))
        try:
            yield int(runner.addresses[0][1])
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
            await runner.cleanup()

    def _counted(self) -> Middleware:
        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = request.protocol
            self._busy[connection] = self._busy.get(connection, 0) + 1
            try:
                return await handler(request)
            finally:
                del self._busy[connection]
                self._since[connection] = (time.monotonic(), IDLE_SECONDS)

        return count

    async def _sweep(self, runner: web.AppRunner) -> None:
        """Close connections that ask for nothing: after a while, and at once if there are too many."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            if runner.server is None:
                return
            now = time.monotonic()
            open_now = {connection for connection in runner.server.connections if connection.transport is not None}
            self._since = {connection: self._since.get(connection, (now, HEADER_SECONDS)) for connection in open_now}
            resting = [(*self._since[connection], connection) for connection in open_now if connection not in self._busy]
            resting.sort(key=lambda rest: rest[0])
            surplus = len(open_now) - MAX_CONNECTIONS
            for place, (since, patience, idle) in enumerate(resting):
                if (place < surplus or now - since > patience) and idle.transport is not None:
                    idle.transport.abort()

    async def _exposition(self, _: web.Request) -> web.Response:
        self._metrics.counters.slack_connected.set(await self.slack_problem() is None)
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": _METRICS_TYPE})

    async def _alive(self, _: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _ready(self, request: web.Request) -> web.Response:
        """Whether the bot can brake, or do what is asked with `?for=`; everything that is wrong is told, whatever is asked."""
        try:
            purpose = Purpose(request.query.get("for", Purpose.BRAKE))
        except ValueError:
            known = ", ".join(f"?for={one}" for one in Purpose)
            return web.json_response({"error": f"it is ready for {known}"}, status=HTTPStatus.BAD_REQUEST)
        slack = await self.slack_problem()
        found = await asyncio.gather(*(asyncio.to_thread(unready, channel.target) for channel in self._target_channels))
        names = [target_channel.target.settings.name for target_channel in self._target_channels]
        routers = dict(zip(names, found, strict=True))
        ready = is_ready(purpose, routers, slack)
        # said, and no reason to be unready: whoever takes an unready bot out of service takes the alerts' brake with it
        seen = {
            target_channel.target.settings.name: told(one) if (one := target_channel.seen()) else None
            for target_channel in self._target_channels
        }
        answer = {"ready": ready, "for": purpose, "slack": slack or "connected", "routers": routers, "observed": seen}
        return web.json_response(answer, status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _slack_request(self, request: web.Request) -> web.StreamResponse:
        if self.slack is None:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="not connected to Slack, or in Socket Mode")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                if (refusal := await refuse_unsigned(request, self._signing_secret)) is not None:
                    return refusal
                asked = await to_bolt_request(request)
        except TimeoutError:
            return web.Response(status=HTTPStatus.REQUEST_TIMEOUT, text="the request did not come in time")
        return await to_aiohttp_response(await self.slack.async_dispatch(asked))


async def _met() -> str | None:
    return None


async def _not_met() -> str | None:
    return "Slack has not said yet who the bot is"
