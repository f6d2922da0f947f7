from hypothesis import given
from hypothesis import strategies as st

from bot.commands.parse import parse
from bot.commands.rollout import Promote


@given(st.integers(0, 99), st.sampled_from(["{}%", "{}%", "to {} percent", "stage {}", "{}, ok", "0.{:02d}"]))
def test_a_stage_is_the_number_that_was_written_however_it_was_written(percent: int, written: str) -> None:
    """As a percentage or as a share, in a sentence or alone: never another stage, and never the next one instead."""
    found = parse(f"promote {written.format(percent)}")
    assert isinstance(found, Promote)
    assert found.stage == percent
