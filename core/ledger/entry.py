"""What one ledger entry is, and the rules for reading one.

Pure. This reader defines the meaning of a line; a faster one has to agree with it on every line. Excluded: files, windows
and what figures are made of entries.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, NoReturn

MAX_LINE_BYTES = 1 << 20
"""A line with more bytes before its LF is malformed: the router's lines have a few hundred."""
MAX_DEPTH = 200
"""Deeper nesting is malformed, so that the meaning of a line does not depend on an interpreter's recursion limit."""
_MAX_INTEGER_DIGITS = 300
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BOM = b"\xef\xbb\xbf"
"""The byte order mark, with which some editors begin a file."""
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:([Zz])|([+-])(\d\d):?(\d\d)?)?",
    re.ASCII,
)
CSV_COLUMNS = ("id", "t", "live_route", "shadow_argmax", "rollback")
"""The columns of the runbook's CSV."""


class Skip(StrEnum):
    """Why a line is not an entry."""

    MALFORMED = "malformed"
    UNDATED = "undated"


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision of the router.

    Attributes:
        t_us: time of the decision, in microseconds since 1970-01-01 UTC.
        t: the same as it was written.
        rollback: whether it was rolled back: a number other than 0, such as the reward -1.0; None if no number says.
        engaged: whether an anomaly was engaged: a number other than 0; None if no number says.
        r3: probability of the fast route in shadow: 0 of a route that was masked, which has no key; None if nothing tells.
        tri: immediate reward `tri_delta_norm`, finite.
        live_pilot: share of live traffic that the router served.
    """

    t_us: int
    t: str
    id: str | None
    live_route: str | None
    argmax: str | None
    rollback: bool | None
    engaged: bool | None
    r3: float | None
    tri: float | None
    live_pilot: float | None


def read_line(line: bytes) -> Entry | Skip | None:
    """Read one line, with or without its line end; None if it is blank."""
    if not line.strip(b" \t\r\n"):
        return None
    value = _json_in(line)
    if not isinstance(value, dict):
        return Skip.MALFORMED
    written = value.get("t")
    t_us = microseconds_of(written) if isinstance(written, str) else None
    if t_us is None or not isinstance(written, str):
        return Skip.UNDATED
    shadow, live = _object(value, "shadow"), _object(value, "live")
    rewards = _object(value, "rewards")
    return Entry(
        t_us=t_us,
        t=written,
        id=_text(value, "id"),
        live_route=_text(live, "route"),
        argmax=_text(shadow, "argmax"),
        rollback=_is_not_zero(_object(rewards, "deployment").get("rollback")),
        engaged=_is_not_zero(_object(value, "anomaly").get("engaged")),
        r3=_probability_of_r3(shadow.get("probs")),
        tri=_finite(_object(rewards, "immediate").get("tri_delta_norm")),
        live_pilot=_finite(live.get("pilot")),
    )


def entries_in(data: bytes) -> Iterator[Entry]:
    """Yield the entries among the lines of `data`, in their order; a line that is none is left out."""
    for line in data.split(b"\n"):
        entry = _read_before(line)
        if isinstance(entry, Entry):
            yield entry


@lru_cache(maxsize=1024)  # the tail of a ledger is read again and again, and moves by a few lines
def _read_before(line: bytes) -> Entry | Skip | None:
    return read_line(line)


def microseconds_of(text: str) -> int | None:
    """Return the microseconds since 1970 of an ISO 8601 date-time, or None if it is not one.

    The extended format with seconds and offset optional; without an offset it is UTC; a fraction is cut to microseconds.
    """
    found = _DATE_TIME.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, off_hours, off_minutes = found.groups()
    offset = timedelta(hours=int(off_hours or 0), minutes=int(off_minutes or 0))
    if offset >= timedelta(days=1) or int(off_minutes or 0) > 59:
        return None
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros, tzinfo=UTC)
        moment = moment + offset if sign == "-" else moment - offset
    except (ValueError, OverflowError):
        return None
    return (moment - EPOCH) // timedelta(microseconds=1)


def csv_row(entry: Entry) -> tuple[str, ...]:
    """Return an entry as a row of the runbook's CSV, with cells that a spreadsheet would run as a formula disarmed."""
    cells = (entry.id or "", entry.t, entry.live_route or "", entry.argmax or "", "1" if entry.rollback else "0")
    return tuple(f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell for cell in cells)


def is_json_object(line: bytes) -> bool:
    """Whether a line is whole: the last one may be torn because the router is in the middle of writing it."""
    return isinstance(_json_in(line), dict)


def _json_in(line: bytes) -> Any:
    if len(line.removesuffix(b"\n")) > MAX_LINE_BYTES or _depth(line) > MAX_DEPTH:
        return None
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse, parse_int=_integer)
    except (ValueError, RecursionError):
        return None


def _depth(line: bytes) -> int:
    if line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', line, re.DOTALL):
        if token[0] in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in b"]}":
            depth -= 1
    return deepest


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _text(value: dict[str, Any], key: str) -> str | None:
    text = value.get(key)
    return text if isinstance(text, str) and text else None


def _is_not_zero(value: Any) -> bool | None:
    return value != 0 if isinstance(value, (int, float)) else None


def _probability_of_r3(probs: Any) -> float | None:
    """Tell a masked route, which has no key among the probabilities, from probabilities that nobody wrote down."""
    return _finite(probs.get("R3", 0.0), also_infinite=True) if isinstance(probs, dict) else None


def _finite(value: Any, *, also_infinite: bool = False) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = float(value) + 0.0  # minus zero becomes zero: which of the two a median meets must not show
    return number if also_infinite or math.isfinite(number) else None
