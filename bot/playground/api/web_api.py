"""Slack's Web API under /api/: reading a call, its token and scopes, the faults asked for, and the shape of the answer.

Excluded: what each method does (`chat`, `directory`, `views`, `uploads`). Refusals are answered as Slack does: HTTP 200
and `{"ok": false, "error": code}`; only `ratelimited` is HTTP 429, and "Slack is down" is HTTP 503.
"""

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from bot.playground.workspace.workspace import Grant, Json, SlackRefusal, Workspace

CALLS_KEPT: Final = 1_000
TIERS: Final[Mapping[str, int]] = {
    "chat.delete": 50,
    "chat.postEphemeral": 100,
    "chat.postMessage": 70,
    "chat.update": 50,
    "conversations.history": 20,
    "conversations.info": 50,
    "conversations.list": 20,
    "conversations.members": 100,
    "conversations.replies": 50,
    "files.completeUploadExternal": 100,
    "files.getUploadURLExternal": 100,
    "usergroups.users.list": 20,
    "users.info": 100,
    "users.list": 20,
    "views.open": 100,
    "views.publish": 100,
    "views.push": 100,
    "views.update": 100,
}
"""How many calls of a method Slack takes in a minute (its documentation of rate limits, tiers 2 to 4); chat.postMessage about
one a second for each channel, with short bursts; conversations.history as of an app that is not a company's own."""
_MINUTE: Final = 60.0
BODY_BYTES_MAX: Final = 64 * 1024 * 1024


class Arguments:
    """The arguments of one call, from JSON, form or query alike."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values: Json = {name: value for name, value in values.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """Read a text.

        Raises:
            SlackRefusal: `invalid_arguments`, when it is not a text or number.
        """
        value = self.values.get(name, default)
        if isinstance(value, bool | dict | list):
            raise _invalid(name, "must be a string")
        return str(value)

    def required(self, name: str, code: str = "invalid_arguments") -> str:
        """Read a text that must be there.

        Raises:
            SlackRefusal: `code`.
        """
        value = self.text(name)
        if value:
            return value
        if code == "invalid_arguments":
            raise _invalid(name, "missing required field")
        raise SlackRefusal(code)

    def number(self, name: str, default: int) -> int:
        """Read a number.

        Raises:
            SlackRefusal: `invalid_arguments`.
        """
        try:
            return int(self.text(name, str(default)))
        except ValueError:
            raise _invalid(name, "must be an integer") from None

    def flag(self, name: str) -> bool:
        """Read a truth value: true, 1 or "true"."""
        return str(self.values.get(name, "")).lower() in ("1", "true")

    def json(self, name: str, code: str = "invalid_arguments") -> Any:
        """Read a structure, which forms carry as JSON text; None when it is not there.

        Raises:
            SlackRefusal: `code`.
        """
        value = self.values.get(name)
        if isinstance(value, str):
            if not value:
                return None
            try:
                return json.loads(value)
            except ValueError:
                raise SlackRefusal(code) from None
        return value


def _invalid(name: str, why: str) -> SlackRefusal:
    return SlackRefusal("invalid_arguments", response_metadata={"messages": [f"[ERROR] {why}: {name}"]})


@dataclass(frozen=True, slots=True)
class Call:
    """What a method gets: the workspace, the arguments, the token's grant and the playground's own address."""

    workspace: Workspace
    arguments: Arguments
    grant: Grant
    base_url: str

    def page(self, items: list[Any], default: int = 100) -> tuple[list[Any], Json]:
        """Cut one page out of items as `limit` and `cursor` say.

        Returns:
            The page and its `response_metadata`.

        Raises:
            SlackRefusal: `invalid_cursor`, `invalid_limit`.
        """
        limit = self.arguments.number("limit", default) or default
        if not 1 <= limit <= 1_000:
            raise SlackRefusal("invalid_limit")
        cursor = self.arguments.text("cursor")
        try:
            start = int(cursor.removeprefix("next:")) if cursor else 0
        except ValueError:
            raise SlackRefusal("invalid_cursor") from None
        end = start + limit
        return items[start:end], {"next_cursor": f"next:{end}" if end < len(items) else ""}


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it does, the scope it needs, and the kind of token it takes."""

    run: Callable[[Call], Json]
    scope: str | None = None
    token: str | None = "bot"  # noqa: S105 -- a kind of token


@dataclass(slots=True)
class Fault:
    """One planned misbehaviour of one call.

    Attributes:
        error: Slack's error code, or None.
        status: the HTTP status; any other than 200 and 429 has a body that is not JSON.
        retry_after: seconds, for `ratelimited`.
        after_effect: do what the call asks, then answer the fault: the caller cannot know.
        until: hold the call until this is set, before anything else.
        about: only a call whose arguments say this; "" for the next one, whatever it says.
        extra: further keys of the answer.
    """

    error: str | None = None
    status: int = 200
    retry_after: int | None = None
    after_effect: bool = False
    until: asyncio.Event | None = None
    about: str = ""
    extra: Json = field(default_factory=dict)

    @property
    def harmless(self) -> bool:
        """Whether the call is answered truly, late at most."""
        return self.error is None and self.status == 200


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call that was answered: `error` is None when Slack said ok."""

    method: str
    arguments: Json
    error: str | None
    status: int


class WebApi:
    """Answers /api/METHOD."""

    def __init__(self, workspace: Workspace, methods: Mapping[str, Method]) -> None:
        self.down = False
        self.tiers = dict(TIERS)
        self._lately: dict[tuple[str, str], deque[float]] = {}
        self.calls: deque[CallRecord] = deque(maxlen=CALLS_KEPT)
        self.base_url = ""
        self._workspace = workspace
        self._methods = methods
        self._faults: dict[str, deque[Fault]] = {}

    def plan(self, method: str, fault: Fault, times: int) -> None:
        """Let the next calls of a method misbehave.

        Raises:
            ValueError: the playground has no such method.
        """
        if method not in self._methods:
            raise ValueError(f"No fault was planned: the playground does not know the method {method!r}.")
        self._faults.setdefault(method, deque()).extend([fault] * times)

    def clear_faults(self) -> None:
        """Forget every planned misbehaviour."""
        self._faults.clear()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call."""
        name = request.match_info["method"]
        values: Json = {}
        unreadable: SlackRefusal | None = None
        if not self.down:
            try:
                values = await _read(request)
            except SlackRefusal as refusal:
                unreadable = refusal
        fault = None if self.down else self._next_fault(name, values)
        if fault and fault.until:
            await fault.until.wait()
        grant: Grant | None = None
        answer: Json = {}
        status = 503 if self.down else fault.status if fault else 200
        if not self.down:
            try:
                if unreadable is not None:
                    raise unreadable
                grant = self._grant(request, values)
                if not fault and (pause := self._over_its_tier(name, values)):
                    fault = Fault(error="ratelimited", status=HTTPStatus.TOO_MANY_REQUESTS, retry_after=pause)
                    status = fault.status
                answer = self._answer(name, values, grant, fault)
            except SlackRefusal as refusal:
                answer = {"ok": False, "error": refusal.code, **refusal.extra}
        error = answer.get("error") or (f"http_{status}" if status != 200 else None)
        self.calls.append(CallRecord(name, values, error, status))
        self._workspace.changed()
        return _respond(answer, status, fault, grant)

    def _next_fault(self, name: str, values: Json) -> Fault | None:
        """Take the first planned fault that is about this call."""
        planned = self._faults.get(name, deque())
        fault = next((fault for fault in planned if fault.about in str(values)), None)
        if fault is not None:
            planned.remove(fault)
        return fault

    def _answer(self, name: str, values: Json, grant: Grant, fault: Fault | None) -> Json:
        method = self._allowed(name, grant)
        answer: Json = {}
        if fault is None or fault.after_effect or fault.harmless:
            answer = {"ok": True, **method.run(Call(self._workspace, Arguments(values), grant, self.base_url))}
        if fault and fault.error:
            raise SlackRefusal(fault.error, **fault.extra)
        return answer

    def _over_its_tier(self, name: str, values: Json) -> int:
        """Count a call; return for how many seconds the method takes no more, 0 if it takes this one."""
        lane = (name, str(values.get("channel", "")) if name == "chat.postMessage" else "")
        lately, now = self._lately.setdefault(lane, deque()), self._workspace.clock()
        while lately and now - lately[0] >= _MINUTE:
            lately.popleft()
        if len(lately) >= self.tiers.get(name, CALLS_KEPT):
            return max(1, math.ceil(_MINUTE - (now - lately[0])))
        lately.append(now)
        return 0

    def _grant(self, request: web.Request, values: Json) -> Grant:
        header = request.headers.get("Authorization", "")
        in_body = values.pop("token", None)
        token = header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else in_body
        if not token:
            raise SlackRefusal("not_authed")
        grant = self._workspace.tokens.get(str(token))
        if grant is None:
            raise SlackRefusal("invalid_auth")
        if grant.state == "revoked":
            raise SlackRefusal("token_revoked")
        if grant.state == "inactive":
            raise SlackRefusal("account_inactive")
        return grant

    def _allowed(self, name: str, grant: Grant) -> Method:
        method = self._methods.get(name)
        if method is None:
            raise SlackRefusal("unknown_method", req_method=name)
        if method.token and method.token != grant.kind:
            raise SlackRefusal("not_allowed_token_type")
        if method.scope and method.scope not in grant.scopes:
            raise SlackRefusal("missing_scope", needed=method.scope, provided=",".join(sorted(grant.scopes)))
        return method


async def _read(request: web.Request) -> Json:
    values: Json = dict(request.query)
    if request.method != "POST":
        return values
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.text() or "{}")
        except ValueError:
            raise SlackRefusal("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackRefusal("json_not_object")
        return values | body
    form = await request.post()
    return values | {name: value for name, value in form.items() if isinstance(value, str)}


def _respond(answer: Json, status: int, fault: Fault | None, grant: Grant | None) -> web.Response:
    headers: dict[str, str] = {}
    if grant:
        headers["x-oauth-scopes"] = ",".join(sorted(grant.scopes))
    if fault and fault.retry_after is not None and status == 429:
        headers["Retry-After"] = str(fault.retry_after)
    if status not in (200, 429):
        return web.Response(status=status, text="<html>Slack is not available</html>", content_type="text/html")
    return web.json_response(answer, status=status, headers=headers)
