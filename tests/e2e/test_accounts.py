"""Several people, one installation: real accounts of this machine, a bot of one of them, and every command of each."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess, Popen
from typing import Any

import pytest
import pytest_asyncio

from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from bot.slack.manifest import MANIFEST
from core.actors import AccessPolicy
from core.receipts.receipt import Action, Phase, Receipt
from core.settings.target import TargetSettings
from core.target.target import Target
from tests.support.accounts import Account, Machine, machine
from tests.support.rig import decision, written
from tests.support.terminal import toml
from tests.support.workspace import WAIT

pytestmark = pytest.mark.e2e

SAFE = "NOVA_ANR_PILOT=0.00"


@pytest.fixture(scope="module")
def place() -> Iterator[Machine]:
    with machine() as made:
        yield made


@dataclass(frozen=True, slots=True)
class Installation:
    """A router of the bot's account at 10 %, with options of root, and who types what there."""

    machine: Machine
    folder: Path
    playground: Playground

    @property
    def run(self) -> Path:
        return self.folder / "site" / "run"

    @property
    def settings_file(self) -> str:
        return (self.folder / "site" / "anr.env").read_text(encoding="utf-8")

    def variables(self, account: Account) -> dict[str, str]:
        slack = self.playground
        tokens = {"ANR_SLACK__BOT_TOKEN": slack.bot_token, "ANR_SLACK__APP_TOKEN": slack.app_token}
        return {"ANR_CONFIG": str(self.folder / "etc" / "anr.toml"), **(tokens if account is self.machine.accounts.bot else {})}

    async def typed(self, account: Account, *words: str, umask: int = 0o022, **variables: str) -> "CompletedProcess[str]":
        told = {**self.variables(account), **variables}
        return await asyncio.to_thread(lambda: self.machine.anr(account, *words, umask=umask, variables=told))

    @asynccontextmanager
    async def bot(self, umask: int = 0o022) -> AsyncIterator["Popen[str]"]:
        bot = self.machine.accounts.bot
        running = self.machine.popen(bot, ["bot"], umask=umask, variables=self.variables(bot))
        try:
            async with asyncio.timeout(WAIT):
                while not (self.run / "anr.sock").is_socket():
                    if running.poll() is not None:
                        raise AssertionError(running.communicate())
                    await asyncio.sleep(0.05)
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            await asyncio.to_thread(running.communicate)

    def target(self) -> Target:
        options = TargetSettings(
            settings_file=self.folder / "site" / "anr.env",
            journal=self.folder / "site" / "ops" / "journal.sqlite",
            receipts_dir=self.folder / "site" / "ops" / "logs",
            run_dir=self.run,
        )
        return Target.at(options, AccessPolicy())

    def receipts(self) -> list[Receipt]:
        target = self.target()
        try:
            return [sealed.receipt for sealed in target.journal.receipts()]
        finally:
            target.journal.close()


def installed(machine: Machine, folder: Path, playground: Playground, health_url: str) -> Installation:
    accounts = machine.accounts
    group = accounts.olivia.groups[0]
    site, etc = folder / "site", folder / "etc"
    for part in (site, etc):
        part.mkdir(parents=True)
        part.chmod(0o755)
    (site / "anr.env").write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    now = datetime.now(UTC)
    lines = [json.dumps({**decision(now), "t": written(now - timedelta(minutes=4.75 * number))}) for number in range(300)]
    (site / "ledger.ndjson").write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    options: dict[str, Any] = {
        "operators": [f"os:{accounts.olivia.name}"],
        "approvers": [f"os:{accounts.aaron.name}"],
        "slack": {"channel": CHANNEL, "api_url": f"{playground.url}/api/"},
        "http": {"port": 0},
        "target": {
            "settings_file": site / "anr.env",
            "ledger": site / "ledger.ndjson",
            "journal": site / "ops" / "journal.sqlite",
            "receipts_dir": site / "ops" / "logs",
            "run_dir": site / "run",
            "state_file": site / "state.json",
            "backups_dir": site / "backups",
            "archive_dir": site / "archive",
            "health_url": health_url,
            "reload_command": ["true"],
            "observe_timeout_s": 0,
            "soak_hours": 0,
        },
    }
    file = etc / "anr.toml"
    file.write_text("".join(f"{name} = {toml(value)}\n" for name, value in options.items()), encoding="utf-8")
    file.chmod(0o644)
    for path in (site, *site.iterdir()):
        os.chown(path, accounts.bot.uid, group)
    (site / "anr.env").chmod(0o640)
    site.chmod(0o750)
    return Installation(machine, folder, playground)


@pytest_asyncio.fixture
async def here(
    place: Machine, slots: tuple[str, dict[str, str]], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Installation]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with Playground(MANIFEST) as playground:
        folder = place.folder / f"installation-{request.node.name.translate(dict.fromkeys(map(ord, '[]/'), '-'))}"
        installation = installed(place, folder, playground, slots[0])
        begun = await installation.typed(place.accounts.bot, "init")
        assert begun.returncode == 0, begun.stderr
        yield installation


async def test_a_persons_commands_go_to_the_bot_where_the_kernel_names_them(here: Installation) -> None:
    """Olivia asks, Aaron approves: neither may write the journal, and the receipts name both; a stranger is not let in."""
    accounts = here.machine.accounts
    async with here.bot():
        status = await here.typed(accounts.olivia, "status", "--json")
        assert (status.returncode, json.loads(status.stdout)["state"]["stage"]) == (0, 10), status.stderr
        asked = await here.typed(accounts.olivia, "promote", "--json", "-r", "looks good")
        assert asked.returncode == 0, asked.stdout + asked.stderr
        request = json.loads(asked.stdout)["request"]
        alone = await here.typed(accounts.olivia, "approve", request, "--json")
        assert (alone.returncode, json.loads(alone.stdout)["code"]) == (1, "self_approval")
        approved = await here.typed(accounts.aaron, "approve", request)
        assert approved.returncode == 0, approved.stdout + approved.stderr
        assert "NOVA_ANR_PILOT=0.25" in here.settings_file
        stranger = await here.typed(accounts.stranger, "freeze")
        assert stranger.returncode == 3
    (moved,) = [receipt for receipt in here.receipts() if receipt.action is Action.PROMOTE and receipt.phase is Phase.OUTCOME]
    assert (moved.actor.id, [signature.actor.id for signature in moved.approvals]) == (
        accounts.olivia.name,
        [accounts.aaron.name],
    )
    assert accounts.stranger.name not in {receipt.actor.id for receipt in here.receipts()}
