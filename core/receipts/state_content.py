"""What the bandit's state says: whether bytes can be one, which routes it has, and from which of two states a third goes on.

Pure. The router's writers write different objects (the routes at the top level, or `version, arms, A, b`), so that nothing is
relied on here but what any learner over routes has: names of routes, and numbers that move a little with each credit.

Excluded: files (core/router/backups.py) and what is made of the answer (core/operations/restore.py).
"""

import math
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from core.text import clean_text

_ROUTE = re.compile(r"R\d{1,3}", re.ASCII)
_PER_ROUTE = ("arms", "A", "b")
"""Where the routes stand if not at the top level: a list of names, or an object with a key for each."""
_MOST_LISTED = 10
_LONGEST_COUNT = 1e9
"""A number that is larger is a time and not learned: it moves by itself, whichever state the router has."""
_CLEARLY = 4.0
"""How many times nearer a number has to be to say that the router began anew, or did not: what was hardly learned is near
that, too."""


class StateSeen(StrEnum):
    """What the state file showed after the router was started on a state that was put there."""

    UNCHANGED = "unchanged"
    """It is as it was put there: the router has not written since."""
    CONTINUED = "continued"
    """The router has written since, and goes on from what was put there."""
    OVERWRITTEN = "overwritten"
    """The router has written since, and does not: it kept the state from before, or began anew."""
    UNCLEAR = "unclear"
    """It was written since, and nobody can say from what, or it cannot be read."""


def problem_in(data: bytes) -> str | None:
    """Say why bytes cannot be a bandit's state, or None: they have to be one JSON object, without NaN or infinities."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "it is not JSON"
    return None if isinstance(value, dict) else "it is not a JSON object"


def routes_in(data: bytes) -> frozenset[str] | None:
    """Return the names of the routes that a state has learned about; None if they cannot be told from it."""
    if problem_in(data) is not None:
        return None
    state = msgspec.json.decode(data)
    if named := frozenset(key for key in state if _ROUTE.fullmatch(key)):
        return named
    for key in _PER_ROUTE:
        found = state.get(key)
        if isinstance(found, dict) and found:
            return frozenset(found)
        if isinstance(found, list) and found and all(isinstance(name, str) for name in found):
            return frozenset(found)
    return None


def listed(routes: frozenset[str]) -> str:
    """Return the names of routes for people, at most ten of them, each bounded: they are outside text."""
    names = sorted(clean_text(route, 20) for route in routes)
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def seen_after(shown: bytes | None, put: bytes | None, before: bytes | None) -> StateSeen:
    """Say what the state file tells of the router that was started on a state that was put there.

    A router that goes on from a state has moved a few of its numbers a little. So each number on which what was put there
    and what was there before differ is asked which of the two it is nearer to; a state that a router begins anew has numbers
    near 0 and 1 there.

    Args:
        shown: what the file holds now; None if there is none.
        put: what was put there; None if the state was removed, so that the router begins anew.
        before: what the router had before; None if nobody knows.
    """
    if shown == put:
        return StateSeen.UNCHANGED
    if shown is None or problem_in(shown) is not None:
        return StateSeen.UNCLEAR
    if shown == before:
        return StateSeen.OVERWRITTEN
    if before is not None and problem_in(before) is not None:
        before = None
    told = [] if before is None else [(put is not None and _same(put, before)) or _nearer(shown, put, before)]
    if put is not None:
        told.append(_nearer(shown, put, None))
    if False in told:
        return StateSeen.OVERWRITTEN
    return StateSeen.CONTINUED if True in told else StateSeen.UNCLEAR


def _nearer(shown: bytes, one: bytes | None, other: bytes | None) -> bool | None:
    """Whether a state is nearer to one than to the other, None standing for a fresh one; None if nobody can say.

    A state that had hardly learned is near to a fresh one in any case: to be called fresh, most of what moved has to be, and
    more has to have moved than stayed.
    """
    now, first, second = _numbers(shown), _numbers(one), _numbers(other)
    moved = nearer = farther = 0
    for place in {*first, *second} & {*now}:
        number = now[place]
        if None in {one, other} and number == {**first, **second}[place]:
            # it has not moved, and may be a constant; but one that begins anew keeps none of what was learned
            farther += one is None and number not in {0, 1}
            continue
        near, far = _distance(number, first.get(place), one), _distance(number, second.get(place), other)
        clearly = _CLEARLY if None in {one, other} else 1.0
        moved += 1
        nearer += near * clearly < far
        farther += near > far * clearly
    if nearer > farther:
        return True
    return False if farther > (moved / 2 if other is None else nearer) else None


def _distance(number: float, learned: float | None, state: bytes | None) -> float:
    if state is None:
        return min(abs(number), abs(number - 1))
    return math.inf if learned is None else abs(number - learned)


def _same(one: bytes, other: bytes) -> bool:
    return _numbers(one) == _numbers(other)


def _numbers(data: bytes | None) -> Mapping[tuple[str | int, ...], float]:
    return {} if data is None else dict(_leaves(msgspec.json.decode(data)))


def _leaves(state: Any) -> Iterator[tuple[tuple[str | int, ...], float]]:
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), state)]
    while waiting:  # not recursive: the nesting is somebody else's
        place, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(((*place, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            waiting.extend(((*place, number), inner) for number, inner in enumerate(value))
        elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LONGEST_COUNT:
            yield place, float(value)
