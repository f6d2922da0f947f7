from datetime import timedelta

import pytest

from core.actors import Actor, ActorKind
from core.receipts.evidence import RouterSighting
from core.receipts.receipt import Action
from core.rollout.drift import SETTLING, DriftKind, find_drift, running_drift
from core.rollout.state import RolloutState, UnsettledIntent
from tests.support.rig import NOW

OLIVIA = Actor(kind=ActorKind.SLACK, id="UOLIVIA")
SERVING = {
    "NOVA_ANR_ENABLED": "1",
    "NOVA_ANR_PILOT": "0.25",
    "NOVA_ANR_KILL": "0",
    "NOVA_ANR_MAX_FAST_PROB": "0.15",
    "NOVA_ANR_STRICT_ON_ANOMALY": "1",
}
UNDER_WAY = UnsettledIntent(seq=7, operation="o", action=Action.PROMOTE, actor=OLIVIA, from_stage=25, to_stage=50, since=NOW)


def at(stage: int | None, **facts: object) -> RolloutState:
    return RolloutState(**{"stage": stage, "since": NOW, "revision": 3, "settings": SERVING, **facts})


def seen(stage: int, *, after: timedelta) -> RouterSighting:
    return RouterSighting(pilot=stage / 100, at=NOW + after)


LATER = SETTLING + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("state", "settings", "stage", "sighting", "kind"),
    [
        pytest.param(at(25), SERVING, 25, None, None, id="everything-agrees"),
        pytest.param(at(None), SERVING, 25, None, None, id="nothing-known-to-compare-with"),
        pytest.param(at(25), SERVING, 50, None, DriftKind.STAGE, id="another-stage"),
        pytest.param(at(25), SERVING, None, None, DriftKind.STAGE, id="a-pilot-that-nobody-understands"),
        pytest.param(at(0), SERVING, 25, None, DriftKind.STAGE, id="live-traffic-after-a-rollback"),
        pytest.param(
            at(25), {**SERVING, "NOVA_ANR_MAX_FAST_PROB": "0.50"}, 25, None, DriftKind.GUARDRAILS, id="a-raised-fast-cap"
        ),
        pytest.param(
            at(25),
            {name: value for name, value in SERVING.items() if name != "NOVA_ANR_STRICT_ON_ANOMALY"},
            25,
            None,
            DriftKind.GUARDRAILS,
            id="a-guardrail-that-is-gone",
        ),
        pytest.param(at(25), {**SERVING, "NOVA_ANR_LEARN_SHADOW": "0"}, 25, None, None, id="a-setting-that-is-not-ours"),
        pytest.param(at(25, settings=None), SERVING, 25, None, None, id="settings-that-were-never-read-back"),
        pytest.param(at(25), SERVING, 25, seen(25, after=LATER), None, id="the-running-router-follows"),
        pytest.param(at(25), SERVING, 25, seen(10, after=LATER), DriftKind.RUNNING, id="the-running-router-does-not-follow"),
        pytest.param(at(0), SERVING, 0, seen(25, after=LATER), DriftKind.RUNNING, id="it-still-serves-after-a-rollback"),
        pytest.param(at(25), SERVING, 25, seen(10, after=SETTLING), None, id="it-has-time-to-follow"),
        pytest.param(at(25), SERVING, 25, seen(10, after=-LATER), None, id="what-it-showed-before-does-not-count"),
        pytest.param(at(25, unsettled=UNDER_WAY), SERVING, 25, seen(10, after=LATER), None, id="an-operation-is-under-way"),
    ],
)
def test_drift_is_what_the_router_shows_against_what_the_journal_says(
    state: RolloutState,
    settings: dict[str, str],
    stage: int | None,
    sighting: RouterSighting | None,
    kind: DriftKind | None,
) -> None:
    """The stage in the settings, then the guardrails, then the pilot that the running router shows once it had time."""
    found = find_drift(state, settings, stage, sighting)
    assert (found.kind if found else None) is kind


def test_a_drift_names_both_sides() -> None:
    """Whoever reads the alarm sees what is shown and what was expected, and outside text is bounded."""
    stage = find_drift(at(25), SERVING, 50, None)
    assert stage is not None
    assert stage.text == "The router's settings say 50%, but the journal says 25%."
    assert stage.shown == 50
    cap = find_drift(at(25), {**SERVING, "NOVA_ANR_MAX_FAST_PROB": "9" * 500}, 25, None)
    assert cap is not None
    assert "NOVA_ANR_MAX_FAST_PROB is 999" in cap.text
    assert "was 0.15" in cap.text
    assert len(cap.text) < 200
    running = find_drift(at(25), SERVING, 25, RouterSighting(pilot=0.1234, at=NOW + LATER))
    assert running is not None
    assert "12.34%" in running.text
    assert running.shown is None


@pytest.mark.parametrize(("shows", "is_less"), [(10, True), (50, False)])
def test_a_running_router_that_differs_says_in_which_direction_whatever_its_file_says(shows: int, is_less: bool) -> None:  # noqa: FBT001 - a table
    """Where it serves less, a restart raises live traffic: whoever puts the file back has to know."""
    changed = {**SERVING, "NOVA_ANR_MAX_FAST_PROB": "0.05"}
    hidden = find_drift(at(25), changed, 25, seen(shows, after=LATER))
    assert hidden is not None
    assert (hidden.kind, hidden.is_less) == (DriftKind.GUARDRAILS, False)
    running = running_drift(at(25), seen(shows, after=LATER))
    assert running is not None
    assert (running.kind, running.shown, running.is_less) == (DriftKind.RUNNING, shows, is_less)
