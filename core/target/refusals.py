"""Whom the webhook refused, and which alerts about ANR no rule matched: kept for every process of a target and the next start.

Excluded: refusing (bot/http/webhook.py), and telling of it (core/doctor/own_checks.py, bot/http/samples.py).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from core.canonical import parse_moment, rfc3339
from core.errors import AnrError
from core.system.files import make_folder, read_bounded, write_durably
from core.text import Sentence, clean_text

_Kept = TypeVar("_Kept")
TOLD_FOR = timedelta(hours=1)
"""How long a refusal is told of."""
UNMATCHED_FOR = timedelta(days=1)
"""How long an alert is told of that no rule matched."""
_REFUSALS, _UNMATCHED = "webhook_refusals", "alerts_unmatched"
_MAX_BYTES, _MOST, _MAX_TEXT = 64 << 10, 50, 300


class RefusalsUnreadable(AnrError):
    """What was refused cannot be told."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was not answered with success.

    Attributes:
        at: when it last happened.
        result: the kind of it, by which refusals are counted.
        count: how often it happened within `TOLD_FOR`.
    """

    at: datetime
    status: int
    result: str
    text: str
    count: int = 1

    @property
    def told(self) -> Sentence:
        """How often, when last and why."""
        return Sentence(f"{self.count} × {self.status} {self.result}, last ", self.at, f": {self.text}")


def keep_refusals(run_dir: Path, refused: Iterable[Refusal]) -> None:
    """Keep refusals beside those of the last hour.

    Raises:
        OSError: they are not kept.
    """
    try:
        kept = {refusal.result: refusal for refusal in _read_refusals(run_dir)}
    except RefusalsUnreadable:
        kept = {}
    for refusal in refused:
        before = kept.get(refusal.result)
        earlier = before.count if before is not None and refusal.at - before.at <= TOLD_FOR else 0
        kept[refusal.result] = replace(refusal, count=refusal.count + earlier)
    newest = sorted(kept.values(), key=lambda kept_refusal: kept_refusal.at)[-_MOST:]
    said = [
        {
            "at": rfc3339(kept_refusal.at),
            "status": kept_refusal.status,
            "result": kept_refusal.result,
            "text": clean_text(kept_refusal.text, _MAX_TEXT),
            "count": kept_refusal.count,
        }
        for kept_refusal in newest
    ]
    _write(run_dir / _REFUSALS, said)


def refusals(run_dir: Path, now: datetime) -> tuple[Refusal, ...]:
    """Return the refusals of the last hour, the newest first.

    Raises:
        RefusalsUnreadable: nobody can say.
    """
    recent = (refusal for refusal in _read_refusals(run_dir) if now - refusal.at <= TOLD_FOR)
    return tuple(sorted(recent, key=lambda refusal: refusal.at, reverse=True))


def keep_unmatched(run_dir: Path, names: Iterable[str], at: datetime) -> None:
    """Keep that alerts about ANR were heard that no rule matches.

    Raises:
        OSError: it is not kept.
    """
    try:
        kept = _read_unmatched(run_dir)
    except RefusalsUnreadable:
        kept = {}
    kept |= dict.fromkeys(names, at)
    newest = sorted(kept.items(), key=lambda item: item[1])[-_MOST:]
    _write(run_dir / _UNMATCHED, [{"name": name, "at": rfc3339(moment)} for name, moment in newest])


def unmatched(run_dir: Path, now: datetime) -> Mapping[str, datetime]:
    """Return when alerts about ANR were last heard that no rule matched, those of the last day by name.

    Raises:
        RefusalsUnreadable: nobody can say.
    """
    return {name: at for name, at in _read_unmatched(run_dir).items() if now - at <= UNMATCHED_FOR}


def _read_refusals(run_dir: Path) -> list[Refusal]:
    return _read(
        run_dir / _REFUSALS,
        lambda entry: Refusal(
            parse_moment(entry["at"]), int(entry["status"]), str(entry["result"]), str(entry["text"]), int(entry["count"])
        ),
    )


def _read_unmatched(run_dir: Path) -> dict[str, datetime]:
    return dict(_read(run_dir / _UNMATCHED, lambda entry: (str(entry["name"]), parse_moment(entry["at"]))))


def _read(path: Path, understand: Callable[[Any], _Kept]) -> list[_Kept]:
    try:
        return [understand(entry) for entry in json.loads(read_bounded(path, _MAX_BYTES))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusalsUnreadable(
            f"What the alert webhook refused cannot be read from {path} ({type(error).__name__}). "
            "Let the account that runs anr read it, or remove it if it is damaged."
        ) from error


def _write(path: Path, said: list[dict[str, Any]]) -> None:
    make_folder(path.parent)
    write_durably(path, json.dumps(said, ensure_ascii=True).encode() + b"\n", shared=True)
