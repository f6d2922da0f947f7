"""The drills of the alert path that were announced: by this the webhook knows an alert that freezes nothing.

Whoever holds a drill leaves a file with an id that nobody can guess; the webhook leaves another when the alert comes. An alert is
a drill only if it carries exactly the labels that were announced. One that merely claims to be one, or carries an announced id
beside labels of its own, is judged by the rules as any other.

Excluded: holding a drill (core/brake/alert_drill.py), and what the rules say of other alerts (core/alerts/rules.py).
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from core.alerts.payload import AlertFacts
from core.canonical import parse_moment, rfc3339
from core.errors import AnrError
from core.system.files import make_folder, read_bounded, write_durably

ALERT_NAME = "AnrAlertPathDrill"
KNOWN_FOR = timedelta(days=1)
"""How long the alert of a drill is known: Alertmanager may come late, come again, and tell of its end."""
_SKEW = timedelta(minutes=5)
_FOLDER, _HEARD = "alert_drills", ".heard"
_MAX_BYTES = 100


class DrillUnwritable(AnrError):
    """That a drill begins, or that its alert was heard, could not be kept."""


def labels_of(drill: str, target: str) -> Mapping[str, str]:
    """Return the labels of a drill's alert; a rule of Alertmanager's routes can match each but `drill`."""
    return {"alertname": ALERT_NAME, "component": "anr", "severity": "drill", "target": target, "drill": drill}


def announce(run_dir: Path, at: datetime) -> str:
    """Announce a drill to every process of this target, and forget those that are over; return its id.

    Raises:
        DrillUnwritable: it is not announced, so that its alert would be judged as any other.
    """
    drill = secrets.token_hex(16)
    try:
        make_folder(run_dir)
        make_folder(run_dir / _FOLDER)
        for path in (run_dir / _FOLDER).iterdir():
            if not _is_known(path, at):
                path.unlink(missing_ok=True)
        _write(run_dir / _FOLDER / drill, at)
    except OSError as error:
        raise DrillUnwritable(
            f"The drill could not be announced in {run_dir} ({error.strerror or error}). Nothing was posted. "
            "Let the account that runs anr write there.",
        ) from error
    return drill


def announced(run_dir: Path, target: str, facts: AlertFacts, now: datetime) -> str | None:
    """Return the id of the drill whose alert this is; None if it is none that was announced, or nobody can say.

    Args:
        run_dir: the target's folder in which drills are announced.
        target: the target's name.
        facts: the alert that was heard.
        now: the moment; an announcement is good for a day.
    """
    claimed = facts.labels.get("drill")
    if claimed is None or not facts.whole or facts.labels != labels_of(claimed, target):
        return None
    try:
        path = next((entry for entry in (run_dir / _FOLDER).iterdir() if entry.name == claimed), None)
    except OSError:
        return None
    return claimed if path is not None and _is_known(path, now) else None


def keep_heard(run_dir: Path, drill: str, at: datetime) -> None:
    """Keep that the alert of an announced drill was heard at the webhook.

    Raises:
        DrillUnwritable: it could not be kept.
    """
    try:
        _write(run_dir / _FOLDER / f"{drill}{_HEARD}", at)
    except OSError as error:
        raise DrillUnwritable(
            f"That a drill of the alert path was heard could not be kept in {run_dir / _FOLDER} ({error.strerror or error}). "
            "Let the account that runs the bot write there.",
        ) from error


def was_heard(run_dir: Path, drill: str) -> bool:
    """Whether the webhook has kept that the drill's alert was heard."""
    return (run_dir / _FOLDER / f"{drill}{_HEARD}").exists()


def _write(path: Path, at: datetime) -> None:
    write_durably(path, f"{rfc3339(at)}\n".encode(), shared=True)


def _is_known(path: Path, now: datetime) -> bool:
    try:
        at = parse_moment(read_bounded(path, _MAX_BYTES).decode("ascii").strip())
    except (OSError, ValueError):
        return False
    return -_SKEW <= now - at <= KNOWN_FOR
