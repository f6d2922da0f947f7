"""A small router that behaves like ANR as seen from outside: environment in, ledger lines, slots' health and state out.

It reads its settings once, when its process starts: writing the settings file changes nothing, and neither does SIGHUP; a
restart does, unless the launcher exports something else. KILL forces R4 in shadow too, and then only R4 learns.

Excluded: the workspace (the playground's server) and the bandit's mathematics. Everything is drawn from one seeded source, so
that a demo looks the same every time. What it decides, its ledger, its state and its addresses are in router_….py beside this.

The gates look at 24 hours. A router that began to misbehave only now would turn them red hours later, and no visitor
waits that long. So a misbehaviour that is switched on is also written into the past at once, as `BURSTS` says for each.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bot.playground.router.decisions import ROUTES, Decisions
from bot.playground.router.history import good_days
from bot.playground.router.ledger import DecisionLedger, burst_size
from bot.playground.router.settings import RouterSettings
from bot.playground.router.state import dump_in_place, write_locked
from bot.playground.router.switches import BURSTS, HABITS, LAUNCHER_EXPORTS

SLOTS: Final = ("slot04", "slot08_lock", "slot09", "slot10")
TICK_S: Final = 0.25
STATE_EVERY_S: Final = 5.0


class SimulatedRouter:
    """The router of the demo and of the tests.

    Args:
        settings_file: dotenv file that its launcher reads at a start, at no other time.
        ledger: where decisions are appended, one line each.
        state: the bandit's state.
        rng: the only source of chance.
        rate: decisions per second.
        clock: the present time, in UTC.
        exports: what its launcher exports; it beats the file.

    Attributes:
        misbehaviour: which faults are on, by name.
        habits: how this build differs from the plain one, by name; a test or the page switches them.
        running: whether its process is there; one that is not decides nothing.
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
        exports: dict[str, str] | None = None,
    ) -> None:
        self.misbehaviour = dict.fromkeys(BURSTS, False)
        self.habits = dict.fromkeys(HABITS, False)
        self.running = False
        self._settings_file = settings_file
        self._state = state
        self._rng = rng
        self._rate = rate
        self._clock = clock
        self._exports = exports or {}
        self._decisions = Decisions(rng, self.misbehaviour, self.habits)
        self._ledger = DecisionLedger(ledger)
        self._note = ""
        self._writing = asyncio.Lock()
        self._loop: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    @property
    def settings(self) -> RouterSettings:
        """The settings in force: those of the process's start."""
        return self._decisions.settings

    @property
    def lines_written(self) -> int:
        """How many ledger lines were written so far."""
        return self._ledger.written

    # -- life

    async def start(self) -> None:
        """Start the process, and begin to decide.

        Raises:
            SettingsRejectedError: the settings file cannot be read; nothing was started.
            OSError: the state cannot be written; nothing was started.
        """
        self._start_process()
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

    async def end(self) -> None:
        """End the process, as the site's stop command does; it writes its state for the last time.

        Raises:
            OSError: the ledger or the state could not be written.
        """
        await self.stop()
        self.running = False

    async def begin(self) -> None:
        """Start the process with the state that it finds, as the site's start command does; nothing if it runs.

        Raises:
            SettingsRejectedError: it does not come up with these settings; no process is left.
            OSError: the state cannot be written.
        """
        if self.running:
            return
        await asyncio.to_thread(self.load_state)
        if self._loop is None:
            await self.start()
        else:
            self._start_process()

    def restart(self) -> None:
        """End the process and start another one, as the site's restart command does.

        Raises:
            SettingsRejectedError: it does not come up with these settings; no process is left.
        """
        if self.habits["restart_is_deaf"] and self.running:
            return
        self.running = False
        self._start_process()

    def hup(self) -> None:
        """Take a SIGHUP: one worker ends by it, several are renewed with the environment that they had."""
        if self.habits["hup_ends_it"]:
            self.running = False
            self._note = "SIGHUP ended the router's process"

    def _start_process(self) -> None:
        exports = {**(LAUNCHER_EXPORTS if self.habits["launcher_exports"] else {}), **self._exports}
        self._decisions.begin(RouterSettings.at_start(self._settings_file, exports))
        self.running = True

    async def decide(self, count: int) -> None:
        """Decide `count` requests now and append them; one in ten is held back and written some seconds late."""
        if not self.running:
            return
        async with self._writing:
            now = self._clock()
            for _ in range(count):
                line = self._decisions.line(now)
                if line is not None:
                    delay = timedelta(seconds=self._rng.uniform(1, 6)) if self._rng.random() < 0.1 else timedelta()
                    self._ledger.hold_back(line, now + delay)
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
                if self.running and (now >= state_due or self.habits["state_in_place"]):
                    state_due = now + STATE_EVERY_S
                    await asyncio.to_thread(self.write_state)
            except OSError as error:
                self._note = f"the router could not write ({error}); it goes on trying"

    def _flush(self, *, everything: bool = False) -> None:
        if self.misbehaviour["ledger_stopped"]:
            self._ledger.forget_late()
            return
        self._ledger.flush(self._clock(), everything=everything)

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
        habits = tuple(name for name, on in self.habits.items() if on and name != "late_feedback")  # an hour later it has come
        past = good_days(self._rng.getstate(), now.hour, days, pilot, habits)
        self._rng.setstate(past.chance)
        for route in ROUTES:
            self._decisions.pulls[route] += past.pulls[route]
            self._decisions.rewards[route] += past.rewards[route]
        self._ledger.forget_late()
        self._ledger.replace(past.ending(now))

    async def heal(self) -> None:
        """Behave, and replace the ledger by good history at the present pilot. No real router can; a demo must.

        Raises:
            OSError: the ledger cannot be written; the misbehaviours stay as they are.
        """
        async with self._writing:
            await asyncio.to_thread(self.seed_history, self._clock(), pilot=self.settings.served)
            self.misbehaviour.update(dict.fromkeys(BURSTS, False))
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

    async def misbehave_all(self, wanted: dict[str, bool]) -> None:
        """Switch several, one after the other.

        Raises:
            OSError: the ledger cannot be written; those before it are switched.
        """
        for name, on in wanted.items():
            await self.misbehave(name, on=on)

    async def rotate(self, how: str) -> None:
        """Rotate the ledger as operators' scripts do.

        Raises:
            OSError: it cannot be rotated.
        """
        async with self._writing:
            sibling = await asyncio.to_thread(self._ledger.rotate, how, self._clock())
            self._note = f"rotated: the lines so far are in {sibling.name}"

    def _burst(self, name: str) -> str:
        """Write the misbehaviour into the past and say what was written."""
        now = self._clock()
        if name == "slot_down":
            return "slot_down: the health of slots says so, the ledger is untouched"
        if name == "ledger_stopped":
            self._ledger.cut_off(now - timedelta(minutes=20))
            return "ledger_stopped: the last 20 minutes were cut off"
        served = self.settings.served
        if name in {"rsi_drop", "rollbacks"} and served == 0:
            return f"{name}: nothing was written, for there is no live traffic; it shows once there is"
        bad, good, live = burst_size(name, self._ledger.counts(now), served)
        lines = [self._decisions.line(now, bad=name, live=live) for _ in range(bad)]
        lines += [self._decisions.line(now, live=False) for _ in range(good)]
        self._rng.shuffle(lines)
        written = [line for line in lines if line is not None]
        self._ledger.append(written)
        return f"{name}: {len(written):,} decisions were written at once"

    # -- state and status

    def write_state(self) -> bool:
        """Write the bandit's state as this build does; a build with a lock leaves it while somebody holds that.

        Returns:
            Whether it was written.

        Raises:
            OSError: it cannot be written.
        """
        pulls, rewards = self._decisions.pulls, self._decisions.rewards
        arms = {route: {"A": [[1.0 + pulls[route], 0.0], [0.0, 1.0]], "b": [round(rewards[route], 6), 0.0]} for route in ROUTES}
        state = {"model": "linucb", "alpha": 0.6, "arms": arms, "updated_at": self._clock().isoformat()}
        data = json.dumps(state).encode()
        if self.habits["state_in_place"]:
            dump_in_place(self._state, data)
            return True
        return write_locked(self._state, data)

    def load_state(self) -> None:
        """Take what was learned from the state file, as a router does when its process starts; nothing if it has none."""
        self._decisions.pulls = dict.fromkeys(ROUTES, 0)
        self._decisions.rewards = dict.fromkeys(ROUTES, 0.0)
        with contextlib.suppress(FileNotFoundError, ValueError, LookupError, TypeError):
            arms = json.loads(self._state.read_bytes())["arms"]
            self._decisions.pulls = {route: int(arms[route]["A"][0][0]) - 1 for route in ROUTES}
            self._decisions.rewards = {route: float(arms[route]["b"][0]) for route in ROUTES}

    def slots(self) -> dict[str, dict[str, str]]:
        """The health of the slots, in the real router's shape."""
        down = self.misbehaviour["slot_down"]
        return {slot: {"status": "down" if down and slot == "slot08_lock" else "healthy"} for slot in SLOTS}

    def status(self) -> dict[str, Any]:
        """What the running process says of its own settings."""
        return {"enabled": self.settings.enabled, "pilot": self.settings.pilot, "kill": self.settings.kill}

    def shown(self) -> dict[str, Any]:
        """Everything that the page shows."""
        return {
            "settings": self.settings.texts,
            **self.status(),
            "serving": self.settings.served if self.running else 0.0,
            "misbehaviour": self.misbehaviour,
            "effects": BURSTS,
            "habits": self.habits,
            "habit_effects": HABITS,
            "note": self._note,
            "lines_written": self.lines_written,
            "running": self.running and self._loop is not None and not self._loop.done(),
            "settings_file": str(self._settings_file),
            "slots": self.slots(),
        }
