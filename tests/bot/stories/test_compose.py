"""Which stories a receipt changes, and what a story shows beside its own receipts."""

from datetime import date

from bot.stories.compose import StoryComposer
from core.operations import daily
from core.receipts.chain import Sealed
from core.receipts.receipt import Action
from core.rollout.schedule import PromotionMode
from tests.support.rig import Rig, begun, rig, slots  # noqa: F401 - fixtures of the other folder

DAY = date(2025, 10, 1)


def newest(of: Rig, action: Action) -> Sealed:
    return next(sealed for sealed in reversed(of.target.journal.receipts()) if sealed.receipt.action is action)


def shown(of: Rig, sealed: Sealed) -> str:
    post = StoryComposer(of.target).post_of(of.target.journal.of_operation(sealed.receipt.operation))
    assert post is not None
    return str(post.blocks)


def test_a_run_ends_its_announcement_and_the_report_before_it(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """Both lose their buttons; the next day's report shows the trend against the one before."""
    daily.preflight(begun.target, DAY, PromotionMode.OFF)
    daily.daily(begun.target, DAY, PromotionMode.OFF)
    first = newest(begun, Action.DAILY)
    assert "ask_promote" in shown(begun, first)
    begun.clock.pass_(days=1)
    begun.write_ledger()
    tomorrow = date(2025, 10, 2)
    daily.preflight(begun.target, tomorrow, PromotionMode.OFF)
    announced = newest(begun, Action.PREFLIGHT)
    assert "ask_skip" in shown(begun, announced)
    daily.daily(begun.target, tomorrow, PromotionMode.OFF)
    second = newest(begun, Action.DAILY)
    touched = StoryComposer(begun.target).touched([second])
    assert set(touched) == {sealed_receipt.receipt.operation for sealed_receipt in (second, announced, first)}
    assert "ask_promote" not in shown(begun, first)
    assert "ask_skip" not in shown(begun, announced)
    assert "no report yesterday" not in shown(begun, second)
    assert "→ same" in shown(begun, second)


def test_a_veto_and_a_missed_run_end_the_announcement(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """Each has a message of its own, and the announcement says which it was."""
    daily.preflight(begun.target, DAY, PromotionMode.OFF)
    announced = newest(begun, Action.PREFLIGHT)
    daily.skip(begun.target, begun.people["olivia"], DAY, "migration")
    veto = newest(begun, Action.SKIP)
    assert set(StoryComposer(begun.target).touched([veto])) == {
        sealed_receipt.receipt.operation for sealed_receipt in (veto, announced)
    }
    assert "*Skipped* by <@UOLIVIA>: “migration”" in shown(begun, announced)
    assert "Skipped: nothing is promoted by the run of 1 October" in shown(begun, veto)
    begun.clock.pass_(days=1, hours=7)
    daily.note_missed(begun.target)
    assert "Missed: the run of 2 October was not made" in shown(begun, newest(begun, Action.SKIP))


def test_an_operation_without_receipts_shows_nothing(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """A button of another router's message finds no story here."""
    assert StoryComposer(begun.target).post_of(begun.target.journal.of_operation("nothing")) is None
