"""Alertmanager's API, as far as it is asked: silences and alerts (API v2, `POST /api/v2/silences`, `POST /api/v2/alerts`).

Excluded: what is silenced, and who may (core/brake/answers.py); what is posted, and why (core/brake/alert_drill.py).
"""

import json
from collections.abc import Mapping
from datetime import datetime

import urllib3

from core.canonical import rfc3339
from core.errors import AnrError
from core.system.bounded_http import in_words
from core.text import clean_text

_SECONDS = 5.0
_MAX_ANSWER_BYTES = 64 << 10


class AlertmanagerFailed(AnrError):
    """Alertmanager refused, or cannot be reached."""


def ask_for_silence(base_url: str, labels: Mapping[str, str], begins: datetime, ends: datetime, *, by: str, comment: str) -> str:
    """Silence the alerts that carry exactly these values of these labels; return the silence's id.

    Args:
        base_url: where Alertmanager is, without a slash at the end.
        labels: name and value of each label; at least one, because a silence without any would cover every alert.
        begins: when the silence begins.
        ends: when it ends by itself.
        by: who asked for it, as Alertmanager shows it.
        comment: why, as Alertmanager shows it.

    Raises:
        AlertmanagerFailed: nothing was silenced.
    """
    if not labels:
        raise AlertmanagerFailed("An alert without labels cannot be silenced: the silence would cover every alert.")
    asked = {
        "matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in sorted(labels.items())],
        "startsAt": rfc3339(begins),
        "endsAt": rfc3339(ends),
        "createdBy": by,
        "comment": comment,
    }
    try:
        return clean_text(str(json.loads(_post(f"{base_url}/api/v2/silences", asked))["silenceID"]), 80)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AlertmanagerFailed("Alertmanager's answer names no silence.") from error


def post_alert(base_url: str, labels: Mapping[str, str], begins: datetime, ends: datetime, *, summary: str) -> None:
    """Tell Alertmanager of an alert that fires until `ends`, as Prometheus does.

    Args:
        base_url: Alertmanager's address, without the path of its API.
        labels: of the alert, by name.
        begins: since when it fires.
        ends: until when.
        summary: its annotation, a sentence.

    Raises:
        AlertmanagerFailed: it did not take it, or nobody knows whether it did.
    """
    alert = {
        "labels": dict(labels),
        "annotations": {"summary": summary},
        "startsAt": rfc3339(begins),
        "endsAt": rfc3339(ends),
    }
    _post(f"{base_url}/api/v2/alerts", [alert])


def _post(url: str, asked: object) -> bytes:
    """Return the answer to a request that succeeded.

    Raises:
        AlertmanagerFailed: it did not.
    """
    try:
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request(
                "POST",
                url,
                json=asked,
                timeout=urllib3.Timeout(total=_SECONDS),
                redirect=False,
                preload_content=False,
            )
            body = answer.read(_MAX_ANSWER_BYTES)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise AlertmanagerFailed(f"Alertmanager cannot be reached ({in_words(error)}).") from error
    if answer.status != 200:
        said = clean_text(body.decode("utf-8", "replace"), 200)
        raise AlertmanagerFailed(f"Alertmanager answered {answer.status}: {said}")
    return body
