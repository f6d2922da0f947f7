import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from core.cli import client
from core.cli.client import Handed, hand_over
from core.cli.protocol import SOCKET
from core.system.peers import listening_at

READY = {"ready": {"pid": 4711, "host": "router-1", "within_s": 60}}
Answers = Callable[[dict[str, Any]], list[Any]]


@pytest.fixture
def options(tmp_path: Path) -> Path:
    """Options of a router whose run folder is there."""
    (tmp_path / "run").mkdir()
    file = tmp_path / "anr.toml"
    file.write_text('[target]\nrun_dir = "run"\n', encoding="utf-8")
    return file


@contextmanager
def bot(folder: Path, *, ready: Any = READY, answers: tuple[Any, ...] = ()) -> Iterator[list[dict[str, Any]]]:
    """Somebody who listens there: says this first, and the rest once told to go on; yields what was asked."""
    heard: list[dict[str, Any]] = []
    listener, _ = listening_at(folder / SOCKET)
    listener.setblocking(True)  # noqa: FBT003 - the standard library's

    def serve() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), connection, connection.makefile("rwb") as lines:  # the other end may go before it has heard all
            heard.append(json.loads(lines.readline()))
            lines.write(as_line(ready))
            lines.flush()
            if heard_more := lines.readline():
                heard.append(json.loads(heard_more))
                for answer in answers:
                    lines.write(as_line(answer))
                lines.flush()

    def as_line(what: Any) -> bytes:
        return what if isinstance(what, bytes) else json.dumps(what).encode() + b"\n"

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield heard
    finally:
        with socket.socket(socket.AF_UNIX) as last:  # whoever was not asked is let go
            last.connect(str(folder / SOCKET))
            last.sendall(b"{}\n")
        thread.join()
        listener.close()


def typed(options: Path, *words: str, **variables: str) -> Handed:
    return hand_over(words, {"ANR_CONFIG": str(options), **variables})


def test_what_a_bot_says_is_written_and_its_exit_code_is_the_commands(options: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was typed, and how wide the terminal is, goes over; of who asks nothing is said."""
    answers = ({"out": "stage 10 %\n"}, {"alive": True}, {"err": "drift\n"}, {"exit": 1, "safe": False})
    with bot(options.parent / "run", answers=answers) as heard:
        assert typed(options, "why", "--json", COLUMNS="132", TERM="xterm", USER="root", LOGNAME="aaron") == Handed(1)
    asked, begun = heard
    assert (asked["words"], asked["columns"], asked["variables"]) == (["why", "--json"], 132, {"TERM": "xterm"})
    assert set(asked) == {"anr", "words", "columns", "terminals", "variables"}
    assert begun == {"go": True}
    assert capsys.readouterr() == ("stage 10 %\n", "drift\n")


def test_without_a_bot_it_is_done_here(options: Path) -> None:
    """Nobody needs to know why, where the run folder is one's own; a bot that died left a socket at most."""
    assert typed(options, "status") == Handed(None)
    listener, _ = listening_at(options.parent / "run" / SOCKET)
    listener.close()
    handed = typed(options, "status")
    assert handed.code is None
    assert "nobody answers" in handed.unasked


@pytest.mark.parametrize("variable", ["ANR_TARGET__SETTINGS_FILE", "ANR_PEOPLE", "anr_approvers"])
def test_whoever_says_something_by_variables_asks_no_bot(options: Path, variable: str) -> None:
    """They mean another router, or somebody else: over there it would not count, and a wrong router would be braked."""
    with bot(options.parent / "run") as heard:
        assert typed(options, "freeze", **{variable: "x"}) == Handed(None)
    assert heard == [{}]


def test_a_bot_that_does_not_do_it_says_why(options: Path) -> None:
    """Then it is done here, and if it fails here the reason is said."""
    with bot(options.parent / "run", ready={"not": "it is being stopped"}):
        assert typed(options, "status") == Handed(None, "The bot did not do it: it is being stopped")
    with bot(options.parent / "run", ready={"not": ""}):
        assert typed(options, "status") == Handed(None)
    with bot(options.parent / "run", answers=({"not": ""},)):
        assert typed(options, "status") == Handed(None)


HALF_WAY = {
    "it-ends": (),
    "no-json": (b"}{\n",),
    "no-object": ([1],),
    "half-a-line": (b'{"exit": 0',),
    "nested": (b"[" * 100_000 + b"\n",),
    "endless": (b"x" * (3 << 20),),
}


@pytest.mark.parametrize("answers", HALF_WAY.values(), ids=HALF_WAY)
def test_of_what_was_begun_and_not_answered_nobody_says_that_it_was_done(
    options: Path, answers: tuple[Any, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The bot was stopped half-way, or is none of ours: a command has failed, and says that nobody knows how it ended."""
    with bot(options.parent / "run", answers=({"out": "asking …\n"}, *answers)):
        assert typed(options, "promote") == Handed(3)
    said = capsys.readouterr()
    assert said.out == "asking …\n"
    assert "WHETHER IT WAS DONE IS NOT KNOWN" in said.err
    assert "process 4711 on router-1" in said.err


@pytest.mark.parametrize("answers", HALF_WAY.values(), ids=HALF_WAY)
def test_a_brake_that_a_bot_did_not_end_is_done_here(
    options: Path, answers: tuple[Any, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice is safe."""
    with bot(options.parent / "run", answers=answers):
        assert typed(options, "freeze").code is None
    assert "It is done here once more" in capsys.readouterr().err


def test_a_brake_that_a_bot_did_not_make_safe_is_done_here_too(options: Path) -> None:
    """One that it refused, or that is safe and only not yet seen, is not."""
    for ended, code in (({"exit": 3, "safe": False}, None), ({"exit": 3, "safe": True}, 3), ({"exit": 1, "safe": False}, 1)):
        with bot(options.parent / "run", answers=(ended,)):
            assert typed(options, "rollback").code == code


def test_a_brake_does_not_wait_for_a_bot_that_is_silent(options: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was begun over there, and nothing will be: it was never told to go on."""
    monkeypatch.setattr(client, "_READY_SECONDS_OF_A_BRAKE", 0.05)
    with bot(options.parent / "run", ready=b"") as heard:
        handed = typed(options, "freeze")
    assert handed.code is None
    assert "Nothing was begun there" in handed.unasked
    assert [asked.get("words") for asked in heard] == [["freeze"]]


def test_with_broken_options_a_brake_asks_the_bot_all_the_same(options: Path) -> None:
    """It runs with the options that it was started with; the line with the folder is found."""
    options.write_text('operators = [\n[target]\nrun_dir = "run"\n', encoding="utf-8")
    with bot(options.parent / "run", answers=({"exit": 0, "safe": True},)):
        assert typed(options, "freeze") == Handed(0)
    assert typed(options, "promote") == Handed(None)


def test_of_several_routers_the_one_that_is_named_is_asked_for(options: Path) -> None:
    """A brake without a name is for all, and every bot knows all of its routers."""
    options.write_text('[targets.production]\nrun_dir = "gone"\n[targets.staging]\nrun_dir = "run"\n', encoding="utf-8")
    for words in (["--target", "staging", "freeze"], ["freeze"]):
        with bot(options.parent / "run", answers=({"exit": 0, "safe": True},)):
            assert typed(options, *words) == Handed(0)
    assert typed(options, "--target", "production", "freeze").code is None


def test_who_is_answered_by_a_bot_waits_for_nothing_slow(options: Path) -> None:
    """The entry point asks before it imports what does it here: no options' model, no command, no table, no journal."""
    program = (
        "import sys; from bot.cli.main import main\n"
        "try: main()\n"
        "finally: print(*{'pydantic', 'typer', 'rich', 'sqlalchemy', 'numpy', 'tempfile', 'asyncio'} & set(sys.modules))"
    )
    environment = {"ANR_CONFIG": str(options), "PYTHONPATH": str(Path(__file__).parents[3])}
    with bot(options.parent / "run", answers=({"out": "10 %\n"}, {"exit": 0, "safe": False})):
        done = subprocess.run(
            [sys.executable, "-c", program, "status"], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
    assert done.stdout.splitlines() == ["10 %", ""]
