"""The home: Slack takes it whatever is in it, and its chart says in letters what happened."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.playground.workspace.limits import check_view
from bot.slack.deliveries import Parked, Waiting
from bot.views.answers import failure
from bot.views.home import Glance, chart, closed, home
from core.actors import Actor, ActorKind
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


def test_the_chart_shows_each_days_stage_and_freezes_in_letters() -> None:
    """Ten days at 10%, ten at 25%, five frozen at 0%, five at 10% again: nothing of it is said by colour."""
    spells = (
        Stretch(days(0), days(10), 10, frozen=False),
        Stretch(days(10), days(20), 25, frozen=False),
        Stretch(days(20), days(25), 0, frozen=True),
        Stretch(days(25), NOW, 10, frozen=False),
    )
    rows = {row[:4].strip(): row[7:] for row in chart(spells, LADDER, "UTC").splitlines()}
    assert rows["100"].strip() == rows["75"].strip() == rows["50"].strip() == ""
    assert rows["25"] == " " * 9 + "█" * 10 + " " * 11
    assert rows["10"] == "█" * 19 + " " * 5 + "█" * 6
    assert rows["0"] == "▁" * 19 + "▒" * 5 + "▁" * 6
    assert chart(spells, LADDER, "UTC").splitlines()[-1].split() == ["2", "Sep", "1", "Oct"]


def test_what_begins_at_midnight_is_not_yet_the_day_before() -> None:
    """A day's column is the stage at its end, to the second."""
    midnight = datetime(2025, 10, 1, tzinfo=UTC)
    spells = (Stretch(days(0), midnight, 10, frozen=False), Stretch(midnight, NOW, 50, frozen=False))
    rows = {row[:4].strip(): row[7:] for row in chart(spells, LADDER, "UTC").splitlines()}
    assert rows["50"] == " " * 29 + "█"


def test_days_of_which_nothing_is_known_are_marked_as_such() -> None:
    """Before the journal began nobody knows the stage, which is not stage 0."""
    spells = (Stretch(days(0), days(28), None, frozen=False), Stretch(days(28), NOW, 10, frozen=False))
    rows = chart(spells, LADDER, "UTC").splitlines()
    assert rows[5][7:] == "?" * 27 + "▁▁▁"
    assert chart((), LADDER, "UTC") == "Nothing is known yet."


@given(
    st.lists(st.tuples(st.floats(0.01, 12), st.sampled_from([None, *LADDER]), st.booleans()), min_size=1, max_size=20),
    st.sampled_from(["UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata"]),
)
def test_the_chart_has_one_column_a_day_whatever_happened(lengths: list[tuple[float, int | None, bool]], zone: str) -> None:
    """Every row is as wide as there are days, at most thirty, in every zone and over changes of the clocks."""
    spells, begins = [], NOW
    for length, stage, frozen in lengths:
        ends = begins + timedelta(days=length)
        spells.append(Stretch(begins, ends, stage, frozen=frozen))
        begins = ends
    rows = chart(spells, LADDER, zone).splitlines()
    assert len({len(row) for row in rows[:-1]}) == 1
    assert 1 <= len(rows[0]) - 7 <= 30
    assert len(rows) == len(LADDER) + 1
