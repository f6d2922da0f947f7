"""A router's own endpoint, where the site names one: what its running process says of its settings.

The answer is outside text: bounded in bytes and in the time that the whole of it may take, and what is not understood is nothing.
Excluded: what follows from it (core/receipts/observation.py).
"""

import json
import math
import queue
import threading
import time
from datetime import datetime
from typing import Any

from core.errors import EndpointUnreadable
from core.receipts.observation import Status
from core.settings.target import ObserveOptions
from core.text import clean_text

_MAX_BYTES = 64 << 10
_MAX_VERSION = 60
_asking: dict[str, threading.Thread] = {}


def ask(options: ObserveOptions, now: datetime) -> Status:
    """Ask the endpoint, and return what it says.

    Raises:
        EndpointUnreadable: it did not answer inside its time with 200 and JSON, or nothing in the answer is understood.
    """
    try:
        answer = json.loads(_bounded(options.url, options.timeout_s))
    except (ValueError, RecursionError):
        raise EndpointUnreadable("The router's endpoint does not answer with JSON.") from None
    said = {name: _search(expression, answer) for name, expression in options.expressions.items()}
    status = Status(
        at=now,
        enabled=_switch(said.get("enabled")),
        pilot=_number(said.get("pilot"), most=1.0),
        kill=_switch(said.get("kill")),
        version=clean_text(str(said["version"]), _MAX_VERSION) if isinstance(said.get("version"), str | int | float) else None,
        uptime_s=_number(said.get("uptime"), most=1e10),
    )
    unclear = [name for name in ("enabled", "pilot", "kill") if name in said and getattr(status, name) is None]
    if unclear and not status.serves:  # what serves is seen, whatever else is unclear
        names = " and ".join(unclear)
        raise EndpointUnreadable(f"The router's endpoint does not say {names} where `target.observe` looks for it.")
    return status


def _search(expression: str, answer: Any) -> Any:
    import jmespath  # noqa: PLC0415 - few sites have an endpoint
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as above

    try:
        return jmespath.search(expression, answer)
    except JMESPathError:
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


def _bounded(url: str, limit_s: float) -> bytes:
    """Fetch in a thread: a server that drips its answer, or its headers, byte by byte is left alone when its time is over."""
    hanging = _asking.get(url)
    if hanging is not None and hanging.is_alive():
        raise EndpointUnreadable("The router's endpoint has not finished its answer to the question before.")
    answers: queue.SimpleQueue[bytes | str] = queue.SimpleQueue()
    thread = threading.Thread(target=lambda: answers.put(_fetched(url, limit_s)), name="anr-endpoint", daemon=True)
    _asking[url] = thread
    thread.start()
    try:
        answer = answers.get(timeout=limit_s)
    except queue.Empty:
        raise EndpointUnreadable(f"The router's endpoint did not answer within {limit_s:g} s.") from None
    if isinstance(answer, str):
        raise EndpointUnreadable(answer)
    return answer


def _fetched(url: str, limit_s: float) -> bytes | str:
    import urllib3  # noqa: PLC0415 - slow to import, and a brake needs none of it

    ends, body = time.monotonic() + limit_s, bytearray()
    try:
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("GET", url, timeout=urllib3.Timeout(total=limit_s), redirect=False, preload_content=False)
            while part := answer.read1(4096, decode_content=False):
                body += part
                if len(body) > _MAX_BYTES or time.monotonic() > ends:
                    answer.close()
                    return "The router's endpoint answers with too much, or takes too long."
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return f"The router's endpoint could not be asked ({type(error).__name__})."
    return bytes(body) if answer.status == 200 else f"The router's endpoint answered {answer.status}."
