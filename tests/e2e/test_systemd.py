"""ops/systemd with systemd's own tools, the unit's environment around the real bot, polkit's rule in an engine of JavaScript.

No systemd runs here as the first process, so that no unit was started by it; what can be checked without is.
"""

import asyncio
import ctypes
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from bot.playground.demo import CHANNEL
from bot.playground.process import environment
from core.settings.options import field_of, path_of
from core.settings.settings import Settings
from tests.support.browser import QUIET
from tests.support.terminal import toml
from tests.support.workspace import WAIT, cards, pilot_in, scenery

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "ops" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
NO_NEW_PRIVILEGES, DENY_WRITE_EXECUTE = 38, 65
"""prctl(2): PR_SET_NO_NEW_PRIVS, and PR_SET_MDWE, by which a kernel refuses what `MemoryDenyWriteExecute=` does."""
OF_SYSTEMD = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "USER": "anr",
    "LOGNAME": "anr",
    "HOME": "/var/lib/anr",
}
"""What systemd itself gives a service with an account (systemd.exec(5))."""


def unit(name: str) -> list[tuple[str, str]]:
    """The options of a unit with those of the sandbox, in order; a key may come often."""
    lines = [*(UNITS / name).read_text(encoding="utf-8").splitlines()]
    if name.startswith("anr-") and name.endswith(".service"):
        lines += (UNITS / "anr-.service.d" / "10-sandbox.conf").read_text(encoding="utf-8").splitlines()
    return [
        (key, value) for line in lines if not line.startswith(("#", "[")) for key, sign, value in [line.partition("=")] if sign
    ]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine with Debian's units, ours, and a command `anr` at the place that they name."""
    root = tmp_path / "root"
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, root / "etc/systemd/system")
    for command in ("opt/anr/bin/anr", "bin/kill"):
        (root / command).parent.mkdir(parents=True)
        (root / command).touch(mode=0o755)
    return root


def run(machine: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=machine)


def systemd(machine: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(machine, "systemd-analyze", *words)


def test_systemd_understands_every_line(machine: Path) -> None:
    """Neither an unknown option nor a command that is not there: `systemd-analyze verify` has nothing to say."""
    names = [path.name for path in UNITS.iterdir() if path.suffix in {".service", ".timer"}]
    checked = systemd(machine, "verify", f"--root={machine}", "--man=no", *names)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    bot = machine / "etc/systemd/system/anr-bot.service"
    bot.write_text(bot.read_text(encoding="utf-8") + "[Service]\nExecStartt=/bin/true\n", encoding="utf-8")
    assert "ExecStartt" in systemd(machine, "verify", f"--root={machine}", "--man=no", "anr-bot.service").stderr


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_shut_in(machine: Path, service: str) -> None:
    """By systemd's own measure of what a service may do, which is 10 for anything: at most 2, the timers' as the bot's."""
    checked = systemd(machine, "security", "--offline=yes", f"--root={machine}", "--no-pager", "--threshold=20", service)
    assert checked.returncode == 0, checked.stdout


def test_the_account_is_one_that_systemd_can_make(machine: Path) -> None:
    """systemd-sysusers reads the line, and the account is the one of the services."""
    file = machine / "usr/lib/sysusers.d/anr.conf"
    file.parent.mkdir()
    shutil.copy(UNITS / "sysusers-anr.conf", file)
    made = run(machine, "systemd-sysusers", "--dry-run", f"--root={machine}")
    assert "user 'anr'" in made.stdout + made.stderr, made
    assert {dict(unit(service))["User"] for service in SERVICES} == {"anr"}


def test_the_timers_ask_at_the_times_that_are_written_beside_them() -> None:
    """As systemd reads them: each minute, four times an hour, and once a night."""
    found = {}
    for timer in sorted(UNITS.glob("*.timer")):
        when = dict(unit(timer.name))["OnCalendar"]
        read = systemd(UNITS, "calendar", "--iterations=1", when)
        found[timer.stem] = next(line for line in read.stdout.splitlines() if "Normalized" in line).partition(": ")[2]
    assert found == {
        "anr-daily": "*-*-* *:05,20,35,50:00",
        "anr-upkeep": "*-*-* 03:10:00",
        "anr-watch": "*-*-* *:*:00",
    }


def test_every_variable_and_credential_of_the_bots_unit_is_an_option() -> None:
    """A misspelt one would stop the bot; each file that a variable names is one that systemd lays there."""
    lines = unit("anr-bot.service")
    variables = dict(value.partition("=")[::2] for key, value in lines if key == "Environment")
    laid = {value.partition(":")[0] for key, value in lines if key == "LoadCredential"}
    assert variables.pop("ANR_CONFIG") == "/etc/anr/anr.toml"
    assert all(field_of(path_of(name), Settings) is not None for name in variables)
    assert {value.removeprefix("%d/") for value in variables.values()} == laid


def datagrams(heard: socket.socket) -> Iterator[str]:
    """What a service manager was told."""
    with suppress(BlockingIOError):
        while True:
            yield heard.recv(4096).decode()


def shut_in() -> None:
    """Give up what the unit's sandbox takes, as far as a process can give it up by itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    for what in (NO_NEW_PRIVILEGES, DENY_WRITE_EXECUTE):
        if libc.prctl(what, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    os.umask(0o027)


def as_options(variables: Mapping[str, str]) -> str:
    """An options file that says what these variables say, without the secrets."""
    tables = {
        name.removeprefix("ANR_").lower(): whole(json.loads(value))
        for name, value in variables.items()
        if name.startswith("ANR_") and "__" not in name and value
    }
    return "".join(f"{name} = {toml(table)}\n" for name, table in tables.items())


def whole(value: Any) -> Any:
    """A value of JSON without what TOML has no word for."""
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items() if inner is not None}
    return [whole(inner) for inner in value] if isinstance(value, list) else value


async def test_the_bot_runs_in_its_units_environment(tmp_path: Path) -> None:
    """Nothing but the unit's own variables, another working folder, its umask and its sandbox as far as a process can take it:
    the bot starts with the secrets from files, is operated in Slack, and ends in order when it is asked to.
    """  # noqa: D205 - one sentence
    async with scenery(tmp_path) as (playground, settings):
        variables = environment(settings, {})
        options, credentials, state = tmp_path / "anr.toml", tmp_path / "credentials", tmp_path / "state"
        for folder in (credentials, state):
            folder.mkdir()
        options.write_text(
            as_options({name: value for name, value in variables.items() if name != "ANR_CONFIG"}), encoding="utf-8"
        )
        for name, secret in (("slack-bot-token", "BOT_TOKEN"), ("slack-app-token", "APP_TOKEN")):
            (credentials / name).write_text(variables[f"ANR_SLACK__{secret}"] + "\n", encoding="utf-8")
        (credentials / "alertmanager-token").write_text(" a-bearer-token\r\n", encoding="utf-8")
        own = dict(value.partition("=")[::2] for key, value in unit("anr-bot.service") if key == "Environment")
        given = {name: value.replace("%d", str(credentials)) for name, value in own.items()} | {"ANR_CONFIG": str(options)}
        manager = tmp_path / "notify"
        heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        heard.bind(str(manager))
        words = shlex.split(dict(unit("anr-bot.service"))["ExecStart"])
        assert words == ["/opt/anr/bin/anr", "bot"]
        bot = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("anr"),
            *words[1:],
            cwd=state,
            env={**OF_SYSTEMD, "NOTIFY_SOCKET": str(manager), **given},
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=shut_in,
        )
        ended = asyncio.ensure_future(bot.communicate())
        connected = playground.wait_for(lambda: playground.socket_mode.connections, WAIT)
        try:
            await asyncio.wait({ended, started := asyncio.ensure_future(connected)}, return_when="FIRST_COMPLETED")
            assert not ended.done(), ended.result()[1].decode()
            await started
            await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback it burns")
            await playground.wait_for(lambda: cards(playground, "it burns"), WAIT)
            assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.00"
            bot.terminate()
            _, errors = await ended
        finally:
            if bot.returncode is None:
                bot.kill()
            await ended
        assert (bot.returncode, b"Traceback" in errors) == (0, False), errors.decode()
        assert list(state.iterdir()) == []
        with heard:
            heard.setblocking(False)  # noqa: FBT003 - the library's argument
            told = list(datagrams(heard))
        assert dict(unit("anr-bot.service"))["Type"] == "notify"
        words_told = [word for message in told for word in message.split("\n") if word in {"READY=1", "STOPPING=1"}]
        assert words_told == ["READY=1", "STOPPING=1"]
        assert settings.target.journal.stat().st_mode & 0o007 == 0


@pytest.mark.browser
async def test_polkit_lets_the_account_restart_the_router_and_nothing_else() -> None:
    """The rule as JavaScript runs it, over every unit, verb and account that it could be asked about."""
    rule = (UNITS / "50-anr.rules").read_text(encoding="utf-8")
    ask = """([rule, questions]) => {
        let asked;
        const polkit = {addRule: f => { asked = f; }, Result: {YES: "yes", NOT_HANDLED: "not handled"}};
        new Function("polkit", rule)(polkit);
        return questions.map(([id, user, unit, verb]) => asked(
            {id, lookup: name => ({unit, verb})[name]}, {user}));
    }"""
    manage = "org.freedesktop.systemd1.manage-units"
    may = [(manage, "anr", "nova.service", verb) for verb in ("start", "stop", "restart")]
    may_not = [
        (manage, "nobody", "nova.service", "restart"),
        (manage, "anr", "ssh.service", "restart"),
        (manage, "anr", "nova.service", "kill"),
        (manage, "anr", None, None),
        ("org.freedesktop.systemd1.manage-unit-files", "anr", "nova.service", "restart"),
        ("org.freedesktop.login1.reboot", "anr", None, None),
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*QUIET])
        page = await browser.new_page()
        said = await page.evaluate(ask, [rule, [*may, *may_not]])
        await browser.close()
    assert said == ["yes"] * len(may) + ["not handled"] * len(may_not)


def test_the_sandbox_lets_the_bot_write_where_its_folders_are() -> None:
    """Everything is read-only but the state folder and what is listed; marks outlive a restart, so that nothing is in /run."""
    lines = dict(unit("anr-bot.service"))
    assert (lines["ProtectSystem"], lines["StateDirectory"], lines["WorkingDirectory"]) == ("strict", "anr", "/var/lib/anr")
    assert "RuntimeDirectory" not in lines
    assert lines["ReadWritePaths"].split() == ["-/etc/nova", "-/var/lib/nova"]
