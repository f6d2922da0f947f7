"""What is Slack's is what Slack's own library signs; everything else is refused unread."""

import time
from collections.abc import Callable, Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from slack_sdk.signature import SignatureVerifier

from bot.http.signature import refuse_unsigned

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
BODY = b"token=secret&response_url=https%3A%2F%2Fhooks.slack.com%2Fsecret"


def signed(body: bytes = BODY, secret: str = SECRET, age: float = 0.0) -> dict[str, str]:
    """Sign as Slack does, with Slack's own library."""
    at = str(int(time.time() - age))
    signature = SignatureVerifier(secret).generate_signature(timestamp=at, body=body)
    return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": str(signature)}


async def status(body: bytes, headers: Mapping[str, str]) -> int:
    async def receive(request: web.Request) -> web.StreamResponse:
        return await refuse_unsigned(request, SECRET) or web.Response()

    application = web.Application()
    application.router.add_post("/", receive)
    async with TestClient(TestServer(application)) as client, client.post("/", data=body, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        pytest.param(BODY, signed, 200, id="signed"),
        pytest.param(BODY, lambda: signed(age=280), 200, id="long on its way"),
        pytest.param(BODY, lambda: signed(age=310), 401, id="replayed"),
        pytest.param(BODY, lambda: signed(age=-310), 401, id="from the future"),
        pytest.param(BODY, lambda: signed(secret="another"), 401, id="another secret"),
        pytest.param(BODY + b"x", signed, 401, id="changed"),
        pytest.param(BODY, dict, 401, id="no headers"),
        pytest.param(BODY, lambda: {**signed(), "X-Slack-Request-Timestamp": "soon"}, 401, id="no time"),
        pytest.param(BODY, lambda: {**signed(), "X-Slack-Request-Timestamp": "9" * 400}, 401, id="a very long time"),
        pytest.param(b"\xff\xfe", lambda: {"X-Slack-Signature": "v0=1"}, 401, id="unsigned bytes"),
    ],
)
async def test_only_what_is_signed_passes_and_nothing_of_the_rest_is_logged(
    body: bytes, headers: Callable[[], dict[str, str]], expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused with 401 in one line that holds nothing of the body."""
    assert await status(body, headers()) == expected
    lines = [record for record in caplog.records if record.name == "bot.http.signature"]
    assert len(lines) == (expected != 200)
    assert "secret" not in caplog.text
