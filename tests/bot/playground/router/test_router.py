import asyncio
import json
import random
import re
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from filelock import FileLock

from bot import playground
from bot.playground.router import reload
from bot.playground.router.history import good_days
from bot.playground.router.pages import RouterPages
from bot.playground.router.router import SimulatedRouter
from bot.playground.router.settings import SettingsRejectedError
from bot.playground.router.switches import BURSTS, HABITS, ROTATIONS

NOW = datetime(2025, 9, 30, 9, 0, tzinfo=UTC)
PILOT_10 = "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n"
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "anr.env"
    path.write_text(PILOT_10, "utf-8")
    return path


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "run" / "anr_ledger.ndjson"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "run" / "anr_state.json"


@pytest.fixture
def router(settings: Path, ledger: Path, state: Path) -> SimulatedRouter:
    made = SimulatedRouter(settings, ledger, state, rng=random.Random(7), clock=lambda: NOW)
    made.restart()
    return made


@pytest.fixture
async def client(router: SimulatedRouter) -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes(RouterPages(router).routes())
    async with TestClient(TestServer(application)) as made:
        yield made


def write(settings: Path, text: str | None) -> None:
    """Write the settings file, or take it away."""
    if text is None:
        settings.unlink()
    else:
        settings.write_text(text, "utf-8")


def entries(ledger: Path) -> list[dict[str, Any]]:
    """Every line of the ledger; fails if one is torn."""
    if not ledger.exists():
        return []
    text = ledger.read_text("utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def time_of(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["t"])


def last_day(ledger: Path, now: datetime = NOW) -> list[dict[str, Any]]:
    return [entry for entry in entries(ledger) if now - timedelta(hours=24) <= time_of(entry) <= now]


def rsi(window: list[dict[str, Any]]) -> float:
    live = [entry for entry in window if "live" in entry]
    return sum(bool(entry["live"]["route"] == entry["shadow"]["argmax"]) for entry in live) / len(live)


def rollbacks_per_1k(window: list[dict[str, Any]]) -> float:
    live = sum("live" in entry for entry in window)
    return 1000 * sum(int(entry["rewards"]["deployment"]["rollback"]) for entry in window) / live


def tri_median(window: list[dict[str, Any]]) -> float:
    return median(
        float(entry["rewards"]["immediate"]["tri_delta_norm"])
        for entry in window
        if "tri_delta_norm" in entry["rewards"]["immediate"]
    )


def breaches(window: list[dict[str, Any]]) -> int:
    return sum(entry["anomaly"]["engaged"] > 0 and entry["shadow"]["probs"]["R3"] > 0.15 for entry in window)


def test_seeded_history_is_three_good_days_that_end_now(router: SimulatedRouter, ledger: Path) -> None:
    """A visitor's first report is GO: every gate's figure of every seeded day is good and the newest line is fresh."""
    router.seed_history(NOW)
    written = entries(ledger)
    assert 6_000 <= len(written) <= 10_000
    assert max(time_of(entry) for entry in written) == NOW
    assert NOW - timedelta(hours=72, minutes=1) <= min(time_of(entry) for entry in written)
    for days_ago in range(3):
        end = NOW - timedelta(days=days_ago)
        day = [entry for entry in written if end - timedelta(days=1) < time_of(entry) <= end]
        assert rsi(day) >= 0.9
        assert rollbacks_per_1k(day) == 0
        assert tri_median(day) > 0
        assert breaches(day) == 0
        assert sum("live" in entry for entry in day) / len(day) == pytest.approx(0.10, abs=0.005)


def test_seeded_history_stands_nearly_but_not_exactly_in_time_order(router: SimulatedRouter, ledger: Path) -> None:
    """The real ledger's writers flush minutes apart; a reader that trusts the order must fail here."""
    router.seed_history(NOW)
    times = [time_of(entry) for entry in entries(ledger)]
    assert times != sorted(times)
    newest = times[0]
    for at in times:
        assert newest - at <= timedelta(seconds=90)
        newest = max(newest, at)


def test_the_same_seed_writes_the_same_history(settings: Path, tmp_path: Path) -> None:
    """A demo looks the same every time, byte for byte."""
    ledgers = [tmp_path / "one.ndjson", tmp_path / "two.ndjson"]
    for path in ledgers:
        good_days.cache_clear()  # what was drawn before is not drawn again
        SimulatedRouter(settings, path, tmp_path / "state.json", rng=random.Random(1)).seed_history(NOW)
    assert ledgers[0].read_bytes() == ledgers[1].read_bytes()


def test_history_is_good_even_under_settings_that_allow_breaches(router: SimulatedRouter, settings: Path, ledger: Path) -> None:
    """Settings of today must not spoil the past that heals a demo."""
    write(settings, PILOT_10 + "NOVA_ANR_STRICT_ON_ANOMALY=0\nNOVA_ANR_LEARN_SHADOW=0\n")
    router.restart()
    router.seed_history(NOW)
    assert breaches(last_day(ledger)) == 0
    assert len(last_day(ledger)) > 2_000


async def test_settings_in_the_file_have_no_effect_before_a_restart(
    router: SimulatedRouter, settings: Path, ledger: Path
) -> None:
    """A promotion that forgets the restart, or sends a SIGHUP, never reaches the router, and the ledger shows it."""
    write(settings, "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\n")
    await router.decide(100)
    router.hup()
    await router.decide(100)
    assert {entry["live"]["pilot"] for entry in entries(ledger) if "live" in entry} == {0.10}
    router.restart()
    await router.decide(200)
    await router.stop()
    assert sum(entry.get("live", {}).get("pilot") == 0.5 for entry in entries(ledger)) == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("NOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.50\n", id="disabled"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.00\n", id="pilot zero"),
        pytest.param("", id="nothing set"),
    ],
)
async def test_without_live_traffic_shadow_decisions_go_on(
    router: SimulatedRouter, settings: Path, ledger: Path, text: str
) -> None:
    """After a rollback nothing is live, yet the ledger stays fresh because the router learns in shadow."""
    write(settings, text)
    router.restart()
    await router.decide(50)
    await router.stop()
    assert len(entries(ledger)) == 50
    assert not any("live" in entry for entry in entries(ledger))


async def test_without_shadow_learning_only_live_decisions_are_written(
    router: SimulatedRouter, settings: Path, ledger: Path
) -> None:
    """NOVA_ANR_LEARN_SHADOW=0 leaves the live part alone."""
    write(settings, PILOT_10 + "NOVA_ANR_LEARN_SHADOW=0\n")
    router.restart()
    await router.decide(100)
    await router.stop()
    assert len(entries(ledger)) == 10
    assert all(entry["live"]["pilot"] == 0.10 for entry in entries(ledger))


async def test_the_first_decision_after_a_restart_shows_the_new_pilot(
    router: SimulatedRouter, settings: Path, ledger: Path
) -> None:
    """A promotion waits a few seconds to see the new pilot in the ledger, even at the lowest stage."""
    write(settings, "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n")
    router.restart()
    await router.decide(1)
    await router.stop()
    assert entries(ledger)[0]["live"]["pilot"] == 0.25


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("NOVA_ANR_PILOT=often\n", id="no number"),
        pytest.param("NOVA_ANR_PILOT=1.10\n", id="above one"),
        pytest.param("NOVA_ANR_PILOT=nan\n", id="not a number"),
        pytest.param(None, id="file is gone"),
    ],
)
async def test_a_router_does_not_come_up_with_unusable_settings(
    router: SimulatedRouter, settings: Path, ledger: Path, text: str | None
) -> None:
    """A broken file is refused loudly at the restart, and then there is no process that serves anything."""
    write(settings, text)
    with pytest.raises(SettingsRejectedError, match="does not come up"):
        router.restart()
    await router.decide(50)
    assert not entries(ledger)


async def test_rsi_drop_turns_the_day_red_at_once(router: SimulatedRouter, ledger: Path) -> None:
    """Live routes that leave the argmax pull 24 hours below the gate, while the live rate stays what the pilot says."""
    router.seed_history(NOW)
    await router.misbehave("rsi_drop", on=True)
    window = last_day(ledger)
    assert rsi(window) < 0.85
    assert sum("live" in entry for entry in window) / len(window) == pytest.approx(0.10, abs=0.01)


async def test_rollbacks_turn_the_day_red_at_once(router: SimulatedRouter, ledger: Path) -> None:
    """More than 0.1 rollbacks per 1,000 live decisions stand in the window."""
    router.seed_history(NOW)
    await router.misbehave("rollbacks", on=True)
    assert rollbacks_per_1k(last_day(ledger)) > 0.1
    assert rsi(last_day(ledger)) >= 0.85


async def test_fast_cap_breaches_stand_in_the_window_at_once(router: SimulatedRouter, ledger: Path) -> None:
    """R3 above 0.15 during an anomaly is written, and nothing else goes wrong with it."""
    router.seed_history(NOW)
    await router.misbehave("fast_cap", on=True)
    assert breaches(last_day(ledger)) >= 100
    assert rsi(last_day(ledger)) >= 0.85


async def test_tri_drop_turns_the_median_negative_at_once(router: SimulatedRouter, ledger: Path) -> None:
    """The exact median of the day falls below zero."""
    router.seed_history(NOW)
    await router.misbehave("tri_drop", on=True)
    assert tri_median(last_day(ledger)) < 0


async def test_a_stopped_ledger_is_stale_at_once_and_stays_silent(router: SimulatedRouter, ledger: Path) -> None:
    """The newest line is older than the freshness gate allows, and no further line comes."""
    router.seed_history(NOW)
    await router.misbehave("ledger_stopped", on=True)
    await router.decide(20)
    assert NOW - max(time_of(entry) for entry in entries(ledger)) > timedelta(minutes=15)
    await router.misbehave("ledger_stopped", on=False)
    await router.decide(20)
    await router.stop()
    assert max(time_of(entry) for entry in entries(ledger)) == NOW


@pytest.mark.parametrize("name", ["rsi_drop", "rollbacks"])
async def test_without_live_traffic_no_live_decision_is_invented(
    router: SimulatedRouter, settings: Path, ledger: Path, name: str
) -> None:
    """At stage 0 a burst of live lines would be a lie that looks like drift."""
    write(settings, "NOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n")
    router.restart()
    router.seed_history(NOW, pilot=0.0)
    before = entries(ledger)
    await router.misbehave(name, on=True)
    assert entries(ledger) == before


async def test_damage_stays_after_a_misbehaviour_until_healed(client: Client, router: SimulatedRouter, ledger: Path) -> None:
    """Switching off stops the cause, not what stands in the window; healing replaces the ledger."""
    router.seed_history(NOW)
    for on in (True, False):
        answer = await client.post("/router/misbehave", json={"rsi_drop": on})
        assert (await answer.json())["misbehaviour"]["rsi_drop"] is on
    assert rsi(last_day(ledger)) < 0.85
    answer = await client.post("/router/heal")
    assert (await answer.json())["misbehaviour"] == dict.fromkeys(BURSTS, False)
    assert rsi(last_day(ledger)) >= 0.9
    assert {entry["live"]["pilot"] for entry in entries(ledger) if "live" in entry} == {0.10}


async def test_a_visitors_broken_lines_do_not_stop_a_burst(router: SimulatedRouter, ledger: Path) -> None:
    """Garbage that a visitor writes into the ledger to try the bot must not break the simulator's own counting."""
    router.seed_history(NOW)
    with ledger.open("ab") as stream:
        stream.write(b'nonsense\n{"t":null}\n{"t":"2025-09-30T08:59:00","live":null,"rewards":[]}\n\xff\xfe\n')
    await router.misbehave("tri_drop", on=True)
    assert "decisions were written at once" in router._note


async def test_slots_are_healthy_until_one_is_down(client: Client) -> None:
    """The health answer has the real router's shape and names the slot that is ill."""
    healthy = {"status": "healthy"}
    answer = await (await client.get("/health/slots")).json()
    assert answer == {"slots": dict.fromkeys(("slot04", "slot08_lock", "slot09", "slot10"), healthy)}
    await client.post("/router/misbehave", json={"slot_down": True})
    answer = await (await client.get("/health/slots")).json()
    assert answer["slots"]["slot08_lock"] == {"status": "down"}
    assert answer["slots"]["slot04"] == healthy


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="not JSON"),
        pytest.param(b"[1]", id="not an object"),
        pytest.param(b'{"explode": true}', id="unknown name"),
        pytest.param(b'{"rsi_drop": "yes"}', id="not a boolean"),
    ],
)
async def test_an_unknown_misbehaviour_is_refused(client: Client, router: SimulatedRouter, body: bytes) -> None:
    """A control that is not understood changes nothing and says what would be."""
    answer = await client.post("/router/misbehave", data=body)
    assert answer.status == 400
    assert "rsi_drop" in (await answer.json())["error"]
    assert not any(router.misbehaviour.values())


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://evil.example"}, id="another site's page"),
        pytest.param({"Host": "evil.example"}, id="a name re-pointed here"),
    ],
)
@pytest.mark.parametrize("path", ["/router/misbehave", "/router/heal", "/router/habits", "/router/rotate", "/restart", "/hup"])
async def test_pages_of_other_sites_may_not_drive_the_router(
    client: Client, router: SimulatedRouter, ledger: Path, path: str, headers: dict[str, str]
) -> None:
    """The visitor's browser must not let another site rewrite the ledger."""
    answer = await client.post(path, json={"rsi_drop": True}, headers=headers)
    assert answer.status == 403
    assert not router.misbehaviour["rsi_drop"]
    assert not entries(ledger)


def test_the_state_file_is_left_alone_while_a_backup_holds_its_lock(router: SimulatedRouter, state: Path) -> None:
    """Backup and restore hold the state's lock; the router then waits for its next turn."""
    state.parent.mkdir()
    with FileLock(f"{state}.lock"):
        assert not router.write_state()
        assert not state.exists()
    assert router.write_state()
    assert json.loads(state.read_text("utf-8"))["arms"]["R1"]["A"][0][0] >= 1


async def test_a_started_router_writes_until_it_is_stopped(settings: Path, ledger: Path, state: Path) -> None:
    """Start, serve, stop: whole lines, an honest count, a state file, no temporary left behind."""
    router = SimulatedRouter(settings, ledger, state, rng=random.Random(3), rate=400)
    await router.start()
    while router.lines_written < 50:  # noqa: ASYNC110 - the ledger is a file; nothing announces its growth
        await asyncio.sleep(0.02)
    await router.stop()
    assert len(entries(ledger)) == router.lines_written
    assert {path.name for path in state.parent.iterdir()} == {ledger.name, state.name, f"{state.name}.lock"}


async def test_a_start_without_settings_is_refused(tmp_path: Path, ledger: Path, state: Path) -> None:
    """A router without its settings file would run on assumptions."""
    settings = tmp_path / "missing.env"
    with pytest.raises(SettingsRejectedError, match="cannot be read"):
        await SimulatedRouter(settings, ledger, state, rng=random.Random(3)).start()
    assert not entries(ledger)


async def test_the_restart_command_makes_the_router_start_with_its_file(
    client: Client, router: SimulatedRouter, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0 and a sentence; the settings of the file are in force."""
    write(settings, "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n")
    url = str(client.make_url("/restart"))
    assert await asyncio.to_thread(reload.main, [url]) == 0
    assert router.settings.pilot == 0.25
    assert "was restarted" in capsys.readouterr().out


async def test_a_router_that_is_stopped_and_started_goes_on_from_the_state_that_it_finds(client: Client, state: Path) -> None:
    """What was put there while it was down, or a fresh one if there is none; a start of a router that runs does nothing."""
    arms = {route: {"A": [[301.0, 0.0], [0.0, 1.0]], "b": [4.0, 0.0]} for route in ("R1", "R2", "R3", "R4", "R5")}
    for left, pulls in ((json.dumps({"arms": arms}), 301.0), (None, 1.0)):
        assert (await client.post("/stop")).status == 200
        await asyncio.to_thread(state.unlink) if left is None else write(state, left)
        for _ in range(2):
            assert (await client.post("/start")).status == 200
        assert json.loads(await asyncio.to_thread(state.read_bytes))["arms"]["R1"]["A"][0][0] == pulls
    assert (await client.post("/stop")).status == 200


async def test_the_restart_command_passes_on_a_refusal(
    client: Client, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 and the router's own reason."""
    write(settings, "NOVA_ANR_PILOT=often\n")
    assert await asyncio.to_thread(reload.main, [str(client.make_url("/restart"))]) == 1
    assert "NOVA_ANR_PILOT must lie between" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param([], "Usage", id="no URL"),
        pytest.param(["file:///etc/passwd"], "Usage", id="not HTTP"),
        pytest.param(["http://127.0.0.1:1/restart"], "was not reached", id="nobody listens"),
    ],
)
def test_the_restart_command_says_why_it_could_not(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 and what to do, never a traceback."""
    assert reload.main(arguments) == 1
    assert text in capsys.readouterr().err


# -- how real ones differ


async def test_the_first_decision_under_kill_and_every_other_is_r4_in_shadow_too(
    router: SimulatedRouter, settings: Path, ledger: Path
) -> None:
    """KILL=1 forces R4 everywhere, and only R4 learns; it does not end live traffic, that is what ENABLED is for."""
    write(settings, "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\nNOVA_ANR_KILL=1\n")
    router.restart()
    before = dict(router._decisions.pulls)
    await router.decide(100)
    await router.stop()
    written = entries(ledger)
    assert {entry["shadow"]["argmax"] for entry in written} == {"R4"}
    assert {entry["live"]["route"] for entry in written if "live" in entry} == {"R4"}
    assert sum("live" in entry for entry in written) == pytest.approx(50, abs=1)
    learned = {route for route, count in router._decisions.pulls.items() if count > before[route]}
    assert learned == {"R4"}


async def test_disabled_without_kill_shadow_picks_and_learns_every_route(
    router: SimulatedRouter, settings: Path, ledger: Path
) -> None:
    """ENABLED=0 only stops the use of decisions."""
    write(settings, "NOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.50\nNOVA_ANR_KILL=0\n")
    router.restart()
    await router.decide(300)
    await router.stop()
    assert not any("live" in entry for entry in entries(ledger))
    assert {entry["shadow"]["argmax"] for entry in entries(ledger)} >= {"R1", "R2", "R3"}


async def test_what_the_launcher_exports_beats_the_file(client: Client, router: SimulatedRouter, settings: Path) -> None:
    """After the restart the router still serves, whatever was written: only looking at it tells."""
    await client.post("/router/habits", json={"launcher_exports": True})
    write(settings, "NOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\nNOVA_ANR_KILL=1\n")
    await client.post("/restart")
    status = (await (await client.get("/router/status")).json())["anr"]
    assert status == {"enabled": True, "pilot": 0.10, "kill": True}
    assert router.settings.served == 0.10


async def test_a_deaf_restart_ends_well_and_changes_nothing(client: Client, router: SimulatedRouter, settings: Path) -> None:
    """A command that restarts another unit, or none, answers as one that works."""
    router.habits["restart_is_deaf"] = True
    write(settings, "NOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\nNOVA_ANR_KILL=1\n")
    assert await asyncio.to_thread(reload.main, [str(client.make_url("/restart"))]) == 0
    assert router.settings.served == 0.10


async def test_a_sighup_ends_one_worker_and_a_restart_brings_it_back(
    client: Client, router: SimulatedRouter, ledger: Path
) -> None:
    """A process that has ended decides nothing and has no health."""
    router.habits["hup_ends_it"] = True
    await client.post("/hup")
    await router.decide(50)
    assert not entries(ledger)
    assert (await client.get("/health/slots")).status == 503
    assert (await client.get("/router/status")).status == 503
    await client.post("/restart")
    assert (await client.get("/health/slots")).status == 200


async def test_lines_without_a_pilot_are_live_all_the_same(router: SimulatedRouter, ledger: Path) -> None:
    """`live.pilot` is often missing."""
    router.habits["no_live_pilot"] = True
    await router.decide(100)
    await router.stop()
    live = [entry["live"] for entry in entries(ledger) if "live" in entry]
    assert len(live) == 10
    assert not any("pilot" in line for line in live)


async def test_masked_routes_have_no_key_in_an_anomaly(router: SimulatedRouter, ledger: Path) -> None:
    """A route that was masked is absent, not zero; the rest is whole."""
    router.habits["masked_routes"] = True
    await router.decide(1000)
    await router.stop()
    engaged = [entry["shadow"]["probs"] for entry in entries(ledger) if entry["anomaly"]["engaged"]]
    assert engaged
    assert all(set(probs) == {"R2", "R4", "R5"} for probs in engaged)
    assert all(sum(probs.values()) == pytest.approx(1, abs=0.001) for probs in engaged)
    assert all(len(entry["shadow"]["probs"]) == 5 for entry in entries(ledger) if not entry["anomaly"]["engaged"])


async def test_late_feedback_is_missing_or_comes_as_rewards(router: SimulatedRouter, ledger: Path) -> None:
    """Lines lack deployment until it is known, and a rollback that is known is the reward -1.0."""
    router.habits["late_feedback"] = True
    router.misbehaviour["rollbacks"] = True
    await router.decide(2000)
    await router.stop()
    live = [entry["rewards"] for entry in entries(ledger) if "live" in entry]
    told = [rewards["deployment"] for rewards in live if "deployment" in rewards]
    assert 0.5 < len(told) / len(live) < 0.9
    assert {message["rollback"] for message in told} == {0.0, -1.0}


def test_a_state_in_place_ignores_the_lock_and_can_be_seen_torn(router: SimulatedRouter, state: Path) -> None:
    """The second writer of real sites: neither lock nor rename, so that a reader beside it meets half a file."""
    router.habits["state_in_place"] = True
    router.write_state()
    torn, ending = [], threading.Event()

    def read() -> None:
        while not ending.is_set():
            text = state.read_text("utf-8")
            try:
                json.loads(text)
            except ValueError:
                torn.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    with FileLock(f"{state}.lock"):
        while not torn:
            router.write_state()
    ending.set()
    reader.join()
    assert json.loads(state.read_text("utf-8"))["model"] == "linucb"


@pytest.mark.parametrize("how", ["rename", "copytruncate"])
async def test_a_rotation_leaves_a_sibling_and_loses_no_line(
    client: Client, router: SimulatedRouter, ledger: Path, how: str
) -> None:
    """Operators' scripts rename the ledger, or copy and truncate it; the router goes on in a new one."""
    await router.decide(50)
    assert (await client.post("/router/rotate", json={"how": how})).status == 200
    await router.decide(50)
    await router.stop()
    sibling = next(path for path in ledger.parent.glob("anr_ledger_*.ndjson"))
    ids = [entry["id"] for path in (sibling, ledger) for entry in entries(path)]
    assert len(ids) == len(set(ids)) == 100
    assert entries(sibling)
    assert entries(ledger)


@pytest.mark.parametrize("body", [b"{", b'{"explode": true}', b'{"state_in_place": 1}'], ids=["no JSON", "unknown", "no boolean"])
async def test_an_unknown_habit_is_refused(client: Client, router: SimulatedRouter, body: bytes) -> None:
    """Nothing is switched, and the known names are told."""
    answer = await client.post("/router/habits", data=body)
    assert answer.status == 400
    assert "state_in_place" in (await answer.json())["error"]
    assert router.habits == dict.fromkeys(HABITS, False)


async def test_an_unknown_rotation_is_refused(client: Client) -> None:
    """Only the two known ways."""
    answer = await client.post("/router/rotate", json={"how": "shred"})
    assert answer.status == 400
    assert "copytruncate" in (await answer.json())["error"]


def test_the_page_has_a_switch_for_everything_that_can_be_switched() -> None:
    """Names in the page's script are the router's own, neither more nor fewer."""
    script = (Path(playground.__file__).parent / "static" / "router.js").read_text("utf-8")
    for names, table in ((BURSTS, "FAULTS"), (HABITS, "HABITS")):
        body = script.split(f"const {table} = {{")[1].split("};")[0]
        assert set(re.findall(r"(\w+): \"", body)) == set(names)
    assert set(re.findall(r'how: "(\w+)"', script)) == set(ROTATIONS)
