"""A small router that behaves like ANR as seen from outside: settings in, ledger lines, slots' health and state out.

Excluded: the workspace (the playground's server) and the bandit's mathematics. Routes are drawn, not learned; the state
file has a bandit's shape and its counts are true, its coefficients mean nothing. Everything is drawn from one seeded
source, so that a demo looks the same every time.

The gates look at 24 hours. A router that began to misbehave only now would turn them red hours later, and no visitor
waits that long. So a misbehaviour that is switched on is also written into the past at once, as `BURSTS` says for each.
"""

import asyncio
import contextlib
import io
import json
import math
import os
import random
import sys
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web
from dotenv import dotenv_values

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ROUTES: Final = ("R1", "R2", "R3", "R4", "R5")
SLOTS: Final = ("slot04", "slot08_lock", "slot09", "slot10")
DEFAULTS: Final = {
    "NOVA_ANR_ENABLED": "0",
    "NOVA_ANR_PILOT": "0.00",
    "NOVA_ANR_MAX_FAST_PROB": "0.15",
    "NOVA_ANR_STRICT_ON_ANOMALY": "1",
    "NOVA_ANR_LEARN_SHADOW": "1",
    "NOVA_ANR_KILL": "0",
}
"""What the router assumes for a setting that its file does not name: the safe value."""

BURSTS: Final = {
    "rsi_drop": "Live routes leave the argmax. At once, if traffic is live: decisions enough for 24 h RSI near 0.80.",
    "rollbacks": "One live decision in five is rolled back. At once, if traffic is live: 2 per 1,000 live, at least 3.",
    "fast_cap": "R3 above 0.15 in anomalies. At once: 300 decisions, half of them breaches.",
    "slot_down": "slot08_lock is down for as long as this is on. Nothing is written to the ledger.",
    "ledger_stopped": "No line is written. At once: the last 20 minutes are cut off, as if it had stopped then.",
    "tri_drop": "TRI falls. At once: decisions enough for a negative 24 h median.",
}
"""Every misbehaviour by name, and what switching it on does besides changing the decisions to come."""

DAY: Final = timedelta(hours=24)
BURST_LINES_MAX: Final = 50_000
LINES_A_DAY: Final = 2_700
TICK_S: Final = 0.25
STATE_EVERY_S: Final = 5.0
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsRejectedError(Exception):
    """The settings file cannot be read or makes no sense; the router keeps the settings that it has."""


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """The settings in force, as text, with the few that decide about a line as values."""

    texts: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))

    @classmethod
    def read(cls, path: Path) -> "RouterSettings":
        """Read the dotenv file.

        Raises:
            SettingsRejectedError: it cannot be read, or a number in it is none.
        """
        try:
            found = dotenv_values(stream=io.StringIO(path.read_text("utf-8")), interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsRejectedError(f"The settings file cannot be read ({error}); nothing was reloaded.") from error
        texts = {name: value for name, value in found.items() if name.startswith("NOVA_") and value is not None}
        settings = cls(DEFAULTS | texts)
        for name in ("NOVA_ANR_PILOT", "NOVA_ANR_MAX_FAST_PROB"):
            try:
                number = float(settings.texts[name])
            except ValueError:
                number = math.nan
            if not 0 <= number <= 1:
                raise SettingsRejectedError(f"{name} must lie between 0.00 and 1.00; nothing was reloaded.")
        return settings

    @property
    def pilot(self) -> float:
        """The fraction of traffic that is asked for, 0 to 1."""
        return float(self.texts["NOVA_ANR_PILOT"])

    @property
    def enabled(self) -> bool:
        """Whether ANR may serve live traffic."""
        return self.texts["NOVA_ANR_ENABLED"] == "1"

    @property
    def kill(self) -> bool:
        """Whether every request is forced to R4."""
        return self.texts["NOVA_ANR_KILL"] == "1"

    @property
    def served(self) -> float:
        """The fraction of traffic that ANR really serves: none while killed or disabled."""
        return self.pilot if self.enabled and not self.kill else 0.0

    @property
    def learns_in_shadow(self) -> bool:
        """Whether decisions that are not used are written as well."""
        return self.texts["NOVA_ANR_LEARN_SHADOW"] != "0"


@dataclass(slots=True)
class _WindowCounts:
    live: int = 0
    matching: int = 0
    tri_up: int = 0
    tri_down: int = 0


class SimulatedRouter:
    """The router of the demo and of the tests.

    Args:
        settings_file: dotenv file; read at the start and on a reload, at no other time.
        ledger: where decisions are appended, one line each.
        state: the bandit's state; written atomically under an advisory lock on `<state>.lock`.
        rng: the only source of chance.
        rate: decisions per second.
        clock: the present time, in UTC.
    """

    def __init__(
        self,
        settings_file: Path,
        ledger: Path,
        state: Path,
        *,
        rng: random.Random,
        rate: float = 4.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = RouterSettings()
        self.misbehaviour = dict.fromkeys(BURSTS, False)
        self.lines_written = 0
        self._settings_file = settings_file
        self._ledger = ledger
        self._state = state
        self._rng = rng
        self._rate = rate
        self._clock = clock
        self._live_share = 1.0
        self._live_seen = 0
        self._pulls = dict.fromkeys(ROUTES, 0)
        self._rewards = dict.fromkeys(ROUTES, 0.0)
        self._late: deque[tuple[datetime, str]] = deque()
        self._note = ""
        self._writing = asyncio.Lock()
        self._loop: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    # -- life

    async def start(self) -> None:
        """Read the settings and begin to decide.

        Raises:
            SettingsRejectedError: the settings file cannot be read; nothing was started.
            OSError: the state cannot be written; nothing was started.
        """
        self.reload()
        await asyncio.to_thread(self.write_state)
        self._ending.clear()
        self._loop = asyncio.create_task(self._decide_forever(), name="simulated router")

    async def stop(self) -> None:
        """End deciding and write what was held back.

        Raises:
            OSError: the ledger or the state could not be written.
        """
        # Not cancelled: a write that is under way in its thread would go on beside the last one here.
        self._ending.set()
        if self._loop is not None:
            await self._loop
            self._loop = None
        async with self._writing:
            await asyncio.to_thread(self._flush, everything=True)
            await asyncio.to_thread(self.write_state)

    def reload(self) -> None:
        """Take the settings from the file, as the real router does when it is told to.

        Raises:
            SettingsRejectedError: they are not usable; the settings in force stay.
        """
        self.settings = RouterSettings.read(self._settings_file)
        self._live_share = 1.0 - self.settings.served  # so that the first request under a new pilot is a live one and shows it

    async def decide(self, count: int) -> None:
        """Decide `count` requests now and append them; one in ten is held back and written some seconds late."""
        async with self._writing:
            now = self._clock()
            for _ in range(count):
                line = self._decision(now)
                if line is not None:
                    delay = timedelta(seconds=self._rng.uniform(1, 6)) if self._rng.random() < 0.1 else timedelta()
                    self._late.append((now + delay, line))
            await asyncio.to_thread(self._flush)

    async def _decide_forever(self) -> None:
        loop = asyncio.get_running_loop()
        before, owed, state_due = loop.time(), 0.0, loop.time() + STATE_EVERY_S
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), TICK_S)
            now = loop.time()
            # A machine that slept must not be answered with hours of requests in one moment.
            owed = min(owed + (now - before) * self._rate, self._rate * 10 + 1)
            before = now
            count, owed = int(owed), owed % 1
            try:
                await self.decide(count)
                if now >= state_due:
                    state_due = now + STATE_EVERY_S
                    await asyncio.to_thread(self.write_state)
            except OSError as error:
                self._note = f"the router could not write ({error}); it goes on trying"

    # -- what is decided

    def _decision(self, at: datetime, *, pilot: float | None = None, bad: str = "", live: bool | None = None) -> str | None:
        """One ledger line without its end, or None where the router would not write any.

        Args:
            at: the decision's time.
            pilot: the fraction of live traffic; by default that of the settings.
            bad: a misbehaviour that this decision must show.
            live: whether it is served; by default the pilot decides, evenly spread.
        """
        pilot = self.settings.served if pilot is None else pilot
        if live is None:
            self._live_share += pilot
            live = pilot > 0 and self._live_share > 1 - 1e-9
            self._live_share -= math.floor(self._live_share + 1e-9) if live else 0.0
        if not live and not self.settings.learns_in_shadow:
            return None
        engaged = bad == "fast_cap" or self._rng.random() < 0.04
        probs = self._probabilities(engaged=engaged, breach=engaged and (bad == "fast_cap" or self._misbehaves("fast_cap")))
        argmax = max(probs, key=lambda route: probs[route])
        entry: dict[str, Any] = {
            "id": str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            "t": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "shadow": {"route": argmax, "argmax": argmax, "probs": probs},
        }
        if live:
            entry["live"] = {"route": self._live_route(argmax, bad), "pilot": round(pilot, 2)}
        entry["anomaly"] = {"engaged": int(engaged)}
        tri = self._rng.gauss(0.07, 0.13)
        if bad == "tri_drop" or self._misbehaves("tri_drop"):
            tri = -abs(tri) - 0.01
        rolled_back = live and (bad == "rollbacks" or (self._misbehaves("rollbacks") and self._rng.random() < 0.2))
        tri = round(max(-1.0, min(1.0, tri)), 4)
        entry["rewards"] = {
            "immediate": {"tri_delta_norm": tri, "latency_norm": round(self._rng.betavariate(2, 5), 4)},
            "deployment": {
                "slo_ok": int(not rolled_back),
                "rollback": int(rolled_back),
                "error_rate": round(self._rng.uniform(0.02, 0.1), 4) if rolled_back else 0.0,
            },
        }
        if not bad and self._rng.random() < 0.03:
            del entry["rewards"]["immediate"]["tri_delta_norm"]  # some rewards never arrive
        self._pulls[argmax] += 1
        self._rewards[argmax] += tri
        return json.dumps(entry, separators=(",", ":"))

    def _probabilities(self, *, engaged: bool, breach: bool) -> dict[str, float]:
        weights = [self._rng.gammavariate(shape, 1.0) for shape in (3.0, 2.2, 1.0, 0.25, 0.8)]
        shares = [weight / sum(weights) for weight in weights]
        if engaged and self.settings.texts["NOVA_ANR_STRICT_ON_ANOMALY"] == "1":
            cap = float(self.settings.texts["NOVA_ANR_MAX_FAST_PROB"])
            wanted = self._rng.uniform(0.2, 0.4) if breach else min(shares[2], 0.8 * cap)
            scale = (1 - wanted) / (1 - shares[2])
            shares = [wanted if index == 2 else share * scale for index, share in enumerate(shares)]
        elif breach:
            shares = [0.25, 0.25, 0.3, 0.1, 0.1]
        return {route: round(share, 4) for route, share in zip(ROUTES, shares, strict=True)}

    def _live_route(self, argmax: str, bad: str) -> str:
        self._live_seen += 1
        astray = bad == "rsi_drop" or (self._misbehaves("rsi_drop") and self._rng.random() < 0.6)
        if astray or self._live_seen % 25 == 0:  # exploration: RSI of a good day is 0.96
            return self._rng.choice([route for route in ROUTES if route != argmax])
        return argmax

    def _misbehaves(self, name: str) -> bool:
        return self.misbehaviour[name]

    # -- history

    def seed_history(self, now: datetime, days: int = 3, *, pilot: float = 0.10) -> None:
        """Replace the ledger by good days that end at `now`: no rollback, no breach, RSI 0.96, median TRI above zero.

        Args:
            now: the time of the newest line; earlier lines stand up to 90 seconds out of order.
            days: how many; each has about `LINES_A_DAY` decisions.
            pilot: the fraction of live traffic in those days.

        Raises:
            OSError: the ledger cannot be written.
        """
        # The past was good whatever the settings and the misbehaviour are now, so another router made it.
        past = SimulatedRouter(self._settings_file, self._ledger, self._state, rng=self._rng)
        past._pulls, past._rewards = self._pulls, self._rewards
        times = [now]
        for hours_ago in range(days * 24):
            end = now - timedelta(hours=hours_ago)
            swell = 1 + 0.45 * math.sin((end.hour - 9) / 24 * 2 * math.pi)
            count = round(LINES_A_DAY / 24 * swell)
            times += [end - timedelta(seconds=self._rng.uniform(1, 3600)) for _ in range(count)]
        lines = [(at, past._decision(at, pilot=pilot)) for at in sorted(times)]
        lines.sort(key=lambda line: line[0] + timedelta(seconds=self._rng.uniform(0, 90)))
        self._late.clear()
        self._replace_ledger([line for _, line in lines if line is not None])

    async def heal(self) -> None:
        """Behave, and replace the ledger by good history at the present pilot. No real router can; a demo must.

        Raises:
            OSError: the ledger cannot be written; the misbehaviours stay as they are.
        """
        async with self._writing:
            await asyncio.to_thread(self.seed_history, self._clock(), pilot=self.settings.served)
            self.misbehaviour = dict.fromkeys(BURSTS, False)
            self._note = "healed: the ledger was replaced by good history"

    async def misbehave(self, name: str, *, on: bool) -> None:
        """Switch one misbehaviour; what it wrote stays in the window when it is switched off.

        Raises:
            OSError: the ledger cannot be written.
        """
        async with self._writing:
            if on and not self.misbehaviour[name]:
                self._note = await asyncio.to_thread(self._burst, name)
            self.misbehaviour[name] = on

    def _burst(self, name: str) -> str:
        """Write the misbehaviour into the past and say what was written."""
        now = self._clock()
        if name == "slot_down":
            return "slot_down: the health of slots says so, the ledger is untouched"
        if name == "ledger_stopped":
            self._late.clear()
            self._replace_ledger([line for at, _, line in self._lines() if at < now - timedelta(minutes=20)])
            return "ledger_stopped: the last 20 minutes were cut off"
        served = self.settings.served
        if name in {"rsi_drop", "rollbacks"} and served == 0:
            return f"{name}: nothing was written, for there is no live traffic; it shows once there is"
        bad, good, live = self._burst_size(name, served)
        lines = [self._decision(now, bad=name, live=live) for _ in range(bad)]
        lines += [self._decision(now, live=False) for _ in range(good)]
        self._rng.shuffle(lines)
        written = [line for line in lines if line is not None]
        self._append(written)
        return f"{name}: {len(written):,} decisions were written at once"

    def _burst_size(self, name: str, served: float) -> tuple[int, int, bool | None]:
        """How many bad decisions, how many others in shadow, whether the bad are live (None: by the pilot)."""
        counts = self._window_counts()
        if name == "fast_cap":
            return 150, 150, None
        if name == "tri_drop":
            return min(max(200, round(1.1 * (counts.tri_up - counts.tri_down))), BURST_LINES_MAX), 0, None
        bad = max(3, math.ceil(counts.live / 500))
        if name == "rsi_drop":
            bad = max(30, math.ceil(counts.matching / 0.80) - counts.live)
        bad = min(bad, BURST_LINES_MAX)
        # In company of shadow decisions, so that the live rate stays what the pilot says.
        return bad, min(round(bad / served) - bad, 5_000), True

    def _window_counts(self) -> _WindowCounts:
        counts, since = _WindowCounts(), self._clock() - DAY
        for at, entry, _ in self._lines():
            # Our own lines have this shape; what a test or a visitor put between them may not.
            with contextlib.suppress(AttributeError, KeyError, TypeError):
                if at < since:
                    continue
                if route := entry.get("live", {}).get("route"):
                    counts.live += 1
                    counts.matching += route == entry["shadow"]["argmax"]
                tri = entry.get("rewards", {}).get("immediate", {}).get("tri_delta_norm")
                if tri is not None:
                    counts.tri_up += tri >= 0
                    counts.tri_down += tri < 0
        return counts

    # -- files

    def _lines(self) -> Iterator[tuple[datetime, dict[str, Any], str]]:
        """Time, entry and text of the ledger's lines; a line that somebody broke is left out."""
        if not self._ledger.exists():
            return
        with self._ledger.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    at = datetime.fromisoformat(entry["t"])
                    yield at if at.tzinfo else at.replace(tzinfo=UTC), entry, line.rstrip("\r\n")

    def _flush(self, *, everything: bool = False) -> None:
        if self.misbehaviour["ledger_stopped"]:
            self._late.clear()
            return
        now = self._clock()
        due = [line for at, line in self._late if everything or at <= now]
        self._late = deque() if everything else deque(item for item in self._late if item[0] > now)
        self._append(due)

    def _append(self, lines: list[str]) -> None:
        if not lines:
            return
        self._ledger.parent.mkdir(parents=True, exist_ok=True)
        with self._ledger.open("ab", buffering=0) as stream:
            stream.write("".join(f"{line}\n" for line in lines).encode())  # one write: readers see whole lines
        self.lines_written += len(lines)

    def _replace_ledger(self, lines: list[str]) -> None:
        _replace(self._ledger, "".join(f"{line}\n" for line in lines).encode())
        self.lines_written += len(lines)

    def write_state(self) -> bool:
        """Write the bandit's state unless somebody holds its lock; it is written again soon anyway.

        Returns:
            Whether it was written.

        Raises:
            OSError: it cannot be written.
        """
        arms = {
            route: {"A": [[1.0 + self._pulls[route], 0.0], [0.0, 1.0]], "b": [round(self._rewards[route], 6), 0.0]}
            for route in ROUTES
        }
        state = {"model": "linucb", "alpha": 0.6, "arms": arms, "updated_at": self._clock().isoformat()}
        self._state.parent.mkdir(parents=True, exist_ok=True)
        with Path(f"{self._state}.lock").open("a+b") as lock:
            if not _try_lock(lock.fileno()):
                return False
            try:
                _replace(self._state, json.dumps(state).encode())
            finally:
                _unlock(lock.fileno())
        return True

    def load_state(self) -> None:
        """Take what was learned from the state file, as a router does when its process starts; nothing if it has none."""
        self._pulls = dict.fromkeys(ROUTES, 0)
        self._rewards = dict.fromkeys(ROUTES, 0.0)
        with contextlib.suppress(FileNotFoundError, ValueError, LookupError, TypeError):
            arms = json.loads(self._state.read_bytes())["arms"]
            self._pulls = {route: int(arms[route]["A"][0][0]) - 1 for route in ROUTES}
            self._rewards = {route: float(arms[route]["b"][0]) for route in ROUTES}

    # -- HTTP

    def routes(self) -> list[web.RouteDef]:
        """The real router's health and reload, and the demo's controls under /router."""
        return [
            web.get("/health/slots", self._get_health),
            web.post("/reload", self._post_reload),
            web.post("/stop", self._post_stop),
            web.post("/start", self._post_start),
            web.get("/router/state", self._get_state),
            web.post("/router/misbehave", self._post_misbehave),
            web.post("/router/heal", self._post_heal),
        ]

    def _slots(self) -> dict[str, dict[str, str]]:
        down = self.misbehaviour["slot_down"]
        return {slot: {"status": "down" if down and slot == "slot08_lock" else "healthy"} for slot in SLOTS}

    async def _get_health(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        return web.json_response({"slots": self._slots()})

    async def _post_reload(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        try:
            self.reload()
        except SettingsRejectedError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=500)
        return web.json_response({"ok": True, "settings": self.settings.texts})

    async def _post_stop(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        try:
            await self.stop()
        except OSError as error:
            return _not_written(error)
        return web.json_response({"ok": True})

    async def _post_start(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        if self._loop is not None:
            return web.json_response({"ok": True})
        try:
            await asyncio.to_thread(self.load_state)
            await self.start()
        except SettingsRejectedError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=500)
        except OSError as error:
            return _not_written(error)
        return web.json_response({"ok": True})

    async def _get_state(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        return web.json_response(self._shown())

    def _shown(self) -> dict[str, Any]:
        return {
            "settings": self.settings.texts,
            "pilot": self.settings.pilot,
            "enabled": self.settings.enabled,
            "kill": self.settings.kill,
            "serving": self.settings.served,
            "misbehaviour": self.misbehaviour,
            "effects": BURSTS,
            "note": self._note,
            "lines_written": self.lines_written,
            "running": self._loop is not None and not self._loop.done(),
            "settings_file": str(self._settings_file),
            "slots": self._slots(),
        }

    async def _post_misbehave(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        try:
            wanted = await request.json()
        except ValueError:
            wanted = None
        known = isinstance(wanted, dict) and all(name in BURSTS and isinstance(on, bool) for name, on in wanted.items())
        if not known:
            text = f"Send a JSON object of true or false for: {', '.join(BURSTS)}. Nothing was changed."
            return web.json_response({"ok": False, "error": text}, status=400)
        try:
            for name, on in wanted.items():
                await self.misbehave(name, on=on)
        except OSError as error:
            return _not_written(error)
        return web.json_response({"ok": True, **self._shown()})

    async def _post_heal(self, request: web.Request) -> web.Response:
        _refuse_strangers(request)
        try:
            await self.heal()
        except OSError as error:
            return _not_written(error)
        return web.json_response({"ok": True, **self._shown()})


def _not_written(error: OSError) -> web.Response:
    text = f"The ledger could not be written ({error}); the control was left as it was. Try again."
    return web.json_response({"ok": False, "error": text}, status=500)


def _refuse_strangers(request: web.Request) -> None:
    """Refuse pages of other sites, also those whose name was re-pointed at this machine (DNS rebinding)."""
    origin = request.headers.get("Origin")
    host = urlsplit(f"//{request.host}").hostname
    if host not in LOOPBACK or (origin is not None and urlsplit(origin).netloc != request.host):
        raise web.HTTPForbidden(text="Only this machine's own page may do this. Nothing was changed.")


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
