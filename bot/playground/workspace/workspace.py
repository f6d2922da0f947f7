"""The state of one Slack workspace: people, channels, messages, views, files and tokens, and the news that it changed.

Excluded: HTTP, the app's permissions (`web_api`), what reaches the app (`delivery`) and what people may do (`people`).
Messages, views and blocks are kept in Slack's own JSON shape, because that is what goes out again.
"""

import asyncio
import copy
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bot.playground.workspace.blocks import dressed_blocks
from bot.playground.workspace.notifications import notified, on_lock_screen

Json = dict[str, Any]

TEAM_ID: Final = "T0PLAYGRND"
TEAM_NAME: Final = "Playground"
TEAM_DOMAIN: Final = "playground"
OTHER_TEAM_ID: Final = "T0ELSEWHERE"
APP_ID: Final = "A0PLAYGRND"
BOT_ID: Final = "B0BOT"
BOT_USER: Final = "U0BOT"
TRIGGER_SECONDS: Final = 3.0
RESPONSE_URL_SECONDS: Final = 1_800.0
RESPONSE_URL_USES: Final = 5
MODAL_STACK_MAX: Final = 3


class SlackRefusal(Exception):
    """The Web API refuses a call.

    Attributes:
        code: Slack's error code.
        extra: further keys of the answer, such as `needed` and `provided`.
    """

    def __init__(self, code: str, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.extra: Json = extra


@dataclass(slots=True)
class User:
    """A person or the bot. `team_id` differs from the workspace's for people of Slack Connect.

    On Enterprise Grid it may also be empty or that of another workspace; `teams` says then where the person belongs.
    """

    id: str
    name: str
    real_name: str
    title: str = ""
    color: str = "4bbe2e"
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_bot: bool = False
    deleted: bool = False
    team_id: str = TEAM_ID
    teams: tuple[str, ...] = ()
    is_stranger: bool = False


@dataclass(slots=True)
class Channel:
    """A channel, or with `is_im` the conversation of one person with the bot. Messages are ordered by `ts`."""

    id: str
    name: str
    topic: str = ""
    is_archived: bool = False
    is_private: bool = False
    is_im: bool = False
    members: set[str] = field(default_factory=set)
    messages: dict[str, Json] = field(default_factory=dict)


@dataclass(slots=True)
class File:
    """An upload. It is `complete` once files.completeUploadExternal named it."""

    id: str
    name: str
    length: int
    title: str = ""
    mimetype: str = "application/octet-stream"
    content: bytes = b""
    uploaded: bool = False
    complete: bool = False
    refusals_left: int = 0
    """How many more uses in blocks Slack refuses because the file is still being processed."""


@dataclass(slots=True)
class Trigger:
    """What a `trigger_id` stands for; issued on the workspace's clock."""

    user: str
    issued: float
    used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    """What a `response_url` may still do, and which message it came from."""

    user: str
    channel: str
    issued: float
    message_ts: str | None = None
    ephemeral: bool = False
    uses: int = 0


@dataclass(slots=True)
class Grant:
    """What a token stands for: `kind` is `bot` or `app`, `state` is `active`, `revoked` or `inactive`."""

    kind: str
    scopes: frozenset[str]
    state: str = "active"


@dataclass(slots=True)
class UploadHost:
    """How the host behaves that takes files; it is another one than the Web API's (files.slack.com).

    Attributes:
        url: where it listens: another address than the Web API's.
        blocked: nobody gets there, as behind a company's egress rules.
        status: the HTTP status with which it answers; the bytes are kept only with 200.
        until: it is silent until this is set; None if it answers at once.
    """

    url: str = ""
    blocked: bool = False
    status: int = 200
    until: asyncio.Event | None = None


class Workspace:
    """One workspace with one installed app.

    `clock` gives seconds since the epoch; a test that passes its own decides when triggers and response URLs expire.

    Attributes:
        trigger_seconds: for how long a trigger opens a modal.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.trigger_seconds = TRIGGER_SECONDS
        self.users: dict[str, User] = {user.id: user for user in _people()}
        people = {user.id for user in self.users.values() if not user.is_bot}
        self.channels: dict[str, Channel] = {
            "C0ANROPS": Channel("C0ANROPS", "anr-ops", "Rollout of the router", members=people | {BOT_USER}),
            "C0RANDOM": Channel("C0RANDOM", "random", "Everything else", members=set(people)),
        }
        self.usergroups: dict[str, list[str]] = {"S0APPROVERS": ["U0AARON", "U0PRIYA"]}
        self.ephemerals: list[Json] = []
        self.notifications: dict[str, list[Json]] = {}
        """By person, what their phone has shown: `title`, `text`, and the `channel` and `ts` that it leads to."""
        self.modals: dict[str, list[Json]] = {}
        self.homes: dict[str, Json] = {}
        self.files: dict[str, File] = {}
        self.upload_tickets: dict[str, str] = {}
        self.upload_host = UploadHost()
        self.file_refusals = 0
        self.late_reads = 0
        """How many more reads of a history or a thread do not show its newest message yet."""
        self.enterprise_id = ""
        """Of the organisation that the workspace belongs to, `E…`; empty outside Enterprise Grid."""
        self.org_wide = False
        """Whether the app is installed in the whole organisation."""
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.tokens: dict[str, Grant] = {}
        self._last_ts = 0
        self._number = 0
        self._news = asyncio.Event()

    # -- news

    def changed(self) -> None:
        """Tell everybody who waits that something is different now."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    @property
    def news(self) -> asyncio.Event:
        """Set at the next change. Take it before looking at the state, so that no change is missed."""
        return self._news

    # -- names

    def next_ts(self) -> str:
        """Issue a message time: unique, ever rising, microseconds."""
        self._last_ts = max(int(self.clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def next_id(self, kind: str) -> str:
        """Issue an id that begins with Slack's letter for its kind."""
        self._number += 1
        return f"{kind}0{self._number:08d}"

    def issue_trigger(self, user: str) -> str:
        """Issue a `trigger_id` for what the person just did."""
        trigger_id = f"{self._last_ts}.{secrets.randbelow(10**10)}.{secrets.token_hex(16)}"
        self.triggers[trigger_id] = Trigger(user=user, issued=self.clock())
        return trigger_id

    def spend_trigger(self, trigger_id: str) -> str:
        """Exchange a `trigger_id`, once and within its time.

        Returns:
            The person it was issued for.

        Raises:
            SlackRefusal: `invalid_trigger_id`, `expired_trigger_id` or `exchanged_trigger_id`.
        """
        trigger = self.triggers.get(trigger_id)
        if trigger is None:
            raise SlackRefusal("invalid_trigger_id")
        if trigger.used:
            raise SlackRefusal("exchanged_trigger_id")
        if self.clock() - trigger.issued > self.trigger_seconds:
            raise SlackRefusal("expired_trigger_id")
        trigger.used = True
        return trigger.user

    # -- conversations

    def conversation(self, name: str) -> Channel:
        """Find a conversation by id or name; a person's id means the conversation with the bot, made when first used.

        Raises:
            SlackRefusal: `channel_not_found`.
        """
        channel = self.channels.get(name)
        if channel is None:
            bare = name.removeprefix("#")
            channel = next((c for c in self.channels.values() if c.name == bare), None)
        if channel is None and (user := self.users.get(name)) and not user.is_bot and not user.deleted:
            channel = Channel(f"D{name[1:]}", user.name, is_im=True, members={user.id, BOT_USER})
            channel = self.channels.setdefault(channel.id, channel)
        if channel is None:
            raise SlackRefusal("channel_not_found")
        return channel

    def message(self, channel_id: str, ts: str) -> Json | None:
        """Find a message; None when it is not (or no longer) there."""
        channel = self.channels.get(channel_id)
        return channel.messages.get(ts) if channel else None

    def post(self, channel: Channel, message: Json) -> Json:
        """Append a message and count it in its thread; the workspace gives it its `ts`."""
        ts = self.next_ts()
        posted: Json = {"type": "message", "ts": ts, "team": TEAM_ID, **message}
        parent = channel.messages.get(posted.get("thread_ts") or "")
        if parent is not None:
            repliers = {r["user"] for r in self.replies(channel, parent["ts"])} | {posted["user"]}
            parent["thread_ts"] = parent["ts"]
            parent["reply_count"] = parent.get("reply_count", 0) + 1
            parent["reply_users_count"] = len(repliers)
            parent["latest_reply"] = ts
        self._notify(channel, posted)
        channel.messages[ts] = posted
        self.changed()
        return posted

    def _notify(self, channel: Channel, message: Json) -> None:
        people = {user.id for user in self.users.values() if not user.is_bot}
        root = channel.messages.get(message.get("thread_ts") or "")
        thread = [root, *self.replies(channel, root["ts"])] if root is not None else []
        members = channel.members & people
        called = members - {message["user"]} if channel.is_im else notified(message, thread, self.usergroups, members)
        names = {user.id: user.real_name for user in self.users.values()}
        author = names.get(message["user"], message["user"])
        shown = {
            "title": author if channel.is_im else f"{author} in #{channel.name}",
            "text": on_lock_screen(message.get("text") or "", names),
            "channel": channel.id,
            "ts": message["ts"],
        }
        for user in sorted(called):
            self.notifications.setdefault(user, []).append(shown)

    def replies(self, channel: Channel, thread_ts: str) -> list[Json]:
        """List a thread without its parent, oldest first."""
        return [m for m in channel.messages.values() if m.get("thread_ts") == thread_ts and m["ts"] != thread_ts]

    def add_ephemeral(self, channel: Channel, user: str, message: Json) -> Json:
        """Show a message to one person only."""
        shown: Json = {
            "type": "message",
            "ts": self.next_ts(),
            "channel": channel.id,
            **message,
            "to": user,
            "is_ephemeral": True,
        }
        self.ephemerals.append(shown)
        self.changed()
        return shown

    def bot_message(self, text: str, blocks: object = None, **rest: Any) -> Json:
        """Dress what the app said as Slack does: bot id, app id, and blocks with every id filled in."""
        message: Json = {
            "user": BOT_USER,
            "bot_id": BOT_ID,
            "app_id": APP_ID,
            "username": self.users[BOT_USER].name,
            "text": text,
            **{name: value for name, value in rest.items() if value is not None},
        }
        if isinstance(blocks, list):
            message["blocks"] = dressed_blocks(blocks)
        return message

    # -- views

    def make_view(self, view: Json, *, root_view_id: str | None = None) -> Json:
        """Give a view that the app described its id, hash and defaults."""
        view_id = self.next_id("V")
        made: Json = {
            "id": view_id,
            "team_id": TEAM_ID,
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "submit": None,
            "close": None,
            "clear_on_close": False,
            "notify_on_close": False,
            "previous_view_id": None,
            "root_view_id": root_view_id or view_id,
            "app_id": APP_ID,
            "bot_id": BOT_ID,
            "app_installed_team_id": TEAM_ID,
            "state": {"values": {}},
            **({"title": {"type": "plain_text", "text": "View Title", "emoji": True}} if view["type"] == "home" else {}),
            **copy.deepcopy(view),
        }
        made["blocks"] = dressed_blocks(made["blocks"])
        made["hash"] = self.new_hash()
        return made

    def new_hash(self) -> str:
        """Issue the value that a view carries until its next change."""
        return f"{int(self.clock())}.{secrets.token_hex(4)}"

    def open_modal(self, user: str, view: Json, *, push: bool = False) -> Json:
        """Show a modal, alone or on top of the ones that are open.

        Raises:
            SlackRefusal: `push_limit_reached`.
        """
        stack = self.modals.get(user, []) if push else []
        if len(stack) >= MODAL_STACK_MAX:
            raise SlackRefusal("push_limit_reached")
        made = self.make_view(view, root_view_id=stack[0]["id"] if stack else None)
        made["previous_view_id"] = stack[-1]["id"] if stack else None
        self.modals[user] = [*stack, made]
        self.changed()
        return made

    def replace_view(self, old: Json, view: Json) -> Json:
        """Change an open modal or a home in place: same id, new hash, answers kept."""
        kept = {name: old[name] for name in ("id", "root_view_id", "previous_view_id", "state")}
        made = {**self.make_view(view), **kept}
        old.clear()
        old.update(made)
        self.changed()
        return old

    def find_view(self, *, view_id: str = "", external_id: str = "") -> tuple[str, Json] | None:
        """Find an open modal or a home by either id, with the person who sees it."""
        shown = [(user, view) for user, stack in self.modals.items() for view in stack]
        for user, view in shown + list(self.homes.items()):
            if (view_id and view["id"] == view_id) or (external_id and view["external_id"] == external_id):
                return user, view
        return None

    def close_modals(self, user: str, *, only: str | None = None) -> None:
        """Take away all modals of a person, or one."""
        left = [view for view in self.modals.get(user, []) if only is not None and view["id"] != only]
        if left:
            self.modals[user] = left
        else:
            self.modals.pop(user, None)
        self.changed()


def _people() -> list[User]:
    return [
        User("U0OLIVIA", "olivia", "Olivia Ortiz", "Operator", "1f7a8c"),
        User("U0AARON", "aaron", "Aaron Abara", "Approver", "b5651d"),
        User("U0PRIYA", "priya", "Priya Patel", "Approver", "7d3c98"),
        User("U0MEMBER", "max", "Max Member", "Member", "2e7d32"),
        User("U0GUEST", "gus", "Gus Guest", "Guest", "8d6e63", is_restricted=True),
        User("U0EXTERN", "erin", "Erin External", "Works elsewhere", "546e7a", team_id=OTHER_TEAM_ID),
        User(BOT_USER, "anr", "anr", "App", "3f51b5", is_bot=True),
    ]
