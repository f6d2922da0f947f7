"""The bot as a process of its own: what its environment has to say, and when it listens. For tests and benchmarks."""

import asyncio
from collections.abc import Mapping

from core.settings.settings import Settings

_PATIENCE_SECONDS = 120.0


def environment(settings: Settings, inherited: Mapping[str, str]) -> dict[str, str]:
    """The settings as variables, with the secrets that JSON hides, added to what a process inherits."""
    slack = settings.slack
    return {
        **{name: value for name, value in inherited.items() if not name.startswith("ANR_")},
        "ANR_TARGET": settings.target.model_dump_json(),
        "ANR_SLACK": slack.model_dump_json(exclude={"bot_token", "app_token", "signing_secret"}),
        "ANR_SLACK__BOT_TOKEN": slack.bot_token.get_secret_value(),
        "ANR_SLACK__APP_TOKEN": slack.app_token.get_secret_value(),
        "ANR_SLACK__SIGNING_SECRET": slack.signing_secret.get_secret_value(),
        "ANR_HTTP": settings.http.model_dump_json(),
        "ANR_ALERTS": settings.alerts.model_dump_json(exclude={"token", "password"}),
        "ANR_ALERTS__TOKEN": settings.alerts.token.get_secret_value(),
        "ANR_ALERTS__PASSWORD": settings.alerts.password.get_secret_value(),
        "ANR_OPERATORS": '["U0OLIVIA"]',
        "ANR_APPROVERS": '["U0AARON", "U0PRIYA"]',
        "ANR_CONFIG": "",
    }


async def listening(port: int) -> None:
    """Wait until something listens on a port of loopback."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                continue
            writer.close()
            return
