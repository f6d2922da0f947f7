"""The identity of one alert instance, and of its status, as the keys under which the journal notes them once.

A start stands in a key as text: RFC 3339, or a digest of what stood in its place and could not be read. Reading a key back
refuses nothing of that, because receipts and marks of brakes carry keys of many years.

Pure. Excluded: the other keys (core/receipts/cause.py).
"""

import re
from dataclasses import dataclass

_UNSEEN, _UNREAD = "unseen-", "unread-"
_CHANGED = re.compile(r"(.+):(\d{1,9})", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class AlertInstance:
    """One alert from when it began to fire; firing anew it has another start.

    Attributes:
        fingerprint: Alertmanager's, which all instances of the alert have in common.
        start: when it began, as text.
    """

    fingerprint: str
    start: str = ""

    def __str__(self) -> str:
        return f"alert:{self.fingerprint}{f':{self.start}' if self.start else ''}"


@dataclass(frozen=True, slots=True)
class Unseen:
    """What Alertmanager cut off of a group.

    Attributes:
        group: digest of the group's key.
        start: when the oldest alert that Alertmanager shows of it began, as text.
    """

    group: str
    start: str = ""

    @property
    def fingerprint(self) -> str:
        """What stands in the place of an alert's fingerprint."""
        return f"{_UNSEEN}{self.group}"

    def __str__(self) -> str:
        return str(AlertInstance(self.fingerprint, self.start))


@dataclass(frozen=True, slots=True)
class Unread:
    """What may stand in a payload that nobody can read; the digest tells such payloads apart."""

    digest: str

    @property
    def fingerprint(self) -> str:
        """What stands in the place of an alert's fingerprint."""
        return f"{_UNREAD}{self.digest}"

    def __str__(self) -> str:
        return str(AlertInstance(self.fingerprint))


InstanceCause = AlertInstance | Unseen | Unread


@dataclass(frozen=True, slots=True)
class StatusCause:
    """A status of an instance, as the journal notes it once.

    Attributes:
        status: `firing` or `resolved`.
        changes: how often the journal has noted another status of the instance before.
    """

    status: str
    instance: InstanceCause
    changes: int = 0

    def __str__(self) -> str:
        return f"{self.status}:{self.instance}{f':{self.changes}' if self.changes else ''}"


def parse_instance(text: str) -> InstanceCause:
    """Return the instance whose key this is.

    Raises:
        ValueError: it is the key of something else.
    """
    word, _, identity = text.partition(":")
    fingerprint, _, start = identity.partition(":")
    if word != "alert" or not fingerprint:
        raise ValueError(f"{text[:200]!r} is not the key of an alert")
    if fingerprint.startswith(_UNSEEN):
        return Unseen(fingerprint.removeprefix(_UNSEEN), start)
    if fingerprint.startswith(_UNREAD) and not start:
        return Unread(fingerprint.removeprefix(_UNREAD))
    return AlertInstance(fingerprint, start)


def parse_status(text: str) -> StatusCause:
    """Return the status whose key this is.

    Raises:
        ValueError: it is the key of something else.
    """
    status, _, rest = text.partition(":")
    if status not in {"firing", "resolved"}:
        raise ValueError(f"{text[:200]!r} is not the key of an alert's status")
    changed = _CHANGED.fullmatch(rest)
    # a start ends with its zone, or is a digest: a number at the end counts the changes
    instance, changes = (changed[1], int(changed[2])) if changed else (rest, 0)
    return StatusCause(status, parse_instance(instance), changes)
