"""`anr demo` as a newcomer runs it: a process of its own, an address, Ctrl-C, nothing left."""

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_the_demo_prints_its_address_answers_there_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The page is served, and after Ctrl-C neither files nor complaints remain."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "demo", "--port", "0",
        env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "300"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(300):
        printed = ""
        while "Ctrl-C" not in printed:
            printed += (await process.stdout.readline()).decode()
    url = re.search(r"http://127\.0\.0\.1:\d+", printed)
    assert url, printed
    async with aiohttp.ClientSession() as session, session.get(url[0]) as answer:
        assert "anr playground" in await answer.text()
    assert files_in(tmp_path) != []
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert process.returncode == 0
    assert errors == b""
    assert files_in(tmp_path) == []


async def test_a_port_that_is_taken_is_a_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The second demo on one machine says what to do, with the exit code of wrong usage."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "demo", "--port", str(taken.getsockname()[1]),
            env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "300"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, errors = await process.communicate()
    assert process.returncode == 2
    assert said == b""
    assert b"is taken" in errors
    assert b"Traceback" not in errors
    assert files_in(tmp_path) == []
