import json
import os
import random
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import LedgerUnreadable
from core.ledger.entry import read_line
from core.ledger.figures import LedgerSpan, WindowMetrics
from core.ledger.tally import Tally
from core.ledger.window import Window
from core.scan.scan import scan
from core.scan.tail import is_pilot_untold, newest_pilot, served_since
from tests.core.system.test_files import denied, nobodys_folder
from tests.support.rig import NOW, decision

SPAN = LedgerSpan(0, "")


def measure(lines: list[bytes]) -> WindowMetrics:
    tally = Tally(Window.ending(NOW, 1440), 0.15)
    for line in lines:
        tally.add(read_line(line))
    return tally.result(SPAN)


def scanned(path: Path, **options: Any) -> WindowMetrics:
    return scan(path, Window.ending(NOW, 1440), 0.15, **options)


@st.composite
def ledgers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Ledgers of decisions inside and outside the window, with parts missing."""
    entries = []
    for minutes in draw(st.lists(st.integers(-20, 1500), max_size=40)):
        one = decision(NOW - timedelta(minutes=minutes))
        one["live"]["route"] = draw(st.sampled_from(["R1", "R2", ""]))
        one["rewards"]["deployment"]["rollback"] = draw(st.sampled_from([0, 1, True, "1", -1.0, None]))
        one["rewards"]["immediate"]["tri_delta_norm"] = draw(st.sampled_from([0.5, -0.25, 3, True, None]))
        one["anomaly"]["engaged"] = draw(st.sampled_from([0, 1, -1, "1"]))
        one["shadow"]["probs"]["R3"] = draw(st.sampled_from([0.1, 0.15, 0.2, None]))
        match draw(st.integers(0, 5)):
            case 0:
                del one["shadow"]["probs"]["R3"]
            case 1:
                del one["shadow"]["probs"]
        if draw(st.booleans()):
            del one[draw(st.sampled_from(["live", "rewards", "anomaly"]))]
        entries.append(one)
    return entries


def oracle(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The definitions of the domain once more, in the plainest way."""
    low, high = (NOW - timedelta(hours=24)).isoformat().replace("+00:00", "Z"), NOW.isoformat().replace("+00:00", "Z")
    inside = [entry for entry in entries if low <= entry["t"] <= high]
    live = [receipt for receipt in inside if receipt.get("live", {}).get("route")]
    tri = [
        value
        for receipt in inside
        if isinstance(value := receipt.get("rewards", {}).get("immediate", {}).get("tri_delta_norm"), (int, float))
        and not isinstance(value, bool)
    ]

    def share(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    def feedback(one: dict[str, Any]) -> Any:
        return one.get("rewards", {}).get("deployment", {}).get("rollback")

    rollbacks = sum(feedback(receipt) in (1, -1) for receipt in inside)
    told = [receipt.get("anomaly", {}).get("engaged") for receipt in inside]
    engaged = [entry for entry, says in zip(inside, told, strict=True) if says in (1, -1)]
    probs = [entry["shadow"]["probs"] for entry in engaged if "probs" in entry["shadow"]]
    r3 = [value for probability in probs if (value := probability.get("R3", 0)) is not None]
    heard = share(sum(isinstance(message, int) for message in told), len(inside))
    known = share(len(r3), len(engaged))
    return {
        "coverage": {
            "rollbacks_per_1k": share(sum(isinstance(feedback(entry), (int, float)) for entry in live), len(live)),
            "tri_median": share(len(tri), len(inside)),
            "fast_cap": heard if known is None or heard is None else min(heard, known),
        },
        "oldest": min((receipt["t"] for receipt in inside), default=None),
        "newest": max((receipt["t"] for receipt in inside), default=None),
        "decisions": len(inside),
        "live": len(live),
        "rsi": sum(entry["live"]["route"] == entry["shadow"]["argmax"] for entry in live) / len(live) if live else None,
        "rollbacks": rollbacks,
        "rollbacks_per_1k": 1000 * rollbacks / len(live) if live else None,
        "tri_median": median(tri) if tri else None,
        "fast_cap_breaches": sum(value > 0.15 for value in r3),
    }


@given(ledgers())
def test_the_figures_are_those_of_the_definitions(entries: list[dict[str, Any]]) -> None:
    """An independent, plain reading of the definitions gives the same figures."""
    found = measure([json.dumps(entry).encode() for entry in entries]).summary()
    assert {name: found[name] for name in oracle(entries)} == oracle(entries)


@given(ledgers(), st.randoms(use_true_random=False))
def test_a_report_never_depends_on_the_order_of_lines(entries: list[dict[str, Any]], rng: random.Random) -> None:
    """Lines are nearly in order of time, and it would not matter if they were not at all."""
    lines = [json.dumps(entry).encode() for entry in entries]
    shuffled = list(lines)
    rng.shuffle(shuffled)
    assert measure(shuffled) == measure(lines)


@given(ledgers(), st.sampled_from([b"{", b"\xff", b'{"t": "yesterday"}', b"", b"[]"]), st.integers(0, 40))
def test_a_line_that_is_no_entry_never_changes_a_figure(entries: list[dict[str, Any]], junk: bytes, at: int) -> None:
    """Malformed, undated and blank lines change nothing but their own counts, and those only within reach of the window."""
    lines = [json.dumps(entry).encode() for entry in entries]
    spoiled = [*lines[:at], junk, *lines[at:]]
    clean, dirty = measure(lines), measure(spoiled)
    assert (dirty.figures, dirty.hours, dirty.newest_us) == (clean.figures, clean.hours, clean.newest_us)
    neighbour = entries[max(0, min(at, len(entries)) - 1)]["t"] if entries else "9"
    within_reach = neighbour >= (NOW - timedelta(hours=24)).isoformat().replace("+00:00", "Z")
    assert sum(dirty.skipped.values()) - sum(clean.skipped.values()) == (bool(junk) and within_reach)


@given(ledgers())
def test_the_hours_add_up_to_the_window(entries: list[dict[str, Any]]) -> None:
    """Every counted entry stands in exactly one hour."""
    found = measure([json.dumps(entry).encode() for entry in entries])
    assert sum(hour.figures.decisions for hour in found.hours) == found.figures.decisions
    assert sum(hour.figures.live for hour in found.hours) == found.figures.live
    assert [hour.start_us for hour in found.hours] == sorted({hour.start_us for hour in found.hours})


@settings(max_examples=30)
@given(entries=ledgers(), end=st.sampled_from(["\n", "\r\n"]), bom=st.booleans())
def test_the_file_says_what_its_lines_say(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[dict[str, Any]],
    end: str,
    bom: bool,  # noqa: FBT001 - drawn, not passed by hand
) -> None:
    """Line ends and a byte order mark make no difference."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.ndjson"
    text = "".join(json.dumps(entry) + end for entry in entries)
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
    found, expected = scanned(path), measure([json.dumps(entry).encode() for entry in entries])
    assert (found.figures, found.hours, found.skipped) == (expected.figures, expected.hours, expected.skipped)


def test_a_torn_last_line_is_not_there_yet(tmp_path: Path) -> None:
    """The router is in the middle of writing it: it is neither counted nor malformed."""
    path = tmp_path / "ledger.ndjson"
    whole = json.dumps(decision(NOW)).encode()
    path.write_bytes(whole + b"\n" + whole[:40])
    found = scanned(path)
    assert found.figures.decisions == 1
    assert found.skipped == {"malformed": 0, "undated": 0, "future": 0}
    assert found.span.size == len(whole) + 1
    path.write_bytes(whole + b"\n" + whole)
    assert scanned(path).figures.decisions == 2


def test_the_window_is_closed_at_both_ends_and_the_future_is_counted_apart(tmp_path: Path) -> None:
    """Exactly 24 hours ago and exactly now are inside; over five minutes ahead is the future."""
    path = tmp_path / "ledger.ndjson"
    moments = (
        timedelta(0),
        timedelta(hours=-24),
        timedelta(hours=-24, microseconds=-1),
        timedelta(minutes=5),
        timedelta(minutes=6),
    )
    path.write_text("".join(json.dumps(decision(NOW + moment)) + "\n" for moment in moments), encoding="utf-8")
    found = scanned(path)
    assert found.figures.decisions == 2
    assert found.skipped["future"] == 1


def test_an_overlong_line_is_one_malformed_line(tmp_path: Path) -> None:
    """A line beyond the bound is never held whole, counts once, and the next line is read as always."""
    path = tmp_path / "ledger.ndjson"
    path.write_bytes(b"x" * (3 << 20) + b"\n" + json.dumps(decision(NOW)).encode() + b"\n")
    found = scanned(path)
    assert found.skipped["malformed"] == 1
    assert found.figures.decisions == 1


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo"])
def test_a_ledger_that_cannot_be_read_is_an_error_and_never_an_empty_one(tmp_path: Path, kind: str) -> None:
    """Nothing to read is not the same as no decisions, and a FIFO does not hang the reader."""
    path = tmp_path / "ledger.ndjson"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(LedgerUnreadable, match="Nothing was measured"):
        scanned(path)


def test_a_ledger_that_may_not_be_read_is_an_error() -> None:
    """Permission denied is no empty ledger either, and the message says why."""
    with nobodys_folder() as folder:
        path = folder / "ledger.ndjson"
        path.write_text(json.dumps(decision(NOW)) + "\n", encoding="utf-8")
        path.chmod(0)
        with denied(folder, 0o700), pytest.raises(LedgerUnreadable, match=r"Permission denied\). Nothing was measured"):
            scanned(path)


def test_the_newest_pilot_is_that_of_the_newest_live_entry(tmp_path: Path) -> None:
    """By time, not by place: the tail is only nearly in order."""
    path = tmp_path / "ledger.ndjson"
    newer, older = decision(NOW), decision(NOW - timedelta(minutes=2))
    newer["live"]["pilot"] = 0.25
    path.write_text("\n".join(json.dumps(entry) for entry in (newer, older)) + "\n", encoding="utf-8")
    seen = newest_pilot(path)
    assert seen is not None
    assert seen.pilot == 0.25


def test_the_digest_of_a_report_is_that_of_the_bytes_it_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can check it: the digest of the digests of the span's pieces, which begins where the window can begin."""
    monkeypatch.setattr("core.scan.segments.SEGMENT_BYTES", 1000)
    path = tmp_path / "ledger.ndjson"
    lines = [json.dumps(decision(NOW - timedelta(minutes=minute))) + "\n" for minute in range(5000, 0, -5)]
    path.write_text("".join(lines) + lines[-1][:50], encoding="utf-8")
    span = scanned(path).span
    assert span.start > 0
    assert span.start + span.size == sum(map(len, lines))
    read = path.read_bytes()[span.start : span.start + span.size]
    pieces = [read[at : at + 1000] for at in range(0, len(read), 1000)]
    assert span.sha256 == sha256(b"".join(sha256(piece).digest() for piece in pieces)).hexdigest()


def shown(minutes: int, pilot: float | None = None, argmax: str = "R2") -> dict[str, Any]:
    """A decision so many minutes ago: live with this pilot, or in shadow."""
    one = decision(NOW - timedelta(minutes=minutes))
    one["live"] = {"route": "R2", "pilot": pilot}
    one["shadow"]["argmax"] = argmax
    if pilot is None:
        del one["live"]
    return one


@pytest.mark.parametrize(
    ("stage", "lines", "minutes"),
    [
        pytest.param(10, [shown(90, 0.1), shown(60, 0.1), shown(5, 0.1)], 90, id="one-stage-all-the-time"),
        pytest.param(10, [shown(90, 0.25), shown(60, 0.1), shown(5, 0.1)], 60, id="after-another-stage"),
        pytest.param(10, [shown(90, 0.1), shown(60, 0.25), shown(61, 0.1), shown(5, 0.1)], 5, id="another-one-in-between"),
        pytest.param(10, [shown(5, 0.1), shown(60, 0.1), shown(90, 0.1)], 90, id="out-of-order"),
        pytest.param(10, [shown(60, 0.1), shown(1, 0.25)], None, id="another-one-now"),
        pytest.param(10, [shown(60), shown(5)], None, id="shadow-only"),
        pytest.param(10, [shown(200, 0.1), shown(5, 0.1)], 5, id="beyond-reach"),
        pytest.param(10, [shown(-60, 0.25), shown(5, 0.1)], 5, id="the-future-says-nothing"),
        pytest.param(0, [shown(90), shown(5)], 90, id="shadow"),
        pytest.param(0, [shown(90), shown(60, 0.1), shown(5)], 5, id="shadow-after-live"),
        pytest.param(0, [shown(90), *[shown(70 - n, None, "R4") for n in range(30)], shown(5)], 5, id="shadow-after-kill"),
        pytest.param(0, [shown(90), *[shown(70 - n, None, "R4") for n in range(29)], shown(5)], 90, id="R4-by-chance"),
        pytest.param(0, [], None, id="nothing"),
    ],
)
def test_since_when_a_stage_is_served_is_what_the_ledger_shows(
    tmp_path: Path, stage: int, lines: list[dict[str, Any]], minutes: int | None
) -> None:
    """As far back as nothing speaks against it, and no further than was asked."""
    path = tmp_path / "ledger.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = served_since(path, stage, NOW, timedelta(minutes=120))
    assert found == (None if minutes is None else NOW - timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("lines", "untold"),
    [
        pytest.param([shown(5, 0.1)], False, id="told"),
        pytest.param([{**shown(5, 0.1), "live": {"route": "R2"}}], True, id="untold"),
        pytest.param([{**shown(5, 0.1), "live": {"route": "R2"}}, shown(90, 0.1)], False, id="told-once"),
        pytest.param([{**shown(90, 0.1), "live": {"route": "R2"}}], False, id="nothing-live-since"),
        pytest.param([shown(5)], False, id="shadow-only"),
    ],
)
def test_a_pilot_is_untold_only_while_live_decisions_go_without_it(
    tmp_path: Path,
    lines: list[dict[str, Any]],
    untold: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A router that serves nothing live is waited for; one that serves and never says how much is not."""
    path = tmp_path / "ledger.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert is_pilot_untold(path, NOW - timedelta(minutes=60)) is untold
