"""A ledger that operators rotate: what lies beside it is read, each line once, whatever moves meanwhile."""

import bz2
import gzip
import io
import json
import lzma
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import LedgerUnreadable
from core.ledger.entry import is_json_object
from core.ledger.figures import WindowMetrics
from core.ledger.window import Window
from core.scan.family import LedgerFamily, siblings_of
from core.scan.index import IndexPlace
from core.scan.scan import scan
from core.settings.target import LedgerOptions
from tests.support.ledger_lines import START, ledger_bytes

WINDOW = Window.ending(START + timedelta(hours=2), 180)
Pack = Callable[[bytes], bytes]


def zipped(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("anr_ledger.ndjson", data)
    return target.getvalue()


PACKS: dict[str, Pack] = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": zipped}


def good_lines(count: int, seed: int = 1) -> list[bytes]:
    """Decisions in the order of time, each with an id of its own."""
    data = ledger_bytes(random.Random(seed), count, odd=0.05, step_s=10, disorder_s=0)
    return [line + b"\n" for line in data.replace(b"\r\n", b"\n").split(b"\n") if line]


def measured(ledger: Path, **options: object) -> WindowMetrics:
    return scan(ledger, WINDOW, 0.15, options=LedgerOptions.model_validate(options))


def alone(folder: Path, lines: list[bytes]) -> str:
    """The report of one file that nobody rotated."""
    folder.mkdir()
    (folder / "anr_ledger.ndjson").write_bytes(b"".join(lines))
    return json.dumps(measured(folder / "anr_ledger.ndjson").as_json())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_any_split_over_a_family_gives_the_same_report(
    tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject
) -> None:
    """Cut at lines or inside them, packed or not: the same bytes as of the one file, where each piece has a whole line."""
    folder, lines = tmp_path_factory.mktemp("family"), good_lines(120, seed)
    whole = b"".join(lines)
    cuts = sorted(data.draw(st.sets(st.sampled_from(range(3, 118, 3)), max_size=4)))
    places = [sum(map(len, lines[:cut])) for cut in cuts]
    if data.draw(st.booleans()):  # a writer's line went out in two writes, and the copy was made in between
        places = [place + 9 for place, cut in zip(places, cuts, strict=True) if is_json_object(lines[cut])]
    parts = [whole[first:after] for first, after in zip([0, *places], [*places, len(whole)], strict=True)]
    expected = alone(folder / "alone", lines)
    (folder / "family").mkdir()
    names = data.draw(st.permutations(range(len(parts) - 1)))
    for number, part in enumerate(parts[:-1]):
        suffix = data.draw(st.sampled_from(sorted(PACKS)))
        (folder / "family" / f"anr_ledger_{names[number]}.ndjson{suffix}").write_bytes(PACKS[suffix](part))
    ledger = folder / "family" / "anr_ledger.ndjson"
    ledger.write_bytes(parts[-1])
    assert json.dumps(measured(ledger).as_json()) == expected


def test_an_index_goes_on_after_a_rotation(tmp_path: Path) -> None:
    """A renamed ledger is the beginning of the same one: same figures with what the index kept before, and after it grew."""
    lines = good_lines(400)
    ledger, index = tmp_path / "anr_ledger.ndjson", IndexPlace(tmp_path / "index.sqlite", 180)
    expected = alone(tmp_path / "alone", lines)
    ledger.write_bytes(b"".join(lines[:200]))
    scan(ledger, WINDOW, 0.15, index=index)
    ledger.rename(tmp_path / "anr_ledger_20250930.ndjson")
    for upto in (201, 300, 400):
        ledger.write_bytes(b"".join(lines[200:upto]))
        found = scan(ledger, WINDOW, 0.15, index=index)
    assert json.dumps(found.as_json()) == expected


@pytest.mark.parametrize("suffix", sorted(set(PACKS) - {""}))
def test_a_copy_that_is_being_packed_is_not_read_twice(tmp_path: Path, suffix: str) -> None:
    """Plain and packed, whole and half-written, beside each other: each line counts once."""
    lines = good_lines(100)
    expected = alone(tmp_path / "alone", lines)
    old, ledger = tmp_path / "anr_ledger_1.ndjson", tmp_path / "anr_ledger.ndjson"
    old.write_bytes(b"".join(lines[:60]))
    ledger.write_bytes(b"".join(lines[60:]))
    packed = PACKS[suffix](b"".join(lines[:60]))
    for upto in (0, 10, len(packed) // 2, len(packed)):
        (tmp_path / f"anr_ledger_1.ndjson{suffix}").write_bytes(packed[:upto])
        assert json.dumps(measured(ledger).as_json()) == expected, upto
    old.unlink()
    assert json.dumps(measured(ledger).as_json()) == expected


def test_copy_and_truncate_counts_each_line_once(tmp_path: Path) -> None:
    """At every moment of it: while the copy is made, before the truncation, after it, and when the router goes on."""
    lines = good_lines(100)
    expected, sixty = alone(tmp_path / "alone", lines), alone(tmp_path / "sixty", lines[:60])
    ledger, copy = tmp_path / "anr_ledger.ndjson", tmp_path / "anr_ledger.ndjson.1"
    data = b"".join(lines[:60])
    ledger.write_bytes(data)
    for upto in (0, 500, len(data) - 1, len(data)):
        copy.write_bytes(data[:upto])
        assert json.dumps(measured(ledger).as_json()) == sixty, upto
    os.truncate(ledger, 0)
    assert json.dumps(measured(ledger).as_json()) == sixty
    ledger.write_bytes(b"".join(lines[60:]))
    assert json.dumps(measured(ledger).as_json()) == expected


@pytest.mark.parametrize("way", ["rename", "rename-and-wait", "copytruncate"])
def test_what_is_rotated_while_it_is_read_is_read_again(tmp_path: Path, way: str) -> None:
    """Between listing and opening, or in the middle of reading: no line is missed and none counts twice."""
    lines = good_lines(100)
    expected = alone(tmp_path / "alone", lines)
    ledger, old = tmp_path / "anr_ledger.ndjson", tmp_path / "anr_ledger.1.ndjson"
    ledger.write_bytes(b"".join(lines[:60]))
    rotated: list[str] = []

    def rotate(_read: int, _size: int) -> None:
        if rotated:
            return
        rotated.append(way)
        if way == "copytruncate":
            old.write_bytes(ledger.read_bytes())
            os.truncate(ledger, 0)
        else:
            ledger.rename(old)
        ledger.write_bytes(b"" if way == "rename-and-wait" else b"".join(lines[60:]))

    found = scan(ledger, WINDOW, 0.15, on_progress=rotate)
    if way == "rename-and-wait":
        ledger.write_bytes(b"".join(lines[60:]))
        found = scan(ledger, WINDOW, 0.15)
    assert json.dumps(found.as_json()) == expected


ROTATES = """
import os, sys, time
folder, how, stop = sys.argv[1:4]
ledger = os.path.join(folder, "anr_ledger.ndjson")
for number in range(1, 1000):
    if os.path.exists(stop):
        break
    old = os.path.join(folder, f"anr_ledger.{number}.ndjson")
    if how == "rename":
        os.rename(ledger, old)
        open(ledger, "ab").close()
    else:
        with open(ledger, "rb") as source, open(old, "wb") as copy:
            copy.write(source.read())
        os.truncate(ledger, 0)
        time.sleep(0.01)
    time.sleep(0.02)
    with open(ledger, "ab") as stream:
        stream.write(b'{"t":"2025-09-30T09:%02d:%02dZ","id":"%d"}\\n' % (number // 60 % 60, number % 60, number))
    print(number, flush=True)
"""


@pytest.mark.parametrize("how", ["rename", "copytruncate"])
def test_under_a_rotation_that_never_rests_no_report_loses_or_doubles_a_line(tmp_path: Path, how: str) -> None:
    """Another process rotates all the time: each report has at least what was written before it, and never more than after it."""
    ledger, stop = tmp_path / "anr_ledger.ndjson", tmp_path / "stop"
    ledger.write_bytes(b'{"t":"2025-09-30T09:00:00Z","id":"0"}\n')
    rotator = subprocess.Popen([sys.executable, "-c", ROTATES, str(tmp_path), how, str(stop)], stdout=subprocess.PIPE, text=True)
    assert rotator.stdout is not None
    reports = 0
    try:
        for _ in range(12):
            before = int(rotator.stdout.readline()) + 1
            try:
                found = scan(ledger, WINDOW, 0.15).figures.decisions
            except LedgerUnreadable:
                continue  # it says so rather than guess
            reports += 1
            lines = sum(path.read_bytes().count(b"\n") for path in tmp_path.glob("anr_ledger*.ndjson"))
            assert before <= found <= lines + 1
    finally:
        stop.touch()
        rotator.communicate(timeout=60)
    assert reports
    written = sum(path.read_bytes().count(b"\n") for path in tmp_path.glob("anr_ledger*.ndjson"))
    assert scan(ledger, WINDOW, 0.15).figures.decisions == written


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        pytest.param(
            "anr_ledger.ndjson", ("\ufeff" + "{}\n" * 5).encode("utf-16"), "anr_ledger.ndjson is no ledger", id="utf-16"
        ),
        pytest.param("anr_ledger.ndjson", gzip.compress(os.urandom(5000)), "anr_ledger.ndjson is no ledger", id="packed-unnamed"),
        pytest.param("anr_ledger_1.ndjson", b"id,t,live_route\n1,2,3\n4,5,6\n", "anr_ledger_1.ndjson is no ledger", id="a-csv"),
        pytest.param("anr_ledger_1.ndjson.gz", gzip.compress(b"{}\n" * 999)[:-9], "anr_ledger_1.ndjson.gz belongs", id="cut-gz"),
        pytest.param("anr_ledger_1.ndjson.gz", b"{}\n{}\n", "anr_ledger_1.ndjson.gz belongs", id="gz-by-name-only"),
        pytest.param("anr_ledger_1.ndjson.zip", zipped(b"{}\n" * 9)[:-9], "anr_ledger_1.ndjson.zip belongs", id="cut-zip"),
        pytest.param("anr_ledger_1.ndjson.xz", lzma.compress(b"{}\n" * 999)[:-9], "anr_ledger_1.ndjson.xz belongs", id="cut-xz"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_ledger_is_an_error(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    """Named, and never no decisions: what it holds may be what matters."""
    (tmp_path / "anr_ledger.ndjson").write_bytes(b"".join(good_lines(10)))
    (tmp_path / name).write_bytes(data)
    with pytest.raises(LedgerUnreadable, match="Nothing was measured") as caught:
        measured(tmp_path / "anr_ledger.ndjson")
    assert says in str(caught.value)


def test_a_sibling_that_nobody_may_read_is_an_error_where_the_window_can_reach_it(tmp_path: Path) -> None:
    """What was written last before the window began is not even opened."""
    ledger, old = tmp_path / "anr_ledger.ndjson", tmp_path / "anr_ledger_1.ndjson.gz"
    ledger.write_bytes(b"".join(good_lines(10)))
    old.write_bytes(b"no gzip")
    with pytest.raises(LedgerUnreadable, match="anr_ledger_1"):
        measured(ledger)
    before = (START - timedelta(days=2)).timestamp()
    os.utime(old, (before, before))
    assert measured(ledger).figures.decisions > 0


def test_what_is_no_regular_file_hangs_nothing(tmp_path: Path) -> None:
    """A FIFO, a folder, links to the ledger itself, to a device and to nothing: the ledger is read once, at once."""
    ledger = tmp_path / "anr_ledger.ndjson"
    lines = good_lines(50)
    expected = alone(tmp_path / "alone", lines)
    ledger.write_bytes(b"".join(lines))
    os.mkfifo(tmp_path / "anr_ledger_1.ndjson")
    (tmp_path / "anr_ledger_2.ndjson").mkdir()
    (tmp_path / "anr_ledger_3.ndjson").symlink_to(ledger)
    (tmp_path / "anr_ledger_4.ndjson").symlink_to("/dev/zero")
    (tmp_path / "anr_ledger_5.ndjson").symlink_to(tmp_path / "nothing")
    os.link(ledger, tmp_path / "anr_ledger_6.ndjson")
    assert json.dumps(measured(ledger).as_json()) == expected


def test_other_routers_ledgers_are_nobodys_siblings(tmp_path: Path) -> None:
    """Neither they nor what rotation left of them, though their names begin alike."""
    names = ["anr_ledger_1.ndjson", "anr_ledger.ndjson.2.gz", "anr_ledger-20250930.ndjson", "anr_ledger_eu.ndjson"]
    names += ["anr_ledger_eu_1.ndjson.xz", "anr_ledger.csv", "anr_ledger.ndjson.tmp", "other.ndjson", ".anr_ledger.ndjson.fresh"]
    for name in names:
        (tmp_path / name).touch()
    ledger, eu = tmp_path / "anr_ledger.ndjson", tmp_path / "anr_ledger_eu.ndjson"
    assert {path.name for path in siblings_of(ledger, (eu,))} == set(names[:3])
    assert {path.name for path in siblings_of(eu, (ledger,))} == {"anr_ledger_eu_1.ndjson.xz"}


def test_siblings_can_be_left_aside(tmp_path: Path) -> None:
    """By an option, for a folder in which names mean something else."""
    lines = good_lines(100)
    (tmp_path / "anr_ledger_1.ndjson").write_bytes(b"".join(lines[:60]))
    ledger = tmp_path / "anr_ledger.ndjson"
    ledger.write_bytes(b"".join(lines[60:]))
    assert json.dumps(measured(ledger, rotated=False).as_json()) == alone(tmp_path / "alone", lines[60:])


def test_what_logrotate_sets_aside_when_the_router_was_faster_is_read(tmp_path: Path) -> None:
    """With `create` it renames the ledger that the router made itself between rename and create; foreign copies stay foreign."""
    ledger = tmp_path / "anr_ledger.ndjson"
    for name in ("anr_ledger.ndjson", "anr_ledger.ndjson-2026112813.backup", "anr_ledger.ndjson.bak", "my.backup"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in siblings_of(ledger)] == ["anr_ledger.ndjson-2026112813.backup"]


def test_a_line_that_is_still_being_written_in_a_renamed_ledger_is_not_there_yet(tmp_path: Path) -> None:
    """A router that has not let go of it finishes the line there; nothing of it is malformed meanwhile."""
    lines = good_lines(50)
    old, ledger = tmp_path / "anr_ledger_1.ndjson", tmp_path / "anr_ledger.ndjson"
    old.write_bytes(b"".join(lines[:20]) + b'{"t":"2025-09-30T09:')
    ledger.write_bytes(b"".join(lines[20:]))
    assert json.dumps(measured(ledger).as_json()) == alone(tmp_path / "alone", lines)


def test_a_ledger_that_is_missing_for_a_moment_is_waited_for_and_then_an_error(tmp_path: Path) -> None:
    """Renamed, and the router has not written again: no figures are made of what is left."""
    (tmp_path / "anr_ledger_1.ndjson").write_bytes(b"".join(good_lines(10)))
    with pytest.raises(LedgerUnreadable, match="Nothing was measured"):
        measured(tmp_path / "anr_ledger.ndjson")


def test_a_family_that_moved_says_so(tmp_path: Path) -> None:
    """A sibling that appears, vanishes or shrinks is seen; one that grows is not in the way."""
    ledger, old = tmp_path / "anr_ledger.ndjson", tmp_path / "anr_ledger_1.ndjson"
    lines = good_lines(30)
    ledger.write_bytes(b"".join(lines[20:]))
    old.write_bytes(b"".join(lines[:10]))
    with LedgerFamily(ledger, WINDOW.start_us) as family:
        assert family.is_settled()
        with old.open("ab") as stream:
            stream.write(b"".join(lines[10:20]))
        assert family.is_settled()
        os.truncate(old, 0)
        assert not family.is_settled()
        old.unlink()
        assert not family.is_settled()
