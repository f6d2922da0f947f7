"""A router as a process: it reads its environment once, when it starts, and appends its decisions to a ledger.

    python running_router.py LEDGER PLACE [no-pilot] [mute] [ahead=SECONDS]

It leaves its process id in PLACE/pid. A SIGHUP makes it begin again in the environment that it has, as a server's workers do.

Excluded: what a launcher does (LAUNCH, in tests/core/watch/test_observe.py).
"""

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path


def main() -> None:
    """Decide fifty times a second until killed."""
    ledger, place, *words = sys.argv[1:]
    ahead = timedelta(seconds=sum(float(word.removeprefix("ahead=")) for word in words if word.startswith("ahead=")))
    pilot, enabled = float(os.environ.get("NOVA_ANR_PILOT", "0")), os.environ.get("NOVA_ANR_ENABLED") == "1"
    killed = os.environ.get("NOVA_ANR_KILL") == "1"
    signal.signal(signal.SIGHUP, lambda *_: os.execv(sys.executable, [sys.executable, *sys.argv]))  # noqa: S606 - itself
    (Path(place) / "pid.new").write_text(str(os.getpid()), encoding="utf-8")
    (Path(place) / "pid.new").replace(Path(place) / "pid")
    for number in range(150 * 50):  # some minutes: nothing outlives its test for long
        time.sleep(0.02)
        route = "R4" if killed else f"R{(1, 2, 3, 5)[number % 4]}"
        entry = {"id": str(number), "t": (datetime.now(UTC) + ahead).isoformat(), "shadow": {"route": route, "argmax": route}}
        if enabled and not killed and pilot and number % round(1 / pilot) == 0:
            entry["live"] = {"route": route} if "no-pilot" in words else {"route": route, "pilot": pilot}
        if "mute" not in words:
            with Path(ledger).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    main()
