import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from filelock import FileLock

from bot.playground.router import reload
from bot.playground.router.router import BURSTS, SettingsRejectedError, SimulatedRouter

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
    made.reload()
    return made


@pytest.fixture
async def client(router: SimulatedRouter) -> AsyncIterator[Client]:
    application = web.Application()
    application.add_routes(router.routes())
    async with TestClient(TestServer(application)) as made:
        yield made


def write(settings: Path, text: str) -> None:
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
        SimulatedRouter(settings, path, tmp_path / "state.json", rng=random.Random(1)).seed_history(NOW)
    assert ledgers[0].read_bytes() == ledgers[1].read_bytes()


def test_history_is_good_even_under_settings_that_allow_breaches(router: SimulatedRouter, settings: Path, ledger: Path) -> None:
    """Settings of today must not spoil the past that heals a demo."""
    write(settings, PILOT_10 + "NOVA_ANR_STRICT_ON_ANOMALY=0\nNOVA_ANR_LEARN_SHADOW=0\n")
    router.reload()
    router.seed_history(NOW)
    assert breaches(last_day(ledger)) == 0
    assert len(last_day(ledger)) > 2_000


async def test_settings_in_the_file_have_no_effect_before_a_reload(router: SimulatedRouter, settings: Path, ledger: Path) -> None:
    """A promotion that forgets the reload never reaches the router, and the ledger shows it."""
    write(settings, "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\n")
    await router.decide(200)
    assert {entry["live"]["pilot"] for entry in entries(ledger) if "live" in entry} == {0.10}
    router.reload()
    await router.decide(200)
    await router.stop()
    assert sum(entry.get("live", {}).get("pilot") == 0.5 for entry in entries(ledger)) == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("NOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.50\n", id="disabled"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.00\n", id="pilot zero"),
        pytest.param("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\nNOVA_ANR_KILL=1\n", id="killed"),
        pytest.param("", id="nothing set"),
    ],
)
async def test_without_live_traffic_shadow_decisions_go_on(
    router: SimulatedRouter, settings: Path, ledger: Path, text: str
) -> None:
    """After a rollback nothing is live, yet the ledger stays fresh because the router learns in shadow."""
    write(settings, text)
    router.reload()
    await router.decide(50)
    await router.stop()
    assert len(entries(ledger)) == 50
    assert not any("live" in entry for entry in entries(ledger))


async def test_without_shadow_learning_only_live_decisions_are_written(
    router: SimulatedRouter, settings: Path, ledger: Path
) -> None:
    """NOVA_ANR_LEARN_SHADOW=0 leaves the live part alone."""
    write(settings, PILOT_10 + "NOVA_ANR_LEARN_SHADOW=0\n")
    router.reload()
    await router.decide(100)
    await router.stop()
    assert len(entries(ledger)) == 10
    assert all(entry["live"]["pilot"] == 0.10 for entry in entries(ledger))


async def test_the_first_decision_after_a_reload_shows_the_new_pilot(
    router: SimulatedRouter, settings: Path, ledger: Path
) -> None:
    """A promotion waits a few seconds to see the new pilot in the ledger, even at the lowest stage."""
    write(settings, "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n")
    router.reload()
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
def test_unusable_settings_leave_those_in_force(router: SimulatedRouter, settings: Path, text: str | None) -> None:
    """A broken file is refused loudly and changes nothing."""
    if text is None:
        settings.unlink()
    else:
        write(settings, text)
    with pytest.raises(SettingsRejectedError, match="nothing was reloaded"):
        router.reload()
    assert router.settings.served == 0.10


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
    router.reload()
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
@pytest.mark.parametrize("path", ["/router/misbehave", "/router/heal", "/reload"])
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


async def test_the_reload_command_makes_the_router_read_its_file(
    client: Client, router: SimulatedRouter, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0 and a sentence; the settings of the file are in force."""
    write(settings, "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n")
    url = str(client.make_url("/reload"))
    assert await asyncio.to_thread(reload.main, [url]) == 0
    assert router.settings.pilot == 0.25
    assert "has read its settings" in capsys.readouterr().out


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


async def test_the_reload_command_passes_on_a_refusal(client: Client, settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 and the router's own reason."""
    write(settings, "NOVA_ANR_PILOT=often\n")
    assert await asyncio.to_thread(reload.main, [str(client.make_url("/reload"))]) == 1
    assert "NOVA_ANR_PILOT must lie between" in capsys.readouterr().err
