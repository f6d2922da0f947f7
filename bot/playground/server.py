"""The local Slack workspace as one server: Web API, Socket Mode, response URLs, uploads and the page.

Excluded: everything that these do; here they are put together, started and stopped. It listens on loopback only, because
the page's addresses act as people without asking for a password.
"""

import asyncio
import copy
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from aiohttp import web

from bot.playground.api import chat, directory, uploads, validation, views
from bot.playground.api.web_api import BODY_BYTES_MAX, Call, Fault, Method, WebApi
from bot.playground.people.delivery import SignedHttp
from bot.playground.people.page import Page
from bot.playground.people.people import People
from bot.playground.people.responses import ResponseRoute
from bot.playground.workspace.app_manifest import EXAMPLE_MANIFEST, AppManifest
from bot.playground.workspace.workspace import BOT_USER, Grant, Json, SlackRefusal, Workspace
from core.errors import ConfigurationError

T = TypeVar("T")

STATIC: Final = Path(__file__).parent / "static"
LOOPBACK: Final = "127.0.0.1"
PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Playground(People):
    """A workspace that listens while the `async with` block lasts.

    Attributes:
        url: where it listens, such as `http://127.0.0.1:40123`; the Web API is at `{url}/api/`.
        workspace: its state, for tests to arrange and to look at.
        bot_token, app_token, signing_secret: what the app is configured with.
        api: the Web API; `api.down` and `api.calls`.
        responses: what was answered at a `response_url`; `responses.answers`.
        socket_mode: its connections; `await socket_mode.disconnect("refresh_requested")`.
        signed_http: set its `url` for HTTP mode.

    Args:
        manifest: the app's manifest; scopes, commands, shortcuts and events come from it.
        port: 0 takes any free one.
        clock: seconds since the epoch.
        ack_seconds: how long the app may take to acknowledge.
        request_url: the app's request URL, for HTTP mode; None means Socket Mode.
        extra_routes: further routes on the same server, such as the simulated router's controls.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any] = EXAMPLE_MANIFEST,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        ack_seconds: float = 3.0,
        request_url: str | None = None,
        extra_routes: Iterable[web.AbstractRouteDef] = (),
    ) -> None:
        workspace = Workspace(clock=clock)
        parsed = AppManifest.parse(manifest)
        self.signing_secret = secrets.token_hex(16)
        signed_http = SignedHttp(workspace, self.signing_secret)
        signed_http.url = request_url
        super().__init__(workspace, parsed, signed_http=signed_http, ack_seconds=ack_seconds)
        self.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self.app_token = f"xapp-{secrets.token_hex(12)}"
        workspace.users[BOT_USER].name = parsed.bot_name
        workspace.tokens[self.bot_token] = Grant("bot", parsed.scopes)
        workspace.tokens[self.app_token] = Grant("app", frozenset(("connections:write",)))
        self.api = WebApi(workspace, self._methods())
        self.responses = ResponseRoute(workspace, lambda: self.api.down)
        self._page = Page(self, self.api)
        self._port, self._upload_port = port, 0
        self._extra_routes = tuple(extra_routes)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            ConfigurationError: the port is taken; nothing was started.
        """
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, LOOPBACK, self._port).start()
            await web.TCPSite(self._runner, LOOPBACK, 0).start()  # where files go, as they do to Slack's other host
        except OSError as error:
            await self._runner.cleanup()
            text = (
                f"Port {self._port} is taken ({error.strerror}). Nothing was started; choose another one, or 0 for any free one."
            )
            raise ConfigurationError(text) from error
        self._port, self._upload_port = (address[1] for address in self._runner.addresses)
        self.workspace.upload_host.url = f"http://{LOOPBACK}:{self._upload_port}"
        self.url = f"http://{LOOPBACK}:{self._port}"
        self.api.base_url = self.url
        return self

    async def __aexit__(self, *_: object) -> None:
        self._page.close()
        await self.socket_mode.close()
        await self.signed_http.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # -- looking

    def messages(self, channel_id: str) -> list[Json]:
        """Copy a channel's messages as they are now, oldest first, replies in threads included."""
        return copy.deepcopy(list(self.workspace.channels[channel_id].messages.values()))

    def ephemerals(self, user_id: str) -> list[Json]:
        """Copy what only this person sees."""
        return copy.deepcopy([m for m in self.workspace.ephemerals if m["to"] == user_id])

    def notifications(self, user_id: str) -> list[Json]:
        """Copy what this person's phone has shown, oldest first: `title` and `text` as on a lock screen."""
        return copy.deepcopy(self.workspace.notifications.get(user_id, []))

    def open_views(self, user_id: str) -> list[Json]:
        """Copy the person's open modals, the one on top last."""
        return copy.deepcopy(self.workspace.modals.get(user_id, []))

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 60.0) -> T:  # noqa: ASYNC109 -- its message
        """Wait until something true comes of the predicate; it is asked again after every change of the workspace.

        Args:
            predicate: looks at the playground; must not change it.
            timeout: seconds after which it is a failure.

        Returns:
            What the predicate returned.

        Raises:
            TimeoutError: it stayed false; the text shows what was said last.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    news = self.workspace.news
                    if found := predicate():
                        return found
                    await news.wait()
        except TimeoutError:
            said = [m["text"] for c in self.workspace.channels.values() for m in c.messages.values()]
            whispered = [m["text"] for m in self.workspace.ephemerals]
            calls = [f"{call.method}: {call.error or 'ok'}" for call in list(self.api.calls)[-5:]]
            raise TimeoutError(
                f"Not so within {timeout} s. Said last: {said[-5:]}. Shown to one person: {whispered[-5:]}. Last calls: {calls}."
            ) from None

    # -- faults

    def fail(
        self,
        method: str,
        error: str | None = None,
        *,
        times: int = 1,
        status: int = 200,
        after_effect: bool = False,
        about: str = "",
        **extra: Any,
    ) -> None:
        """Let the next calls of a method answer this error or HTTP status.

        Args:
            method: such as `chat.postMessage`.
            error: Slack's code.
            times: how many calls.
            status: the HTTP status.
            after_effect: do what the call asks before failing, so that the caller cannot know.
            about: only calls whose arguments say this.
            extra: further keys of the answer, such as `needed`.

        Raises:
            ValueError: there is no such method.
        """
        self.api.plan(method, Fault(error=error, status=status, after_effect=after_effect, about=about, extra=extra), times)

    def rate_limit(self, method: str, *, retry_after: int = 1, times: int = 1) -> None:
        """Let the next calls of a method answer HTTP 429 with Retry-After, in seconds.

        Raises:
            ValueError: there is no such method.
        """
        self.api.plan(method, Fault(error="ratelimited", status=429, retry_after=retry_after), times)

    def stall(self, method: str) -> asyncio.Event:
        """Hold the next call of a method until the returned event is set.

        Raises:
            ValueError: there is no such method.
        """
        until = asyncio.Event()
        self.api.plan(method, Fault(until=until), 1)
        return until

    # -- putting together

    def _methods(self) -> dict[str, Method]:
        read, groups = "channels:read", "usergroups:read"
        return {
            "api.test": Method(directory.api_test, token=None),
            "apps.connections.open": Method(self._open_connection, "connections:write", "app"),
            "auth.test": Method(directory.auth_test),
            "blocks.validate": Method(validation.validate),
            "chat.delete": Method(chat.delete, "chat:write"),
            "chat.getPermalink": Method(chat.get_permalink),
            "chat.postEphemeral": Method(chat.post_ephemeral, "chat:write"),
            "chat.postMessage": Method(chat.post_message, "chat:write"),
            "chat.update": Method(chat.update, "chat:write"),
            "conversations.history": Method(directory.conversations_history),
            "conversations.info": Method(directory.conversations_info, read),
            "conversations.list": Method(directory.conversations_list, read),
            "conversations.members": Method(directory.conversations_members, read),
            "conversations.replies": Method(directory.conversations_replies, "channels:history"),
            "files.completeUploadExternal": Method(uploads.complete_upload, "files:write"),
            "files.getUploadURLExternal": Method(uploads.get_upload_url, "files:write"),
            "usergroups.users.list": Method(directory.usergroups_users_list, groups),
            "users.info": Method(directory.users_info, "users:read"),
            "users.list": Method(directory.users_list, "users:read"),
            "views.open": Method(views.open_),
            "views.publish": Method(views.publish),
            "views.push": Method(views.push),
            "views.update": Method(views.update),
        }

    def _open_connection(self, call: Call) -> Json:
        if not self.app_manifest.socket_mode:
            raise SlackRefusal("socket_mode_not_enabled")
        address = call.base_url.replace("http://", "ws://", 1)
        return {"url": f"{address}/link/?ticket={self.socket_mode.issue_ticket()}"}

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._own_pages_only], client_max_size=BODY_BYTES_MAX)
        files = uploads.UploadRoutes(self.workspace)
        application.add_routes(
            [
                web.route("*", "/api/{method}", self.api.handle),
                web.get("/link/", self.socket_mode.handle),
                web.post("/actions/{team}/{key}", self.responses.handle),
                web.post("/upload/v1/{ticket}", files.receive),
                web.get("/files/{file_id}", files.show),
                web.get("/", _index),
                *self._page.routes(),
                *self._extra_routes,
            ]
        )
        if STATIC.is_dir():
            application.router.add_static("/static", STATIC)
        application.on_response_prepare.append(_guard_page)
        return application

    @web.middleware
    async def _own_pages_only(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Refuse other names for this machine (DNS rebinding) and other sites' pages."""
        names = {f"{name}:{self._port}" for name in (LOOPBACK, "localhost", "[::1]")}
        origin = request.headers.get("Origin")
        uploads_only = request.host == f"{LOOPBACK}:{self._upload_port}" and request.path.startswith("/upload/")
        if not (request.host in names or uploads_only) or (
            origin is not None and origin not in {f"http://{name}" for name in names}
        ):
            return web.json_response({"ok": False, "error": "foreign host or origin"}, status=403)
        response: web.StreamResponse = await handler(request)
        return response


async def _index(_request: web.Request) -> web.StreamResponse:
    page = STATIC / "index.html"
    if not page.is_file():
        return web.Response(status=404, text="The playground's page is not installed; its addresses still answer.")
    return web.FileResponse(page)


async def _guard_page(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(PAGE_HEADERS)
