from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given

from core.gates.report import Verdict
from core.rollout.blockers import Question
from core.rollout.decisions import Veto, obstacles
from core.rollout.outlook import outlook
from core.rollout.schedule import PromotionMode
from tests.core.rollout.test_blockers import (
    HOUR,
    NEXT,
    NIGHTLY,
    OLIVIA,
    OPERATOR,
    changed,
    gates,
    hold,
    known,
    question,
    questions,
)
from tests.support.rig import NOW


@given(questions)
def test_at_the_earliest_moment_nothing_is_left_that_lifts_itself(asked: Question) -> None:
    """When `next` names a moment, a person can ask then if nothing else happens; not a second before."""
    seen = outlook(asked, NIGHTLY, NOW)
    if seen.earliest is None:
        assert seen.first
        return

    def at(moment: datetime) -> tuple[object, ...]:
        state = known(asked).state
        left = tuple(hold for hold in state.holds if hold.expires_at is None or hold.expires_at > moment)
        return obstacles(replace(known(asked), now=moment, state=state.model_copy(update={"holds": left})), OPERATOR)

    assert at(seen.earliest) == ()
    if seen.earliest > NOW:
        assert at(seen.earliest - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("asked", "earliest", "does"),
    [
        pytest.param(question(), NOW, "promotes 10% → 25% if the gates still pass", id="nothing-in-the-way"),
        pytest.param(question(mode=PromotionMode.APPROVE), NOW, "asks for an approval of 10% → 25%", id="asks"),
        pytest.param(question(veto=Veto(OLIVIA, "", NEXT.date())), NOW, "skipped by UOLIVIA", id="skipped"),
        pytest.param(question(mode=PromotionMode.OFF), NOW, "switched off", id="off"),
        pytest.param(question(changed(person_required=True)), NOW, "a person has to ask", id="a-person"),
        pytest.param(question(changed(stage=0)), NOW, "never leaves stage 0", id="at-zero"),
        pytest.param(question(soak_hours={10: 90.0}), NOW + 10 * HOUR, "promotes 10% → 25%", id="soaked-before-the-run"),
        pytest.param(question(soak_hours={10: 110.0}), NOW + 30 * HOUR, "has to be served for 110 h", id="soaks-beyond-the-run"),
        pytest.param(
            question(changed(holds=(hold("a", HOUR, expires=2 * HOUR),), stage=10)),
            NOW + 2 * HOUR,
            "promotes 10% → 25%",
            id="hold-ends",
        ),
        pytest.param(question(changed(holds=(hold("a", HOUR),))), None, "Frozen for 1 h: errors", id="a-hold-without-an-end"),
        pytest.param(question(gates=gates(RSI=Verdict.FAIL)), None, "they do not now", id="red-gates"),
        pytest.param(question(unreadable=("No journal.",)), None, "cannot run", id="unreadable"),
    ],
)
def test_next_says_the_earliest_promotion_and_what_the_next_run_does(
    asked: Question, earliest: datetime | None, does: str
) -> None:
    """Soaks and holds that end by themselves are waited for; everything else has to be lifted first."""
    seen = outlook(asked, NIGHTLY, NOW)
    assert seen.earliest == earliest
    assert bool(seen.first) is (earliest is None)
    assert does in seen.run_does
    assert seen.run_at == NEXT
