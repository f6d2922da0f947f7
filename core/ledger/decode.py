"""Lines -> columns, fast.

Pure. A typed decoder reads only the fields that figures need. What it refuses, and what it is known to read otherwise, goes to
the reader that defines the meaning of a line (core/ledger/entry.py), so that speed and meaning never disagree; they are fuzzed
against each other. Excluded: where lines come from.
"""

from collections.abc import Iterator
from typing import cast

import msgspec

from core.ledger.columns import TIMELESS, Bytes, Columns, Flag, Floats, Integers, Kind
from core.ledger.entry import MAX_DEPTH, MAX_LINE_BYTES, Entry, Skip, microseconds_of, read_line
from core.system.arrays import NDArray, np

_SAFE_LINE_BYTES = 2 * MAX_DEPTH
"""A JSON value deeper than `MAX_DEPTH` has at least that many opening and as many closing brackets."""
_FEW_LINES = 32
_BLANK = b" \t\r\n"
_KINDS = {Skip.MALFORMED: Kind.MALFORMED, Skip.UNDATED: Kind.UNDATED}
_LIVE, _MATCHING = int(Flag.LIVE), int(Flag.LIVE | Flag.MATCHES_SHADOW)
_NOT_ROLLED_BACK, _ROLLED_BACK = int(Flag.ROLLBACK_KNOWN), int(Flag.ROLLBACK_KNOWN | Flag.ROLLED_BACK)
_NOT_ENGAGED, _ENGAGED = int(Flag.ANOMALY_KNOWN), int(Flag.ANOMALY_KNOWN | Flag.ENGAGED)
_NINE, _LAST_MONTH, _LAST_HOUR, _LAST_SIXTIETH = 9, 12, 23, 59
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
    engaged: int | float | bool | None = None  # small integers cost no object


class _Immediate(msgspec.Struct, frozen=True, gc=False):
    tri_delta_norm: float | None = None


class _Deployment(msgspec.Struct, frozen=True, gc=False):
    rollback: int | float | bool | None = None


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


def decode(data: bytes) -> Columns:
    """Return the columns of some whole lines, each with its LF; the last may be without."""
    read = _read(data) if _is_utf8(data) else list(_one_by_one(data))
    if set(map(type, read)) <= {_Decision}:
        decisions = cast("list[_Decision]", read)
    else:
        decisions = [line for line in read if isinstance(line, _Decision)]
    times, flags = _times([decision.t or "" for decision in decisions]), _flags(decisions)
    tri = np.array([decision.rewards.immediate.tri_delta_norm for decision in decisions], dtype=np.float64) + 0.0
    if len(decisions) < len(read) or (times == TIMELESS).any():
        return _with_skips(read, decisions, times, flags, tri)
    return Columns(times, flags, tri, _r3(decisions, flags), np.empty(0, np.int64), np.empty(0, np.uint8))


def _with_skips(read: list[_Read], decisions: list[_Decision], times: Integers, flags: Bytes, tri: Floats) -> Columns:
    """Leave out what has no time, and keep of each line that is no entry the time of the last entry before it."""
    dated = times != TIMELESS
    kinds = np.fromiter((0 if isinstance(line, _Decision) else line for line in read), np.uint8, len(read))
    line_times = np.full(len(read), TIMELESS)
    line_times[kinds == 0] = times
    kinds[(kinds == 0) & (line_times == TIMELESS)] = Kind.UNDATED
    # the last dated line at or before each line: a running maximum of the places of dated lines
    places = np.maximum.accumulate(np.where(line_times != TIMELESS, np.arange(len(read)), -1)) if len(read) else np.empty(0, int)
    before = np.where(places >= 0, line_times[places], TIMELESS)
    kept = [decision for decision, keep in zip(decisions, dated.tolist(), strict=True) if keep]
    left_out = kinds != 0
    return Columns(
        times[dated], flags[dated], tri[dated], _r3(kept, flags[dated]), before[left_out].astype(np.int64), kinds[left_out]
    )


def _flags(decisions: list[_Decision]) -> Bytes:
    found = []
    for line in decisions:
        route, rollback, engaged = line.live.route, line.rewards.deployment.rollback, line.anomaly.engaged
        flags = 0
        if route:
            flags = _MATCHING if route == line.shadow.argmax else _LIVE
        if rollback is not None:
            flags |= _ROLLED_BACK if rollback else _NOT_ROLLED_BACK
        if engaged is not None:
            flags |= _ENGAGED if engaged else _NOT_ENGAGED
        found.append(flags)
    return np.frombuffer(bytes(found), np.uint8)


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


def _times(texts: list[str]) -> Integers:
    """Return microseconds since 1970 for each text, `TIMELESS` for what is no date-time."""
    times = np.full(len(texts), TIMELESS)
    lengths = set(map(len, texts))
    for length in lengths:
        if length >= len("2025-09-30T09:00:00Z"):
            places = [place for place, text in enumerate(texts) if len(text) == length] if len(lengths) > 1 else slice(None)
            times[places] = _times_alike([texts[place] for place in places] if isinstance(places, list) else texts, length)
    for place in np.flatnonzero(times == TIMELESS).tolist():
        exact = microseconds_of(texts[place])
        times[place] = TIMELESS if exact is None else exact
    return times


def _times_alike(texts: list[str], length: int) -> Integers:
    """Read texts of one length; those that are not `YYYY-MM-DDThh:mm:ss[.f]Z` or `+00:00` are left `TIMELESS`."""
    joined = "".join(texts)
    if not joined.isascii():
        return np.full(len(texts), TIMELESS)
    letters = np.frombuffer(joined.encode("ascii"), np.uint8).reshape(len(texts), length).T.copy()
    form = "dddd-dd-ddTdd:dd:dd"
    for zone in ("Z", "+00:00"):
        digits = length - len(form) - len(zone) - 1
        if digits == -1 or 1 <= digits <= 6:
            times = _times_of_form(letters, form + ("." + "d" * digits if digits > 0 else "") + zone)
            if (times != TIMELESS).any():
                return times
    return np.full(len(texts), TIMELESS)


def _times_of_form(letters: Bytes, form: str) -> Integers:
    """Read columns of letters, one a place in the form."""
    digits = letters - np.uint8(ord("0"))
    wrong = np.zeros(letters.shape[1], np.bool_)
    for column, expected in enumerate(form):
        wrong |= digits[column] > _NINE if expected == "d" else letters[column] != ord(expected)

    def number(first: int, count: int) -> NDArray[np.int32]:
        value: NDArray[np.int32] = digits[first].astype(np.int32)
        for column in range(first + 1, first + count):
            value *= 10
            value += digits[column]
        return value

    hour, minute, second = number(11, 2), number(14, 2), number(17, 2)
    wrong |= (hour > _LAST_HOUR) | (minute > _LAST_SIXTIETH) | (second > _LAST_SIXTIETH)
    dates = number(0, 4) * 10_000 + number(5, 2) * 100 + number(8, 2)
    days, no_date = _days_of(np.where(wrong, dates.max(where=~wrong, initial=0), dates))
    wrong |= no_date
    times = (days * 86_400 + (hour * 60 + minute) * 60 + second) * 1_000_000
    if form[19] == ".":
        count = form.count("d", 19)
        times += number(20, count).astype(np.int64) * 10 ** (6 - count)
    return np.where(wrong, TIMELESS, times)


def _days_of(dates: NDArray[np.int32]) -> tuple[Integers, NDArray[np.bool_]]:
    """Return the days since 1970 of dates written as one number, YYYYMMDD, and which are none."""
    first, last = int(dates.min()), int(dates.max())
    if last - first < len(dates):  # a block's dates are few, and near each other
        days, no_date = _days_of_each(np.arange(first, last + 1))
        return days[dates - first], no_date[dates - first]
    return _days_of_each(dates.astype(np.int64))


def _days_of_each(dates: Integers) -> tuple[Integers, NDArray[np.bool_]]:
    year, month, day = dates // 10_000, dates // 100 % 100, dates % 100
    no_date = (year < 1) | (month < 1) | (month > _LAST_MONTH)
    month = np.where(no_date, 1, month)
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    no_date |= (day < 1) | (day > _DAYS_IN_MONTH[month] + (is_leap & (month == 2)))
    past = year - 1
    passed = past * 365 + past // 4 - past // 100 + past // 400 + _DAYS_BEFORE_MONTH[month] + (is_leap & (month > 2))
    return passed + day - 719_163, no_date
