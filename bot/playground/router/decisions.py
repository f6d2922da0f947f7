"""What the simulated router decides, one ledger line at a time. Routes are drawn, not learned; the counts of learning are true.

Excluded: when it decides, and what happens to a line (router_ledger.py).
"""

import json
import math
import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from bot.playground.router.settings import RouterSettings

ROUTES: Final = ("R1", "R2", "R3", "R4", "R5")
GUARDRAIL: Final = "R4"
MASKED: Final = ("R1", "R3")
"""The routes that have no key in an anomaly, where the build masks."""
FEEDBACK_IN_TIME: Final = 0.7
"""The share of deployment feedback that is there when its line is written, where feedback may be late."""


def timestamp(at: datetime) -> str:
    """Write a moment as the ledger's lines do."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Decisions:
    """Draws decisions.

    Args:
        rng: the only source of chance.
        misbehaviour: the switches of that kind, as they are now.
        habits: how this build differs, as it is now.

    Attributes:
        settings: those in force.
        pulls: how often each route was learned from.
        rewards: the sum of what was learned of each.
    """

    def __init__(self, rng: random.Random, misbehaviour: Mapping[str, bool], habits: Mapping[str, bool]) -> None:
        self.settings = RouterSettings()
        self.pulls = dict.fromkeys(ROUTES, 0)
        self.rewards = dict.fromkeys(ROUTES, 0.0)
        self._rng, self._misbehaviour, self._habits = rng, misbehaviour, habits
        self._live_share = 1.0
        self._live_seen = 0

    def begin(self, settings: RouterSettings) -> None:
        """Decide under these settings from now on; the first request under them is a live one, if any is, and shows it."""
        self.settings = settings
        self._live_share = 1.0 - settings.served

    def line(self, at: datetime, *, pilot: float | None = None, bad: str = "", live: bool | None = None) -> str | None:
        """Return one ledger line without its end, or None where the router would not write any.

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
            "t": timestamp(at),
            "shadow": {"route": argmax, "argmax": argmax, "probs": probs},
        }
        if live:
            shown = {} if self._habits["no_live_pilot"] else {"pilot": round(pilot, 2)}
            entry["live"] = {"route": self._live_route(argmax, bad), **shown}
        entry["anomaly"] = {"engaged": int(engaged)}
        entry["rewards"] = self._rewarded(argmax, bad, live=live)
        return json.dumps(entry, separators=(",", ":"))

    def _rewarded(self, argmax: str, bad: str, *, live: bool) -> dict[str, Any]:
        tri = self._rng.gauss(0.07, 0.13)
        if bad == "tri_drop" or self._misbehaves("tri_drop"):
            tri = -abs(tri) - 0.01
        rolled_back = live and (bad == "rollbacks" or (self._misbehaves("rollbacks") and self._rng.random() < 0.2))
        tri = round(max(-1.0, min(1.0, tri)), 4)
        rewards: dict[str, Any] = {
            "immediate": {"tri_delta_norm": tri, "latency_norm": round(self._rng.betavariate(2, 5), 4)},
            "deployment": {
                "slo_ok": int(not rolled_back),
                "rollback": int(rolled_back),
                "error_rate": round(self._rng.uniform(0.02, 0.1), 4) if rolled_back else 0.0,
            },
        }
        if not bad and self._rng.random() < 0.03:
            del rewards["immediate"]["tri_delta_norm"]  # some rewards never arrive
        if self._habits["late_feedback"]:
            if bad or self._rng.random() < FEEDBACK_IN_TIME:
                rewards["deployment"] |= {"slo_ok": -1.0 if rolled_back else 1.0, "rollback": -1.0 if rolled_back else 0.0}
            else:
                del rewards["deployment"]  # the ledger is append-only: feedback that comes later only teaches the bandit
        self.pulls[argmax] += 1
        self.rewards[argmax] += tri
        return rewards

    def _probabilities(self, *, engaged: bool, breach: bool) -> dict[str, float]:
        if self.settings.kill:
            return {GUARDRAIL: 1.0}
        weights = [self._rng.gammavariate(shape, 1.0) for shape in (3.0, 2.2, 1.0, 0.25, 0.8)]
        shares = [weight / sum(weights) for weight in weights]
        if engaged and self.settings.texts["NOVA_ANR_STRICT_ON_ANOMALY"] == "1":
            cap = float(self.settings.texts["NOVA_ANR_MAX_FAST_PROB"])
            wanted = self._rng.uniform(0.2, 0.4) if breach else min(shares[2], 0.8 * cap)
            scale = (1 - wanted) / (1 - shares[2])
            shares = [wanted if index == 2 else share * scale for index, share in enumerate(shares)]
        elif breach:
            shares = [0.25, 0.25, 0.3, 0.1, 0.1]
        probs = dict(zip(ROUTES, shares, strict=True))
        if engaged and not breach and self._habits["masked_routes"]:
            allowed = {route: share for route, share in probs.items() if route not in MASKED}
            probs = {route: share / sum(allowed.values()) for route, share in allowed.items()}
        return {route: round(share, 4) for route, share in probs.items()}

    def _live_route(self, argmax: str, bad: str) -> str:
        if self.settings.kill:
            return GUARDRAIL
        self._live_seen += 1
        astray = bad == "rsi_drop" or (self._misbehaves("rsi_drop") and self._rng.random() < 0.6)
        if astray or self._live_seen % 25 == 0:  # exploration: RSI of a good day is 0.96
            return self._rng.choice([route for route in ROUTES if route != argmax])
        return argmax

    def _misbehaves(self, name: str) -> bool:
        return self._misbehaviour[name]
