"""Whatever of the truth does not reach the ledger: anr never says GO of a day that was not good.

The day is made first, decision by decision, and judged by itself; then a router writes of it what its build and its operators
leave over. The judgement of the day shares no code with anr, and never reads the ledger.
"""

import http.server
import json
import random
import statistics
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.actors import AccessPolicy
from core.settings.target import TargetSettings
from core.target.target import Target
from tests.support.rig import NOW, written

pytestmark = pytest.mark.torture

CASES = 300
SEED = 20251001
SLOTS = ("slot04", "slot08_lock", "slot09", "slot10")
HEALTHY = {"slots": {slot: {"status": "healthy"} for slot in SLOTS}}
ANSWERS: dict[str, tuple[int, Any]] = {
    "healthy": (200, HEALTHY),
    "one ill": (200, {"slots": {**HEALTHY["slots"], "slot09": {"status": "degraded"}}}),
    "one missing": (200, {"slots": {slot: {"status": "healthy"} for slot in SLOTS[1:]}}),
    "another word": (200, {"slots": {slot: {"status": "ok"} for slot in SLOTS}}),
    "another shape": (200, {"slot_self_checks": {slot: {"self_check": "healthy"} for slot in SLOTS}}),
    "an error": (500, HEALTHY),
    "no JSON": (200, "healthy"),
}
"""What the health endpoint answers, by what is so; only the first is a healthy router that can be heard."""


@dataclass
class Decision:
    """What really happened at one decision."""

    minutes_ago: float
    live: bool
    matches: bool
    rolled_back: bool
    tri: float
    engaged: bool
    r3: float


@dataclass(frozen=True)
class Case:
    """What the day was like, and what is left of it in the ledger."""

    number: int
    decisions: int
    live: float
    bad: str
    feedback: str
    tri_told: str
    anomaly_told: str
    probs_told: str
    spoiled: str
    reaches_back_h: float
    newest_min: float
    health: str


def drawn(number: int) -> Case:
    """Draw a case: more bad days than good ones, and mostly ledgers that say all of it."""
    chance = random.Random(SEED + number)

    def often(usual: Any, *odd: Any, share: float = 0.82) -> Any:
        return usual if chance.random() < share else chance.choice(odd)

    return Case(
        number=number,
        decisions=often(600, 40, 150, share=0.85),
        live=often(0.25, 1.0, 0.02, share=0.8),
        bad=chance.choice(["", "", "", "rollbacks", "tri", "breaches", "rsi"]),
        feedback=often("all", "none", "few", "most", "rewards", "booleans", "words"),
        tri_told=often("all", "none", "one good", "most", "words"),
        anomaly_told=often("all", "none", "few"),
        probs_told=often("all", "none", "masked"),
        spoiled=often("", "a tenth malformed", "a tenth undated", "a third not a number", "a crash line", share=0.75),
        reaches_back_h=often(24, 0.5, 12, share=0.85),
        newest_min=often(1, 40, share=0.93),
        health=often("healthy", *ANSWERS, share=0.8),
    )


def day_of(case: Case, chance: random.Random) -> list[Decision]:
    """Make the true day: what is bad in it is bad in a fifth of its decisions, or in all its TRI."""
    day = []
    for number in range(case.decisions):
        bad = chance.random() < 0.2
        engaged = chance.random() < 0.2
        decision = Decision(
            minutes_ago=case.newest_min + number * (24 * 60 - case.newest_min - 1) / case.decisions,
            live=chance.random() < case.live,
            matches=not (bad and case.bad == "rsi"),
            rolled_back=bad and case.bad == "rollbacks",
            tri=chance.uniform(-0.3, 0.0) - 0.01 if case.bad == "tri" else chance.uniform(0.01, 0.3),
            engaged=engaged or (bad and case.bad == "breaches"),
            r3=0.3 if bad and case.bad == "breaches" else 0.1,
        )
        day.append(decision)
    return day


def was_good(case: Case, day: list[Decision]) -> bool:
    """Judge the day itself, by the runbook."""
    live = [judged_day for judged_day in day if judged_day.live]
    return (
        len(day) >= 100
        and bool(live)
        and sum(decision.matches for decision in live) / len(live) >= 0.85
        and 1000 * sum(decision.rolled_back for decision in live) / len(live) <= 0.1
        and statistics.median(judged_day.tri for judged_day in day) >= 0
        and not any(judged_day.engaged and judged_day.r3 > 0.15 for judged_day in day)
        and case.newest_min <= 15
        and case.health == "healthy"
    )


TOLD = {"all": 1.0, "rewards": 1.0, "booleans": 1.0, "words": 1.0, "most": 0.8, "few": 0.2, "none": 0.0, "one good": 0.0}
"""The share of lines that carry what is told in this way."""


def entry_of(case: Case, one: Decision, number: int, chance: random.Random) -> dict[str, Any]:
    """Return a decision's entry as this router has it."""
    probs = {"R1": 0.2, "R2": 0.75 - one.r3, "R3": one.r3, "R4": 0.05, "R5": 0.0}
    if case.probs_told == "masked" and one.engaged and one.r3 <= 0.15:
        probs = {"R2": 0.6, "R4": 0.2, "R5": 0.2}
    entry: dict[str, Any] = {"id": f"{number}", "t": written(NOW - timedelta(minutes=one.minutes_ago))}
    entry["shadow"] = {"route": "R2", "argmax": "R2", **({} if case.probs_told == "none" else {"probs": probs})}
    if one.live:
        entry["live"] = {"route": "R2" if one.matches else "R5", "pilot": 0.25}
    if chance.random() < TOLD[case.anomaly_told]:
        entry["anomaly"] = {"engaged": int(one.engaged)}
    rewards = entry["rewards"] = {}
    if chance.random() < TOLD[case.feedback]:
        ways = {"rewards": -float(one.rolled_back), "booleans": one.rolled_back, "words": "yes" if one.rolled_back else "no"}
        rewards["deployment"] = {"rollback": ways.get(case.feedback, int(one.rolled_back))}
    if chance.random() < TOLD[case.tri_told]:
        rewards["immediate"] = {"tri_delta_norm": "good" if case.tri_told == "words" else one.tri}
    if case.tri_told == "one good" and number == 0:
        rewards["immediate"] = {"tri_delta_norm": 0.5}
    return entry


def line_of(case: Case, one: Decision, number: int, chance: random.Random) -> str:
    """Write a decision as this router does, with what a crash or a writer that is broken makes of it."""
    entry = entry_of(case, one, number, chance)
    line, luck = json.dumps(entry), chance.random()
    match case.spoiled:
        case "a tenth malformed" if luck < 0.1:
            return line[: len(line) // 2]
        case "a tenth undated" if luck < 0.1:
            return json.dumps({**entry, "t": "yesterday"})
        case "a third not a number" if luck < 0.33:
            return line[:-1] + ', "latency": NaN}'
        case "a crash line" if number == 5:
            return "\0\0\0"
    return line


@pytest.fixture
def health() -> Iterator[str]:
    """A health endpoint whose path says what it answers."""
    names = list(ANSWERS)

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = ANSWERS[names[int(self.path[1:])]]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode() if isinstance(answer, str) else json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def go_of(case: Case, day: list[Decision], folder: Path, health: str) -> tuple[bool, str]:
    """Let the router write the day, and return whether anr says GO, with its reasons."""
    folder.mkdir()
    chance = random.Random(SEED - case.number)
    lines = [
        line_of(case, decision, number, chance)
        for number, decision in enumerate(day)
        if decision.minutes_ago <= case.reaches_back_h * 60 + 1
    ]
    (folder / "anr_ledger.ndjson").write_text("".join(f"{line}\n" for line in reversed(lines)), "utf-8")
    options = TargetSettings(
        ledger=folder / "anr_ledger.ndjson",
        settings_file=folder / "anr.env",
        health_url=f"{health}/{list(ANSWERS).index(case.health)}",
        journal=folder / "journal.sqlite",
        receipts_dir=folder / "logs",
        run_dir=folder / "run",
        state_file=folder / "state.json",
        backups_dir=folder / "backups",
        archive_dir=folder / "archive",
    )
    target = Target.at(options, AccessPolicy(), lambda: NOW)
    gates = target.measure(NOW, leaving_zero=False).gates
    target.journal.close()
    return gates.go, "; ".join(gate.reason for gate in gates.gates)


def test_never_go_after_a_day_that_was_not_good(tmp_path: Path, health: str, figure: Callable[[str], None]) -> None:
    """Law: GO is said only of days that were good, whatever is missing, late, spoiled or told in other words."""
    false, counted = [], Counter[tuple[bool, bool]]()
    for case in map(drawn, range(CASES)):
        day = day_of(case, random.Random(SEED * 2 + case.number))
        go, reasons = go_of(case, day, tmp_path / f"{case.number}", health)
        good = was_good(case, day)
        counted[go, good] += 1
        if go and not good:
            false.append((asdict(case), reasons))
    assert false == []
    assert counted[True, True] >= 15, "hardly any good day is a GO: nothing is tested"
    figure(
        f"false GO: 0 of {CASES} combinations; {counted[False, False]} bad days are no GO, {counted[True, True]} good ones are, "
        f"{counted[False, True]} good ones of which too little is told are kept back"
    )
