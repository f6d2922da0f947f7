"""A bot that alerts reach, and how they are sent to it."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from pydantic import SecretStr

from bot.app import running
from bot.playground.process import listening as accepting
from bot.playground.server import Playground
from core.settings.settings import Settings
from core.settings.surfaces import AlertSettings, HttpSettings
from core.target.target import Target
from tests.scenarios.conftest import free_port
from tests.support.workspace import WAIT

TOKEN = "playground-webhook-token"


def alerted(settings: Settings, **changed: Any) -> Settings:
    """The same settings with a webhook."""
    alerts = AlertSettings(token=SecretStr(TOKEN)).model_copy(update=changed)
    http = HttpSettings(port=settings.http.port or free_port(), measure_seconds=0.5)
    return settings.model_copy(update={"alerts": alerts, "http": http})


class Alertmanager:
    """Sends payloads to a bot, as Alertmanager does."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._session = session

    async def send(self, body: Any, *, token: str | None = TOKEN, **arguments: Any) -> tuple[int, dict[str, Any]]:
        """Deliver one payload; return status and answer."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        how = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        async with self._session.post(f"{self.url}/alertmanager/webhook", headers=headers, **how, **arguments) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, str]:
        """Ask the bot for something."""
        async with self._session.get(f"{self.url}{path}") as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def listening(settings: Settings, **changed: Any) -> AsyncIterator[tuple[Alertmanager, Settings]]:
    """Run a bot with a webhook while the block lasts, from when it listens, whether Slack answers or not."""
    ours = alerted(settings, **changed)
    begun, ending = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        async with running(ours):
            begun.set()
            await ending.wait()

    serving = asyncio.create_task(serve())
    try:
        await accepting(ours.http.port)
        async with aiohttp.ClientSession() as session:
            yield Alertmanager(session, ours.http.port), ours
    finally:
        ending.set()
        if not begun.is_set():  # it still waits for Slack, and would wait on
            serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def ready(alertmanager: Alertmanager) -> None:
    """Wait until the bot says that it can act, also for people in Slack."""
    async with asyncio.timeout(WAIT):
        for purpose in ("promotion", "slack"):
            while (await alertmanager.get(f"/readyz?for={purpose}"))[0] != 200:
                continue


def target_of(settings: Settings) -> Target:
    """A look of its own at the bot's files."""
    return Target.at(settings.every_target[0], settings.access)


def is_safe(settings: Settings) -> bool:
    return "NOVA_ANR_ENABLED=0" in settings.every_target[0].settings_file.read_text(encoding="utf-8")


Stage = tuple[Playground, Alertmanager, Settings]
