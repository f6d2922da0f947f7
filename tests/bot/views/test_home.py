"""The home: Slack takes it whatever is in it, and it says first what waits for somebody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.playground.workspace.limits import check_view
from bot.slack.deliveries import Parked, Waiting
from bot.views.answers import failure
from bot.views.home import Glance, closed, home, stretches
from core.actors import Actor, ActorKind
from core.doctor.check import Check, Health
from core.receipts.chain import GENESIS, seal
from core.receipts.evidence import Hold, RouterSighting
from core.receipts.receipt import Action, Draft, Phase
from core.rollout.approvals import Approval
from core.rollout.schedule import Schedule
from core.rollout.state import RolloutState
from core.rollout.timeline import Stretch
from core.settings.target import LADDER
from core.target.overview import Overview
from core.text import clean_text
from tests.support.parsed import TRAPS, parsed_texts

NOW = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
MAX = Actor(kind=ActorKind.SLACK, id="UMAX")
MONTH_AGO = NOW - timedelta(days=30)


def days(number: float) -> datetime:
    return MONTH_AGO + timedelta(days=number)


def glance(words: str, count: int = 1) -> Glance:
    reason = clean_text(words)
    holds = tuple(Hold(id=f"{number:032x}", actor=MAX, reason=reason, since=NOW) for number in range(count))
    approvals = tuple(
        Approval(
            id=f"abcdefgh{number}",
            requester=MAX,
            reason=reason,
            from_stage=10,
            to_stage=25,
            revision=1,
            policy_digest="c" * 64,
            verdict_digest="d" * 64,
            asked_at=NOW,
            expires_at=NOW + timedelta(hours=1),
        )
        for number in range(count)
    )
    draft = Draft(
        id="a" * 32,
        operation="b" * 32,
        ts=NOW,
        action=Action.FREEZE,
        phase=Phase.OUTCOME,
        actor=MAX,
        reason=reason,
        stage_before=10,
        stage_after=0,
    )
    return Glance(
        seen=Overview(
            "production",
            RolloutState(stage=10, since=NOW, holds=holds),
            approvals,
            None,
            None,
            (words,) * count,
            sighting=RouterSighting(pilot=0.1, at=NOW),
        ),
        receipts=(seal(draft, target="production", seq=1, prev=GENESIS),),
        spells=(Stretch(MONTH_AGO, NOW, 10, frozen=True),),
        next_run=NOW + timedelta(hours=20),
        schedule=Schedule(),
        stages=LADDER,
        parked=(Parked("a", "csv", words[:300], 0.0),) * count,
        waiting=(Waiting("b", words[:300], 0.0),) * count,
    )


@given(st.text(max_size=3000) | st.sampled_from(TRAPS), st.integers(1, 30), st.integers(1, 8))
def test_slack_takes_any_home(words: str, count: int, routers: int) -> None:
    """Thirty holds and requests on eight routers are cut, not refused, and no text calls anybody."""
    view = home([glance(words, count)] * routers, NOW)
    assert check_view(view) == []
    assert check_view(closed(failure(words))) == []
    assert not any(trap in text for text in parsed_texts(view["blocks"]) for trap in TRAPS)


def test_the_home_of_a_router_that_was_braked_says_how_it_gets_back_to_observing() -> None:
    """A soak that has not begun would wait for ever, and somebody would wait with it."""
    killed = {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_PILOT": "0.00", "NOVA_ANR_KILL": "1"}
    braked = RolloutState(stage=0, since=NOW, settings=killed)
    shown = glance("errors")
    view = home([replace(shown, seen=replace(shown.seen, state=braked))], NOW)
    assert sum("KILL=1 stands" in str(block) and "`anr shadow`" in str(block) for block in view["blocks"]) == 1
    assert "KILL=1 stands" not in str(home([shown], NOW))


def test_every_router_has_its_buttons_and_its_open_requests() -> None:
    """A button names its router or its request, and nothing else."""
    view = home([glance("errors")], NOW)
    elements = [element for block in view["blocks"] if block["type"] == "actions" for element in block["elements"]]
    assert {(element["action_id"], element.get("value")) for element in elements} == {
        ("ask_promote", "production"),
        ("ask_freeze", "production"),
        ("ask_unfreeze", "production"),
        ("deliver_again", "production"),
        ("approve", "abcdefgh0"),
        ("ask_deny", "abcdefgh0"),
        ("home_refresh", None),
    }


def test_what_waits_for_somebody_comes_first_and_one_button_is_primary() -> None:
    """The request, who asked and why, and its buttons stand before the state; nothing else is as bright as its approval."""
    view = home([glance("errors", 3)], NOW)
    kinds = [block["type"] for block in view["blocks"][:3]]
    assert kinds == ["header", "section", "actions"]
    assert view["blocks"][1]["text"]["text"].startswith(
        "⏳ *Approval needed: 10% → 25% of live traffic*\nAsked by <@UMAX>: “errors”"
    )
    elements = [element for block in view["blocks"] if block["type"] == "actions" for element in block["elements"]]
    assert [element["action_id"] for element in elements if element.get("style") == "primary"] == ["approve"]


def test_the_headline_says_at_a_glance_how_a_router_stands() -> None:
    """Frozen, drifted, or at its stage: one sign each; with several routers whatever asks back names its own."""
    shown = glance("errors")
    assert home([shown], NOW)["blocks"][0]["text"]["text"] == "❄️ production: frozen at 10%"
    free = replace(shown, seen=replace(shown.seen, state=RolloutState(stage=10, since=NOW)))
    view = home([free, free], NOW)
    assert view["blocks"][0]["text"]["text"] == "🔴 production: 10% of live traffic"
    assert "'text': '[production] Promote to 25%?'" in str(view["blocks"])
    assert "[production]" not in str(home([free], NOW)["blocks"])


def test_receipts_are_sentences_and_the_doctor_has_one() -> None:
    """Who did what, why, and between which stages; digests are where somebody compares them."""
    ill = Check("journal", Health.WARN, "It is large.", "Prune it.")
    view = str(home([replace(glance("errors"), checks=(Check("ledger", Health.OK, "Fine."),) * 18)], NOW)["blocks"])
    assert "<@UMAX> froze, 10% → 0%: “errors”" in view
    assert "All 18 checks pass." in view
    assert "1 warning*; 1 check passes." in str(
        home([replace(glance(""), checks=(ill, Check("x", Health.OK, "y")))], NOW)["blocks"]
    )


def test_the_month_is_told_by_its_stages() -> None:
    """Which stage on which days, and when it was frozen; a time of which nobody knows the stage is no stage."""
    spells = (
        Stretch(days(0), days(10), None, frozen=False),
        Stretch(days(10), days(20), 25, frozen=False),
        Stretch(days(20), NOW, 0, frozen=True),
    )
    assert stretches(spells, "UTC").splitlines() == [
        "▰▰▱▱▱▱▱▱▱▱ *25%* 11 September to 21 September",
        "▱▱▱▱▱▱▱▱▱▱ *0%* 21 September to 1 October, frozen",
    ]
    assert stretches((), "UTC") == "Nothing is known yet."
