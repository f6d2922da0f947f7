"""Nothing talks the alert path out of braking: whenever an alert that pages can be read by a reader that is not ours, it brakes.

Over 100,000 generated payloads what is asked for is judged (reading and rules), and over some of them, through the real route on
a real router's files, what is answered and done. atheris goes over the bytes themselves (tests/torture/fuzzing.py:
alert_payloads).
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.alerts.payload import AlertStatus, judge
from core.alerts.reading import NoJsonObject, read_notification
from core.alerts.rules import AlertPolicy, Effect
from tests.scenarios.conftest import _no_proxy as _no_proxy  # noqa: PLC0414 - a fixture of loopback tests
from tests.scenarios.conftest import free_port
from tests.support.alerting import Stage, is_safe, listening, target_of
from tests.support.workspace import scenery
from tests.torture.alerts import ODD, pages, payload, real

pytestmark = pytest.mark.torture

GENERATED, SENT = 100_000, 300
POLICY = AlertPolicy()


def brakes(body: bytes) -> bool:
    """Whether these bytes ask the router to be safe, or are not answered with success for what they are."""
    try:
        found = judge(read_notification(body), POLICY)
    except NoJsonObject:
        return False
    return bool(found.unjudged) or any(
        alert.effect is Effect.FREEZE and alert.status is AlertStatus.FIRING for alert in found.facts
    )


def test_every_page_that_another_reader_finds_brakes(figure: Callable[[str], None]) -> None:
    """100,000 payloads, real ones that were changed, cut and spoilt: none that pages is called judged without a freeze."""
    chosen = random.Random(20261128)
    paging = 0
    for _ in range(GENERATED):
        body = payload(chosen)
        if pages(body):
            paging += 1
            assert brakes(body), body
    assert paging > GENERATED // 10
    figure(f"alert payloads: {GENERATED:,} generated, {paging:,} with a page that another reader finds, all of them brake")


odd = st.sampled_from(ODD) | st.text(max_size=50) | st.integers() | st.floats(allow_nan=False)
nested = st.recursive(odd, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4))
fields = st.sampled_from([*real(), *real()["alerts"][0], "x", "component"])


@settings(max_examples=2000)
@example(beside={}, around={"truncatedAlerts": "many"}, copies=1, indent=None)
@example(beside={"startsAt": "99999-01-01T00:00:00Z"}, around={}, copies=1001, indent=None)
@given(
    beside=st.dictionaries(fields, nested, max_size=4),
    around=st.dictionaries(fields, nested, max_size=4),
    copies=st.integers(1, 3),
    indent=st.sampled_from([None, 1]),
)
def test_a_page_brakes_whatever_stands_beside_and_around_it(
    beside: dict[str, object], around: dict[str, object], copies: int, indent: int | None
) -> None:
    """An alert with any other fields, in a payload with any others: Hypothesis looks for the one that hides it."""
    page = real()["alerts"][0]
    one = {**beside, **{name: page[name] for name in ("status", "labels")}}
    body = json.dumps({**real(), **around, "alerts": [beside, *[one] * copies]}, indent=indent).encode()
    assert pages(body)
    assert brakes(body)


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with scenery(tmp_path, http_port=free_port()) as (playground, begun), listening(begun) as (alertmanager, ours):
        yield playground, alertmanager, ours


async def test_through_the_route_a_page_ends_safe_or_is_5xx_and_no_success_says_what_is_not_so(stage: Stage) -> None:
    """Hundreds of payloads, the router live again before each: 2xx only where it is held and safe, 4xx only for no object."""
    _, alertmanager, ours = stage
    chosen = random.Random(7)
    file = ours.every_target[0].settings_file
    live = file.read_bytes()
    turns, ended = [0], asyncio.Event()

    async def heartbeat() -> None:
        while not ended.is_set():
            turns[0] += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heartbeat())
    for number in range(SENT):
        body = payload(chosen).replace(b"0123456789abcdef", f"{number:016x}".encode())  # each its own cause
        await asyncio.to_thread(file.write_bytes, live)
        before = turns[0]
        status, answer = await alertmanager.send(body)
        assert turns[0] > before
        if status == 200 and "is held" in answer["text"]:
            assert is_safe(ours), body
        if pages(body):
            assert status >= 500 or (status == 200 and is_safe(ours)), body
        if status < 500 and status != 200:
            assert status == 400
            assert not pages(body), body
    ended.set()
    await beating
    assert target_of(ours).brake.read().frozen_by
