"""Whom a message notifies, and what their phone shows of it. Pure.

A posting notifies whoever it mentions, whoever it is written to directly, and, as a reply, whoever is in its thread; an update
notifies nobody, and neither does what only one person sees. A lock screen shows the message's top-level text and no block
(Slack's documentation of chat.postMessage and chat.update, and its help pages about notifications).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Any, Final

Json = dict[str, Any]

SHOWN_MAX: Final = 178
"""Characters of a text that a lock screen shows before it cuts it: about four lines."""
_PERSON: Final = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_GROUP: Final = re.compile(r"<!subteam\^(S[A-Z0-9]+)(?:\|[^>]*)?>")
_EVERYBODY: Final = re.compile(r"<!(?:here|channel|everyone)(?:\|[^>]*)?>")
_LABELLED: Final = re.compile(r"<(?:[^<>|]*)\|([^<>]*)>")
_DATE: Final = re.compile(r"<!date\^[^<>|]*\|([^<>]*)>")


def mentioned(message: Json, groups: Mapping[str, Iterable[str]], members: Iterable[str]) -> set[str]:
    """Return whom a message calls by name, as a member of a group, or as everybody in the channel."""
    said = "\n".join(_texts(message))
    called = set(_PERSON.findall(said)).union(*(groups.get(group, ()) for group in _GROUP.findall(said)))
    return called | (set(members) if _EVERYBODY.search(said) else set())


def notified(message: Json, thread: Iterable[Json], groups: Mapping[str, Iterable[str]], members: Iterable[str]) -> set[str]:
    """Return whom a posting notifies.

    Args:
        message: the posting.
        thread: the messages before it in its thread, if it is a reply.
        groups: the members of each user group.
        members: who is in the channel.
    """
    here, earlier = set(members), list(thread)
    in_thread = {one["user"] for one in earlier}.union(*(mentioned(one, groups, here) for one in earlier))
    return ((mentioned(message, groups, here) | in_thread) & here) - {message["user"]}


def on_lock_screen(text: str, names: Mapping[str, str]) -> str:
    """Return what a phone shows of a text: names in place of ids, no markup, cut.

    Args:
        text: the top-level text, as it was sent.
        names: of people, by id.
    """
    plain = _PERSON.sub(lambda found: f"@{names.get(found[1], found[1])}", text)
    plain = _LABELLED.sub(lambda found: found[1], _DATE.sub(lambda found: found[1], plain))
    plain = unescape(plain)
    return plain if len(plain) <= SHOWN_MAX else plain[: SHOWN_MAX - 1].rstrip() + "…"


def _texts(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "text" and isinstance(value, str):
                yield value
            elif name not in {"metadata", "files"}:
                yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)
