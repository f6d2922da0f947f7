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
from core.alerts.json_text import MAX_TEXT, JsonText, NoJsonFromHere
from core.alerts.matchers import KnownLabels
from core.alerts.payload import Alert, AlertStatus, Notification
from core.canonical import rfc3339

MAX_BODY_BYTES = 16 << 20
"""Longest payload that is read."""
MAX_LABEL = 1 << 20
"""Longest value of a label that is read, in characters; a longer one is unread, because a part of it matches other rules."""
_TOLD_APART_BYTES = 64 << 10
_PAYLOAD_DIGITS, _SHORT_DIGITS = 32, 16
"""Hex digits of a SHA-256 that tell payloads apart, and alerts without a fingerprint of their own."""
_MICROSECOND_DIGITS = 6
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,40}))?(?:[Zz]|([+-]\d\d:\d\d))", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{1,64}")
_STATUSES = {known_status.value: known_status for known_status in AlertStatus}


class NoJsonObject(ValueError):
    """These bytes are no JSON object, nor the beginning of one that has alerts."""


def digest_of(body: bytes) -> str:
    """Return what tells payloads apart that cannot be read, from their beginning."""
    return sha256(body[:_TOLD_APART_BYTES]).hexdigest()[:_PAYLOAD_DIGITS]


def read_notification(body: bytes) -> Notification:
    """Read a payload.

    Raises:
        NoJsonObject: nothing of it can be an alert.
    """
    text = JsonText.of(body)
    if not text.take("{"):
        raise NoJsonObject("This is no JSON object.")
    found = _Found()
    try:
        for name in text.names():
            found.take(name, text)
    except NoJsonFromHere as error:
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

    def take(self, name: str, text: JsonText) -> None:
        """Take the value of a field. A name that comes twice hides no alerts."""
        if name == "alerts":
            self.plain[name] = text.next
            self._take_alerts(text)
        elif name == "groupLabels":
            self.group_labels = _labels(text, MAX_LABEL)
        else:
            begin = text.place
            value = text.text(MAX_TEXT)
            self.plain[name] = text.since(begin)
            self.texts[name] = value or ""

    def _take_alerts(self, text: JsonText) -> None:
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


def _alert(text: JsonText) -> Alert:
    """Read an alert, whose brace comes next."""
    text.take("{")
    labels, annotations = KnownLabels({}, whole=False), KnownLabels({})
    told: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name in text.names():
        if name == "labels":
            labels = _labels(text, MAX_LABEL)
        elif name == "annotations":
            annotations = _labels(text, MAX_TEXT, cut=True)
        else:
            begin = text.place
            texts[name] = text.text(MAX_TEXT) or ""
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


def _labels(text: JsonText, longest: int, *, cut: bool = False) -> KnownLabels:
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
        return datetime.fromisoformat(
            f"{day}T{clock}.{(fraction or '')[:_MICROSECOND_DIGITS]:0<6}{offset or '+00:00'}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _short(told: str) -> str:
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:_SHORT_DIGITS]
