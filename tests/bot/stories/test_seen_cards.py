"""What a card says of the running router: no word more than was seen."""

from contextlib import closing

import pytest

from bot.stories.compose import StoryComposer
from bot.views.answers import answer
from core.brake import brake
from core.brake.brake import Braked
from core.receipts.chain import Sealed
from core.receipts.receipt import Action, Result
from core.watch.observe import Observer
from tests.core.watch.test_observe import QUIET, append
from tests.support.promoting import promoted
from tests.support.rig import Rig, begun, rig, slots  # noqa: F401 - fixtures of the other folder


def look(of: Rig) -> None:
    with closing(Observer(of.target)) as observer:
        observer.look()


def card(of: Rig, operation: str) -> tuple[str, str]:
    """The title and everything else of a story's message."""
    post = StoryComposer(of.target).post_of(of.target.journal.of_operation(operation))
    assert post is not None
    return post.text, str(post.blocks)


def frozen(of: Rig, reason: str = "errors") -> Braked:
    done = brake.freeze(of.target, of.people["max"], reason)
    assert isinstance(done, Braked)
    of.clock.pass_(seconds=30)
    return done


def operation_of(done: Braked) -> str:
    assert done.sealed is not None
    return done.sealed.receipt.operation


def test_a_brake_s_card_turns_with_what_is_seen(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """Not seen yet, then STILL SERVING with the count and what to do, then seen safe; the title says it too."""
    done = frozen(begun)
    title, text = card(begun, operation_of(done))
    assert title == "🛑 Frozen, not seen yet"
    assert "NOTHING RESTARTED THE ROUTER" in text
    append(begun, 3)
    look(begun)
    title, text = card(begun, operation_of(done))
    assert title == "🚨 Frozen, but the router is STILL SERVING"
    assert "*STILL SERVING: 3 live decisions since <!date^1759309500^{time_secs}|09:05:00 UTC>" in text
    assert "*Next:* Restart the router by hand now" in text
    begun.clock.pass_(minutes=1)
    append(begun, 150, every=0.2, **QUIET)
    look(begun)
    title, text = card(begun, operation_of(done))
    assert title == "🛑 Frozen"
    assert ":white_check_mark: Seen safe" in text
    assert "STILL SERVING" not in text


def test_the_count_on_a_card_grows_with_what_is_seen(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """No receipt is made for it: whoever follows the router knows the number."""
    done = frozen(begun)
    append(begun, 3)
    look(begun)
    now = begun.target.journal.state().observation
    assert now is not None
    post = StoryComposer(begun.target, lambda: now.model_copy(update={"live": 36})).post_of(
        begun.target.journal.of_operation(operation_of(done))
    )
    assert post is not None
    assert "STILL SERVING: 36 live decisions since" in str(post.blocks)


def test_the_card_of_an_earlier_brake_turns_with_the_later_one(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """While its hold is in force, what is seen of the router is about both; each is shown anew."""
    first, second = frozen(begun, "first"), frozen(begun, "second")
    append(begun, 3)
    look(begun)
    turned = begun.target.journal.receipts()[-1]
    assert turned.receipt.action is Action.OBSERVED
    assert set(StoryComposer(begun.target).touched([turned])) == {operation_of(first), operation_of(second)}
    assert card(begun, operation_of(first))[0] == "🚨 Frozen, but the router is STILL SERVING"


def test_a_promotion_is_now_at_its_stage_once_it_was_seen(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """Written and not seen; then another pilot; then its own."""
    operation = promoted(begun).sealed.receipt.operation
    title, text = card(begun, operation)
    assert title == "📝 Promoted: 10% → 25%, not seen yet"
    assert "Written: *25%*" in text
    assert "Now at" not in text
    begun.clock.pass_(seconds=30)
    append(begun)
    look(begun)
    assert card(begun, operation)[0] == "🚨 Promoted: 10% → 25%, but the router does not follow"
    begun.clock.pass_(seconds=30)
    append(begun, live={"route": "R2", "pilot": 0.25})
    look(begun)
    title, text = card(begun, operation)
    assert title == "🚀 Promoted: 10% → 25%"
    assert "Now at *25%*" in text


def test_the_answer_to_a_brake_says_what_was_done_and_not_that_it_is_safe(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """It comes at once: settings written, whether anything restarted the router, not yet seen."""
    text = str(answer(frozen(begun)))
    assert "Settings written and synced" in text
    assert "Not yet seen" in text
    assert "is in its safe settings" not in text


@pytest.mark.parametrize("result", [Result.APPLIED, Result.NOT_APPLIED])
def test_a_receipt_from_before_is_shown_and_claims_nothing_that_was_not_seen(
    begun: Rig,  # noqa: F811 - the fixture's name
    result: Result,
) -> None:
    """It says what was written."""
    from bot.stories.card import story  # noqa: PLC0415 - beside its only use

    sealed = frozen(begun).sealed
    assert sealed is not None
    old = sealed.receipt.model_copy(update={"observation": None, "result": result})
    post = story((Sealed(old, sealed.data, sealed.digest),), None)
    assert "is in its safe settings" not in str(post.blocks)
    assert ("The safe settings were written." in str(post.blocks)) is (result is Result.APPLIED)
