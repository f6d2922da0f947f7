import json
import os
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.brake import Brake
from core.canonical import canonical_bytes
from core.errors import BrakeUnreadable, ReloadFailed, SettingsFileError
from core.gates import GateName, GatePolicy, SlotsHealth, Verdict, evaluate
from core.metrics import LedgerSpan, Tally, Window
from core.router import SAFE_SETTINGS, Router, RouterSettings, Written, settings_for
from core.target import LADDER, Target
from tests.core.conftest import NOW
from tests.core.test_files import denied, nobodys_folder

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

    target: Target
    brake: Brake
    router: Router

    @property
    def content(self) -> bytes:
        return self.target.settings_file.read_bytes()

    def serve(self, stage: int) -> Written:
        return self.router.serve(stage, self.brake.read())


def place(folder: Path, content: bytes | None = AT_10, **options: Any) -> Place:
    target = Target.model_validate({"settings_file": folder / "anr.env", "run_dir": folder / "run", **options})
    if content is not None:
        target.settings_file.write_bytes(content)
    brake = Brake(target.run_dir / "brake", target.run_dir / "spare")
    return Place(target, brake, Router(target, brake))


def python(code: str, *words: object) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *map(str, words))


# --- the settings file ------------------------------------------------------------------------------------------------


EDITS = [
    pytest.param(b"", SAFE_BYTES, id="empty"),
    pytest.param(None, SAFE_BYTES, id="missing"),
    pytest.param(
        b"# ours\n\nOTHER='a b'\nNOVA_ANR_KILL=0\n\n  # a # b\nPATH_X=\"q # no\" # yes\nNOVA_B=1\nNOVA_ANR_PILOT=0.25\nLAST\n",
        b"# ours\n\nOTHER='a b'\nNOVA_ANR_KILL=1\n\n  # a # b\nPATH_X=\"q # no\" # yes\nNOVA_B=1\nNOVA_ANR_PILOT=0.00\nLAST\n"
        b"NOVA_ANR_ENABLED=0\n",
        id="unknown-keys-comments-order-and-quotes-stay",
    ),
    pytest.param(
        b"NOVA_ANR_PILOT=\"0.25\"\nNOVA_ANR_ENABLED='1'\nNOVA_ANR_KILL = 0\n",
        b"NOVA_ANR_PILOT=0.00\nNOVA_ANR_ENABLED=0\nNOVA_ANR_KILL=1\n",
        id="our-own-values-lose-their-quotes",
    ),
    pytest.param(
        b"\tNOVA_ANR_KILL=0\n    NOVA_ANR_PILOT\n",
        b"\tNOVA_ANR_KILL=1\n    NOVA_ANR_PILOT=0.00\nNOVA_ANR_ENABLED=0\n",
        id="indents-stay",
    ),
    pytest.param(b"export A=1\nexport  B='2'\n", b"export A=1\nexport  B='2'\n" + SAFE_BYTES, id="export-of-others-stays"),
    pytest.param(
        b"A=1\r\nNOVA_ANR_PILOT=0.25\r\n",
        b"A=1\r\nNOVA_ANR_PILOT=0.00\r\nNOVA_ANR_ENABLED=0\r\nNOVA_ANR_KILL=1\r\n",
        id="crlf-stays-crlf",
    ),
    pytest.param(b"A=1", b"A=1\n" + SAFE_BYTES, id="no-final-newline-after-an-unknown-key"),
    pytest.param(b"A=1\r\n# end", b"A=1\r\n# end\r\n" + SAFE_BYTES.replace(b"\n", b"\r\n"), id="no-final-newline-and-crlf"),
    pytest.param(
        b"NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_KILL=0", SAFE_BYTES, id="no-final-newline-after-our-own-key"
    ),
    pytest.param(
        b"NOVA_ANR_PILOT=0.10\nA=1\nNOVA_ANR_PILOT=0.25\nNOVA_ANR_PILOT=0.50\nA=2\n",
        b"NOVA_ANR_PILOT=0.00\nA=1\nA=2\nNOVA_ANR_ENABLED=0\nNOVA_ANR_KILL=1\n",
        id="our-own-duplicates-become-one-and-others-stay",
    ),
    pytest.param(
        b'A=\'\nNOVA_ANR_KILL=0\n\'\nB="\\"\nNOVA_ANR_PILOT=1"\n',
        b'A=\'\nNOVA_ANR_KILL=0\n\'\nB="\\"\nNOVA_ANR_PILOT=1"\n' + SAFE_BYTES,
        id="a-line-inside-quotes-is-no-setting",
    ),
    pytest.param(
        b"NOVA_ANR_KILL_SWITCH=0\n#NOVA_ANR_KILL=0\nXNOVA_ANR_KILL=0\n",
        b"NOVA_ANR_KILL_SWITCH=0\n#NOVA_ANR_KILL=0\nXNOVA_ANR_KILL=0\n" + SAFE_BYTES,
        id="names-that-look-alike-are-others",
    ),
    pytest.param(
        b"export NOVA_ANR_KILL=0\n",
        b"export NOVA_ANR_KILL=1\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="export-of-our-own-stays",
    ),
    pytest.param(
        b"NOVA_ANR_KILL=0 # see the runbook\n",
        b"NOVA_ANR_KILL=1 # see the runbook\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="a-comment-behind-our-own-value-stays",
    ),
    pytest.param(
        b"NOVA_ANR_KILL=0\n\n\nNOVA_ANR_KILL=0\nA=1\n",
        b"NOVA_ANR_KILL=1\n\n\nA=1\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="blank-lines-before-a-duplicate-stay",
    ),
    pytest.param(
        b"\xef\xbb\xbfA=1\n",
        b"\xef\xbb\xbfA=1\n" + SAFE_BYTES,
        id="a-byte-order-mark-stays",
    ),
]


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_only_the_settings_that_are_written_change(tmp_path: Path, before: bytes | None, after: bytes) -> None:
    """Every byte that is not one of the written settings is where it was, and writing again changes nothing."""
    here = place(tmp_path, before)
    assert here.router.make_safe() == ()
    assert here.content == after
    assert here.router.make_safe() == ()
    assert here.content == after


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """A file that Notepad saved is read and edited like any other: its first setting is found, not written a second time."""
    here = place(tmp_path, b"\xef\xbb\xbf" + AT_10)
    assert here.router.settings().stage == 10
    assert here.router.make_safe() == ()
    assert here.content.removeprefix(b"\xef\xbb\xbf") == SAFE_BYTES


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12)
UNQUOTED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n'\""), max_size=12)
QUOTED = st.builds(
    "{0}{1}{2}{3}{0}".format,
    st.just("'"),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r'\\"), max_size=8),
    st.sampled_from(["", "\nNOVA_ANR_KILL=7\n", "\r\n# NOVA_ANR_PILOT\r\n", '"', "\\'", "\\\\"]),
    st.sampled_from(["", " "]),
)
INDENT = st.sampled_from(["", "", "  ", "\t"])
EXPORT = st.sampled_from(["", "", "export ", "export\t "])
REMARK = st.sampled_from(["", "", " # why", "\t#"])
OTHER_KEYS = st.sampled_from(["OTHER", "NOVA_OTHER", "NOVA_ANR_KILLER", "nova_anr_kill", "X_NOVA_ANR_PILOT", "A.B-C"])
OWN_KEYS = st.sampled_from([*SAFE_SETTINGS, "NOVA_ANR_MAX_FAST_PROB", "NOVA_ANR_STRICT_ON_ANOMALY"])
OWN_VALUES = st.sampled_from(["", "=", "=0", "=1", " = 0.25", '="0.10"', "= '1'", "=garbage", "=#"])
OTHER_LINES = st.one_of(
    st.builds("{}#{}".format, INDENT, TEXT),
    st.builds("{}{}{}".format, INDENT, EXPORT, OTHER_KEYS),
    st.builds("{}{}{}{}{}".format, INDENT, EXPORT, OTHER_KEYS, st.sampled_from(["=", " = "]), UNQUOTED),
    st.builds("{}{}{}={}{}".format, INDENT, EXPORT, OTHER_KEYS, QUOTED, REMARK),
    st.sampled_from(["", " ", "\t "]),
)
OWN_LINES = st.builds("{}{}{}{}{}".format, INDENT, EXPORT, OWN_KEYS, OWN_VALUES, REMARK)


@dataclass(frozen=True)
class Line:
    """One entry of a settings file with its line end; `key` if it is one of the settings that we write."""

    text: str
    key: str | None = None


@st.composite
def settings_files(draw: st.DrawFn) -> list[Line]:
    """Settings files of entries that dotenv readers understand, our own ones among them any number of times."""
    lines: list[Line] = []
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n"]]))
    for own in draw(st.lists(st.booleans(), max_size=12)):
        text = draw(OWN_LINES if own else OTHER_LINES)
        key = next(name for name in re.split(r"[\s=#]", text.strip().removeprefix("export").strip()) if name) if own else None
        while key and any(line.key == key for line in lines) and lines[-1].text.isspace():
            lines.pop()  # blank lines before a duplicate: see the example of its own
        lines.append(Line(text + draw(st.sampled_from(ends)), key))
    if draw(st.booleans()) and lines:
        lines[-1] = Line(lines[-1].text.rstrip("\r\n"), lines[-1].key)
    return lines


@settings(deadline=None)
@given(lines=settings_files(), stage=st.sampled_from([None, *LADDER]))
def test_what_is_written_is_read_back_and_every_other_line_stays(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Line], stage: int | None
) -> None:
    """Whatever lines a file has, each written setting stands there once with its value, and the rest is the same to the byte."""
    text = "".join(line.text for line in lines)
    here = place(tmp_path_factory.mktemp("router"), text.encode())
    wanted = dict(SAFE_SETTINGS) if stage is None else settings_for(stage, here.target.gates.fast_cap)
    before = here.router.settings()
    if stage is None:
        assert here.router.make_safe() == ()
    else:
        assert here.serve(stage) == Written(here.router.settings(), overtaken=False)
    after = here.router.settings()
    assert after == RouterSettings({**before.values, **wanted})
    assert after.stage == (stage or 0)
    rest = here.content.decode()
    for name, value in wanted.items():
        own = rf"^[ \t]*(?:export[ \t]+)?{name}=(['\"]?){re.escape(value)}\1[ \t]*(?:#[^\r\n]*)?(?:\r?\n|\Z)"
        rest, times = re.subn(own, "", rest, flags=re.MULTILINE)
        assert times == 1, (name, here.content)
    others = "".join(line.text for line in lines if line.key not in wanted)
    ended = "" if not text or text.endswith("\n") else "\r\n" if "\r\n" in text else "\n"
    assert rest in {others, others + ended}


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
    here = place(tmp_path, b"TOKEN=secret\n" + AT_10 + b"NOVA_OTHER='x y'\n")
    assert here.router.settings() == RouterSettings({"NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.10", "NOVA_OTHER": "x y"})


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


@pytest.mark.parametrize("kind", ["latin-1", "too long"])
def test_the_brake_does_not_wait_for_a_file_that_can_be_read(tmp_path: Path, kind: str) -> None:
    """The safe settings stand in a file that nobody can understand, and what it was is still there."""
    here = unreadable(tmp_path, kind)
    before = here.content
    assert here.router.make_safe() == ()
    kept = [path.read_bytes() for path in tmp_path.glob("anr.env.before-*")]
    if kind == "too long":
        assert (here.content, kept) == (SAFE_BYTES, [before])
    else:
        assert (here.content.splitlines()[0], kept) == (before.splitlines()[0], [])
        assert all(f"{name}={value}".encode() in here.content.splitlines() for name, value in SAFE_SETTINGS.items())


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
        with denied(folder, 0o500):
            with pytest.raises(SettingsFileError, match=r"could not be written \(Permission denied\); it is as it was"):
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
    assert "could not be written (Is a directory)" in problem
    assert json.loads(told.read_bytes())["environment"].items() >= SAFE_SETTINGS.items()


def test_a_folder_that_may_not_be_searched_does_not_stop_the_brake() -> None:
    """The brake tells the problem, and the reload command still gets the safe settings."""
    with nobodys_folder() as folder, nobodys_folder() as elsewhere:
        here = place(folder, reload_command=("touch", str(elsewhere / "reloaded")))
        with denied(folder, 0o000):
            problems = here.router.make_safe()
        assert [problem for problem in problems if "could not be written" in problem]
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
    """The settings that were written win over older ones that this process has inherited; the rest is inherited."""
    monkeypatch.setenv("NOVA_ANR_KILL", "0" if stage is None else "1")
    monkeypatch.setenv("INHERITED", "yes")
    told = tmp_path / "told"
    here = place(tmp_path, reload_command=python(TELLS, told))
    if stage is None:
        assert here.router.make_safe() == ()
    else:
        assert not here.serve(stage).overtaken
    environment = json.loads(told.read_bytes())["environment"]
    wanted = SAFE_SETTINGS if stage is None else settings_for(stage, here.target.gates.fast_cap)
    assert {name: environment.get(name) for name in wanted} == wanted
    assert environment["INHERITED"] == "yes"


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


# --- the health of the slots ------------------------------------------------------------------------------------------


CRITICAL = GatePolicy().critical_slots
HEALTHY = json.dumps({"slots": {name: {"status": "healthy"} for name in CRITICAL}}).encode()
NOTHING_MEASURED = Tally(Window.ending(NOW, 1440), 0.15).result(LedgerSpan(0, ""))


def verdict(health: SlotsHealth) -> Verdict:
    """What the gate makes of it."""
    return next(gate.verdict for gate in evaluate(NOTHING_MEASURED, health, GatePolicy()).gates if gate.name is GateName.SLOTS)


def reply(body: bytes = HEALTHY, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", "Connection: close", *headers]
    return "".join(f"{line}\r\n" for line in head).encode() + b"\r\n" + body


@contextmanager
def answering(raw: bytes) -> Iterator[str]:
    """A server that answers every request with these bytes and holds the connection until the other side lets go."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                while self.rfile.readline() not in {b"\r\n", b""}:
                    pass
                self.wfile.write(raw)
                self.rfile.read()
            except OSError:
                return  # the other side has heard enough

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/health/slots"
        finally:
            server.shutdown()
            thread.join()


def asked(folder: Path, url: str, **options: Any) -> SlotsHealth:
    return place(folder, health_url=url, **options).router.slots()


def test_healthy_slots_are_healthy(tmp_path: Path, slots: tuple[str, dict[str, str]]) -> None:
    """What the endpoint says of each slot is told as it is."""
    url, statuses = slots
    found = asked(tmp_path, url)
    assert found == SlotsHealth(statuses=statuses, error=None)
    assert verdict(found) is Verdict.PASS


@pytest.mark.parametrize("status", ["degraded", "Healthy", "healthy ", "", "healthy\u200b"], ids=ascii)
@pytest.mark.parametrize("name", CRITICAL)
def test_one_slot_that_is_not_healthy_is_enough(tmp_path: Path, name: str, status: str) -> None:
    """Only the word itself counts, and every slot is asked."""
    body = json.dumps({"slots": {one: {"status": status if one == name else "healthy"} for one in CRITICAL}})
    with answering(reply(body.encode())) as url:
        found = asked(tmp_path, url)
    assert found == SlotsHealth(statuses={**dict.fromkeys(CRITICAL, "healthy"), name: status})
    assert verdict(found) is Verdict.FAIL


def test_a_missing_slot_is_not_healthy(tmp_path: Path, slots: tuple[str, dict[str, str]]) -> None:
    """A slot of which nothing is said is as bad as an ill one."""
    url, statuses = slots
    del statuses["slot09"]
    found = asked(tmp_path, url)
    assert set(found.statuses) == set(CRITICAL) - {"slot09"}
    assert verdict(found) is Verdict.FAIL


@pytest.mark.parametrize(
    "slot",
    ["healthy", ["healthy"], {"status": ["healthy"]}, {"status": None}, {"status": True}, {"state": "healthy"}, {}, None],
    ids=repr,
)
def test_a_slot_in_another_shape_is_not_healthy(tmp_path: Path, slot: object) -> None:
    """Nothing is guessed from an answer in a shape that was not agreed on."""
    body = json.dumps({"slots": {**{name: {"status": "healthy"} for name in CRITICAL}, "slot04": slot}}).encode()
    with answering(reply(body)) as url:
        found = asked(tmp_path, url)
    assert found.error is None
    assert verdict(found) is Verdict.FAIL


UNEXPECTED = "is not the JSON that was expected"
NOT_ASKED = "could not be asked"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param(reply(status="500 Internal Server Error"), "answered 500", id="http-500"),
        pytest.param(reply(status="404 Not Found"), "answered 404", id="http-404"),
        pytest.param(reply(status="206 Partial Content"), "answered 206", id="http-206"),
        pytest.param(reply(b"<html>all is well</html>"), UNEXPECTED, id="not-json"),
        pytest.param(reply(b""), UNEXPECTED, id="empty"),
        pytest.param(reply(HEALTHY[:-1]), UNEXPECTED, id="json-cut-off"),
        pytest.param(reply(b"\xff\xfe" + HEALTHY), UNEXPECTED, id="not-utf-8"),
        pytest.param(reply(b"[" * 50_000), UNEXPECTED, id="json-nested-without-end"),
        pytest.param(reply(b"[" + HEALTHY + b"]"), UNEXPECTED, id="json-list"),
        pytest.param(reply(b"null"), UNEXPECTED, id="json-null"),
        pytest.param(reply(b'{"slots": ["slot04", "slot08_lock", "slot09", "slot10"]}'), UNEXPECTED, id="slots-are-a-list"),
        pytest.param(reply(b'{"status": "healthy"}'), UNEXPECTED, id="no-slots"),
        pytest.param(reply(HEALTHY + b" " * (1 << 20)), "is too long or took too long", id="huge"),
        pytest.param(reply(HEALTHY, length=len(HEALTHY) + 9), NOT_ASKED, id="body-that-stops-half-way"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", NOT_ASKED, id="head-that-stops-half-way"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", NOT_ASKED, id="not-http"),
    ],
)
def test_an_answer_that_is_none_is_never_healthy(tmp_path: Path, raw: bytes, error: str) -> None:
    """Whatever comes instead of the agreed answer, it says what went wrong and no slot counts as healthy."""
    with answering(raw) as url:
        found = asked(tmp_path, url, health_timeout_s=0.3)
    assert found.statuses == {}
    assert error in (found.error or "")
    assert verdict(found) is Verdict.NO_DATA


def test_health_is_not_looked_for_elsewhere(tmp_path: Path, slots: tuple[str, dict[str, str]]) -> None:
    """A redirection to an endpoint that says that all is well is not followed."""
    url, _ = slots
    with answering(reply(b"", "302 Found", f"Location: {url}")) as moved:
        found = asked(tmp_path, moved)
    assert found == SlotsHealth(error="the router's health endpoint answered 302")


def test_a_refused_connection_is_never_healthy(tmp_path: Path) -> None:
    """Where nobody listens nobody is healthy."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so that nobody else can listen there, but not listening
        found = asked(tmp_path, f"http://127.0.0.1:{closed.getsockname()[1]}/")
    assert found == SlotsHealth(error="the router's health could not be asked (NewConnectionError)")
    assert verdict(found) is Verdict.NO_DATA


def test_a_server_that_never_answers_is_never_healthy(tmp_path: Path) -> None:
    """A connection that is taken and then left alone ends with the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = asked(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/", health_timeout_s=0.2)
    assert found == SlotsHealth(error="the router's health could not be asked (ReadTimeoutError)")
    assert verdict(found) is Verdict.NO_DATA


def test_whatever_the_router_says_can_be_recorded(tmp_path: Path) -> None:
    """Statuses from outside are texts that a receipt can hold."""
    with answering(reply(b'{"slots": {"slot04": {"status": "\\ud800"}}}')) as url:
        found = asked(tmp_path, url)
    assert canonical_bytes(found.model_dump(mode="json"))


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_health_is_asked_of_the_router_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A proxy in the environment, which might answer with anything, is left aside."""
    with answering(reply(status="502 Bad Gateway")) as proxy, answering(reply()) as url:
        monkeypatch.setenv(variable, proxy)
        assert verdict(asked(tmp_path, url)) is Verdict.PASS
