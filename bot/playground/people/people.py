"""What people do in the workspace, and what comes of it: commands, clicks, modals, shortcuts and messages.

Excluded: the page (`page`) and tests, which both act through here. A person can only do what Slack's client offers:
anything else is a `ClientRefusal`, and nothing is sent. `click_stale` and `redeliver` are the exceptions, for attacks.
"""

import copy
from collections import deque
from typing import Final

from bot.playground.api.views import checked
from bot.playground.people import payloads, responses
from bot.playground.people.delivery import Delivery, SignedHttp, SocketMode
from bot.playground.people.modal_answers import ClientRefusal, completed
from bot.playground.workspace.app_manifest import AppManifest
from bot.playground.workspace.blocks import elements
from bot.playground.workspace.workspace import BOT_USER, Channel, Json, ResponseUrl, SlackRefusal, User, Workspace

DELIVERIES_KEPT: Final = 1_000


class People:
    """Everybody's hands.

    Attributes:
        ack_seconds: how long the app may take to acknowledge.
        deliveries: what the app was told, with its acknowledgements; the newest last.
    """

    def __init__(self, workspace: Workspace, manifest: AppManifest, *, signed_http: SignedHttp, ack_seconds: float) -> None:
        self.workspace = workspace
        self.app_manifest = manifest
        self.ack_seconds = ack_seconds
        self.url = ""
        self.deliveries: deque[Delivery] = deque(maxlen=DELIVERIES_KEPT)
        self.socket_mode = SocketMode(workspace)
        self.signed_http = signed_http

    # -- commands, messages, shortcuts

    async def slash(self, user_id: str, channel_id: str, command: str, text: str = "") -> Delivery:
        """Type a slash command.

        Raises:
            ClientRefusal: nobody, nowhere, or no such command.
        """
        user, channel = self._at(user_id, channel_id)
        declared = next((c for c in self.app_manifest.commands if c.command == command), None)
        if declared is None:
            raise ClientRefusal(f"{command} is not a valid command. Nothing was sent.")
        url = responses.issue(self.workspace, self.url, user.id, channel.id)
        payload = payloads.slash(
            self.workspace, user, channel, command, text.strip(), escape=declared.should_escape, response_url=url
        )
        delivery = await self._deliver(Delivery("slash_commands", payload, accepts_response_payload=True))
        answer = {"text": delivery.response} if isinstance(delivery.response, str) else delivery.response
        if delivery.error is None and isinstance(answer, dict) and (answer.get("text") or answer.get("blocks")):
            try:
                responses.respond(self.workspace, ResponseUrl(user.id, channel.id, self.workspace.clock()), answer)
            except SlackRefusal as refusal:
                delivery.error = refusal.code
        return delivery

    async def post(self, user_id: str, channel_id: str, text: str, *, thread_ts: str | None = None) -> Json:
        """Write a message; the app hears of it if it subscribed to such events.

        Raises:
            ClientRefusal: nobody, nowhere, or nothing written.
        """
        user, channel = self._at(user_id, channel_id)
        if not text.strip():
            raise ClientRefusal("There is nothing to send.")
        message: Json = {"user": user.id, "username": user.name, "text": payloads.escaped(self.workspace, text)}
        if thread_ts:
            message["thread_ts"] = thread_ts
        posted = self.workspace.post(channel, message)
        happening = {**posted, "channel": channel.id, "event_ts": posted["ts"]}
        kind = "message.im" if channel.is_im else "message.groups" if channel.is_private else "message.channels"
        in_channel = BOT_USER in channel.members
        if in_channel and kind in self.app_manifest.bot_events:
            await self._happen({**happening, "channel_type": "im" if channel.is_im else "channel"})
        if in_channel and f"<@{BOT_USER}" in posted["text"] and "app_mention" in self.app_manifest.bot_events:
            await self._happen({**happening, "type": "app_mention"})
        return posted

    async def open_home(self, user_id: str) -> Delivery | None:
        """Open the app's home; None when the app did not subscribe to `app_home_opened`.

        Raises:
            ClientRefusal: nobody, or the app has no home.
        """
        user = self._person(user_id)
        if not self.app_manifest.home_tab:
            raise ClientRefusal("This app has no Home tab.")
        if "app_home_opened" not in self.app_manifest.bot_events:
            return None
        happening: Json = {
            "type": "app_home_opened",
            "user": user.id,
            "channel": self.workspace.conversation(user.id).id,
            "event_ts": self.workspace.next_ts(),
            "tab": "home",
        }
        if user.id in self.workspace.homes:
            happening["view"] = copy.deepcopy(self.workspace.homes[user.id])
        return await self._happen(happening)

    async def shortcut(self, user_id: str, callback_id: str) -> Delivery:
        """Choose a global shortcut.

        Raises:
            ClientRefusal: nobody, or no such shortcut.
        """
        user = self._person(user_id)
        self._declared("global", callback_id)
        return await self._interact(payloads.global_shortcut(self.workspace, user, callback_id))

    async def message_shortcut(self, user_id: str, channel_id: str, ts: str, callback_id: str) -> Delivery:
        """Choose a shortcut in a message's menu.

        Raises:
            ClientRefusal: nobody, no such message or no such shortcut.
        """
        user, channel = self._at(user_id, channel_id)
        self._declared("message", callback_id)
        message = self._message(channel, ts)
        url = responses.issue(self.workspace, self.url, user.id, channel.id, message_ts=ts)
        payload = payloads.message_shortcut(self.workspace, user, channel, message, callback_id=callback_id, response_url=url)
        return await self._interact(payload)

    # -- clicks

    async def click(
        self,
        user_id: str,
        channel_id: str,
        ts: str,
        action_id: str,
        *,
        block_id: str | None = None,
        value: str | None = None,
        selected: object = None,
    ) -> Delivery:
        """Use an element of a message as it is shown now; an ephemeral message of the person's counts.

        Raises:
            ClientRefusal: nobody, no such message, or it has no such element.
        """
        user, channel = self._at(user_id, channel_id)
        own = (m for m in self.workspace.ephemerals if m["ts"] == ts and m["to"] == user.id)
        message = next(own, None) or self._message(channel, ts)
        return await self._click(user, channel, message, action_id, block_id=block_id, value=value, selected=selected)

    async def click_attachment(self, user_id: str, channel_id: str, ts: str, number: int, value: str) -> Delivery:
        """Press a button of a legacy attachment of a message that the app posted.

        Args:
            user_id: who presses it.
            channel_id: where the message is.
            ts: of the message.
            number: the attachment's place among the message's, from 1.
            value: the button's.

        Raises:
            ClientRefusal: nobody, no such message, or it has no such button.
        """
        user, channel = self._at(user_id, channel_id)
        message = self._message(channel, ts)
        attachment = dict(enumerate(message.get("attachments") or (), 1)).get(number, {})
        button = next((one for one in attachment.get("actions") or () if one.get("value") == value), None)
        if button is None:
            raise ClientRefusal(f"There is no button {value} here (any more). Nothing was sent.")
        url = responses.issue(self.workspace, self.url, user.id, channel.id, message_ts=ts)
        payload = payloads.attachment_action(self.workspace, user, channel, message, (number, button), url)
        return await self._interact(payload)

    async def click_stale(
        self, message: Json, user_id: str, action_id: str, *, channel_id: str | None = None, block_id: str | None = None
    ) -> Delivery:
        """Use an element of a message as it once was, as a client that missed the update does.

        Args:
            message: a snapshot, as `messages` gives it.
            user_id: who clicks; need not be in the channel.
            action_id: the element, which must be on the snapshot.
            channel_id: needed only when the message has been deleted since.
            block_id: tells elements with the same action id apart.

        Raises:
            ClientRefusal: the snapshot has no such element, or belongs to no channel.
        """
        channels = self.workspace.channels.values()
        found = next((c for c in channels if c.id == channel_id or message["ts"] in c.messages), None)
        if found is None:
            raise ClientRefusal("The snapshot's message is in no channel. Nothing was sent; name the channel.")
        return await self._click(self._person(user_id), found, message, action_id, block_id=block_id)

    async def click_view(
        self,
        user_id: str,
        view_id: str,
        action_id: str,
        *,
        block_id: str | None = None,
        value: str | None = None,
        selected: object = None,
    ) -> Delivery:
        """Use an element of the person's open modal or home.

        Raises:
            ClientRefusal: the person does not see this view, or it has no such element.
        """
        user = self._person(user_id)
        found = self.workspace.find_view(view_id=view_id)
        if found is None or found[0] != user.id:
            raise ClientRefusal("This view is not open any more. Nothing was sent.")
        action = self._action(found[1], action_id, block_id=block_id, value=value, selected=selected)
        return await self._interact(payloads.view_action(self.workspace, user, found[1], action))

    # -- modals

    async def submit_view(self, user_id: str, view_id: str, state_values: Json | None = None) -> Delivery:
        """Submit the modal on top; answers are in the shape of Slack's `state.values`.

        Raises:
            ClientRefusal: it is not on top, or the client itself finds the answers wanting; `errors` says where.
        """
        user = self._person(user_id)
        view = self._top(user, view_id)
        values = completed(view, state_values or {})
        view["state"] = {"values": values}
        delivery = await self._interact(payloads.view_submission(self.workspace, user, view), answerable=True)
        if delivery.error is None:
            self._settle(user, view, delivery)
        return delivery

    async def close_view(self, user_id: str, view_id: str) -> Delivery | None:
        """Close the modal on top; None when the app did not ask to be told.

        Raises:
            ClientRefusal: it is not on top.
        """
        user = self._person(user_id)
        view = self._top(user, view_id)
        self.workspace.close_modals(user.id, only=None if view["clear_on_close"] else view_id)
        if not view["notify_on_close"]:
            return None
        return await self._interact(payloads.view_closed(self.workspace, user, view))

    def _settle(self, user: User, view: Json, delivery: Delivery) -> None:
        """Do to the modal what the acknowledgement says; nothing said closes it."""
        answer = delivery.response if isinstance(delivery.response, dict) else {}
        try:
            match answer.get("response_action"):
                case None:
                    self.workspace.close_modals(user.id, only=view["id"])
                case "clear":
                    self.workspace.close_modals(user.id)
                case "errors":
                    delivery.errors = {str(where): str(text) for where, text in answer.get("errors", {}).items()}
                case "update":
                    fresh = checked(self.workspace, answer.get("view"), kind="modal", own=view)
                    self.workspace.replace_view(view, fresh)
                case "push":
                    fresh = checked(self.workspace, answer.get("view"), kind="modal")
                    self.workspace.open_modal(user.id, fresh, push=True)
                case unknown:
                    delivery.error = f"unknown response_action: {unknown}"
        except SlackRefusal as refusal:
            delivery.error = refusal.code

    # -- sending

    async def redeliver(self, delivery: Delivery, *, retry_num: int = 0, retry_reason: str = "") -> Delivery:
        """Send again what was sent before, acknowledged or not.

        Over Socket Mode the same envelope comes again with `retry_attempt` 0. Over HTTP `retry_num` sets
        X-Slack-Retry-Num. Returns after another acknowledgement, or the time for it.
        """
        delivery.expect_another()
        await self._send(delivery, retry_num=retry_num, retry_reason=retry_reason)
        return delivery

    async def _deliver(self, delivery: Delivery) -> Delivery:
        self.deliveries.append(delivery)
        if not await self._send(delivery):
            delivery.error = "dispatch_failed"
        elif not delivery.acked:
            delivery.error = "operation_timeout"
        return delivery

    async def _send(self, delivery: Delivery, *, retry_num: int = 0, retry_reason: str = "") -> bool:
        """Send, and wait for the acknowledgement; False when the app was not reached."""
        if self.signed_http.url is not None:
            return await self.signed_http.send(delivery, seconds=self.ack_seconds, retry_num=retry_num, retry_reason=retry_reason)
        if not await self.socket_mode.send(delivery):
            return False
        await delivery.answered(self.ack_seconds)
        return True

    async def _happen(self, happening: Json) -> Delivery:
        payload = payloads.event(self.workspace, happening)
        return await self._deliver(Delivery("events_api", payload, accepts_response_payload=False))

    async def _interact(self, payload: Json, *, answerable: bool = False) -> Delivery:
        if not self.app_manifest.interactivity:
            raise ClientRefusal("This app is not configured to handle interactive responses. Nothing was sent.")
        return await self._deliver(Delivery("interactive", payload, accepts_response_payload=answerable))

    # -- finding

    async def _click(
        self,
        user: User,
        channel: Channel,
        message: Json,
        action_id: str,
        *,
        block_id: str | None = None,
        value: str | None = None,
        selected: object = None,
    ) -> Delivery:
        action = self._action(message, action_id, block_id=block_id, value=value, selected=selected)
        ephemeral = bool(message.get("is_ephemeral"))
        url = responses.issue(self.workspace, self.url, user.id, channel.id, message_ts=message["ts"], ephemeral=ephemeral)
        payload = payloads.message_action(self.workspace, user, channel, message, action, url)
        return await self._interact(payload)

    def _action(
        self, shown: Json, action_id: str, *, block_id: str | None, value: str | None = None, selected: object = None
    ) -> Json:
        for held_by, element in elements(shown):
            if element["action_id"] == action_id and block_id in (None, held_by):
                return payloads.clicked_element(element, held_by, self.workspace.next_ts(), value=value, selected=selected)
        raise ClientRefusal(f"There is no {action_id} here (any more). Nothing was sent.")

    def _person(self, user_id: str) -> User:
        user = self.workspace.users.get(user_id)
        if user is None or user.is_bot or user.deleted:
            raise ClientRefusal(f"{user_id} is nobody who can sign in. Nothing was sent.")
        return user

    def _at(self, user_id: str, channel_id: str) -> tuple[User, Channel]:
        user = self._person(user_id)
        channel = self.workspace.channels.get(channel_id)
        if channel is None or user.id not in channel.members:
            raise ClientRefusal(f"{user.real_name} is not in {channel_id}. Nothing was sent.")
        if channel.is_archived:
            raise ClientRefusal(f"#{channel.name} is archived. Nothing was sent.")
        return user, channel

    def _message(self, channel: Channel, ts: str) -> Json:
        message = channel.messages.get(ts)
        if message is None:
            raise ClientRefusal("This message is not there (any more). Nothing was sent.")
        return message

    def _declared(self, kind: str, callback_id: str) -> None:
        if not any(s.kind == kind and s.callback_id == callback_id for s in self.app_manifest.shortcuts):
            raise ClientRefusal(f"The app offers no {kind} shortcut {callback_id}. Nothing was sent.")

    def _top(self, user: User, view_id: str) -> Json:
        stack = self.workspace.modals.get(user.id, [])
        if not stack or stack[-1]["id"] != view_id:
            raise ClientRefusal("This modal is not open any more. Nothing was sent.")
        return stack[-1]
