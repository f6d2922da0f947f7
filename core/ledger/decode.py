"""Lines -> columns, fast.

Pure. A typed decoder reads only the fields that figures need. What it refuses, and what it is known to read otherwise, goes to
the reader that defines the meaning of a line (core/ledger/entry.py), so that speed and meaning never disagree; they are fuzzed
against each other. Excluded: where lines come from.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, cast

import msgspec

from core.ledger.columns import TIMELESS, Bytes, Columns, Flag, Floats, Integers, Kind
from core.ledger.entry import MAX_DEPTH, MAX_LINE_BYTES, Entry, Skip, microseconds_of, read_line
from core.system.arrays import np

_INVALID = TIMELESS
_SAFE_LINE_BYTES = 2 * MAX_DEPTH
"""A JSON value deeper than `MAX_DEPTH` has at least that many opening and as many closing brackets."""
_FEW_LINES = 32
_BLANK = b" \t\r\n"
_MAX_COMBINATIONS = 4096
_KINDS = {Skip.MALFORMED: Kind.MALFORMED, Skip.UNDATED: Kind.UNDATED}
_DAYS_BEFORE_MONTH = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], dtype=np.int64)
_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


class _Live(msgspec.Struct, frozen=True, gc=False):
    route: str | None = None


class _Probs(msgspec.Struct, frozen=True, gc=False):
    R3: float | None = 0.0  # a masked route has no key


class _Shadow(msgspec.Struct, frozen=True, gc=False):
    argmax: str | None = None
    probs: _Probs = _Probs(None)


class _Anomaly(msgspec.Struct, frozen=True, gc=False):
    engaged: float | bool | None = None


class _Immediate(msgspec.Struct, frozen=True, gc=False):
    tri_delta_norm: float | None = None


class _Deployment(msgspec.Struct, frozen=True, gc=False):
    rollback: float | bool | None = None


class _Rewards(msgspec.Struct, frozen=True, gc=False):
    immediate: _Immediate = _Immediate()
    deployment: _Deployment = _Deployment()


class _Decision(msgspec.Struct, frozen=True, gc=False):
    t: str | None = None
    shadow: _Shadow = _Shadow()
    live: _Live = _Live()
    anomaly: _Anomaly = _Anomaly()
    rewards: _Rewards = _Rewards()


_DECODER = msgspec.json.Decoder(_Decision)
_Read = _Decision | Kind


class _FlagsOf(dict[tuple[Any, ...], int]):
    """Bits of each combination of what decides them; few combinations occur."""

    def __missing__(self, facts: tuple[Any, ...]) -> int:
        route, argmax, rollback, engaged = facts
        flags = Flag(0)
        if route:
            flags |= Flag.LIVE
            if route == argmax:
                flags |= Flag.MATCHES_SHADOW
        if rollback is not None:
            flags |= Flag.ROLLBACK_KNOWN | (Flag.ROLLED_BACK if rollback else 0)
        if engaged is not None:
            flags |= Flag.ANOMALY_KNOWN | (Flag.ENGAGED if engaged else 0)
        if len(self) < _MAX_COMBINATIONS:
            self[facts] = int(flags)
        return int(flags)


_facts = attrgetter("live.route", "shadow.argmax", "rewards.deployment.rollback", "anomaly.engaged")
_tri = attrgetter("rewards.immediate.tri_delta_norm")
_t = attrgetter("t")


def decode(data: bytes) -> Columns:
    """Return the columns of some whole lines, each with its LF; the last may be without."""
    read = _read(data) if _is_utf8(data) else list(_one_by_one(data))
    if set(map(type, read)) <= {_Decision}:
        decisions = cast("list[_Decision]", read)
    else:
        decisions = [line for line in read if isinstance(line, _Decision)]
    times = _times(list(map(_t, decisions)))
    flags = np.frombuffer(bytes(map(_FlagsOf().__getitem__, map(_facts, decisions))), np.uint8)
    tri = np.array(list(map(_tri, decisions)), dtype=np.float64) + 0.0
    if len(decisions) < len(read) or (times == _INVALID).any():
        return _with_skips(read, decisions, times, flags, tri)
    return Columns(times, flags, tri, _r3(decisions, flags), np.empty(0, np.int64), np.empty(0, np.uint8))


def _with_skips(read: list[_Read], decisions: list[_Decision], times: Integers, flags: Bytes, tri: Floats) -> Columns:
    """Leave out what has no time, and keep of each line that is no entry the time of the last entry before it."""
    dated = times != _INVALID
    kinds = np.fromiter((0 if isinstance(line, _Decision) else line for line in read), np.uint8, len(read))
    line_times = np.full(len(read), _INVALID)
    line_times[kinds == 0] = times
    kinds[(kinds == 0) & (line_times == _INVALID)] = Kind.UNDATED
    # the last dated line at or before each line: a running maximum of the places of dated lines
    places = np.maximum.accumulate(np.where(line_times != _INVALID, np.arange(len(read)), -1)) if len(read) else np.empty(0, int)
    before = np.where(places >= 0, line_times[places], TIMELESS)
    kept = [decision for decision, keep in zip(decisions, dated.tolist(), strict=True) if keep]
    left_out = kinds != 0
    return Columns(
        times[dated], flags[dated], tri[dated], _r3(kept, flags[dated]), before[left_out].astype(np.int64), kinds[left_out]
    )


def _r3(decisions: list[_Decision], flags: Bytes) -> Floats:
    engaged = np.flatnonzero(flags & Flag.ENGAGED).tolist()
    return np.array([decisions[number].shadow.probs.R3 for number in engaged], dtype=np.float64) + 0.0


def _is_utf8(data: bytes) -> bool:
    # the typed decoder does not look into strings that nobody asked for
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read(data: bytes) -> list[_Read]:
    """Read lines of valid UTF-8 all at once where each is surely one value, otherwise in halves, a few one by one."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    if len(ends) > _FEW_LINES and _is_one_value_a_line(data, ends):
        try:
            decisions: list[_Read] = _DECODER.decode_lines(data)  # type: ignore[assignment]
        except (msgspec.MsgspecError, RecursionError):
            pass
        else:
            if len(decisions) == len(ends):
                return decisions
    if len(ends) <= _FEW_LINES:
        return list(_one_by_one(data))
    middle = int(ends[len(ends) // 2]) + 1
    return _read(data[:middle]) + _read(data[middle:])


def _is_one_value_a_line(data: bytes, ends: Integers) -> bool:
    """Whether the decoder of many lines cannot take a line end for a space inside a value, nor meet a line that it may not read.

    Inside a value no LF (or CRLF) stands between `}` and `{`. With as many values as lines each line then is one value.
    """
    letters = np.frombuffer(data, np.uint8)
    if int(ends[-1]) != len(data) - 1 or not data.startswith(b"{"):
        return False
    if not (letters[ends[:-1] + 1] == ord("{")).all():
        return False
    last = letters[ends - 1]
    last = np.where(last == ord("\r"), letters[ends - 2], last)
    return bool((last == ord("}")).all()) and _is_shallow(data, ends)


def _is_shallow(data: bytes, ends: Integers) -> bool:
    """Whether no line is too long, or has more opening brackets than depth is allowed."""
    for number in np.flatnonzero(np.diff(ends, prepend=-1) > _SAFE_LINE_BYTES).tolist():
        start, end = (int(ends[number - 1]) + 1 if number else 0), int(ends[number])
        if end - start > MAX_LINE_BYTES or data.count(b"{", start, end) + data.count(b"[", start, end) > MAX_DEPTH:
            return False
    return True


def _one_by_one(data: bytes) -> Iterator[_Read]:
    for line in data.split(b"\n"):
        if not line.strip(_BLANK):
            continue
        yield _one(line)


def _one(line: bytes) -> _Read:
    deep = len(line) > _SAFE_LINE_BYTES and line.count(b"{") + line.count(b"[") > MAX_DEPTH
    if len(line) <= MAX_LINE_BYTES and not deep and _is_utf8(line):
        try:
            return _DECODER.decode(line)
        except (msgspec.MsgspecError, RecursionError):
            pass
    entry = read_line(line)
    return _as_decision(entry) if isinstance(entry, Entry) else _KINDS[entry or Skip.MALFORMED]


def _as_decision(entry: Entry) -> _Decision:
    return _Decision(
        entry.t,
        _Shadow(entry.argmax, _Probs(entry.r3)),
        _Live(entry.live_route),
        _Anomaly(entry.engaged),
        _Rewards(_Immediate(entry.tri), _Deployment(entry.rollback)),
    )


def _times(texts: list[str | None]) -> Integers:
    """Return microseconds since 1970 for each text, `_INVALID` for what is no date-time."""
    texts = [text or "" for text in texts] if None in texts else texts
    written = cast("list[str]", texts)
    lengths = np.fromiter(map(len, written), np.int64, len(written))
    times = np.full(len(written), _INVALID)
    for length in set(lengths.tolist()):
        if length >= len("2025-09-30T09:00:00Z"):
            places = np.flatnonzero(lengths == length)
            alike = [written[place] for place in places.tolist()] if len(places) < len(written) else written
            times[places] = _times_alike(alike, length)
    for place in np.flatnonzero(times == _INVALID).tolist():
        exact = microseconds_of(written[place])
        times[place] = _INVALID if exact is None else exact
    return times


def _times_alike(texts: list[str], length: int) -> Integers:
    """Read texts of one length; those that are not `YYYY-MM-DDThh:mm:ss[.f]Z` or `+00:00` are left `_INVALID`."""
    joined = "".join(texts)
    if not joined.isascii():
        return np.full(len(texts), _INVALID)
    letters = np.frombuffer(joined.encode("ascii"), np.uint8).reshape(len(texts), length)
    form = "dddd-dd-ddTdd:dd:dd"
    for zone in ("Z", "+00:00"):
        digits = length - len(form) - len(zone) - 1
        if digits == -1 or 1 <= digits <= 6:
            times = _times_of_form(letters, form + ("." + "d" * digits if digits > 0 else "") + zone)
            if (times != _INVALID).any():
                return times
    return np.full(len(texts), _INVALID)


def _times_of_form(letters: Bytes, form: str) -> Integers:
    pattern = np.frombuffer(form.encode(), np.uint8)
    is_digit = pattern == ord("d")
    numbers = letters.astype(np.int64) - ord("0")
    valid = ((numbers[:, is_digit] >= 0) & (numbers[:, is_digit] <= 9)).all(axis=1)
    valid &= (letters[:, ~is_digit] == pattern[~is_digit]).all(axis=1)

    def number(first: int, count: int) -> Integers:
        value = np.zeros(len(letters), np.int64)
        for column in range(first, first + count):
            value = value * 10 + numbers[:, column]
        return value

    year, month, day = number(0, 4), number(5, 2), number(8, 2)
    hour, minute, second = number(11, 2), number(14, 2), number(17, 2)
    valid &= (year >= 1) & (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 59)
    month = np.where(valid, month, 1)
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    valid &= (day >= 1) & (day <= _DAYS_IN_MONTH[month] + (is_leap & (month == 2)))
    past = year - 1
    days = (
        past * 365 + past // 4 - past // 100 + past // 400 + _DAYS_BEFORE_MONTH[month] + (is_leap & (month > 2)) + day - 719_163
    )
    times = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000
    if form[19] == ".":
        digits = form.count("d", 19)
        times += number(20, digits) * 10 ** (6 - digits)
    return np.where(valid, times, _INVALID)
