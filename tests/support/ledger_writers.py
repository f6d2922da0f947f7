"""Routers that append to a ledger as fast as they can: one opens it for each line, one keeps it open, one never lets go.

Each line goes out in two writes, so that whatever gets in between them would be seen. Every second line is of a past month, so
that each archive has something to rotate. They say at the end how many lines they wrote.
"""

import gzip
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.scan.family import LedgerFamily

_COMMON = """
import os, signal, sys, time
path, stop, old, now, pace = *sys.argv[1:5], int(sys.argv[5])
def line(number):
    t = old if number % 2 else now
    return b'{"id":"%d","t":"%s","shadow":{"argmax":"R2"},"live":{"route":"R2"}}\\n' % (number, t.encode())
number = 0
"""
REOPENS = (
    _COMMON
    + """
print("writing", flush=True)
while not os.path.exists(stop):
    number += 1
    data = line(number)
    ledger = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    os.write(ledger, data[:20])
    os.write(ledger, data[20:])
    os.close(ledger)
    if number % pace == 0:
        time.sleep(0.001)
print(number, flush=True)
"""
)
KEEPS_OPEN = (
    _COMMON
    + """
reload = []
signal.signal(signal.SIGHUP, lambda *_: reload.append(1))
ledger = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
print("writing", flush=True)
while not os.path.exists(stop):
    if reload:
        reload.clear()
        os.close(ledger)
        ledger = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    number += 1
    data = line(number)
    os.write(ledger, data[:20])
    os.write(ledger, data[20:])
    if number % pace == 0:
        time.sleep(0.001)
print(number, flush=True)
"""
)
NEVER_LETS_GO = KEEPS_OPEN.replace("if reload:", "if False:")
HANG_UP = "import os, signal, sys; os.kill(int(sys.argv[1]), signal.SIGHUP)"


class Writer:
    """A running router."""

    def __init__(self, process: "subprocess.Popen[str]", stop: Path) -> None:
        self.process = process
        self._stop = stop

    @property
    def reload_command(self) -> tuple[str, ...]:
        return (sys.executable, "-c", HANG_UP, str(self.process.pid))

    def ended(self) -> int:
        """Let it end after its present line; return how many lines it wrote."""
        self._stop.touch()
        said, _ = self.process.communicate(timeout=300)
        return int(said.split()[-1])


@contextmanager
def writing(code: str, ledger: Path, *, old: str, now: str, pace: int = 50) -> Iterator[Writer]:
    """A router that writes while the block lasts; it has begun when the block does. It rests after every `pace` lines."""
    stop = ledger.with_name("stop")
    words = [sys.executable, "-c", code, str(ledger), str(stop), old, now, str(pace)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    size, ends = ledger.stat().st_size, time.monotonic() + 120
    while ledger.stat().st_size == size and time.monotonic() < ends:
        time.sleep(0.001)
    try:
        yield Writer(process, stop)
    finally:
        stop.unlink(missing_ok=True)
        if process.poll() is None:
            process.kill()
            process.communicate()


def ids_in(data: bytes) -> Counter[str]:
    """How often each id stands in some lines; every line that is not blank has to be whole."""
    return Counter(json.loads(line)["id"] for line in data.split(b"\n") if line.strip())


def family_ids(ledger: Path) -> Counter[str]:
    """How often each id stands in a ledger and its siblings, as reports read them."""
    with LedgerFamily(ledger, 0) as family:
        return ids_in(family.bytes_at(0, family.size))


def archived_ids(archive_dir: Path) -> Counter[str]:
    """How often each id stands in all archives together."""
    found: Counter[str] = Counter()
    for path in archive_dir.glob("*.ndjson.gz"):
        found += ids_in(gzip.decompress(path.read_bytes()))
    return found
