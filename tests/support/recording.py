"""A pytest plugin: writes down what every playground of a run was told, as one JSON value a line in a file for each playground.

    RECORDING=folder python -m pytest -p tests.support.recording tests/scenarios/…

Each line is `{"kind": …, "name": …, "value": …}`: a `call` with its method and arguments, a `payload` that Slack sent with its
type, an `acknowledgement` with the type of what it acknowledges, or an `answer` at a `response_url`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.playground.server import Playground

RECORDING = "RECORDING"


def recorded(playground: Playground) -> Iterator[dict[str, Any]]:
    """Everything that passed between Slack and the app, as far as the playground keeps it."""
    for call in playground.api.calls:
        yield {"kind": "call", "name": call.method, "value": call.arguments}
    for delivery in list(playground.deliveries):
        name = str(delivery.payload.get("type") or "slash_command")
        yield {"kind": "payload", "name": name, "value": delivery.payload}
        if delivery.acked:
            yield {"kind": "acknowledgement", "name": name, "value": delivery.response}
    for body in playground.responses.answers:
        yield {"kind": "answer", "name": "response_url", "value": body}


@pytest.fixture(autouse=True)
def _recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stop = Playground.__aexit__

    async def written(playground: Playground, *raised: object) -> None:
        await stop(playground, *raised)
        lines = "".join(json.dumps(line) + "\n" for line in recorded(playground))
        file = Path(os.environ[RECORDING]) / f"{tmp_path.name}-{os.getpid()}-{id(playground)}.ndjson"
        file.write_text(lines, encoding="utf-8")

    monkeypatch.setattr(Playground, "__aexit__", written)
