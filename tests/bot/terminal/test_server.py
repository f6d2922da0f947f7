import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.terminal import server
from bot.terminal.server import TerminalServer
from core.cli.client import hand_over
from core.cli.context import Served
from core.cli.protocol import SOCKET
from core.settings.settings import Settings
from core.target.overview import look
from tests.support.rig import Rig

REQUEST = {"anr": 1, "words": ["receipts", "--json"]}


@asynccontextmanager
async def serving(rig: Rig) -> AsyncIterator[Path]:
    """A bot's socket for the rig's router, and who may what as there."""
    access = rig.target.access
    settings = Settings(target=rig.settings, operators=access.operators, approvers=access.approvers)
    router = Served(rig.target, lambda: look(rig.target))
    async with TerminalServer(settings, {rig.settings.name: router}, None).listening():
        yield rig.settings.run_dir / SOCKET


async def talked(path: Path, *lines: Any) -> list[dict[str, Any]]:
    """Say lines, and return all that is answered."""
    reader, writer = await asyncio.open_unix_connection(path)
    for line in lines:
        writer.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
    answers = [json.loads(line) for line in (await reader.read()).splitlines()]
    writer.close()
    return answers


async def test_a_command_is_carried_out_once_its_end_has_heard_that_the_bot_is_ready(begun: Rig) -> None:
    """What it says comes over, and then its exit code; without a word to go on nothing is begun."""
    async with serving(begun) as path:
        ready, *answers = await talked(path, REQUEST, {"go": True})
        assert ready["ready"]["pid"]
        assert json.loads("".join(answer.get("out", "") for answer in answers))[0]["action"] == "init"
        assert answers[-1] == {"exit": 0, "safe": False}
        freeze = {"anr": 1, "words": ["freeze"]}
        assert list((await talked(path, freeze, {"go": False}))[0]) == ["ready"]
        assert not begun.target.brake.read().frozen_by
        assert (await talked(path, freeze, {"go": True}))[-1] == {"exit": 0, "safe": True}
        assert begun.target.brake.read().frozen_by
    assert not path.exists()


async def test_what_somebody_says_of_themselves_counts_for_nothing(begun: Rig) -> None:
    """The receipt names whom the kernel names: here the account that runs anr, which is no person."""
    claims = {"uid": 4711, "user": "UAARON", "actor": "UAARON", "variables": {"LOGNAME": "aaron", "ANR_PEOPLE": "{}"}}
    async with serving(begun) as path:
        *_, ended = await talked(path, {"anr": 1, "words": ["promote"], **claims}, {"go": True})
        assert ended["exit"] == 1
        *_, ended = await talked(path, {"anr": 1, "words": ["freeze"], **claims}, {"go": True})
        assert ended["exit"] == 0
    assert begun.target.journal.receipts(last=1)[0].receipt.actor.kind == "account"


FORBIDDEN: tuple[list[str], ...] = (
    ["report", "--csv", "/tmp/stolen"],  # noqa: S108 - never written
    ["promote", "--dry-run", "--report", "/etc/shadow"],
    ["receipts", "export", "--sign"],
    ["bot"],
    ["--help"],
    [],
)


@pytest.mark.parametrize("words", FORBIDDEN, ids=lambda words: "-".join(words[:2]) or "nothing")
async def test_files_of_whoever_asks_are_left_alone_whatever_their_end_says(begun: Rig, words: list[str]) -> None:
    """A command line that was made by somebody else asks for more than ours would."""
    async with serving(begun) as path:
        assert await talked(path, {"anr": 1, "words": words}, {"go": True}) == [{"not": ""}]


async def test_what_the_command_line_refuses_is_left_to_the_command_line(begun: Rig) -> None:
    """Whoever misspelt an option is told so by their own."""
    async with serving(begun) as path:
        *_, ended = await talked(path, {"anr": 1, "words": ["status", "--no-such-option"]}, {"go": True})
        assert ended == {"not": ""}


HOSTILE = {
    "no-json": b"hello\n",
    "no-object": b"[1]\n",
    "nested": b"[" * 50_000 + b"\n",
    "too-long": b"x" * (200 << 10) + b"\n",
    "no-words": b'{"anr": 1}\n',
    "words-that-are-none": b'{"anr": 1, "words": [1]}\n',
    "a-thousand-words": json.dumps({"anr": 1, "words": ["status"] * 1001}).encode() + b"\n",
    "a-width-of-nothing": b'{"anr": 1, "words": ["status"], "columns": 0}\n',
    "not-utf-8": b'{"anr": 1, "words": ["\xff"]}\n',
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
async def test_what_is_no_request_begins_nothing_and_the_next_one_is_served(begun: Rig, line: bytes) -> None:
    """It is not answered; the bot goes on."""
    async with serving(begun) as path:
        with suppress(ConnectionResetError):  # it was let go before all was read
            assert await talked(path, line) == []
        assert (await talked(path, REQUEST, {"go": True}))[-1]["exit"] == 0


async def test_another_versions_command_line_is_told_so(begun: Rig) -> None:
    """It does it by itself, as far as it may."""
    async with serving(begun) as path:
        (answer,) = await talked(path, {"anr": 2, "words": ["status"]})
        assert "another version" in answer["not"]


async def test_who_says_nothing_is_let_go(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an open connection nor many of them keep others from being served."""
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.05)
    async with serving(begun) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()


async def test_nobody_has_more_than_a_few_commands_at_once(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is told why, and is served once there is room."""
    monkeypatch.setattr(server, "_MOST_OF_ONE", 1)
    async with serving(begun) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(json.dumps(REQUEST).encode() + b"\n")
        assert b"ready" in await reader.readline()
        assert await talked(path, REQUEST) == [{"not": "it has too much to do"}]
        writer.write(b'{"go": true}\n')
        assert b"exit" in (await reader.read()).splitlines()[-1]
        writer.close()
        assert (await talked(path, REQUEST, {"go": True}))[-1] == {"exit": 0, "safe": False}


async def test_the_command_line_and_the_bot_understand_each_other(
    begun: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same words as without a bot."""
    options = tmp_path / "anr.toml"
    options.write_text(f"[target]\nrun_dir = {json.dumps(str(begun.settings.run_dir))}\n", encoding="utf-8")
    async with serving(begun):
        handed = await asyncio.to_thread(hand_over, ["status", "--json"], {"ANR_CONFIG": str(options)})
    assert handed == (0, "")
    assert json.loads(capsys.readouterr().out)["state"]["stage"] == 10


async def test_a_bot_without_a_place_for_its_socket_runs_without_it(begun: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """It says so: people of other accounts do not reach it."""
    taken = begun.settings.run_dir / SOCKET
    taken.mkdir()
    async with serving(begun):
        assert "do not reach the bot" in caplog.text
