import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core.scan.segments import LedgerFile
from core.scan.workers import Decoded, all_decoded
from tests.core.ledger.test_decode import as_lists
from tests.support.ledger_lines import ledger_bytes


def plain(segments: list[Decoded]) -> list[object]:
    return [(segment.number, segment.end, segment.whole, segment.sha256, as_lists(segment.columns)) for segment in segments]


def ledger_of(tmp_path: Path, lines: int) -> Path:
    path = tmp_path / "ledger.ndjson"
    path.write_bytes(ledger_bytes(random.Random(8), lines, odd=0.05))
    return path


def test_several_processes_read_what_one_reads(tmp_path: Path) -> None:
    """The same segments in the same order, whoever read which."""
    with LedgerFile(ledger_of(tmp_path, 3000), segment_bytes=10_000) as ledger:
        numbers = range(2, ledger.segments)
        alone = plain(list(all_decoded(ledger, numbers, 0, lambda: None)))
        assert plain(list(all_decoded(ledger, numbers, 2, lambda: None))) == alone


def test_a_process_that_dies_while_it_helps_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cannot be started, one says nothing sensible, one dies after its first answer: every segment is there."""
    path, python = ledger_of(tmp_path, 2000), sys.executable
    with LedgerFile(path, segment_bytes=10_000) as ledger:
        alone = plain(list(all_decoded(ledger, range(ledger.segments), 0, lambda: None)))
        given = tmp_path / "given"
        connects = (
            "import os, pathlib, sys; from multiprocessing.connection import Client\n"
            "connection = Client(sys.argv[-1], authkey=sys.stdin.buffer.read()); connection.recv()\n"
        )
        nonsense = f"{connects}connection.send('nonsense'); connection.recv()"
        first_then_gone = (
            f"{connects}connection.send({ledger.identity!r}); connection.recv()\n"
            f"pathlib.Path({str(given)!r}).touch(); os._exit(1)"
        )
        for code in ("raise SystemExit(1)", nonsense, first_then_gone):
            script = tmp_path / "python"
            script.write_text(f"#!{python}\n{code}\n", encoding="utf-8")
            script.chmod(0o755)
            monkeypatch.setattr("core.system.worker.sys.executable", str(script))
            patience = time.monotonic() + 120 if code is first_then_gone else 0

            def until_it_was_given_one(patience: float = patience) -> None:
                while time.monotonic() < patience and not given.exists():
                    time.sleep(0.01)

            assert plain(list(all_decoded(ledger, range(ledger.segments), 2, until_it_was_given_one))) == alone
        assert given.exists()
        monkeypatch.setattr("core.system.worker.sys.executable", str(tmp_path / "missing"))
        assert plain(list(all_decoded(ledger, range(ledger.segments), 1, lambda: None))) == alone


def test_no_process_is_left_when_reading_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops in the middle, because time is up, leaves nobody working."""
    started: list[subprocess.Popen[bytes]] = []
    both = threading.Event()

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            started.append(self)
            if len(started) == 2:
                both.set()

    monkeypatch.setattr("core.system.worker.subprocess.Popen", Watched)

    def stop() -> None:
        assert both.wait(60)
        raise TimeoutError

    with LedgerFile(ledger_of(tmp_path, 2000), segment_bytes=10_000) as ledger, pytest.raises(TimeoutError):
        list(all_decoded(ledger, range(ledger.segments), 2, stop))
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)
