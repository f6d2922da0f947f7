"""Cause keys: what set a receipt off, as values. A journal has each key once, so that one cause has one effect.

`str` of a key is the text that receipts carry, and `parse` reads it back. Keys that name one outside thing for good (a click, a
typed command) and keys of recurring runs, which name their period, are of the same kind: both come once.

Pure. Excluded: looking a key up (core/journal/journal.py), and the identity of an alert's instance (core/alerts/cause.py).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Self

from core.alerts.cause import InstanceCause, StatusCause, parse_instance, parse_status
from core.canonical import parse_moment, rfc3339

MAX_KEY = 200
"""Characters of a key that the journal keeps; what comes from outside is cut to it."""


@dataclass(frozen=True, slots=True)
class _OfDay:
    """A key of one local date."""

    word: ClassVar[str]
    day: date

    def __str__(self) -> str:
        return f"{self.word}:{self.day.isoformat()}"


class Daily(_OfDay):
    """The scheduled run of a date."""

    __slots__ = ()
    word = "daily"


class Preflight(_OfDay):
    """The announcement of a date's scheduled run."""

    __slots__ = ()
    word = "preflight"


class Skip(_OfDay):
    """The veto on a date's scheduled run."""

    __slots__ = ()
    word = "skip"


class Missed(_OfDay):
    """The scheduled run of a date that nobody made within its grace."""

    __slots__ = ()
    word = "missed"


class Backup(_OfDay):
    """The backup beside a date's scheduled run."""

    __slots__ = ()
    word = "backup"


@dataclass(frozen=True, slots=True)
class _OfWeek:
    """A key of one ISO week of local time.

    Attributes:
        year: of the ISO calendar, which may differ from the date's.
        week: 1 to 53.
    """

    word: ClassVar[str]
    year: int
    week: int

    def __str__(self) -> str:
        return f"{self.word}:{self.year:04}-W{self.week:02}"


class Prune(_OfWeek):
    """The pruning of a week."""

    __slots__ = ()
    word = "prune"


class Drill(_OfWeek):
    """The drill of a week."""

    __slots__ = ()
    word = "drill"


class DrillAlerts(_OfWeek):
    """The drill of the alert path of a week."""

    __slots__ = ()
    word = "drill-alerts"


@dataclass(frozen=True, slots=True)
class Archive:
    """The archiving of the ledger in one month of local time.

    Attributes:
        year: of the calendar, in four digits.
        month: 1 to 12.
    """

    year: int
    month: int

    def __str__(self) -> str:
        return f"archive:{self.year:04}-{self.month:02}"


@dataclass(frozen=True, slots=True)
class Guard:
    """A series of failing looks of the guard.

    Attributes:
        mode: what the guard may do, a word.
        since: when the first of the looks was.
    """

    mode: str
    since: datetime

    def __str__(self) -> str:
        return f"guard:{self.mode}:{rfc3339(self.since)}"


@dataclass(frozen=True, slots=True)
class Observed:
    """A turn in what is seen of the running router.

    Attributes:
        acted: number of the receipt with which the settings were written that are observed.
        turn: counts from 1.
    """

    acted: int
    turn: int

    def __str__(self) -> str:
        return f"observed:{self.acted}:{self.turn}"


@dataclass(frozen=True, slots=True)
class _OfId:
    """A key of one thing that has an id, which is kept as it is."""

    word: ClassVar[str]
    id: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the key of what has this id outside, cut so that the key has at most `MAX_KEY` characters."""
        return cls(text[: MAX_KEY - len(cls.word) - 1])

    def __str__(self) -> str:
        return f"{self.word}:{self.id}"


class Acknowledged(_OfId):
    """The first acknowledgement of a story of alerts; the id is the story's operation."""

    __slots__ = ()
    word = "acknowledge"


class Approved(_OfId):
    """What an approved request does; the id is the request's."""

    __slots__ = ()
    word = "approval"


class Slash(_OfId):
    """A typed command in Slack; the id is its trigger's."""

    __slots__ = ()
    word = "slash"


class Submission(_OfId):
    """A submitted modal in Slack; the id is the view's."""

    __slots__ = ()
    word = "view"


class BlockAction(_OfId):
    """A click on a message that is not ours; the id is the message's time and the click's."""

    __slots__ = ()
    word = "click"


OfDay = Daily | Preflight | Skip | Missed | Backup
Cause = (
    OfDay
    | Prune
    | Drill
    | DrillAlerts
    | Archive
    | Guard
    | Observed
    | Acknowledged
    | Approved
    | Slash
    | Submission
    | BlockAction
    | InstanceCause
    | StatusCause
)

_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_NUMBERS = re.compile(r"(\d{1,18}):(\d{1,18})", re.ASCII)


def parse(text: str) -> Cause:
    """Return the key whose text this is.

    Raises:
        ValueError: no key has this text.
    """
    word, _, rest = text.partition(":")
    key = _READERS[word](rest) if word in _READERS else None
    if key is None or str(key) != text:  # one key, one text
        raise ValueError(f"{text[:MAX_KEY]!r} is no cause key")
    return key


def day_of(text: str | None) -> date | None:
    """Return the local date that the key of a scheduled run, its announcement, its veto or its backup names, or None."""
    try:
        key = parse(text or "")
    except ValueError:
        return None
    return key.day if isinstance(key, _OfDay) else None


def _week(kind: Callable[[int, int], Prune | Drill | DrillAlerts]) -> Callable[[str], Cause | None]:
    def read(rest: str) -> Cause | None:
        found = _WEEK.fullmatch(rest)
        return None if found is None else kind(int(found[1]), int(found[2]))

    return read


def _day(kind: Callable[[date], OfDay]) -> Callable[[str], Cause | None]:
    return lambda rest: kind(date.fromisoformat(rest))


def _month(rest: str) -> Cause | None:
    found = _MONTH.fullmatch(rest)
    return None if found is None else Archive(int(found[1]), int(found[2]))


def _guard(rest: str) -> Cause:
    mode, _, since = rest.partition(":")
    return Guard(mode, parse_moment(since))


def _observed(rest: str) -> Cause | None:
    found = _NUMBERS.fullmatch(rest)
    return None if found is None else Observed(int(found[1]), int(found[2]))


_READERS: Mapping[str, Callable[[str], Cause | None]] = {
    **{kind.word: _day(kind) for kind in (Daily, Preflight, Skip, Missed, Backup)},
    **{kind.word: _week(kind) for kind in (Prune, Drill, DrillAlerts)},
    "archive": _month,
    "guard": _guard,
    "observed": _observed,
    **{kind.word: kind for kind in (Acknowledged, Approved, Slash, Submission, BlockAction)},
    "alert": lambda rest: parse_instance(f"alert:{rest}"),
    "firing": lambda rest: parse_status(f"firing:{rest}"),
    "resolved": lambda rest: parse_status(f"resolved:{rest}"),
}
