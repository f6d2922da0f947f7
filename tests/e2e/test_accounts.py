"""Several people, one installation: real accounts of this machine, a bot of one of them, and every command of each."""

import asyncio
import json
import os
import shutil
import signal
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
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

    async def typed(
        self, account: Account, *words: str, umask: int = 0o022, before: Sequence[str] = (), **variables: str
    ) -> "CompletedProcess[str]":
        told = {**self.variables(account), **variables}
        return await asyncio.to_thread(lambda: self.machine.anr(account, *words, umask=umask, variables=told, before=before))

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
    (site / "restart.sh").write_text("exit 0\n", encoding="utf-8")
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
            "reload_command": ["/bin/sh", str(site / "restart.sh")],
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


async def test_what_each_account_may_type_beside_a_running_bot(here: Installation) -> None:
    """The same policy as everywhere; the kernel says who asks, also from a user namespace."""
    accounts = here.machine.accounts
    namespace = ["unshare", "--user", f"--map-user={accounts.aaron.uid}"]
    async with here.bot():
        frozen = await here.typed(accounts.olivia, "freeze", "-r", "it burns", USER=accounts.aaron.name, LOGNAME="root")
        assert (frozen.returncode, SAFE in here.settings_file) == (0, True), frozen.stdout + frozen.stderr
        lifted = await here.typed(accounts.aaron, "unfreeze", "--json")
        assert (lifted.returncode, json.loads(lifted.stdout)["result"]) == (0, "unfrozen"), lifted.stderr
        mapped = await here.typed(accounts.olivia, "rollback", "-r", "mapped", before=namespace)
        assert mapped.returncode == 0, mapped.stdout + mapped.stderr
        for account in (accounts.olivia, accounts.aaron):
            for words in ("status", "receipts", "next", "backups"):
                looked = await here.typed(account, words)
                assert looked.returncode == 0, looked.stderr
            for words in ("bot", "approve nothing"):
                refused = await here.typed(account, *words.split())
                assert refused.returncode in {1, 2}, refused.stdout + refused.stderr
        no_person = await here.typed(accounts.root, "promote")
        assert (no_person.returncode, "sudo -u" in no_person.stderr) == (1, True), no_person.stdout + no_person.stderr
        second = await here.typed(accounts.bot, "bot")
        assert (second.returncode, "Another bot serves this router" in " ".join(second.stderr.split())) == (2, True), (
            second.stderr
        )
        stranger = await here.typed(accounts.stranger, "freeze")
        said = " ".join((stranger.stdout + stranger.stderr).split())
        assert stranger.returncode == 3
        assert f"{accounts.stranger.name} may not open" in said
    acted = [(receipt.action, receipt.actor.id) for receipt in here.receipts() if receipt.actor.is_person]
    assert acted == [
        (Action.FREEZE, accounts.olivia.name),
        (Action.UNFREEZE, accounts.aaron.name),
        (Action.ROLLBACK, accounts.olivia.name),
    ]


def with_list(folder: Path, uid: int) -> None:
    """Give a folder an access list, and what is made in it: one more account may read there."""
    entry = struct.Struct("<HHI")
    nobody = 0xFFFFFFFF
    entries = [(1, 7, nobody), (2, 5, uid), (4, 7, nobody), (16, 7, nobody), (32, 0, nobody)]
    packed = struct.pack("<I", 2) + b"".join(entry.pack(*one) for one in entries)
    for name in ("system.posix_acl_access", "system.posix_acl_default"):
        os.setxattr(folder, name, packed)


@pytest.mark.parametrize("acl", [False, True], ids=["modes", "access-lists"])
async def test_whatever_the_umask_is_what_one_account_leaves_the_others_can_read(here: Installation, *, acl: bool) -> None:
    """Without a bot, in a folder of their group: one freezes, another lifts it, and the account that runs anr sees both."""
    accounts, site = here.machine.accounts, here.folder / "site"
    for path in (site, *site.rglob("*")):  # a folder of a group: 2770
        path.chmod(0o2770 if path.is_dir() else 0o660)
        os.chown(path, accounts.bot.uid, accounts.olivia.groups[0])
        if acl and path.is_dir():
            with_list(path, accounts.stranger.uid)
    people = (accounts.olivia, accounts.aaron)
    for number, umask in enumerate((0o077, 0o022, 0o002)):
        one, other = people[number % 2], people[1 - number % 2]
        frozen = await here.typed(one, "freeze", "-r", f"umask {umask:03o}", umask=umask)
        assert (frozen.returncode, SAFE in here.settings_file) == (0, True), frozen.stdout + frozen.stderr
        for account in (accounts.bot, other):
            looked = await here.typed(account, "status", "--json", umask=umask)
            assert json.loads(looked.stdout)["state"]["holds"][0]["actor"]["id"] == one.name, looked.stdout + looked.stderr
            assert "cannot be read" not in looked.stdout
        lifted = await here.typed(other, "unfreeze", umask=umask)
        assert lifted.returncode == 0, lifted.stdout + lifted.stderr
        recovered = await here.typed(accounts.bot, "recover", umask=umask)
        assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    verified = await here.typed(accounts.bot, "verify", "--alone")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    for path in (here.run, *here.run.rglob("*")):
        assert not path.stat().st_mode & 0o007, path


async def test_what_root_leaves_belongs_to_the_folders_owner(here: Installation) -> None:
    """A brake by root, and what comes of it, is the account's that runs anr: nothing has to be handed over."""
    accounts = here.machine.accounts
    frozen = await here.typed(accounts.root, "freeze", "-r", "at night", umask=0o077)
    assert frozen.returncode == 0, frozen.stdout + frozen.stderr
    for path in (here.folder / "site").rglob("*"):
        assert path.stat().st_uid == accounts.bot.uid, path
    async with here.bot():
        lifted = await here.typed(accounts.olivia, "unfreeze")
        assert lifted.returncode == 0, lifted.stdout + lifted.stderr


async def test_before_init_nobody_who_brakes_first_is_taken_for_the_account(place: Machine, here: Installation) -> None:
    """Olivia may write the folder, and brakes: the router is safe, and what is made is no journal of hers."""
    accounts, site = here.machine.accounts, here.folder / "site"
    shutil.rmtree(site / "ops")
    shutil.rmtree(here.run)
    site.chmod(0o2770)
    (site / "anr.env").chmod(0o660)
    refused = await here.typed(accounts.olivia, "init")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    said = " ".join(refused.stderr.split())
    assert f"sudo -u {accounts.bot.name} anr init" in said
    assert "operators" not in said
    braked = await here.typed(accounts.olivia, "rollback")
    assert (braked.returncode, SAFE in here.settings_file) == (3, True), braked.stdout + braked.stderr
    assert not here.run.exists()
    assert not (site / "ops").exists()
    begun = await here.typed(accounts.bot, "init")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    recovered = await here.typed(accounts.bot, "recover")
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert (Action.ROLLBACK, accounts.olivia.name) in {(receipt.action, receipt.actor.id) for receipt in here.receipts()}


async def test_of_a_bot_that_is_killed_half_way_nobody_says_that_it_was_done(here: Installation) -> None:
    """A promotion's end is not known, and that is said; a brake is tried by whoever typed it, or it is said who can."""
    accounts, pid = here.machine.accounts, here.folder / "site" / "pid"
    async with here.bot() as bot:
        asked = await here.typed(accounts.olivia, "promote", "--json")
        request = json.loads(asked.stdout)["request"]
        (here.folder / "site" / "restart.sh").write_text(f"echo $$ > {pid}\nexec sleep 600\n", encoding="utf-8")
        approving = asyncio.create_task(here.typed(accounts.aaron, "approve", request))
        async with asyncio.timeout(WAIT):
            while not (pid.exists() and pid.read_text(encoding="ascii").strip()):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
        bot.send_signal(signal.SIGKILL)
        approved = await approving
        os.kill(int(pid.read_text(encoding="ascii")), signal.SIGKILL)
    assert approved.returncode == 3
    assert "WHETHER IT WAS DONE IS NOT KNOWN" in approved.stderr
    assert "Look at `anr status`" in approved.stderr
