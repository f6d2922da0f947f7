"""What a message or a typed text says, as people read it. Pure.

Slack escapes `&`, `<` and `>` and writes people, channels, groups, links and addresses as `<…|label>` (its documentation of
formatting text). Messages of bots often have no `text`, only blocks or attachments. The result is outside text like any other:
whoever shows it escapes it.
"""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

_LABELLED = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_CALLS = {"here": "@here", "channel": "@channel", "everyone": "@everyone"}
_MOST = 20
"""Blocks and attachments that are looked at."""


def read(text: str) -> str:
    """Return a text as people read it: names for mentions, links without their labels, nothing escaped."""
    return unescape(_LABELLED.sub(_shown, text))


def _shown(found: re.Match[str]) -> str:
    target, label = found[1], found[2] or ""
    sign, name = target[0], target[1:]
    if sign in "@#":
        return sign + (label or name).lstrip(sign)
    if sign == "!":
        kind, _, rest = name.partition("^")
        if kind == "subteam":
            return "@" + (label or rest).lstrip("@")
        return _CALLS.get(kind, label or f"@{kind}")
    return (label or target.removeprefix("mailto:")) if target.startswith(("mailto:", "tel:")) else target


def said_in(message: Mapping[str, Any]) -> str:
    """Return what a message says: its text, or else its blocks, or else its attachments; "" if it says nothing."""
    return read(str(message.get("text") or "")).strip() or " ".join(_of_blocks(message)) or " ".join(_of_attachments(message))


def _of_blocks(message: Mapping[str, Any]) -> Iterator[str]:
    for block in _listed(message, "blocks"):
        found = block.get("text")
        if isinstance(found, Mapping) and (text := read(str(found.get("text") or "")).strip()):
            yield text
        yield from _of_rich_text(block)


def _of_rich_text(block: Mapping[str, Any]) -> Iterator[str]:
    for section in _listed(block, "elements"):
        for element in _listed(section, "elements"):
            if text := str(element.get("text") or element.get("url") or "").strip():
                yield text


def _of_attachments(message: Mapping[str, Any]) -> Iterator[str]:
    for attachment in _listed(message, "attachments"):
        parts = (read(str(attachment.get(name) or "")).strip() for name in ("pretext", "title", "text"))
        said = " ".join(part for part in parts if part)
        yield from (shown for shown in (said or read(str(attachment.get("fallback") or "")).strip(),) if shown)


def _listed(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = holder.get(name)
    return [part for part in found[:_MOST] if isinstance(part, Mapping)] if isinstance(found, list) else []
