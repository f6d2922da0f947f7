from collections.abc import Collection
from datetime import timedelta
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actors import Actor, ActorKind
from core.receipts.chain import GENESIS
from core.receipts.evidence import Hold
from core.receipts.receipt import Action, Phase, Receipt
from core.rollout.pruning import PruneLimit, prunable
from core.rollout.state import RolloutState, UnsettledIntent
from tests.core.upkeep.test_archive_names import NOW

OLIVIA = Actor(kind=ActorKind.SLACK, id="UOLIVIA")


def receipt(seq: int, days_ago: float, operation: str = "", **facts: object) -> Receipt:
    standing = {"id": f"r{seq}", "operation": operation or f"o{seq}", "ts": NOW - timedelta(days=days_ago), "actor": OLIVIA}
    standing |= {"action": Action.DAILY, "phase": Phase.EVENT, "target": "production", "seq": seq, "prev": GENESIS}
    return Receipt.model_validate({**standing, **facts})


HOLD = Hold(id="h1", actor=OLIVIA, reason="page", since=NOW - timedelta(days=100))
CUTOFF = NOW - timedelta(days=90)
OPEN = UnsettledIntent(
    seq=2, operation="o2", action=Action.PROMOTE, actor=OLIVIA, from_stage=10, to_stage=25, since=NOW - timedelta(days=100)
)


def limit_of(receipts: list[Receipt], state: RolloutState, waiting: Collection[str]) -> PruneLimit:
    """Divide receipts by their age, and ask how many of the old ones may go."""
    old = list(takewhile(lambda kept: kept.ts < CUTOFF, receipts))
    return prunable(old, {kept.operation for kept in receipts[len(old) :]}, state, waiting)


OLD = [receipt(1, 120), receipt(2, 110), receipt(3, 100), receipt(4, 89)]


@pytest.mark.parametrize(
    ("receipts", "state", "waiting", "limit"),
    [
        pytest.param([], RolloutState(), (), PruneLimit(0), id="an empty journal"),
        pytest.param(OLD, RolloutState(), (), PruneLimit(3), id="what is older than 90 days"),
        pytest.param([receipt(1, 90)], RolloutState(), (), PruneLimit(0), id="exactly 90 days old stays"),
        pytest.param(OLD[:3], RolloutState(), (), PruneLimit(3), id="everything, if all is old"),
        pytest.param(
            [receipt(7, 120), receipt(8, 1), receipt(9, 120)], RolloutState(), (), PruneLimit(7), id="a clock that ran ahead"
        ),
        pytest.param(
            [receipt(1, 120), receipt(2, 100, "o4"), receipt(3, 100, "o9"), receipt(4, 89, "o4"), receipt(5, 1, "o9")],
            RolloutState(),
            (),
            PruneLimit(1),
            id="a story that goes on later is not cut in two",
        ),
        pytest.param(
            [receipt(1, 120, "a"), receipt(2, 110, "b"), receipt(3, 105, "a"), receipt(4, 100, "b"), receipt(5, 1, "b")],
            RolloutState(),
            (),
            PruneLimit(0),
            id="stories that overlap stay together",
        ),
        pytest.param(
            [receipt(1, 120), receipt(2, 110, holds_added=(HOLD,)), receipt(3, 100)],
            RolloutState(holds=(HOLD,)),
            (),
            PruneLimit(1, "Receipt #2 and those after it stay: hold h1 is in force."),
            id="an open hold",
        ),
        pytest.param(
            [receipt(1, 120), receipt(2, 110, holds_added=(HOLD,)), receipt(3, 100)],
            RolloutState(),
            (),
            PruneLimit(3),
            id="a lifted hold",
        ),
        pytest.param(
            [receipt(1, 120), receipt(2, 110, approval_id="q1"), receipt(3, 100)],
            RolloutState(),
            ("q1",),
            PruneLimit(1, "Receipt #2 and those after it stay: request q1 waits for an answer."),
            id="a request that waits",
        ),
        pytest.param(
            OLD,
            RolloutState(unsettled=OPEN),
            (),
            PruneLimit(1, "Receipt #2 and those after it stay: operation #2 has no outcome yet."),
            id="an intent without an outcome",
        ),
    ],
)
def test_only_what_nothing_needs_is_pruned(
    receipts: list[Receipt], state: RolloutState, waiting: tuple[str, ...], limit: PruneLimit
) -> None:
    """Receipts from before the cutoff go, from the first one on, up to the first that something still needs."""
    assert limit_of(receipts, state, waiting) == limit


@given(st.lists(st.tuples(st.integers(80, 100), st.integers(0, 5)), max_size=25))
def test_no_story_is_cut_in_two(drawn: list[tuple[int, int]]) -> None:
    """However stories overlap: what goes and what stays have no story in common, and nothing that goes is young."""
    receipts = [receipt(seq, days, f"story{story}") for seq, (days, story) in enumerate(drawn, 1)]
    through = limit_of(receipts, RolloutState(), ()).through
    gone, left = receipts[:through], receipts[through:]
    assert not {written.operation for written in gone} & {written.operation for written in left}
    assert all(written.ts < CUTOFF for written in gone)
    if gone != receipts:  # nothing more could have gone
        longer = {written.operation for written in receipts[: through + 1]}
        assert left[0].ts >= CUTOFF or any(written.operation in longer for written in left[1:])
