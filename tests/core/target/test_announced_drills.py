"""By what the webhook knows a drill: exactly the labels that were announced, for a day, and nothing else."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.payload import AlertFacts
from core.target.announced_drills import KNOWN_FOR, DrillUnwritable, announce, announced, keep_heard, labels_of, was_heard
from tests.support.alert_payloads import alert, judged, payload
from tests.support.rig import NOW


def heard_with(labels: dict[str, str]) -> AlertFacts:
    """An alert with exactly these labels, as the webhook reads it."""
    (facts,) = judged(payload({**alert(), "labels": labels})).facts
    return facts


def test_an_alert_with_the_announced_labels_is_that_drill(tmp_path: Path) -> None:
    """Its id is told, and that it was heard is seen by whoever announced it."""
    drill = announce(tmp_path, NOW)
    assert announced(tmp_path, "production", heard_with(dict(labels_of(drill, "production"))), NOW) == drill
    assert not was_heard(tmp_path, drill)
    keep_heard(tmp_path, drill, NOW)
    assert was_heard(tmp_path, drill)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"severity": "page"}, id="a-page-that-claims-to-be-a-drill"),
        pytest.param({"alertname": "AnrRsiLow"}, id="another-alert"),
        pytest.param({"instance": "router-1"}, id="one-label-more"),
        pytest.param({"note": "x" * 500}, id="a-label-that-is-cut"),
        pytest.param({"target": "staging"}, id="another-router"),
        pytest.param({"drill": "0" * 32}, id="an-id-that-was-guessed"),
        pytest.param({"drill": ""}, id="no-id"),
        pytest.param({"drill": ".."}, id="a-path"),
    ],
)
def test_an_alert_that_merely_claims_to_be_a_drill_is_none(tmp_path: Path, change: dict[str, str]) -> None:
    """Whoever reads the id in Alertmanager can hide no alert behind it."""
    drill = announce(tmp_path, NOW)
    assert announced(tmp_path, "production", heard_with({**labels_of(drill, "production"), **change}), NOW) is None


@given(st.text(max_size=80))
def test_no_text_is_a_drill_that_nobody_announced(claimed: str) -> None:
    """Also where the folder cannot be read, or is not there."""
    labels = dict(labels_of(claimed, "production"))
    assert announced(Path("/nonexistent"), "production", heard_with(labels), NOW) is None


def test_a_drill_is_forgotten_after_a_day(tmp_path: Path) -> None:
    """Until then Alertmanager may come late or tell of its end; afterwards its files go with the next one."""
    first = announce(tmp_path, NOW)
    keep_heard(tmp_path, first, NOW)
    facts = heard_with(dict(labels_of(first, "production")))
    assert announced(tmp_path, "production", facts, NOW + KNOWN_FOR) == first
    later = NOW + KNOWN_FOR + timedelta(seconds=1)
    assert announced(tmp_path, "production", facts, later) is None
    second = announce(tmp_path, later)
    assert [path.name for path in (tmp_path / "alert_drills").iterdir()] == [second]


def test_no_two_drills_have_the_same_id(tmp_path: Path) -> None:
    """128 random bits, in the digits that every label may have."""
    drills = {announce(tmp_path, NOW) for _ in range(20)}
    assert len(drills) == 20
    assert all(len(drill) == 32 and int(drill, 16) >= 0 for drill in drills)


def test_a_drill_that_cannot_be_announced_is_not_held(tmp_path: Path) -> None:
    """The error says where it should have been written, and that nothing was posted."""
    (tmp_path / "run").write_text("a file in the folder's place", encoding="utf-8")
    with pytest.raises(DrillUnwritable, match="Nothing was posted"):
        announce(tmp_path / "run", NOW)
