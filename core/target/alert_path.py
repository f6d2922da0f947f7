"""When the alert that always fires was last heard: the sign that Prometheus, Alertmanager and the way to us are alive.

Excluded: what follows from silence (core/gates/evaluate.py).
"""

from datetime import datetime
from pathlib import Path

from core.canonical import parse_moment, rfc3339
from core.errors import AnrError
from core.gates.report import AlertPath
from core.system.files import make_folder, read_bounded, write_durably

_FILE = "watchdog"


class WatchdogUnwritable(AnrError):
    """That the watchdog was heard could not be kept."""


def heard(run_dir: Path, at: datetime) -> None:
    """Keep that the watchdog was heard, for every process of this target and the next start.

    Raises:
        WatchdogUnwritable: it could not be kept.
    """
    try:
        make_folder(run_dir)
        write_durably(run_dir / _FILE, f"{rfc3339(at)}\n".encode(), shared=True)
    except OSError as error:
        raise WatchdogUnwritable(
            f"That the watchdog was heard could not be kept in {run_dir} ({error.strerror or error}); "
            "promotions are refused until it can. Let the account that runs anr write there.",
        ) from error


def alert_path(run_dir: Path) -> AlertPath:
    """Return when the watchdog was last heard; what goes wrong is part of the answer."""
    try:
        return AlertPath(heard=parse_moment(read_bounded(run_dir / _FILE, 100).decode("ascii").strip()))
    except FileNotFoundError:
        return AlertPath()
    except (OSError, ValueError) as error:
        return AlertPath(error=f"when the Watchdog alert was last heard cannot be read ({error})")
