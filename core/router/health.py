"""The health of the router's slots, asked over HTTP.

Excluded: which slots are critical, and what follows (core/gates/evaluate.py).
"""

import json
import time

from core.gates.report import SlotsHealth
from core.settings.target import TargetSettings

_MAX_HEALTH_BYTES = 64 << 10
_MAX_STATUS_CHARACTERS = 60


def _slots_in(body: bytes) -> SlotsHealth:
    unreadable = SlotsHealth(error="the router's health answer is not the JSON that was expected")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return unreadable
    slots = answer.get("slots") if isinstance(answer, dict) else None
    if not isinstance(slots, dict):
        return unreadable
    statuses = {
        _recordable(name): _recordable(slot.get("status")) if isinstance(slot, dict) else "unreadable"
        for name, slot in slots.items()
    }
    return SlotsHealth(statuses=statuses)


def _recordable(text: object) -> str:
    """Bound what the router says, without lone surrogates, which no receipt can hold; nothing is made to look healthy."""
    return str(text).encode("utf-8", "replace").decode()[:_MAX_STATUS_CHARACTERS]


def slots_of(target: TargetSettings) -> SlotsHealth:
    """Ask for the health of the slots; whatever goes wrong is part of the answer, and never healthy."""
    import urllib3  # noqa: PLC0415 - slow to import, and the brake needs no health

    url, limit = target.health_url, target.health_timeout_s
    ends = time.monotonic() + limit
    try:
        with urllib3.PoolManager(retries=False) as pool:
            response = pool.request("GET", url, timeout=urllib3.Timeout(total=limit), redirect=False, preload_content=False)
            body = bytearray()
            for chunk in response.stream(1024, decode_content=False):
                body += chunk
                if len(body) > _MAX_HEALTH_BYTES or time.monotonic() > ends:
                    response.close()
                    return SlotsHealth(error="the router's health answer is too long or took too long")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return SlotsHealth(error=f"the router's health could not be asked ({type(error).__name__})")
    if response.status != 200:
        return SlotsHealth(error=f"the router's health endpoint answered {response.status}")
    return _slots_in(bytes(body))
