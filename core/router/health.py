"""The health of the router's slots, asked over HTTP.

Excluded: which slots are critical, and what follows (core/gates/evaluate.py).
"""

import json
import time

from core.errors import NoAnswer
from core.gates.report import SlotsHealth
from core.settings.target import TargetSettings
from core.system.bounded_http import get

_BYTES_MAX = 64 << 10
_STATUS_CHARACTERS_MAX = 60
_HEALTHY = "healthy"
"""The word of the gate, for which the configured words stand."""


def ask_slots(target: TargetSettings) -> SlotsHealth:
    """Ask the router for the health of its slots.

    The endpoints are tried in their order. The first one that is there decides: another is tried only where nobody listens
    or where there is no such page, so that a second router on the next port cannot speak well of an ill one.
    """
    ends = time.monotonic() + target.health_timeout_s
    found = SlotsHealth(error="no address for the router's health is set")
    for url in target.health_urls:
        try:
            answer = get(url, ends - time.monotonic(), _BYTES_MAX)
        except NoAnswer as error:
            found = SlotsHealth(error=f"the router's health could not be asked ({error})")
            if error.reached:
                return found
            continue
        if answer.status == 404:
            found = SlotsHealth(error="the router's health endpoint answered 404")
            continue
        if answer.status != 200:
            return SlotsHealth(error=f"the router's health endpoint answered {answer.status}")
        return slots_in(answer.body, target)
    return found


def slots_in(body: bytes, target: TargetSettings) -> SlotsHealth:
    """Read the critical slots' statuses from an answer; the configured healthy words become the gate's own."""
    import jmespath  # noqa: PLC0415 - the brake, which starts quickly, needs no health
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as jmespath

    unreadable = SlotsHealth(error="the router's health answer is not the JSON that was expected")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return unreadable
    if not isinstance(answer, dict):
        return unreadable
    try:
        statuses = {slot: jmespath.search(path, answer) for slot, path in target.slot_paths.items()}
    except (JMESPathError, RecursionError, ValueError, TypeError, ArithmeticError):
        return unreadable
    said = {slot: _told(status, target) for slot, status in statuses.items() if status is not None}
    return SlotsHealth(statuses=said) if said else unreadable


def _told(status: object, target: TargetSettings) -> str:
    """Return the gate's word for one of the configured healthy words, and anything else in words that are not the gate's."""
    if isinstance(status, str) and status in target.health.healthy:
        return _HEALTHY
    told = _recordable(status)
    return told if told != _HEALTHY else f"{_HEALTHY!r}, which is none of the healthy words"


def _recordable(text: object) -> str:
    """Bound what the router says, without lone surrogates, which no receipt can hold; nothing is made to look healthy."""
    said = text if isinstance(text, str) else f"not a word but {type(text).__name__}"
    return said.encode("utf-8", "replace").decode()[:_STATUS_CHARACTERS_MAX]
