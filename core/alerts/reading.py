"""The bytes of Alertmanager's payload -> its alerts, as far as each can be read.

Pure. Bounds cut texts and refuse nothing that can be read: a field of another kind than Alertmanager sends is unread, and says
so if it may matter; what nobody asks for is passed over, however deep or long it is. Nothing is built of a payload but its
texts, one at a time, so that other threads get their turn in between and memory stays bounded.

Excluded: what an alert asks for (core/alerts/payload.py), and HTTP (bot/http/webhook.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256

from core.alerts.cause import AlertInstance
from core.alerts.matchers import KnownLabels
from core.alerts.payload import Alert, AlertStatus, Notification
from core.canonical import rfc3339

MAX_BODY_BYTES = 16 << 20
"""Longest payload that is read."""
MAX_LABEL = 1 << 20
"""Longest value of a label that is read, in characters; a longer one is unread, because a part of it matches other rules."""
_MAX_TEXT = 16 << 10
"""How much is read of any other text, in characters."""
_MAX_PLAIN = 100
_TOLD_APART_BYTES = 64 << 10
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,40}))?(?:[Zz]|([+-]\d\d:\d\d))", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{1,64}")
_STATUSES = {one.value: one for one in AlertStatus}


class NoJsonObject(ValueError):
    """These bytes are no JSON object, nor the beginning of one that has alerts."""


class _Broken(Exception):
    """The text is no JSON from here on."""


def digest_of(body: bytes) -> str:
    """Return what tells payloads apart that cannot be read, from their beginning."""
    return sha256(body[:_TOLD_APART_BYTES]).hexdigest()[:32]


def read_notification(body: bytes) -> Notification:
    """Read a payload.

    Raises:
        NoJsonObject: nothing of it can be an alert.
    """
    text = _Text(_decoded(body))
    if not text.take("{"):
        raise NoJsonObject("This is no JSON object.")
    found = _Found()
    try:
        for name in text.names():
            found.take(name, text)
    except _Broken as error:
        if "alerts" not in found.plain:
            raise NoJsonObject(f"This is no JSON object: {error}.") from None
        found.unread.append(str(error))
        found.lost = True
    else:
        found.unread.extend(_oddities(found.plain, at_end=text.at_end))
    return found.notification(digest_of(body))


class _Found:
    """What was read of a payload so far.

    Attributes:
        plain: the JSON of each field, if it is short; of a list of alerts "[".
        odd: how many elements of the list of alerts are no objects.
    """

    def __init__(self) -> None:
        self.plain: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.group_labels = KnownLabels({}, whole=False)
        self.alerts: list[Alert] = []
        self.odd = 0
        self.unread: list[str] = []
        self.lost = False

    def take(self, name: str, text: "_Text") -> None:
        """Take the value of a field. A name that comes twice hides no alerts."""
        if name == "alerts":
            self.plain[name] = text.next
            self._take_alerts(text)
        elif name == "groupLabels":
            self.group_labels = _labels(text, MAX_LABEL)
        else:
            begin = text.place
            value = text.text(_MAX_TEXT)
            self.plain[name] = text.since(begin)
            self.texts[name] = value or ""

    def _take_alerts(self, text: "_Text") -> None:
        if text.next == "{":
            self.alerts.append(_alert(text))
        elif not text.take("["):
            text.skip()
        else:
            for _ in text.elements():
                if text.next == "{":
                    self.alerts.append(_alert(text))
                else:
                    self.odd += 1
                    text.skip()

    def notification(self, digest: str) -> Notification:
        """Return it."""
        if self.odd:
            self.unread.append(f"{self.odd:,} of its alerts are none")
        count = self.plain.get("truncatedAlerts", "0")
        truncated = int(count) if count.isdecimal() and count.isascii() else None
        if truncated is None:
            self.unread.append("how many alerts were cut off cannot be read")
        return Notification(
            digest=digest,
            alerts=tuple(self.alerts),
            status=_STATUSES.get(self.texts.get("status", "")) or AlertStatus.FIRING,
            group_key=self.texts.get("groupKey", ""),
            group_labels=self.group_labels.values,
            truncated=truncated,
            external_url=self.texts.get("externalURL", ""),
            unread=tuple(self.unread),
            lost=self.lost,
        )


def _oddities(plain: Mapping[str, str], *, at_end: bool) -> Iterator[str]:
    """Say what is odd about a payload that was read to its end."""
    if not at_end:
        yield "something follows the payload"
    if plain.get("alerts") != "[":
        yield "it has no list of alerts"
    if plain.get("version") != '"4"':
        yield "its version is not 4"


def _alert(text: "_Text") -> Alert:
    """Read an alert, whose brace comes next."""
    text.take("{")
    labels, annotations = KnownLabels({}, whole=False), KnownLabels({})
    told: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name in text.names():
        if name == "labels":
            labels = _labels(text, MAX_LABEL)
        elif name == "annotations":
            annotations = _labels(text, _MAX_TEXT, cut=True)
        else:
            begin = text.place
            texts[name] = text.text(_MAX_TEXT) or ""
            told[name] = text.since(begin)
    status, starts = _STATUSES.get(texts.get("status", "")), _moment(texts.get("startsAt", ""))
    start = rfc3339(starts) if starts is not None else f"start-{_short(told.get('startsAt', ''))}"
    fingerprint = texts.get("fingerprint", "")
    if not _FINGERPRINT.fullmatch(fingerprint):
        fingerprint = f"no-{_short(json.dumps([sorted(labels.values.items()), sorted(labels.unread)]))}"
    return Alert(
        instance=AlertInstance(fingerprint, start),
        status=status or AlertStatus.FIRING,
        labels=labels,
        annotations=annotations.values,
        starts=starts,
        ends=_moment(texts.get("endsAt", "")),
        generator_url=texts.get("generatorURL", ""),
        unread=() if status else ("whether an alert fires cannot be read, so that it counts as firing",),
    )


def _labels(text: "_Text", longest: int, *, cut: bool = False) -> KnownLabels:
    """Read names and texts, if an object comes next; a text that is too long is unread, unless it may be cut."""
    if not text.take("{"):
        text.skip()
        return KnownLabels({}, whole=False)
    values: dict[str, str] = {}
    unread: set[str] = set()
    for name in text.names():
        value = text.text(longest, cut=cut)
        if value is None:
            unread.add(name)
            values.pop(name, None)
        else:
            values[name] = value
            unread.discard(name)
    return KnownLabels(values, frozenset(unread))


def _moment(raw: str) -> datetime | None:
    """Return the moment that an RFC 3339 text names; None if it is none, or none that a datetime can hold."""
    found = _TIME.fullmatch(raw)
    if found is None:
        return None
    day, clock, fraction, offset = found.groups()
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:6]:0<6}{offset or '+00:00'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _short(told: str) -> str:
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _decoded(body: bytes) -> str:
    encoding = json.detect_encoding(body)
    try:
        return body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return body.decode(encoding, "replace")


_SPACE = re.compile(r"[ \t\n\r]*")
_WHOLE_ESCAPES = re.compile(r"(?:[^\\]|\\u[0-9a-fA-F]{4}|\\[^u])*", re.DOTALL)
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null|NaN|-?Infinity")
_BRACKET_OR_QUOTE = re.compile(r'["\[\]{}]')
_CLOSING = {"[": "]", "{": "}"}
_UNESCAPE = json.JSONDecoder(strict=False)


class _Text:
    """A JSON text that is walked through from its beginning."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.place = 0
        self._closed = 0
        self._skip_space()

    @property
    def at_end(self) -> bool:
        """Whether nothing follows."""
        return self.place >= len(self._text)

    @property
    def next(self) -> str:
        """The next character; empty at the end."""
        return self._text[self.place : self.place + 1]

    def since(self, begin: int) -> str:
        """Return what was walked through, if it is short; empty if it is not."""
        return self._text[begin : self.place].rstrip(" \t\n\r,") if self.place - begin <= _MAX_PLAIN else ""

    def take(self, character: str) -> bool:
        """Take a character if it comes next."""
        if not self._text.startswith(character, self.place):
            return False
        self.place += 1
        self._skip_space()
        return True

    def names(self) -> Iterator[str]:
        """Yield the names of an object whose brace was taken; whoever asks takes each value before the next name."""
        if self.take("}"):
            return
        while True:
            name = self.text(_MAX_TEXT)
            if name is None or not self.take(":"):
                raise self._broken()
            yield name
            if self.take("}"):
                return
            if not self.take(","):
                raise self._broken()

    def elements(self) -> Iterator[None]:
        """Stop at each element of a list whose bracket was taken; whoever asks takes each before the next."""
        if self.take("]"):
            return
        while True:
            yield
            if self.take("]"):
                return
            if not self.take(","):
                raise self._broken()

    def text(self, longest: int, *, cut: bool = True) -> str | None:
        """Take the value that comes next; return it if it is a text that can be read, else None.

        Args:
            longest: in characters, as they are written.
            cut: return the beginning of a longer text, not None.
        """
        if self.next != '"':
            self.skip()
            return None
        begin = self.place + 1
        self._pass_string()
        length = self._closed - begin
        if length > longest and not cut:
            return None
        raw = self._text[begin : begin + min(length, longest)]
        if "\\" in raw:
            whole = _WHOLE_ESCAPES.match(raw) if length > longest else None
            try:
                raw = str(_UNESCAPE.decode(f'"{whole[0] if whole else raw}"'))
            except ValueError:
                return None
        return raw if raw.isascii() else raw.encode("utf-8", "surrogatepass").decode("utf-8", "replace")

    def skip(self) -> None:
        """Walk past the value that comes next, whatever it is."""
        if self.next == '"':
            self._pass_string()
        elif self.next in _CLOSING:
            self._pass_brackets()
        elif (found := _PLAIN.match(self._text, self.place)) is not None:
            self.place = found.end()
            self._skip_space()
        else:
            raise self._broken()

    def _pass_brackets(self) -> None:
        expected: list[str] = []
        while True:
            found = _BRACKET_OR_QUOTE.search(self._text, self.place)
            if found is None:
                self.place = len(self._text)
                raise self._broken()
            self.place = found.start()
            character = found[0]
            if character == '"':
                self._pass_string()
                continue
            self.place += 1
            if character in _CLOSING:
                expected.append(_CLOSING[character])
            elif expected.pop() != character:
                raise self._broken()
            elif not expected:
                self._skip_space()
                return

    def _pass_string(self) -> None:
        """Walk past a string whose quote comes next; a quote ends it unless an odd number of backslashes stands before it."""
        begin = end = self.place
        while True:
            end = self._text.find('"', end + 1)
            if end < 0:
                self.place = len(self._text)
                raise self._broken()
            before = end
            while before > begin + 1 and self._text[before - 1] == "\\":
                before -= 1
            if (end - before) % 2 == 0:
                break
        self._closed = end
        self.place = end + 1
        self._skip_space()

    def _broken(self) -> _Broken:
        return _Broken(f"it is no JSON from character {self.place + 1:,} on")

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self.place)
        self.place = found.end() if found else self.place
