"""What a command imports: a process that is started anew for every command waits for all of it."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_group

import bot.cli.table  # noqa: F401 - adds the bot's commands
from core.cli.app import COMMANDS, FURTHER_COMMANDS
from core.router.control import SAFE_SETTINGS
from core.router.envfile import settings_in

SLOW = {"aiohttp", "apscheduler", "matplotlib", "numpy", "rich", "slack_bolt", "slack_sdk", "sqlalchemy", "structlog", "urllib3"}
# SQLAlchemy imports asyncio, what reads a ledger multiprocessing
SLOW |= {"alembic", "asyncio", "core.upkeep.archive", "core.upkeep.drill", "multiprocessing", "core.journal.inspection.inspect"}
PROGRAM = f"""
import sys
from bot.cli.main import main
try:
    main()
finally:
    print("imported:", *({SLOW} & set(sys.modules)), file=sys.stderr)
"""
PROBE = """
import sys
from bot.cli.main import main
from core.cli.app import COMMANDS, Listed
COMMANDS["probe"] = Listed("probe", "")
sys.argv = ["anr", "probe"]
main()
"""


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        pytest.param(["report", "--json", "--now", "2025-10-01T09:05:00Z"], {"multiprocessing", "numpy"}, id="report"),
        pytest.param(["freeze", "--reason", "it burns"], {"asyncio", "rich", "sqlalchemy"}, id="freeze"),
        pytest.param(["rollback", "--json"], {"asyncio", "sqlalchemy"}, id="rollback"),
        pytest.param(["receipts", "--json"], {"asyncio", "rich", "sqlalchemy"}, id="receipts"),
        pytest.param(["status", "--json"], {"asyncio", "multiprocessing", "numpy", "rich", "sqlalchemy", "urllib3"}, id="status"),
        pytest.param(["nothing"], set(), id="no-command"),
    ],
)
def test_a_command_imports_nothing_slow_that_it_does_not_use(tmp_path: Path, words: list[str], needed: set[str]) -> None:
    """A brake waits for no figures, a report for no journal, JSON for no tables, and no command for Slack."""
    (tmp_path / "anr.env").write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    (tmp_path / "ledger.ndjson").write_text('{"t":"2025-10-01T09:00:00Z"}\n', encoding="utf-8")
    options = {"SETTINGS_FILE": "anr.env", "LEDGER": "ledger.ndjson", "HEALTH_URL": "http://127.0.0.1:1/"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=tmp_path,
        env={
            "PATH": "",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **{f"ANR_TARGET__{name}": what for name, what in options.items()},
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == (2 if words == ["nothing"] else 0), done.stderr
    *_, told = done.stderr.splitlines()
    assert set(told.split()) - {"imported:"} == needed


def test_help_imports_no_command() -> None:
    """Whoever asks what there is waits for a table, not for every command with all that it needs."""
    program = """
import sys
from bot.cli.main import main
sys.argv = ["anr", "--help"]
try:
    main()
finally:
    print("imported:", *sorted(sys.modules), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    imported = set(done.stderr.split())
    commands = {listed.module for listed in (*COMMANDS.values(), *FURTHER_COMMANDS.values())}
    assert imported & commands == set()
    assert imported & (SLOW | {"asyncio", "pydantic", "multiprocessing", "core.cli.context", "core.settings.settings"}) == set()
    assert "break-glass" in done.stdout
    assert "Run the Slack bot until it is stopped." in done.stdout


@pytest.mark.parametrize("name", [*COMMANDS, *FURTHER_COMMANDS])
def test_help_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    """The summary in the table is the first thing that `anr NAME --help` says."""
    listed = {**COMMANDS, **FURTHER_COMMANDS}[name]
    command = get_group(import_module(listed.module).commands).commands[name]
    assert listed.summary == command.help


def test_a_module_that_cannot_be_imported_is_no_unknown_command(tmp_path: Path) -> None:
    """Exit code 3 with the trace: whoever reads "no such command" would look for a misspelling."""
    (tmp_path / "probe.py").write_text("{}['missing']\n", encoding="utf-8")
    paths = f"{Path(__file__).parents[2]}{os.pathsep}{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env={"PYTHONPATH": paths}, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, "KeyError: 'missing'" in done.stderr) == (3, True), done.stderr


def test_a_brake_makes_the_router_safe_before_the_journal_is_imported(tmp_path: Path) -> None:
    """Even an installation of SQLAlchemy that is broken comes too late to keep a brake from acting."""
    (tmp_path / "anr.env").write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    program = (
        "import sys; sys.modules['sqlalchemy'] = None; from bot.cli.main import main; sys.argv = ['anr', 'rollback']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(Path(__file__).parents[2]), "ANR_TARGET__SETTINGS_FILE": "anr.env"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, "import of sqlalchemy" in done.stderr) == (3, True), done.stderr
    assert settings_in((tmp_path / "anr.env").read_text(encoding="utf-8"))[0] == SAFE_SETTINGS
    assert len(list((tmp_path / "run" / "anr" / "brake").glob("note-*.json"))) == 1


def test_figures_are_measured_without_threads_that_nobody_needs() -> None:
    """A linear algebra that nobody calls would start one a processor; what the router's reload inherits is as it was."""
    program = "import os, core.scan.scan, psutil; print(psutil.Process().num_threads(), flush=True); os.system('env')"
    environment = {name: what for name, what in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    threads, *inherited = done.stdout.splitlines()
    assert threads == "1"
    assert [line for line in inherited if line.startswith("OPENBLAS")] == []


def test_a_command_collects_garbage_but_not_what_was_imported(tmp_path: Path) -> None:
    """The bot runs for months: only while it is imported, and when it has ended, nothing is looked for."""
    (tmp_path / "probe.py").write_text(
        "import gc, typer\n"
        "imported = gc.isenabled()\n"
        "commands = typer.Typer()\n"
        "@commands.command()\n"
        "def probe() -> None:\n"
        "    print(imported, gc.isenabled(), gc.get_freeze_count() > 1000)\n",
        encoding="utf-8",
    )
    paths = f"{Path(__file__).parents[2]}{os.pathsep}{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env={"PYTHONPATH": paths}, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["False", "True", "True"]
