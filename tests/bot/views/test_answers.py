"""What is rendered can be shown by Slack, whatever outside text is in it."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.blockkit.post import Block
from bot.commands.command import Misunderstood
from bot.commands.parse import parse
from bot.commands.table import explained
from bot.playground.workspace.limits import BLOCKS_TEXT_MAX, blocks_text_length, check_message
from bot.views import answers
from core.actors import Actor, ActorKind
from core.brake.brake import Braked
from core.receipts.evidence import Hold
from core.receipts.receipt import Action
from core.rollout.refusals import Code, Refuse
from core.rollout.state import RolloutState
from core.router.control import RouterSettings
from core.router.marks import BrakeNote
from core.target.overview import Overview
from core.text import MAX_REASON, clean_text

NOW = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
anything = st.text(max_size=6000)
reasons = anything.map(clean_text)


def showable(blocks: list[Block]) -> None:
    """Slack takes these blocks, and nothing in them calls anybody or links anywhere that an outside text asked for."""
    assert check_message(blocks) == []
    assert blocks_text_length(blocks) <= BLOCKS_TEXT_MAX
    for trap in ("<!channel", "<!here", "<!everyone", "<http", "<mailto"):
        assert trap not in str(blocks)


@given(st.lists(reasons, max_size=60), st.lists(anything, max_size=20), anything)
def test_any_status_can_be_shown(holds: list[str], problems: list[str], pilot: str) -> None:
    """Sixty holds and twenty long problems are cut, not refused."""
    member = Actor(kind=ActorKind.SLACK, id="UMAX")
    held = tuple(
        Hold(id=f"{number:032x}", actor=member, reason=reason, since=NOW, cause=None) for number, reason in enumerate(holds)
    )
    state = RolloutState(holds=held)
    settings = RouterSettings({"NOVA_ANR_PILOT": pilot})
    showable(answers.status(Overview("production", state, (), settings, None, tuple(problems))))


@given(anything, st.lists(anything, max_size=30))
def test_any_answer_can_be_shown(text: str, more: list[str]) -> None:
    """Refusals, failures and brakes that went wrong carry texts from outside."""
    showable(answers.refusal(Refuse(Code.GATES_NOT_PASSED, text, tuple(more))))
    showable(answers.failure(text))
    note = BrakeNote(id="a" * 32, action=Action.FREEZE, actor=Actor(kind=ActorKind.OS, id="x"), reason="", cause=None, at=NOW)
    showable(answers.answer(Braked(note, None, safe=False, problems=tuple(more[:5]))))


@given(anything)
def test_whatever_is_typed_gets_help_or_a_command(text: str) -> None:
    """No text after /anr breaks the parser, and what it says about a mistake can be shown."""
    understood = parse(text)
    if isinstance(understood, Misunderstood):
        showable(explained(understood))


def test_a_reason_is_cut_where_the_receipt_says() -> None:
    """The cut is marked."""
    assert clean_text("x" * 4000) == "x" * (MAX_REASON - 1) + "…"
