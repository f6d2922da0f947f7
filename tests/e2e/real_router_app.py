"""The router's own code under uvicorn: what it decides on its own, and what the process itself says to an observer.

ROUTER_LEDGER names its ledger. Addresses: `/health/slots`; `/status`; `/decide?count=N`, which decides N requests at once and
answers how many of them were served live.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.support.real_router import RealRouter

ROUTER = RealRouter(Path(os.environ["ROUTER_LEDGER"]), {})
HEALTH = {"slots": {slot: {"status": "healthy"} for slot in ("slot04", "slot08_lock", "slot09", "slot10")}}
RATE = 200
Message = dict[str, Any]


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Serve ASGI: traffic while the worker lives, and the addresses above."""
    if scope["type"] == "lifespan":
        await receive()
        traffic = asyncio.create_task(decide_forever())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        traffic.cancel()
        await send({"type": "lifespan.shutdown.complete"})
        return
    answer: Message = ROUTER.status()
    if scope["path"] == "/health/slots":
        answer = HEALTH
    elif scope["path"] == "/decide":
        served = [ROUTER.decide() for _ in range(int(parse_qs(scope["query_string"])[b"count"][0]))]
        answer = {**ROUTER.status(), "served": sum(route is not None for route in served)}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


async def decide_forever() -> None:
    """Decide at a rate; a worker's traffic ends with it."""
    while True:
        await asyncio.sleep(0.02)
        for _ in range(RATE // 50):
            ROUTER.decide()
