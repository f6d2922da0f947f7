"""A router's own endpoint, where the options name one: what its running process says of its settings.

The answer is outside text: bounded in bytes and in the time that the whole of it may take, and what is not understood is nothing.
Excluded: the asking (core/system/bounded_http.py), and what follows from it (core/receipts/observation.py).
"""

import json
import math
from datetime import datetime
from typing import Any

from core.errors import EndpointUnreadable, NoAnswer
from core.receipts.observation import Status
from core.router.version import MAX_VERSION
from core.settings.target import ObserveOptions
from core.system.bounded_http import get
from core.text import clean_text

_MAX_BYTES = 64 << 10


def ask(options: ObserveOptions, now: datetime) -> Status:
    """Ask the endpoint, and return what it says.

    Raises:
        EndpointUnreadable: it did not answer inside its time with 200 and JSON, or nothing in the answer is understood.
    """
    try:
        got = get(options.url, options.timeout_s, _MAX_BYTES)
    except NoAnswer as error:
        raise EndpointUnreadable(f"The router's endpoint could not be asked ({error}).") from error
    if got.status != 200:
        raise EndpointUnreadable(f"The router's endpoint answered {got.status}.")
    try:
        answer = json.loads(got.body)
    except (ValueError, RecursionError):
        raise EndpointUnreadable("The router's endpoint does not answer with JSON.") from None
    said = {name: _search(expression, answer) for name, expression in options.expressions.items()}
    status = Status(
        at=now,
        enabled=_switch(said.get("enabled")),
        pilot=_number(said.get("pilot"), most=1.0),
        kill=_switch(said.get("kill")),
        version=clean_text(str(said["version"]), MAX_VERSION) if isinstance(said.get("version"), str | int | float) else None,
        uptime_s=_number(said.get("uptime"), most=1e10),
    )
    understood = {"enabled": status.enabled, "pilot": status.pilot, "kill": status.kill, "uptime": status.uptime_s}
    unclear = [name for name, value in understood.items() if name in said and value is None]
    if unclear and not status.serves:  # what serves is seen, whatever else is unclear
        names = " and ".join(unclear)
        raise EndpointUnreadable(f"The router's endpoint does not say {names} where `target.observe` looks for it.")
    return status


def _search(expression: str, answer: Any) -> Any:
    import jmespath  # noqa: PLC0415 - few sites have an endpoint
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as above

    try:
        return jmespath.search(expression, answer)
    except (JMESPathError, RecursionError, ValueError, TypeError, ArithmeticError):  # its functions raise what Python's do
        return None


def _switch(value: Any) -> bool | None:
    text = str(value).strip().lower()
    return {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}.get(text)


def _number(value: Any, *, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number <= most else None
