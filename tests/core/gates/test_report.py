"""What a report says of whole ledgers: inputs on which GO was said and nobody could know, and random ones against an oracle."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.backtest.history import PastDecisions
from core.backtest.judge import _metrics
from core.gates.evaluate import evaluate
from core.gates.policy import GateName, GatePolicy
from core.gates.report import GateReport, Report, SlotsHealth
from core.ledger.decode import decode
from core.ledger.entry import read_line
from core.ledger.figures import LedgerSpan, WindowMetrics
from core.ledger.tally import Tally
from core.ledger.window import Window
from core.scan.index import IndexPlace
from core.scan.scan import scan
from tests.support.rig import NOW, written
from tests.support.sweeps import sweep

POLICY = GatePolicy()
HEALTHY = SlotsHealth(statuses=dict.fromkeys(POLICY.critical_slots, "healthy"))
DAY = Window.ending(NOW, 1440)
Change = Callable[[dict[str, Any], int], None]


def decided(at: datetime) -> dict[str, Any]:
    """One good live decision."""
    return {
        "id": "d",
        "t": written(at),
        "shadow": {"argmax": "R2", "probs": {"R1": 0.3, "R2": 0.6, "R3": 0.1}},
        "live": {"route": "R2", "pilot": 0.1},
        "anomaly": {"engaged": 0},
        "rewards": {"immediate": {"tri_delta_norm": 0.03}, "deployment": {"rollback": 0}},
    }


def day_of(count: int, change: Change = lambda _one, _number: None, minutes: int = 1440) -> bytes:
    """A ledger of `count` decisions over the last `minutes`, each changed in some way."""
    lines = []
    for number in range(count):
        one = decided(NOW - timedelta(minutes=minutes) * (1 - (number + 1) / count))
        change(one, number)
        lines.append(json.dumps(one) + "\n")
    return "".join(lines).encode()


def nan(one: dict[str, Any], number: int) -> None:
    if number % 3:
        one["rewards"] = {"immediate": {"tri_delta_norm": float("nan")}, "deployment": {"rollback": 1}}


def undated(one: dict[str, Any], number: int) -> None:
    if number % 3:
        one["t"], one["rewards"]["deployment"]["rollback"] = 1795089888.0 + number, 1


def without_probs(one: dict[str, Any], number: int) -> None:
    one["anomaly"]["engaged"] = 1
    del one["shadow"]["probs"]


def masked(one: dict[str, Any], number: int) -> None:
    if number % 5 == 0:
        one["anomaly"]["engaged"], one["shadow"]["probs"] = 1, {"R2": 0.7, "R4": 0.3}


def without_feedback(one: dict[str, Any], number: int) -> None:
    del one["rewards"]["deployment"]


def one_tri(one: dict[str, Any], number: int) -> None:
    if number != 250:
        del one["rewards"]["immediate"]


def as_rewards(one: dict[str, Any], number: int) -> None:
    one["rewards"]["deployment"]["rollback"] = -1.0


def without_pilot(one: dict[str, Any], number: int) -> None:
    del one["live"]["pilot"]


CASES = [
    pytest.param(day_of(600), {}, "", id="good"),
    pytest.param(day_of(600, nan), {GateName.READING: "NO_DATA"}, "400 of 600 lines", id="400-of-600-malformed-by-nan"),
    pytest.param(day_of(600, undated), {GateName.READING: "NO_DATA"}, "400 undated", id="400-of-600-undated"),
    pytest.param(day_of(150, minutes=30), {GateName.SPAN: "NO_DATA"}, "span 30 of", id="rotated-30-minutes-ago"),
    pytest.param(day_of(500, without_probs), {GateName.FAST_CAP: "NO_DATA"}, "only 0 of 500", id="engaged-without-probs"),
    pytest.param(day_of(500, masked), {}, "each of the 100 decisions", id="engaged-masked"),
    pytest.param(day_of(500, without_feedback), {GateName.ROLLBACKS: "NO_DATA"}, "only 0 of 500", id="no-deployment-feedback"),
    pytest.param(day_of(500, one_tri), {GateName.TRI: "NO_DATA"}, "only 1 of 500", id="one-tri-value"),
    pytest.param(day_of(300, as_rewards), {GateName.ROLLBACKS: "FAIL"}, "300 rollbacks in 300", id="rollbacks-as-rewards"),
    pytest.param(day_of(500, without_pilot), {}, "", id="without-pilot"),
]


def measured_every_way(folder: Path, data: bytes, day: Window = DAY) -> dict[str, WindowMetrics]:
    """What each engine makes of a ledger: line by line, as a file, with an index kept before, and as past decisions."""
    tally = Tally(day, POLICY.fast_cap)
    for line in data.split(b"\n"):
        tally.add(read_line(line))
    path, index = folder / "ledger.ndjson", IndexPlace(folder / "index.sqlite", 1440)
    path.write_bytes(data)
    scan(path, day, POLICY.fast_cap, index=index)
    return {
        "tally": tally.result(LedgerSpan(0, "")),
        "file": scan(path, day, POLICY.fast_cap),
        "index": scan(path, day, POLICY.fast_cap, index=index),
        "past": _metrics(PastDecisions([decode(data)], day.start_us, day.end_us, POLICY.fast_cap), day),
    }


def gates_of(metrics: WindowMetrics) -> GateReport:
    return evaluate(metrics, HEALTHY, POLICY)


@pytest.mark.parametrize(("data", "stopping", "says"), CASES)
def test_a_report_says_what_is_right_on_inputs_that_were_wrong(
    tmp_path: Path, data: bytes, stopping: dict[GateName, str], says: str
) -> None:
    """Whichever engine reads it, the same gates stop the promotion, with the figure in the sentence."""
    for engine, metrics in measured_every_way(tmp_path, data).items():
        report = gates_of(metrics)
        assert {gate.name: gate.verdict.value for gate in report.blocking} == stopping, engine
        assert says in " ".join(gate.reason for gate in report.gates), engine
        assert report.go is (not stopping), engine


def test_a_ledger_that_has_grown_since_says_of_a_past_day_what_it_said_then(tmp_path: Path) -> None:
    """Lines that were appended after that day, whole or broken, count against its reading in no engine; they are still told."""
    line = json.dumps({"id": "x", "t": "2025-10-02T08:00:00Z", "shadow": {"argmax": "R2"}, "live": {"route": "R2"}})
    grown = day_of(600) + (line + "\n").encode() + b"torn\n{}\n" * 40 + (line + "\n").encode() * 120
    asked_later = replace(DAY, past=True)
    (tmp_path / "then").mkdir()
    then = measured_every_way(tmp_path / "then", day_of(600), asked_later)
    for engine, metrics in measured_every_way(tmp_path, grown, asked_later).items():
        assert gates_of(metrics) == gates_of(then[engine]), engine
        assert gates_of(metrics).go, engine
        assert metrics.skipped_share == 0, engine
        if engine != "past":
            assert metrics.skipped == {"malformed": 40, "undated": 40, "future": 121}, engine


def test_lines_ahead_of_a_clock_that_says_now_stop_a_promotion(tmp_path: Path) -> None:
    """Of a window that ends now they are the router's clock gone wrong, or lines of now that are broken."""
    line = json.dumps({"id": "x", "t": "2025-10-02T08:00:00Z", "shadow": {"argmax": "R2"}, "live": {"route": "R2"}})
    for number, more in enumerate(((line + "\n").encode() * 20, (line + "\n").encode() + b"torn\n" * 20)):
        (tmp_path / f"{number}").mkdir()
        found = measured_every_way(tmp_path / f"{number}", day_of(600) + more)
        del found["past"]  # it was asked for later
        for engine, metrics in found.items():
            assert [gate.name for gate in gates_of(metrics).blocking] == [GateName.READING], engine


@pytest.mark.parametrize(
    ("behind", "past"), [(timedelta(), False), (timedelta(minutes=5), False), (timedelta(minutes=5, seconds=1), True)]
)
def test_a_window_is_past_once_a_line_after_it_need_not_be_ahead_of_the_clock(behind: timedelta, past: bool) -> None:  # noqa: FBT001 - a column
    """Up to the five minutes from which on a line is of the future; who does not name the clock asks for now."""
    assert Window.ending(NOW - behind, 1440, clock=NOW).past is past
    assert not Window.ending(NOW - behind, 1440).past


def test_the_report_names_coverage_span_and_intervals() -> None:
    """What other tools read stays, and beside it stands what the figures can prove."""
    tally = Tally(DAY, POLICY.fast_cap)
    for line in day_of(291).split(b"\n"):
        tally.add(read_line(line))
    metrics = tally.result(LedgerSpan(0, ""))
    found = json.loads(json.dumps(Report(metrics, gates_of(metrics)).as_json()))
    assert found["coverage"] == {"rollbacks_per_1k": 1.0, "tri_median": 1.0, "fast_cap": 1.0}
    assert (found["oldest"], found["newest"]) == ("2025-09-30T09:09:56.907216Z", "2025-10-01T09:05:00Z")
    assert found["intervals"]["rsi"] == pytest.approx([291 / (291 + 1.959964**2), 1.0])
    assert found["intervals"]["rollbacks_per_1k"] == pytest.approx([0.0, 3000 / 291])
    assert {"coverage", "intervals", "rsi", "rollbacks_per_1k", "tri_median"} <= set(found["hours"][3])
    keys = {"window_minutes", "decisions", "live_rate", "rsi", "rollbacks", "tri_median", "generated_at"}
    assert keys | {"live", "rollbacks_per_1k", "fast_cap_breaches", "skipped", "gates", "go"} <= set(found)
    rollbacks = next(gate for gate in found["gates"] if gate["name"] == "rollbacks_per_1k")
    assert "95% sure: at most 10.3 per 1,000, from 291 that tell" in rollbacks["reason"]


def test_a_gate_whose_absence_is_accepted_says_so() -> None:
    """A site whose router reports no deployments can promote, and no report hides that."""
    tally = Tally(DAY, POLICY.fast_cap)
    for line in day_of(500, without_feedback).split(b"\n"):
        tally.add(read_line(line))
    accepting = GatePolicy.model_validate({"coverage_min": {"rollbacks_per_1k": 0}})
    report = evaluate(tally.result(LedgerSpan(0, "")), HEALTHY, accepting)
    assert report.go
    assert "accepted by `coverage_min` = 0: only 0 of 500 live decisions tell" in " ".join(gate.reason for gate in report.gates)


class Oracle:
    """The verdict once more, by somebody who read the definitions and nothing else: whole lines of JSON, and counting."""

    def __init__(self, data: bytes) -> None:
        self.seen: Counter[str] = Counter()
        self.times: list[datetime] = []
        self.tri: list[float] = []
        reached, first = True, True
        for line in data.decode().splitlines():
            try:
                one = json.loads(line, parse_constant=lambda _: 1 // 0)
                at = datetime.fromisoformat(one["t"])
            except (ValueError, ZeroDivisionError, AttributeError, TypeError, KeyError):
                self.seen["lost"] += reached
                continue
            reached = at >= NOW - timedelta(days=1)
            if first and not reached:
                self.seen["lost"] = 0
            first = False
            if at > NOW + timedelta(minutes=5):
                self.seen["lost"] += 1
            elif reached and at <= NOW:
                self.times.append(at)
                self._count(one)

    def _count(self, one: dict[str, Any]) -> None:
        shadow, live = one.get("shadow") or {}, (one.get("live") or {}).get("route")
        rewards, engaged = one.get("rewards") or {}, (one.get("anomaly") or {}).get("engaged")
        rollback = (rewards.get("deployment") or {}).get("rollback")
        tri = (rewards.get("immediate") or {}).get("tri_delta_norm")
        self.seen.update(decisions=1, live=bool(live), matching=bool(live) and live == shadow.get("argmax"))
        self.seen.update(rollbacks=isinstance(rollback, (int, float)) and rollback != 0)
        self.seen.update(told=bool(live) and isinstance(rollback, (int, float)), anomalies=isinstance(engaged, (int, float)))
        if isinstance(tri, (int, float)):
            self.tri.append(tri)
        if isinstance(engaged, (int, float)) and engaged != 0:
            r3: Any = shadow["probs"].get("R3", 0) if isinstance(shadow.get("probs"), dict) else None
            known = isinstance(r3, (int, float))
            self.seen.update(engaged=1, r3=known, breaches=known and r3 > 0.15)

    @property
    def go(self) -> bool:
        """Everything is asked that the domain asks of a ledger."""
        seen, values = self.seen, sorted(self.tri)
        if seen["live"] < 30 or seen["decisions"] < 100 or not values:
            return False
        middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
        return (
            seen["matching"] >= 0.85 * seen["live"]
            and 1000 * seen["rollbacks"] <= 0.1 * seen["live"]
            and 2 * seen["told"] >= seen["live"]
            and middle >= 0
            and 2 * len(values) >= seen["decisions"]
            and seen["breaches"] == 0
            and 2 * seen["anomalies"] >= seen["decisions"]
            and 2 * seen["r3"] >= seen["engaged"]
            and 100 * seen["lost"] <= seen["lost"] + seen["decisions"]
            and max(self.times) - min(self.times) >= 0.9 * timedelta(days=1)
            and max(self.times) >= NOW - timedelta(minutes=15)
        )


def spoiled(rng: random.Random, data: bytes) -> bytes:
    """The same ledger after zero to three mishaps, each of which meets a share of its lines."""
    lines = [json.loads(line) for line in data.splitlines()]
    mishaps: list[Callable[[dict[str, Any]], Any]] = [
        lambda entry: entry.pop("live"),
        lambda entry: entry["live"].update(route="R1"),
        lambda entry: entry["rewards"]["deployment"].update(rollback=rng.choice([1, -1.0, True, "1", None, 0.0])),
        lambda entry: entry["rewards"].pop("deployment"),
        lambda entry: entry["rewards"].pop("immediate"),
        lambda entry: entry["rewards"]["immediate"].update(tri_delta_norm=rng.choice([-1, "0.5", float("nan"), None])),
        lambda entry: entry["anomaly"].update(engaged=rng.choice([1, -1, True, "1", None])),
        lambda entry: entry.update(
            anomaly={"engaged": 1}, shadow={"argmax": "R2", "probs": {"R3": rng.choice([0.1, 0.2, None])}}
        ),
        lambda entry: entry.update(anomaly={"engaged": 1}, shadow={"argmax": "R2"}),
        lambda entry: entry.update(anomaly={"engaged": 1}, shadow={"argmax": "R2", "probs": {"R2": 1}}),
        lambda entry: entry.pop("anomaly"),
        lambda entry: entry.update(t=rng.choice([3, None, "yesterday", "2025-10-02T09:05:00Z"])),
        lambda entry: entry.update(t="2025-09-29T09:05:00Z"),
    ]
    for mishap in rng.choices(mishaps, k=rng.randrange(4)):
        share = rng.choice([0.003, 0.02, 0.3, 0.49, 0.51, 1.0])
        for spoiled_entry in lines:
            if rng.random() < share:
                try:
                    mishap(spoiled_entry)
                except KeyError:  # an earlier one took it away
                    continue
    return "".join(json.dumps(spoiled_entry) + "\n" for spoiled_entry in lines).encode()


@sweep(15, 150)
def test_no_engine_says_go_where_the_oracle_does_not(tmp_path_factory: pytest.TempPathFactory, rounds: int) -> None:
    """Random days, good ones and spoiled ones: no false GO, and no GO withheld either."""

    @settings(max_examples=rounds)
    @given(st.integers(0, 2**32))
    def law(seed: int) -> None:
        rng = random.Random(seed)
        data = spoiled(rng, day_of(rng.choice([20, 99, 130, 400]), minutes=rng.choice([1440, 1440, 1440, 1300, 1290, 600])))
        expected = Oracle(data).go
        found = measured_every_way(tmp_path_factory.mktemp("day"), data)
        if found["file"].skipped["future"]:
            del found["past"]  # a past day had not yet seen what was written after it
        for engine, metrics in found.items():
            assert gates_of(metrics).go is expected, engine

    law()
