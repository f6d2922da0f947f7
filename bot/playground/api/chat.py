"""The Web API methods that write messages: chat.* of Slack.

Excluded: `response_url`, which needs no token (`responses`).
"""

from typing import Any

from bot.playground.api.web_api import Call
from bot.playground.workspace import limits
from bot.playground.workspace.workspace import BOT_USER, TEAM_DOMAIN, Channel, Json, SlackRefusal, Workspace


def post_message(call: Call) -> Json:
    """chat.postMessage: to a channel, a thread, or a person's conversation with the bot."""
    channel = writable(call)
    message = composed(call)
    thread_ts = call.arguments.text("thread_ts")
    if thread_ts:
        parent = channel.messages.get(thread_ts)
        if parent is None:
            raise SlackRefusal("thread_not_found")
        message["thread_ts"] = parent.get("thread_ts") or thread_ts
    posted = call.workspace.post(channel, message)
    return {"channel": channel.id, "ts": posted["ts"], "message": posted}


def update(call: Call) -> Json:
    """chat.update: of the app's own message; blocks that are not named are kept, an empty list removes them."""
    workspace, arguments = call.workspace, call.arguments
    channel = _conversation(call)
    message = channel.messages.get(arguments.required("ts"))
    if message is None:
        raise SlackRefusal("message_not_found")
    if message["user"] != BOT_USER:
        raise SlackRefusal("cant_update_message")
    if channel.is_archived:
        raise SlackRefusal("is_archived")
    fresh = composed(call, longest=limits.UPDATE_TEXT_MAX)
    if "text" not in arguments:
        del fresh["text"]
    message.update(fresh)
    if "blocks" in arguments and not arguments.json("blocks"):
        message.pop("blocks", None)
    message["edited"] = {"user": BOT_USER, "ts": workspace.next_ts()}
    workspace.changed()
    return {"channel": channel.id, "ts": message["ts"], "text": message["text"], "message": message}


def post_ephemeral(call: Call) -> Json:
    """chat.postEphemeral: to one member of a channel."""
    channel = writable(call)
    user = call.arguments.required("user")
    if user not in call.workspace.users:
        raise SlackRefusal("user_not_found")
    if user not in channel.members:
        raise SlackRefusal("user_not_in_channel")
    message = composed(call)
    if call.arguments.text("thread_ts"):
        message["thread_ts"] = call.arguments.text("thread_ts")
    return {"message_ts": call.workspace.add_ephemeral(channel, user, message)["ts"]}


def delete(call: Call) -> Json:
    """chat.delete: of the app's own message."""
    channel = _conversation(call)
    ts = call.arguments.required("ts")
    message = channel.messages.get(ts)
    if message is None:
        raise SlackRefusal("message_not_found")
    if message["user"] != BOT_USER:
        raise SlackRefusal("cant_delete_message")
    del channel.messages[ts]
    call.workspace.changed()
    return {"channel": channel.id, "ts": ts}


def get_permalink(call: Call) -> Json:
    """chat.getPermalink: Slack's own form of link, which leads nowhere here."""
    channel = _conversation(call)
    ts = call.arguments.required("message_ts")
    if ts not in channel.messages:
        raise SlackRefusal("message_not_found")
    link = f"https://{TEAM_DOMAIN}.slack.com/archives/{channel.id}/p{ts.replace('.', '')}"
    return {"channel": channel.id, "permalink": link}


def writable(call: Call) -> Channel:
    """Find the conversation a message goes to.

    Raises:
        SlackRefusal: `channel_not_found`, `is_archived`, `not_in_channel`.
    """
    channel = _conversation(call)
    if channel.is_archived:
        raise SlackRefusal("is_archived")
    outside_is_fine = not channel.is_private and "chat:write.public" in call.grant.scopes
    if BOT_USER not in channel.members and not outside_is_fine:
        raise SlackRefusal("not_in_channel")
    return channel


def _conversation(call: Call) -> Channel:
    return call.workspace.conversation(call.arguments.required("channel", "channel_not_found"))


def composed(call: Call, *, longest: int = limits.POST_TEXT_MAX) -> Json:
    """Read and check what the app wants to say.

    Raises:
        SlackRefusal: `no_text`, `msg_too_long`, `msg_blocks_too_long`, `invalid_blocks`, `invalid_blocks_format`,
            `invalid_attachments`, `invalid_metadata_format`.
    """
    arguments = call.arguments
    text = arguments.text("text")
    blocks = arguments.json("blocks", "invalid_blocks_format")
    attachments = arguments.json("attachments", "invalid_attachments")
    metadata = arguments.json("metadata", "invalid_metadata_format")
    check_texts(call.workspace, text, blocks, attachments, longest=longest)
    if metadata is not None and not (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    ):
        raise SlackRefusal("invalid_metadata_format")
    return call.workspace.bot_message(text, blocks or None, attachments=attachments or None, metadata=metadata)


def check_texts(workspace: Workspace, text: str, blocks: Any, attachments: Any, *, longest: int) -> None:
    """Check a message against Slack's limits.

    Raises:
        SlackRefusal: as `composed`.
    """
    if not text and not blocks and not attachments:
        raise SlackRefusal("no_text")
    if len(text) > longest:
        raise SlackRefusal("msg_too_long")
    if attachments and not isinstance(attachments, list):
        raise SlackRefusal("invalid_attachments")
    if not blocks:
        return
    problems = limits.check_message(blocks) or _file_problems(workspace, blocks)
    if problems:
        raise SlackRefusal(
            "invalid_blocks",
            errors=problems,
            response_metadata={"messages": [f"[ERROR] {problem}" for problem in problems]},
        )
    if limits.blocks_text_length(blocks) > limits.BLOCKS_TEXT_MAX:
        raise SlackRefusal("msg_blocks_too_long")


def _file_problems(workspace: Workspace, blocks: list[Json]) -> list[str]:
    """Refuse images of files that are not there, or not processed yet."""
    problems = []
    for index, block in enumerate(blocks):
        slack_file = block.get("slack_file")
        if not isinstance(slack_file, dict) or not isinstance(slack_file.get("id"), str):
            continue
        file = workspace.files.get(slack_file["id"])
        ready = file is not None and file.complete and file.refusals_left <= 0
        if file is not None and file.complete and file.refusals_left > 0:
            file.refusals_left -= 1
        if not ready:
            problems.append(f"invalid slack file [json-pointer:/blocks/{index}/slack_file]")
    return problems
