"""The figures that a receipt keeps as JSON, back into figures: the inverse of how they are written (core/ledger/figures.py).

Pure. Excluded: figures that somebody else reports, which may say less (core/ledger/reported.py), and the receipt itself, whose
bytes keep the JSON as it is (core/receipts/receipt.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from core.ledger.entry import EPOCH
from core.ledger.figures import Figures, HourMetrics, LedgerSpan, WindowMetrics
from core.ledger.window import Window

_NOT_TOLD: Mapping[str, Any] = {
    "coverage": {"rollbacks_per_1k": None, "tri_median": None, "fast_cap": None},
    "intervals": {"rsi": None, "rollbacks_per_1k": None},
    "known": {"rollbacks": 0, "tri": 0, "anomalies": 0, "engaged": 0, "r3": 0},
}
"""What the first receipts do not have: of nothing is said that it is known."""


def recorded(told: Mapping[str, Any]) -> WindowMetrics:
    """Read the figures of a window, with its hours if they were kept.

    Raises:
        ValueError: they are no figures.
    """
    try:
        return WindowMetrics(
            window=Window(_micros(told["generated_at"]), told["window_minutes"]),
            figures=_figures(told),
            oldest_us=None if told["oldest"] is None else _micros(told["oldest"]),
            newest_us=None if told["newest"] is None else _micros(told["newest"]),
            skipped=dict(told["skipped"]),
            hours=tuple(HourMetrics(_micros(hour["start"]), _figures(hour)) for hour in told.get("hours", ())),
            span=_adapter(LedgerSpan).validate_python(told["ledger"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"these are not a window's figures: {error}") from error


def _figures(told: Mapping[str, Any]) -> Figures:
    figures: Figures = _adapter(Figures).validate_python({**_NOT_TOLD, **told})
    return figures


def _micros(told: str) -> int:
    return (datetime.fromisoformat(told) - EPOCH) // timedelta(microseconds=1)


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
