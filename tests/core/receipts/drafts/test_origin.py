from core.receipts.cause import Slash
from core.receipts.drafts.origin import Origin
from core.receipts.receipt import Action
from tests.core.receipts.drafts import (
    test_alerts,
    test_brakes,
    test_moves,
    test_requests,
    test_schedule,
    test_sightings,
    test_upkeep,
)
from tests.support.receipts import NOW, OLIVIA, STORY

SUBJECTS = (test_alerts, test_brakes, test_moves, test_requests, test_schedule, test_sightings, test_upkeep)


def test_every_action_has_a_constructor_whose_bytes_are_known() -> None:
    """A new action needs a constructor, and its receipt as literal data."""
    assert {Action(case.values[1]["action"]) for subject in SUBJECTS for case in subject.BEFORE} == set(Action)


def test_what_somebody_typed_is_cleaned_on_the_way_into_every_receipt() -> None:
    """No caller has to think of it: line breaks and marks that reverse writing never stand in a reason."""
    facts = Origin(STORY, NOW, OLIVIA, "a\n\u202eb" + "c" * 600, Slash("1")).facts
    assert facts["reason"] == "a b" + "c" * 496 + "…"
    assert facts["cause"] == "slash:1"
