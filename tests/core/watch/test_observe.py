import http.server
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer

from core.actors import AccessPolicy, Actor, ActorKind
from core.brake import brake
from core.brake.brake import Braked
from core.cli.output import DONE, FAILED
from core.cli.render import ending, finish
from core.operations import propose
from core.operations.end_drift import reapply
from core.operations.results import Moved, Refused
from core.operations.shadow import UnfrozenInShadow, shadow, unfreeze_in_shadow
from core.receipts.observation import Sight
from core.receipts.receipt import Action, Result
from core.rollout.refusals import Code
from core.rollout.state import fold, learning_of
from core.settings.target import ObserveOptions, TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.watch.observe import Observer, followed
from core.watch.watch import watch
from tests.support import running_router
from tests.support.promoting import promoted
from tests.support.rig import Clock, Rig, decision, written

ROUTER = Path(running_router.__file__)
LAUNCH = """
import json, os, signal, subprocess, sys
from pathlib import Path
from dotenv import dotenv_values
place, command, exported = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
try:
    os.kill(int((place / "pid").read_text()), signal.SIGKILL)
except (FileNotFoundError, ProcessLookupError):
    pass
env = {**os.environ, **dotenv_values(place / "anr.env"), **exported}
subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
"""
HUP = "import os, signal, sys; from pathlib import Path; os.kill(int((Path(sys.argv[1]) / 'pid').read_text()), signal.SIGHUP)"


@contextmanager
def running(place: Path, slots: str, restart: str, *words: str, exported: dict[str, str] | None = None) -> Iterator[Rig]:
    """A router at 10% that runs as a process, and a site that restarts it in one way or another."""
    command = [sys.executable, str(ROUTER), str(place / "ledger.ndjson"), str(place), *words]
    launch = (sys.executable, "-c", LAUNCH, str(place), json.dumps(command), json.dumps(exported or {}))
    ways = {"works": launch, "does-nothing": (sys.executable, "-c", ""), "hup": (sys.executable, "-c", HUP, str(place)), "no": ()}
    options = TargetSettings(
        ledger=place / "ledger.ndjson",
        settings_file=place / "anr.env",
        health_url=slots,
        journal=place / "journal.sqlite",
        receipts_dir=place / "logs",
        run_dir=place / "run",
        state_file=place / "anr_state.json",
        backups_dir=place / "backups",
        reload_command=ways[restart],
        observe_timeout_s=0,
    )
    options.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_KILL=0\n", encoding="utf-8")
    options.ledger.touch()
    subprocess.run(launch, check=True)
    hangs = time.monotonic() + 120
    while not (place / "pid").exists():  # until it is up nobody can send it a signal
        assert time.monotonic() < hangs
        time.sleep(0.01)
    target = Target.at(options, AccessPolicy(operators=frozenset({"os:me"})))
    try:
        yield Rig(target, Clock(), {}, {})
    finally:
        target.journal.close()
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            psutil.Process(int((place / "pid").read_text(encoding="utf-8"))).kill()


def seen_in_the_end(target: Target, *wanted: Sight) -> Sight:
    """Look until one of these is seen; the last sight if none is within two minutes."""
    ends = time.monotonic() + 120
    with closing(Observer(target)) as observer:
        while True:
            observer.look()
            assert observer.seen is not None
            if observer.seen.sight in wanted or time.monotonic() > ends:
                return observer.seen.sight
            time.sleep(0.1)


def actions(target: Target) -> list[str]:
    return [str(sealed.receipt.action) for sealed in target.journal.receipts()]


ANYTHING = (Sight.STILL_SERVING, Sight.SEEN_SAFE, Sight.NOT_SERVING)
STILL = (Sight.STILL_SERVING,)


@pytest.mark.parametrize(
    ("restart", "words", "exported", "sights"),
    [
        pytest.param("works", (), {}, (Sight.SEEN_SAFE,), id="a-restart"),
        pytest.param("works", ("no-pilot",), {}, (Sight.SEEN_SAFE,), id="a-restart-and-lines-without-a-pilot"),
        pytest.param("works", ("ahead=20",), {}, (Sight.SEEN_SAFE,), id="a-restart-and-a-clock-that-is-ahead"),
        pytest.param("no", (), {}, STILL, id="a-settings-file-that-nobody-reads"),
        pytest.param("does-nothing", (), {}, STILL, id="a-command-that-ends-with-0-and-does-nothing"),
        pytest.param("does-nothing", ("no-pilot",), {}, STILL, id="the-same-and-lines-without-a-pilot"),
        pytest.param("does-nothing", ("ahead=20",), {}, STILL, id="the-same-and-a-clock-that-is-ahead"),
        pytest.param("hup", (), {}, STILL, id="a-SIGHUP-keeps-the-environment"),
        pytest.param(
            "works", (), {"NOVA_ANR_KILL": "0", "NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.10"}, STILL, id="exported"
        ),
        pytest.param("works", (), {"NOVA_ANR_KILL": "0"}, (Sight.NOT_SERVING,), id="only-KILL-is-exported"),
    ],
)
def test_what_is_said_of_a_router_is_what_its_process_does(
    tmp_path: Path,
    slots: tuple[str, Any],
    restart: str,
    words: tuple[str, ...],
    exported: dict[str, str],
    sights: tuple[Sight, ...],
) -> None:
    """Nine ways in which "safe" was false: the process decides, and the receipt of the turn says so once."""
    with running(tmp_path, slots[0], restart, *words, exported=exported) as rig:
        me = AccessPolicy(operators=frozenset({"os:me"})).roles_of("os:me", full_member=True)
        done = brake.rollback(rig.target, Actor(kind=ActorKind.OS, id="me", roles=me), "errors")
        assert isinstance(done, Braked)
        assert done.observation is not None
        assert done.observation.sight is Sight.NOT_YET_SEEN
        assert done.observation.restarted is (restart != "no")
        assert seen_in_the_end(rig.target, *ANYTHING if sights == STILL else sights) in sights
        assert actions(rig.target) == ["rollback", "observed"]
        told = rig.target.journal.receipts()[-1].receipt
        assert told.operation == rig.target.journal.receipts()[0].receipt.operation
        assert seen_in_the_end(rig.target, *sights) in sights
        assert actions(rig.target) == ["rollback", "observed"]


@pytest.fixture
def braked(begun: Rig) -> Rig:
    """A house that was rolled back at NOW; its ledger has nothing newer."""
    assert isinstance(brake.rollback(begun.target, begun.people["max"], "errors"), Braked)
    begun.clock.pass_(seconds=30)
    return begun


def append(rig: Rig, count: int = 1, *, ago: float = 0, every: float = 1, **change: Any) -> None:
    """The router appends decisions of the last seconds, one `every` so many seconds."""
    with rig.settings.ledger.open("a", encoding="utf-8") as ledger:
        for back in reversed(range(count)):
            entry = {**decision(rig.clock.now), "t": written(rig.clock.now - timedelta(seconds=ago + back * every)), **change}
            ledger.write(json.dumps({name: value for name, value in entry.items() if value is not None}) + "\n")


QUIET: dict[str, Any] = {"live": None, "shadow": {"argmax": "R4"}}


def sight(rig: Rig) -> Sight:
    with closing(Observer(rig.target)) as observer:
        observer.look()
        assert observer.seen is not None
        return observer.seen.sight


def fifo(rig: Rig) -> None:
    rig.settings.ledger.unlink()
    os.mkfifo(rig.settings.ledger)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(lambda _: None, Sight.NOT_YET_SEEN, id="silent"),
        pytest.param(lambda rig: rig.settings.ledger.unlink(), Sight.NOT_YET_SEEN, id="missing"),
        pytest.param(fifo, Sight.NOT_YET_SEEN, id="a-fifo"),
        pytest.param(lambda rig: rig.settings.ledger.write_bytes(b"\0" * 9999), Sight.NOT_YET_SEEN, id="garbage"),
        pytest.param(lambda rig: append(rig, 40, ago=60), Sight.NOT_YET_SEEN, id="late-flushed-old-lines"),
        pytest.param(lambda rig: append(rig, 100, every=0.2, **QUIET), Sight.SEEN_SAFE, id="R4-only"),
        pytest.param(append, Sight.STILL_SERVING, id="live"),
        pytest.param(lambda rig: append(rig, live={"route": "R2"}), Sight.STILL_SERVING, id="live-without-a-pilot"),
        pytest.param(lambda rig: rig.clock.pass_(minutes=5), Sight.UNSEEN_TIMEOUT, id="silent-for-minutes"),
    ],
)
def test_a_ledger_that_says_nothing_is_never_safe(braked: Rig, spoil: Any, expected: Sight) -> None:
    """Missing, silent, garbled or old: not yet seen, and after minutes that nobody knows."""
    spoil(braked)
    assert sight(braked) is expected


@contextmanager
def endpoint(answer: dict[str, Any]) -> Iterator[str]:
    class Status(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Status) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def asking(rig: Rig, url: str) -> Rig:
    observe = ObserveOptions(url=url, enabled="on", pilot="pilot", kill="kill", timeout_s=5)
    target = Target.at(rig.settings.model_copy(update={"observe": observe}), rig.target.access, rig.clock)
    return Rig(target, rig.clock, rig.statuses, rig.people)


def test_an_endpoint_that_says_enabled_is_believed_at_once_and_one_that_is_gone_says_nothing(braked: Rig) -> None:
    """The site names it, the ledger is silent: the endpoint decides while it answers."""
    answer: dict[str, Any] = {"on": True, "pilot": 0.1, "kill": False}
    with endpoint(answer) as url:
        rig = asking(braked, url)
        assert sight(rig) is Sight.STILL_SERVING
        answer |= {"on": False, "pilot": 0, "kill": True}
        assert sight(rig) is Sight.SEEN_SAFE
    assert sight(rig) is Sight.SEEN_SAFE  # as last seen: silence takes nothing back
    assert actions(rig.target) == ["init", "rollback", "observed", "observed"]


def test_each_turn_has_one_receipt_whoever_looks(braked: Rig) -> None:
    """The bot and a terminal look at the same time: contradicted, then seen safe, each once, in the brake's story."""
    append(braked)
    with closing(Observer(braked.target)) as bot, closing(Observer(braked.target)) as terminal:
        bot._read()
        terminal._read()
        assert [bot.look() is not None, terminal._look() is not None] == [True, False]
        for observer in (bot, terminal):
            observer.look()
        braked.clock.pass_(minutes=1)
        append(braked, 150, every=0.2, **QUIET)
        assert [bot.look() is not None, terminal.look() is not None] == [True, False]
    receipts = [sealed.receipt for sealed in braked.target.journal.receipts()]
    turns = [receipt for receipt in receipts if receipt.action is Action.OBSERVED]
    assert [turn.observation and turn.observation.sight for turn in turns] == [Sight.STILL_SERVING, Sight.SEEN_SAFE]
    assert {turn.operation for turn in turns} == {receipts[1].operation}
    assert braked.target.journal.state().observation == turns[-1].observation
    assert braked.target.journal.verify()[1] == ()


def test_a_turn_that_cannot_be_recorded_is_seen_all_the_same(braked: Rig) -> None:
    """The journal is gone: what is seen does not need it, and the marks say what is expected where nothing else does."""
    append(braked)
    brake.freeze(braked.target, braked.people["max"], "errors")
    braked.target.journal.close()
    braked.settings.journal.write_bytes(b"no database" * 100)
    braked.clock.pass_(seconds=5)
    append(braked)
    assert sight(braked) is Sight.STILL_SERVING


def test_a_brake_that_could_not_be_recorded_is_looked_for_all_the_same(begun: Rig) -> None:
    """The journal says 10% and is locked; the brake has acted: a router at 10% is STILL SERVING, and not "seen at 10%"."""
    with sqlite3.connect(begun.settings.journal) as other:
        other.execute("BEGIN IMMEDIATE")
        done = brake.rollback(begun.target, begun.people["max"], "errors")
        assert isinstance(done, Braked)
        assert done.sealed is None
        begun.clock.pass_(seconds=30)
        append(begun, 3)
        assert sight(begun) is Sight.STILL_SERVING
        assert ending(followed(begun.target, done)).facts["result"] == "still_serving"
        other.rollback()
    assert actions(begun.target) == ["init"]


def test_a_brake_that_is_contradicted_exits_3_and_says_what_to_do(begun: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """At the terminal and as JSON: what was done, what was seen, and that it is not over."""
    done = brake.rollback(begun.target, begun.people["max"], "errors")
    begun.clock.pass_(seconds=30)
    append(begun, 3)
    seen = followed(begun.target, done)
    ended = ending(seen)
    assert ended.code == FAILED
    assert "STILL SERVING: 3 live decisions since 09:05:00 UTC" in ended.said[1]
    assert ended.complaints[-1].startswith("Restart the router by hand now")
    with pytest.raises(typer.Exit):
        finish(seen, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["result"], told["observation"]["live"], told["exit_code"]) == ("still_serving", 3, 3)
    begun.clock.pass_(minutes=1)
    append(begun, 150, every=0.2, **QUIET)
    assert isinstance(done, Braked)
    safe = ending(followed(begun.target, done))
    assert (safe.code, safe.facts["result"]) == (DONE, "seen_safe")


def test_a_brake_that_was_not_seen_yet_says_so_and_ends_with_0(begun: Rig) -> None:
    """No word says more than the facts."""
    ended = ending(followed(begun.target, brake.rollback(begun.target, begun.people["max"], "errors")))
    assert ended.code == DONE
    assert ended.said[0].startswith("Settings written and synced. NOTHING RESTARTED THE ROUTER")
    assert ended.said[1].startswith("Not yet seen.")
    assert ended.facts["result"] == "not_yet_seen"


@pytest.mark.parametrize(
    ("live", "word", "code"),
    [
        pytest.param(None, "written", DONE, id="silent"),
        pytest.param({"route": "R2"}, "written", DONE, id="no-pilot-is-at-most-serving"),
        pytest.param({"route": "R2", "pilot": 0.25}, "applied", DONE, id="seen"),
        pytest.param({"route": "R2", "pilot": 0.10}, "not_followed", FAILED, id="another-stage"),
    ],
)
def test_a_promotion_is_applied_once_it_was_seen(begun: Rig, live: Any, word: str, code: int) -> None:
    """Else it is written and not seen; a router that shows another stage exits 3."""
    moved = promoted(begun)
    begun.clock.pass_(seconds=30)
    if live:
        append(begun, live=live)
    ended = ending(followed(begun.target, moved))
    assert (ended.facts["result"], ended.code) == (word, code)


def test_a_receipt_says_written_until_it_was_seen(begun: Rig) -> None:
    """In lists and evidence, too: the outcome was written, the sighting is another receipt."""
    brake.rollback(begun.target, begun.people["max"], "errors")
    receipt = begun.target.journal.receipts()[-1].receipt
    assert (receipt.result, receipt.ended) == (Result.APPLIED, "written")
    assert receipt.observation is not None
    seen = receipt.observation.model_copy(update={"sight": Sight.SEEN_SAFE})
    assert receipt.model_copy(update={"observation": seen}).ended == "applied"
    assert receipt.model_copy(update={"result": Result.NOT_APPLIED}).ended == "not applied"


def test_a_step_down_that_the_router_does_not_follow_is_an_alarm_at_once(begun: Rig) -> None:
    """It goes on at 25% after a step down to 10: drift, at once, for it serves more than it should."""
    promoted(begun)
    begun.clock.pass_(seconds=30)
    append(begun, live={"route": "R2", "pilot": 0.25})
    watch(begun.target)
    propose.propose(begun.target, Order(begun.people["olivia"]), wanted=10)
    begun.clock.pass_(seconds=30)
    append(begun, live={"route": "R2", "pilot": 0.25})
    watch(begun.target)
    assert actions(begun.target)[-2:] == ["observed", "drift"]
    assert "25.00% of live traffic" in begun.target.journal.receipts()[-1].receipt.note


def test_reapply_does_not_clear_an_alarm_that_the_router_still_contradicts(braked: Rig) -> None:
    """The settings were written again: the alarm stays, and promotion stays refused, until the router is seen to follow."""
    append(braked)
    watch(braked.target)
    alarm = braked.target.journal.state().drift
    assert alarm is not None
    assert alarm.running
    done = reapply(braked.target, Order(braked.people["aaron"], "again"))
    assert isinstance(done, Moved)
    for passes in (0, 30):
        braked.clock.pass_(seconds=passes)
        watch(braked.target)
        assert braked.target.journal.state().drift == alarm
        refused = propose.propose(braked.target, Order(braked.people["olivia"]))
        assert isinstance(refused, Refused)
        assert refused.refusal.code is Code.DRIFT
    append(braked)
    watch(braked.target)
    assert braked.target.journal.state().drift is not None
    braked.clock.pass_(minutes=1)
    append(braked, 150, every=0.2, **QUIET)
    watch(braked.target)
    assert braked.target.journal.state().drift is None
    assert actions(braked.target)[-2:] == ["observed", "agreed"]


def test_back_to_observing_needs_an_operator_and_no_hold_and_serves_nothing(begun: Rig) -> None:
    """ENABLED=1, PILOT=0.00, KILL=0, once no hold is left; what was learned before does not count."""
    operator, member = Order(begun.people["olivia"], "healed"), Order(begun.people["max"])
    refusals = []
    for order, act in ((member, None), (operator, None), (operator, "freeze")):
        if act == "freeze":
            brake.freeze(begun.target, begun.people["max"], "errors")
        refused = shadow(begun.target, order)
        assert isinstance(refused, Refused)
        refusals.append(refused.refusal.code)
    assert refusals == [Code.NOT_ALLOWED, Code.NOT_AT_ZERO, Code.FROZEN]
    assert learning_of(begun.target.journal.state()).killed
    begun.clock.pass_(minutes=9)
    done = unfreeze_in_shadow(begun.target, operator)
    assert isinstance(done, UnfrozenInShadow)
    assert isinstance(done.shadow, Moved)
    assert {name: begun.setting(f"NOVA_ANR_{name}") for name in ("ENABLED", "PILOT", "KILL")} == {
        "ENABLED": "1",
        "PILOT": "0.00",
        "KILL": "0",
    }
    state = begun.target.journal.state()
    assert (state.stage, state.person_required, state.frozen) == (0, True, False)
    learning = learning_of(state)
    assert (learning.killed, learning.since) == (False, begun.clock.now)
    again = shadow(begun.target, operator)
    assert isinstance(again, Refused)
    assert again.refusal.code is Code.ALREADY_THERE
    assert ending(done).facts["result"] == "written"
    begun.clock.pass_(seconds=30)
    append(begun, 5, live=None)
    assert sight(begun) is Sight.SEEN_SHADOW
    append(begun)
    assert sight(begun) is Sight.STILL_SERVING


def test_a_journal_from_before_says_what_it_said(braked: Rig) -> None:
    """Receipts without an observation keep their bytes, and the router that they are about is watched all the same."""
    receipts = [sealed.receipt.model_copy(update={"observation": None}) for sealed in braked.target.journal.receipts()]
    state = fold(receipts)
    assert state.observation is None
    append(braked)
    seen = braked.target.observe(state)
    assert seen is not None
    assert seen.sight is Sight.STILL_SERVING
