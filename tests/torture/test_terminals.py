"""Every command on terminals that show little, and on streams that take nothing: what was to be done is done all the same.

One process a terminal, which forks for each command, so that a stream is as the interpreter made it.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import bot.cli.table  # noqa: F401 - adds the bot's commands
from core.cli.app import COMMANDS, FURTHER_COMMANDS
from core.cli.output import DONE, FAILED
from tests.support.rig import Rig
from tests.support.terminal import ME, PERSON, toml

pytestmark = pytest.mark.torture

REASON = "Zürich → 💥 \udcff\x1b[31m"
"""Nothing of it is in a Windows code page, one sign is no text at all, and one would colour the terminal."""
BRAKES = {"rollback", "freeze"}
WORDS: dict[str, list[str]] = {
    "init": ["init", "--reason", REASON],
    "report": ["report"],
    "status": ["status"],
    "promote": ["promote", "0", "-r", REASON],
    "approve": ["approve", REASON],
    "deny": ["deny", REASON, "-r", REASON],
    "rollback": ["rollback", "-r", REASON],
    "freeze": ["freeze", "-r", REASON, "--for", REASON],
    "unfreeze": ["unfreeze", REASON],
    "shadow": ["shadow", "-r", REASON],
    "receipts": ["receipts"],
    "verify": ["verify"],
    "recover": ["recover"],
    "daily": ["daily"],
    "why": ["why"],
    "next": ["next"],
    "watch": ["watch"],
    "schedule": ["schedule", "pause", "-r", REASON],
    "drift": ["drift", "accept"],
    "skip": ["skip", "-r", REASON],
    "break-glass": ["break-glass", REASON],
    "review": ["review"],
    "backup": ["backup"],
    "backups": ["backups"],
    "restore": ["restore", REASON],
    "state": ["state", "reset", "-r", REASON],
    "drill": ["drill"],
    "prune": ["prune", "--dry-run"],
    "backtest": ["backtest", "--from", "2025-09-30", "--to", "2025-10-01"],
    "ledger": ["ledger", "archive", "--dry-run"],
    "config": ["config", "check"],
    "doctor": ["doctor"],
    "manifest": ["manifest"],
    "journal": ["journal", "check"],
    "docs": ["docs"],
}
SERVERS = {"bot", "demo"}
DRIVER = f"""
import json, os, sys, traceback
from pathlib import Path
import bot.cli.main
from importlib import import_module
from core.cli.app import COMMANDS, FURTHER_COMMANDS
from core.settings import account
for listed in (*COMMANDS.values(), *FURTHER_COMMANDS.values()):
    import_module(listed.module)  # once for all that are forked from here
answers = Path(sys.argv[1])
ended = {{}}
for name, words, folder in json.loads(Path(sys.argv[2]).read_text()):
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["ANR_CONFIG"] = "anr.toml"
        (Path("uid_map")).write_text("0 0 4294967295\\n")
        account.UID_MAP = Path("uid_map").absolute()
        os.getuid = lambda: {PERSON}
        os.getgid = lambda: {PERSON}
        os.getgroups = lambda: [{PERSON}]
        sys.argv = ["anr", *words]
        try:
            bot.cli.main.main()
        except SystemExit as end:
            os._exit(end.code or 0)
        except BaseException:
            Path("trace").write_text(traceback.format_exc())
            os._exit(99)
        os._exit(0)
    ended[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
answers.write_text(json.dumps(ended))
"""
PLAIN = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
TERMINALS = {
    "utf-8": ({"PYTHONIOENCODING": "utf-8"}, ""),
    "cp1252": ({**PLAIN, "LC_ALL": "C", "PYTHONIOENCODING": "cp1252:strict"}, ""),
    "all-closed": ({}, "<&- >&- 2>&-"),
    "all-full": ({}, ">/dev/full 2>/dev/full"),
}


@dataclass(frozen=True)
class Left:
    """What a command left behind.

    Attributes:
        code: its exit code.
        settings: the router's settings file.
        receipts: the receipts that it wrote, by their names without times.
        trace: of what nobody foresaw.
    """

    code: int
    settings: bytes
    receipts: int
    trace: str


def site(rig: Rig, folder: Path) -> Path:
    """A folder with a whole site, whose options name everything by relative paths."""
    whole = folder / "site"
    whole.mkdir()
    names = ("ledger", "settings_file", "journal", "receipts_dir", "run_dir", "state_file", "backups_dir")
    rig.settings.state_file.write_text('{"R1": 1}', encoding="utf-8")
    for name in names:
        found: Path = getattr(rig.settings, name)
        for path in found.parent.glob(f"{found.name}*"):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, whole / path.name)
    relative = {name: getattr(rig.settings, name).name for name in names}
    options = {**relative, "health_url": rig.settings.health_url, "observe_timeout_s": 0, "soak_hours": 0}
    everyone = f"operators = {toml([ME])}\napprovers = {toml([ME, 'UAARON'])}\n"
    (whole / "anr.toml").write_text(everyone + f"target = {toml(options)}\n", encoding="utf-8")
    return whole


def run(whole: Path, folder: Path, environment: dict[str, str], streams: str) -> dict[str, Left]:
    """Type every command on one terminal, each at a site of its own."""
    folder.mkdir()
    names = [name for name in (*COMMANDS, *FURTHER_COMMANDS) if name not in SERVERS]
    for name in names:
        shutil.copytree(whole, folder / name)
    (folder / "words").write_text(json.dumps([(name, WORDS[name], str(folder / name)) for name in names]), encoding="utf-8")
    (folder / "driver.py").write_text(DRIVER, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANR_", "PYTHON", "LC_", "LANG"))}
    subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$@" {streams}', sys.executable, "driver.py", "answers", "words"],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        check=True,
        timeout=1200,
    )
    codes = json.loads((folder / "answers").read_text(encoding="utf-8"))
    return {name: _left(folder / name, codes[name]) for name in names}


def _left(folder: Path, code: int) -> Left:
    trace = folder / "trace"
    return Left(
        code,
        (folder / "anr.env").read_bytes(),
        len(list((folder / "logs").glob("*.json"))),
        trace.read_text(encoding="utf-8") if trace.exists() else "",
    )


def test_every_command_is_in_the_table() -> None:
    """A new command is typed on every terminal, too."""
    assert set(WORDS) >= {*COMMANDS, *FURTHER_COMMANDS} - SERVERS


def test_no_terminal_changes_what_a_command_does(begun: Rig, tmp_path: Path) -> None:
    """What cannot be shown is replaced, and what cannot be written is lost; settings and receipts are those of a terminal that
    shows everything. A command that was asked for its words fails where they reach nobody; a brake never does.
    """  # noqa: D205 - one sentence
    begun.target.journal.close()
    whole = site(begun, tmp_path)
    found = {terminal: run(whole, tmp_path / terminal, *how) for terminal, how in TERMINALS.items()}
    expected = found["utf-8"]
    done = {name for name, left in expected.items() if left.code == DONE}
    assert done >= {"promote", "freeze", "rollback", "status", "receipts", "skip"}, done
    for terminal, commands in found.items():
        deaf = bool(TERMINALS[terminal][1])
        for name, left in commands.items():
            told = f"{name} on {terminal}: {left.trace}"
            lost = deaf and name not in BRAKES and expected[name].code == DONE
            assert left.code == (FAILED if lost else expected[name].code), told
            assert (left.settings, left.receipts) == (expected[name].settings, expected[name].receipts), told
