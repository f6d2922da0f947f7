from hypothesis import given
from hypothesis import strategies as st

from bot.stories.preflight import announced, skipped
from core.gates.policy import GateName
from core.gates.report import Verdict
from core.receipts.receipt import Action
from tests.bot.stories.test_daily import NOW, OLIVIA, gate, reasons, run, sealed, showable


@given(reasons, reasons, st.booleans(), st.sampled_from(["open", "skipped", "made"]))
def test_any_pre_flight_can_be_shown(note: str, reason: str, go: bool, state: str) -> None:  # noqa: FBT001 - drawn
    """Its buttons are there while the run can still be skipped, and gone afterwards."""
    first = sealed(
        Action.PREFLIGHT,
        note=note,
        go=go,
        stage_before=25,
        gates=tuple(gate(name, None, Verdict.FAIL, note) for name in GateName),
    )
    veto = sealed(Action.SKIP, 2, actor=OLIVIA, reason=reason) if state == "skipped" else None
    made = run() if state == "made" else None
    post = announced(first, NOW, made, veto)
    showable(post)
    assert ("ask_skip" in str(post.blocks)) == (state == "open")
    if veto is not None:
        showable(skipped(veto, NOW))
        assert "<@U0OLIVIA>" in str(skipped(veto, NOW).blocks)
