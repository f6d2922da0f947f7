"""What a story shows in Slack: one message, replies in its thread, files. Pure: no Slack, no files, no clock.

Excluded: what they say (bot/views/answers.py and its neighbours) and how they get there (bot/slack/outbox.py).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.blockkit.signs import named

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message.

    Attributes:
        name: the file's name.
        title: what people read above it; of a picture also the text for those who cannot see it.
        data: makes the bytes, when they are needed; runs in a worker thread.
    """

    name: str
    title: str
    data: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """One message in a story's thread. It is posted once.

    Attributes:
        key: which one it is among the replies of its story.
        text: the fallback, and the whole message where there are no blocks.
        attachment: a file that is shared with it, or None.
    """

    key: str
    text: str
    blocks: tuple[Block, ...] = ()
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """The one message of a story, as it stands, with its thread.

    Attributes:
        text: fallback and notification.
        picture: is uploaded once and shown where `blocks` has `picture_block`; None if there is none. Where `blocks` has a chart
            of Slack's own, too, it stands in for that where the workspace does not take it.
    """

    text: str
    blocks: tuple[Block, ...]
    replies: tuple[Reply, ...] = ()
    picture: Attachment | None = None


_HEADER, _CONFIRM = 150, 100
"""Characters that Slack takes in a header, and in the title of the question that a button asks first."""


def of_router(post: Post, router: str) -> Post:
    """Return a post that says which router it is about: in its title, its fallback, and whatever its buttons ask first."""
    replies = tuple(replace(reply, text=f"[{router}] {reply.text}") for reply in post.replies)
    return replace(post, text=named(post.text, router), blocks=tuple(blocks_of_router(post.blocks, router)), replies=replies)


def blocks_of_router(blocks: Iterable[Block], router: str) -> list[Block]:
    """Return blocks whose headers, and the questions that their buttons ask first, name the router."""
    return [_of_router(block, router) for block in blocks]


def _of_router(block: Block, router: str) -> Block:
    if block["type"] == "header":
        return {**block, "text": _named(block["text"], router, _HEADER)}
    if block["type"] != "actions":
        return block
    return {**block, "elements": [_asking(element, router) for element in block["elements"]]}


def _asking(element: Block, router: str) -> Block:
    question = element.get("confirm")
    return {**element, "confirm": {**question, "title": _named(question["title"], router, _CONFIRM)}} if question else element


def _named(text: Mapping[str, Any], router: str, limit: int) -> Block:
    return {**text, "text": named(str(text["text"]), router)[:limit]}


_PENDING = "F0PENDING"


def picture_block(alt: str) -> Block:
    """Return the block in whose place a post's picture is shown once it is uploaded (Slack: at most 2,000 characters of alt)."""
    return {"type": "image", "slack_file": {"id": _PENDING}, "alt_text": alt[:2000]}


def with_picture(blocks: tuple[Block, ...], file_id: str) -> tuple[Block, ...]:
    """Return the blocks with the uploaded picture in its place, or without it if there is none."""
    if not file_id:
        return tuple(block for block in blocks if not _is_picture(block))
    return tuple({**block, "slack_file": {"id": file_id}} if _is_picture(block) else block for block in blocks)


def _is_picture(block: Block) -> bool:
    return block["type"] == "image" and block.get("slack_file") == {"id": _PENDING}
