import pytest

from core.rollout.decisions import decide_move
from core.rollout.refusals import Refuse
from core.rollout.state import RolloutState
from tests.core.rollout.test_decisions import DRIFTED, OPERATOR, UNSETTLED, at, hold, standing


@pytest.mark.parametrize(
    ("state", "wanted", "drift", "says"),
    [
        pytest.param(at(10), 30, None, "0, 10, 25, 50, 75, 100", id="the-ladder"),
        pytest.param(at(10), 50, None, "next stage is 25%; 50%", id="the-stage-that-would-be-next"),
        pytest.param(at(100), None, None, "100%, the top", id="the-stage-at-the-top"),
        pytest.param(at(25), 25, None, "already serves 25%", id="the-stage-that-is-served"),
        pytest.param(at(10, unsettled=UNSETTLED), None, None, "#7 (10% → 25%)", id="the-operation-without-an-outcome"),
        pytest.param(at(10), None, DRIFTED, DRIFTED, id="the-drift"),
        pytest.param(RolloutState(), None, None, "`anr init`", id="how-to-begin"),
        pytest.param(at(None), None, None, "`rollback`", id="how-to-get-a-known-stage"),
        pytest.param(at(0, hold("h1")), None, None, "`unfreeze`", id="how-to-lift-holds"),
    ],
)
def test_a_refusal_says_what_it_is_about_and_that_nothing_was_changed(
    state: RolloutState, wanted: int | None, drift: str | None, says: str
) -> None:
    """The text names the fact that stands in the way or the way out, and leaves no doubt about what happened."""
    refusal = decide_move(standing(state, drift=drift), OPERATOR, wanted)
    assert isinstance(refusal, Refuse)
    assert says in refusal.text
    assert "Nothing was changed" in refusal.text
