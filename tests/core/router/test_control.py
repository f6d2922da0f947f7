import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.errors import BrakeUnreadable, ReloadFailed, SettingsFileError
from core.router.control import SAFE_SETTINGS, Router, RouterSettings, Written, settings_for
from core.router.marks import Brake
from core.settings.target import TargetSettings
from tests.core.system.test_files import denied, nobodys_folder

AT_10 = b"NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n"
SAFE_BYTES = b"NOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\nNOVA_ANR_KILL=1\n"
TELLS = """
import json, os, sys
from pathlib import Path

Path(sys.argv[1]).write_text(json.dumps({"words": sys.argv[2:], "environment": dict(os.environ)}))
"""


@dataclass(frozen=True)
class Place:
    """A router whose files are in one folder."""

    target: TargetSettings
    brake: Brake
    router: Router

    @property
    def content(self) -> bytes:
        return self.target.settings_file.read_bytes()

    def serve(self, stage: int) -> Written:
        return self.router.serve(stage, self.brake.read())


def place(folder: Path, content: bytes | None = AT_10, **options: Any) -> Place:
    target = TargetSettings.model_validate({"settings_file": folder / "anr.env", "run_dir": folder / "run", **options})
    if content is not None:
        target.settings_file.write_bytes(content)
    brake = Brake(target.run_dir / "brake", target.run_dir / "spare")
    return Place(target, brake, Router(target, brake))


def python(code: str, *words: object) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *map(str, words))


@dataclass(frozen=True)
class Line:
    """One entry of a settings file with its line end; `key` if it is one of the settings that we write."""

    text: str
    key: str | None = None


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n", 25, id="plain"),
        pytest.param("export NOVA_ANR_ENABLED='1'\r\nNOVA_ANR_PILOT = \"0.5\" # half", 50, id="export-quotes-crlf-comment"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_PILOT=0.75\n", 75, id="the-last-of-two-wins"),
        pytest.param("NOVA_ANR_ENABLED=0\nNOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=1\n", 100, id="the-last-switch-wins"),
        pytest.param("NOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.25\n", 0, id="switched-off"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_KILL=1\nNOVA_ANR_PILOT=0.25\n", 0, id="killed"),
        pytest.param("NOVA_ANR_PILOT=0.25\n", 0, id="never-switched-on"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.00\n", 0, id="pilot-of-zero"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=garbage\n", None, id="pilot-is-a-word"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=\n", None, id="pilot-is-empty"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT\n", None, id="pilot-has-no-value"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0,25\n", None, id="pilot-with-a-comma"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=25%\n", None, id="pilot-in-percent"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=25\n", None, id="pilot-above-one"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=-0.1\n", None, id="pilot-below-zero"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.105\n", None, id="pilot-between-two-percents"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=nan\n", None, id="pilot-is-not-a-number"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=inf\n", None, id="pilot-is-infinite"),
        pytest.param(
            "NOVA_ANR_ENABLED=true\nNOVA_ANR_PILOT=0.25\n",
            None,
            id="switch-is-a-word",
        ),
    ],
)
def test_the_stage_is_what_the_file_says_or_unknown(tmp_path: Path, text: str, stage: int | None) -> None:
    """Settings that cannot be understood give no stage, never stage 0."""
    assert place(tmp_path, text.encode()).router.settings().stage == stage


def test_only_the_routers_own_settings_are_told(tmp_path: Path) -> None:
    """Other keys of the file, which may be secrets, never get into receipts."""
    here = place(tmp_path, b"TOKEN=secret\n" + AT_10 + b"NOVA_DB_PASSWORD='x y'\n")
    assert here.router.settings() == RouterSettings({"NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.10"})


UNREADABLE = ["latin-1", "too long", "directory", "link in a circle"]


def unreadable(folder: Path, kind: str) -> Place:
    here = place(folder, None)
    path = here.target.settings_file
    if kind == "latin-1":
        path.write_bytes("# Zürich\n".encode("latin-1") + AT_10)
    elif kind == "too long":
        path.write_bytes(AT_10 + b"#" * (1 << 20))
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(path)
    return here


@pytest.mark.parametrize("kind", [*UNREADABLE, "missing"])
def test_a_file_that_cannot_be_read_is_an_error_and_never_a_stage(tmp_path: Path, kind: str) -> None:
    """Whoever asks for the settings is told which file cannot be read, and that nothing was changed."""
    here = place(tmp_path, None) if kind == "missing" else unreadable(tmp_path, kind)
    with pytest.raises(SettingsFileError, match=r"anr\.env (cannot be read|does not exist).*Nothing was changed"):
        here.router.settings()


@pytest.mark.parametrize("kind", ["latin-1", "too long"])
def test_a_stage_is_never_written_over_a_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    """A promotion does not throw away settings that it does not understand."""
    here = unreadable(tmp_path, kind)
    before = here.content
    with pytest.raises(SettingsFileError, match=r"cannot be read .*Nothing was changed"):
        here.serve(25)
    assert here.content == before


def test_a_file_that_is_too_long_is_not_replaced_unread(tmp_path: Path) -> None:
    """Whatever stands at `settings_file` by mistake, a ledger for example, is not overwritten, and the router not called safe."""
    here = unreadable(tmp_path, "too long")
    before = here.content
    (problem,) = here.router.make_safe()
    assert "is longer than the 1048576 bytes" in problem
    assert here.content == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["anr.env"]


def test_a_line_that_is_no_setting_is_named(tmp_path: Path) -> None:
    """A file that dotenv readers would read in different ways is an error that says where."""
    here = place(tmp_path, AT_10 + b"THIS IS NONE\n")
    with pytest.raises(SettingsFileError, match=r"Line 3 of .*anr\.env is not KEY=value\. Nothing was changed"):
        here.router.settings()


def test_a_line_that_is_no_setting_is_named_behind_blank_lines(tmp_path: Path) -> None:
    """The number is that of the line itself."""
    with pytest.raises(SettingsFileError, match="Line 5 of "):
        place(tmp_path, AT_10 + b"\n\nTHIS IS NONE\n").router.settings()


def test_a_stage_is_never_written_beside_a_line_that_is_no_setting(tmp_path: Path) -> None:
    """The error that says that nothing was changed is true."""
    here = place(tmp_path, AT_10 + b"THIS IS NONE\n")
    with pytest.raises(SettingsFileError, match="Nothing was changed"):
        here.serve(25)
    assert here.content == AT_10 + b"THIS IS NONE\n"


def test_the_brake_never_says_that_nothing_was_changed_when_it_was(tmp_path: Path) -> None:
    """A line that is no setting does not make the brake tell an untruth."""
    here = place(tmp_path, AT_10 + b"THIS IS NONE\n")
    problems = here.router.make_safe()
    assert here.content != AT_10 + b"THIS IS NONE\n"
    assert "Nothing was changed" not in " ".join(problems)


def test_the_brake_reaches_the_router_through_a_link(tmp_path: Path) -> None:
    """When the settings file is a link, the file that it points to is made safe, or a problem is told."""
    (tmp_path / "real.env").write_bytes(AT_10)
    (tmp_path / "anr.env").symlink_to(tmp_path / "real.env")
    problems = place(tmp_path, None).router.make_safe()
    assert problems or (tmp_path / "real.env").read_bytes() == SAFE_BYTES


def test_a_file_that_cannot_be_written_is_as_it_was() -> None:
    """A promotion fails with the old settings and no reload; the brake tells the problem, and reloads all the same."""
    with nobodys_folder() as folder, nobodys_folder() as elsewhere:
        here = place(folder, reload_command=("touch", str(elsewhere / "reloaded")))
        os.chown(here.target.settings_file, folder.stat().st_uid, -1)
        here.target.settings_file.chmod(0o444)
        with denied(folder, 0o500):
            with pytest.raises(SettingsFileError, match=r"is read-only for the account"):
                here.serve(25)
            assert not (elsewhere / "reloaded").exists()
            (problem,) = here.router.make_safe()
        assert "could not be written (Permission denied); it is as it was" in problem
        assert here.content == AT_10
        assert (elsewhere / "reloaded").exists()


def test_a_file_that_somebody_made_read_only_is_left_alone_by_all_but_the_brake() -> None:
    """A promotion is refused and the file is as it was; a rollback replaces it."""
    with nobodys_folder() as folder:
        here = place(folder)
        os.chown(here.target.settings_file, folder.stat().st_uid, -1)
        here.target.settings_file.chmod(0o444)
        with denied(folder, 0o700):
            with pytest.raises(SettingsFileError, match="is read-only"):
                here.serve(25)
            assert here.content == AT_10
            assert here.router.make_safe() == ()
        assert here.content == SAFE_BYTES


def test_the_reload_gets_the_safe_settings_even_if_the_file_could_not_be_written(tmp_path: Path) -> None:
    """With a directory in the file's place the command is the only one who can still be told."""
    told = tmp_path / "told"
    here = place(tmp_path, None, reload_command=python(TELLS, told))
    here.target.settings_file.mkdir()
    (problem,) = here.router.make_safe()
    assert "cannot be read (it is not a regular file)" in problem
    assert json.loads(told.read_bytes())["environment"].items() >= SAFE_SETTINGS.items()


def test_a_folder_that_may_not_be_searched_does_not_stop_the_brake() -> None:
    """The brake tells the problem, and the reload command still gets the safe settings."""
    with nobodys_folder() as folder, nobodys_folder() as elsewhere:
        here = place(folder, reload_command=("touch", str(elsewhere / "reloaded")))
        with denied(folder, 0o000):
            problems = here.router.make_safe()
        assert [problem for problem in problems if "cannot be read (Permission denied)" in problem]
        assert (elsewhere / "reloaded").exists()


# --- the reload command -----------------------------------------------------------------------------------------------


def running(mark: str) -> list[str]:
    """Processes of this machine that have `mark` on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # ended meanwhile
        if mark.encode() in words:
            found.append(path.parent.name)
    return found


FAILING = [
    pytest.param(python("raise SystemExit(3)"), "The reload command ended with 3", id="exit-code"),
    pytest.param(
        python("import os, signal; os.kill(os.getpid(), signal.SIGTERM)"),
        "The reload command ended with -15",
        id="killed-by-signal",
    ),
    pytest.param(("/does/not/exist",), r"cannot be started \(No such file or directory\)", id="no-such-command"),
    pytest.param((__file__,), r"cannot be started \(Permission denied\)", id="not-executable"),
    pytest.param(("/",), r"cannot be started \(Permission denied\)", id="a-directory"),
]


@pytest.mark.parametrize(("command", "message"), FAILING)
def test_a_reload_that_fails_is_told(tmp_path: Path, command: tuple[str, ...], message: str) -> None:
    """A promotion raises with its settings in the file, the brake names the same problem with the safe ones there."""
    here = place(tmp_path, reload_command=command)
    with pytest.raises(ReloadFailed, match=message + r".*The router (may still run|runs) its old settings\."):
        here.serve(25)
    assert here.router.settings().stage == 25
    (problem,) = here.router.make_safe()
    assert re.search(message, problem)
    assert here.router.settings().carries(SAFE_SETTINGS)


def test_a_reload_without_end_is_killed(tmp_path: Path) -> None:
    """After its time limit the command is gone, and promotion and brake both say how long they waited."""
    mark = f"mark of {tmp_path}"
    here = place(tmp_path, reload_command=python("import time; time.sleep(60)", mark), reload_timeout_s=0.2)
    with pytest.raises(ReloadFailed, match=r"took longer than 0\.2 s and was stopped"):
        here.serve(25)
    assert running(mark) == []
    (problem,) = here.router.make_safe()
    assert "took longer than 0.2 s and was stopped" in problem
    assert running(mark) == []


def test_no_shell_reads_the_arguments_of_the_reload(tmp_path: Path) -> None:
    """Whatever stands in an argument arrives as it is, and nothing of it is carried out."""
    told, trap = tmp_path / "told", tmp_path / "trap"
    words = [
        "",
        "a b",
        "*",
        "$HOME",
        "~",
        f"; touch {trap}",
        f"$(touch {trap})",
        f"`touch {trap}`",
        f"| tee {trap}",
        "'\"\\",
        "\n",
        "ü",
    ]
    here = place(tmp_path, reload_command=python(TELLS, told, *words))
    assert not here.serve(25).overtaken
    assert json.loads(told.read_bytes())["words"] == words
    assert not trap.exists()


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(None, id="safe"),
        pytest.param(
            25,
            id="a-stage",
        ),
    ],
)
def test_the_reload_gets_the_settings_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: int | None
) -> None:
    """The settings that were written are there, and what a program needs to run; no token of ours, and nothing else of ours."""
    monkeypatch.setenv("NOVA_ANR_KILL", "0" if stage is None else "1")
    monkeypatch.setenv("ANR_SLACK__BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    monkeypatch.setenv("HOME", str(tmp_path))
    told = tmp_path / "told"
    here = place(tmp_path, reload_command=python(TELLS, told))
    if stage is None:
        assert here.router.make_safe() == ()
    else:
        assert not here.serve(stage).overtaken
    environment = json.loads(told.read_bytes())["environment"]
    wanted = SAFE_SETTINGS if stage is None else settings_for(stage, here.target.gates.fast_cap)
    assert {name: environment.get(name) for name in wanted} == wanted
    assert (environment["HOME"], environment["PATH"]) == (str(tmp_path), os.environ["PATH"])
    assert {name for name in environment if name.startswith("ANR_") or name == "DATABASE_PASSWORD"} == set()


def test_the_reload_runs_when_the_file_says_it_all(tmp_path: Path) -> None:
    """The command finds in the file what it is to load."""
    seen = tmp_path / "seen"
    code = "import sys; from pathlib import Path; Path(sys.argv[2]).write_bytes(Path(sys.argv[1]).read_bytes())"
    here = place(tmp_path, reload_command=python(code, tmp_path / "anr.env", seen))
    assert here.serve(50).observed.stage == 50
    assert seen.read_bytes() == here.content


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os; os.write(1, b'x' * 300_000); os.write(2, b'x' * 300_000)", id="that-says-much"),
        pytest.param("import sys; raise SystemExit(len(sys.stdin.read()))", id="that-asks-for-input"),
    ],
)
def test_a_reload_does_not_wait_for_us(tmp_path: Path, code: str) -> None:
    """A command is neither held up by output that nobody wants nor by input that nobody gives."""
    assert place(tmp_path, reload_command=python(code), reload_timeout_s=20).router.make_safe() == ()


def test_a_reload_that_leaves_a_process_in_the_background_has_ended(tmp_path: Path) -> None:
    """The command's own exit code counts, whatever it has started."""
    here = place(tmp_path, reload_command=("sh", "-c", "sleep 3 & exit 0"), reload_timeout_s=0.5)
    assert here.router.make_safe() == ()


BRAKES = "import sys; from pathlib import Path; p = Path(sys.argv[1]); p.mkdir(parents=True, exist_ok=True); {}; sys.exit({})"


@pytest.mark.parametrize("code", [0, 1], ids=["and-succeeds", "and-fails"])
def test_a_brake_during_the_reload_wins(tmp_path: Path, code: int) -> None:
    """When the marks change while the command runs, the router is put in its safe settings, however the command ends."""
    change = "(p / 'token').write_text('other')"
    here = place(tmp_path, reload_command=python(BRAKES.format(change, code), tmp_path / "run" / "brake"))
    written = here.serve(25)
    assert (written.overtaken, written.observed.stage) == (True, 0)
    assert here.router.settings().carries(SAFE_SETTINGS)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(0, id="and-succeeds"),
        pytest.param(
            1,
            id="and-fails",
        ),
    ],
)
def test_marks_that_become_unreadable_during_the_reload_make_the_router_safe(tmp_path: Path, code: int) -> None:
    """When nobody can say any more whether the brake is on, the safe settings are applied before that is told."""
    change = "(p / 'token').mkdir(exist_ok=True)"
    here = place(tmp_path, reload_command=python(BRAKES.format(change, code), tmp_path / "run" / "brake"))
    with pytest.raises(BrakeUnreadable):
        here.serve(25)
    assert here.router.settings().carries(SAFE_SETTINGS)
