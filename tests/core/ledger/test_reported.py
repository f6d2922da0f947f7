from typing import Any

import pytest

from core.ledger.reported import reported
from tests.support.rig import NOW

OLD = {"window_minutes": 1440, "decisions": 4000, "live_rate": 0.1, "rsi": 0.91, "rollbacks": 1, "tri_median": 0.02}


def test_the_old_scripts_report_gives_the_figures_that_it_has() -> None:
    """Live decisions follow from their share; what it has not is named as unsaid."""
    found = reported({**OLD, "generated_at": "2025-10-01T09:05:00Z", "unknown": [1]}, NOW)
    figures = found.metrics.figures
    assert (figures.decisions, figures.live, figures.rsi, figures.rollbacks_per_1k) == (4000, 400, 0.91, 2.5)
    assert found.unsaid == {"fast_cap_breaches", "known", "oldest", "newest", "skipped"}


@pytest.mark.parametrize(
    "change",
    [
        {"decisions": True},
        {"decisions": "4000"},
        {"decisions": -1},
        {"live_rate": 2},
        {"rsi": float("nan")},
        {"tri_median": float("inf")},
        {"newest": "yesterday"},
        {"known": {"rollbacks": 1}},
        {"window_minutes": None},
    ],
    ids=str,
)
def test_a_figure_that_is_none_is_refused_and_named(change: dict[str, Any]) -> None:
    """A word in place of a number, a share above one, a time that is none: nobody judges that."""
    with pytest.raises(ValueError, match=next(iter(change))):
        reported({**OLD, **change}, NOW)
