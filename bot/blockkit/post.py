"""What a story shows in Slack: one message, replies in its thread, files. Pure: no Slack, no files, no clock.

Excluded: what they say (bot/views/answers.py and its neighbours) and how they get there (bot/slack/outbox.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
        picture: is uploaded once and shown where `blocks` has `picture_block`; None if there is none.
    """

    text: str
    blocks: tuple[Block, ...]
    replies: tuple[Reply, ...] = ()
    picture: Attachment | None = None


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
