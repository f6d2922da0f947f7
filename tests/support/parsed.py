"""What Slack parses of a message: the texts in which outside text could call people or become a link."""

from collections.abc import Iterator
from typing import Any

TRAPS = ("<!channel>", "<!here>", "<@U0OLIVIA1>", "<https://evil.example|here>", "a & b <b>")
"""What people type who do not know, or who do."""


def parsed_texts(part: Any) -> Iterator[str]:
    """Every mrkdwn text in blocks; plain texts are shown as they are."""
    if isinstance(part, dict):
        if part.get("type") == "mrkdwn":
            yield part["text"]
        for value in part.values():
            yield from parsed_texts(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from parsed_texts(value)
