"""Modals: Slack takes whatever is put in them, and what was filled in means one command or names the field that is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.brake import Freeze, Unfreeze
from bot.commands.brake import Hold as HoldPromotions
from bot.commands.parse import read
from bot.commands.requests import Deny
from bot.commands.rollout import BreakGlass, Promote, Review
from bot.commands.schedule import Skip
from bot.commands.table import Command
from bot.commands.upkeep import Restore
from bot.playground.workspace.limits import check_view
from bot.views import modals
from bot.views.modals import About
from core.actors import Actor, ActorKind
from core.receipts.evidence import Hold
from core.rollout.approvals import Approval
from core.rollout.state import RolloutState
from core.router.backups import Backup
from core.settings.target import LADDER
from core.target.overview import Overview
from core.text import clean_text
from tests.support.parsed import TRAPS, parsed_texts

NOW = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
MAX = Actor(kind=ActorKind.SLACK, id="UMAX")
PLACE = About("production", "", "https://slack.example/respond")
anything = st.text(max_size=4000) | st.sampled_from(TRAPS)


def hold(number: int, reason: str) -> Hold:
    return Hold(id=f"{number:032x}", actor=MAX, reason=clean_text(reason), since=NOW, expires_at=NOW + timedelta(hours=4))


def seen(stage: int | None, *problems: str, holds: tuple[Hold, ...] = ()) -> Overview:
    return Overview("production", RolloutState(stage=stage, since=NOW, holds=holds), (), None, None, problems)


def request(reason: str) -> Approval:
    return Approval(
        id="abcdefghjk",
        requester=MAX,
        reason=clean_text(reason),
        from_stage=10,
        to_stage=25,
        revision=1,
        policy_digest="c" * 64,
        verdict_digest="d" * 64,
        asked_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )


@given(st.lists(anything, max_size=40), st.lists(anything, max_size=5), st.sampled_from([None, *LADDER]), st.booleans())
def test_slack_takes_every_modal_whatever_outside_text_is_in_it(
    reasons: list[str],
    problems: list[str],
    stage: int | None,
    may_raise: bool,  # noqa: FBT001 - drawn, not passed by hand
) -> None:
    """Forty long holds and any problem fit, and no text calls anybody or becomes a link."""
    holds = tuple(hold(number, reason) for number, reason in enumerate(reasons))
    views = (
        modals.waiting(modals.PROMOTE, PLACE),
        modals.promote(PLACE, seen(stage, *problems, holds=holds), LADDER, may_raise=may_raise),
        modals.freeze(PLACE, ["production"]),
        modals.freeze(About(), ["production", "staging"]),
        modals.unfreeze(PLACE, holds, stage),
        modals.deny(PLACE, request("".join(reasons))),
        modals.restore(PLACE, [backup(number, reason) for number, reason in enumerate(reasons)]),
        modals.restore(PLACE, [backup(number, None) for number in range(len(reasons))]),
    )
    for view in views:
        assert check_view(view) == []
        assert not any(trap in text for text in parsed_texts(view["blocks"]) for trap in TRAPS)


@pytest.mark.parametrize(
    ("stage", "may_raise", "offered"),
    [
        pytest.param(10, True, ["25", "0"], id="one-up-and-all-below"),
        pytest.param(50, True, ["75", "25", "10", "0"], id="the-nearest-below-first"),
        pytest.param(50, False, ["25", "10", "0"], id="who-may-not-ask-may-still-step-down"),
        pytest.param(100, True, ["75", "50", "25", "10", "0"], id="nothing-above-the-top"),
        pytest.param(0, True, ["10"], id="nothing-below-zero"),
    ],
)
def test_only_stages_that_can_be_asked_for_are_offered_each_with_its_meaning(
    stage: int,
    may_raise: bool,  # noqa: FBT001 - a column of the table
    offered: list[str],
) -> None:
    """Up goes one stage at a time, down goes anywhere, and every choice says what it does."""
    view = modals.promote(PLACE, seen(stage), LADDER, may_raise=may_raise)
    options = view["blocks"][-2]["element"]["options"]
    assert [option["value"] for option in options] == offered
    assert all(option["description"]["text"] for option in options)
    assert view["blocks"][-2]["element"]["initial_option"] == options[0]


@pytest.mark.parametrize("stage", [0, None])
def test_where_there_is_nothing_to_choose_the_modal_says_so_and_cannot_be_submitted(stage: int | None) -> None:
    """At the bottom without the right to ask, or where nobody knows the stage."""
    assert "submit" not in modals.promote(PLACE, seen(stage), LADDER, may_raise=False)


def backup(number: int, problem: str | None) -> Backup:
    return Backup(f"anr_state_20250930T0905{number:02d}Z.json", NOW, 4096, "e" * 64, problem)


def test_only_backups_that_can_be_put_back_are_offered() -> None:
    """A damaged one is named with what is wrong with it, and cannot be chosen; without a good one there is nothing to submit."""
    view = modals.restore(PLACE, [backup(1, "it is not JSON"), backup(2, None)])
    assert [option["value"] for option in view["blocks"][2]["element"]["options"]] == [backup(2, None).name]
    assert "cannot be put back: it is not JSON" in str(view["blocks"][1])
    assert "submit" not in modals.restore(PLACE, [backup(1, "it is not JSON")])


def filled(view: dict[str, Any], **answers: dict[str, Any]) -> dict[str, Any]:
    """The view as Slack sends it back."""
    values = {name: {name: answer} for name, answer in answers.items()}
    return {**view, "state": {"values": values}}


def chosen(value: str) -> dict[str, Any]:
    return {"selected_option": {"value": value}}


FREEZE = modals.freeze(PLACE, ["production"])
UNFREEZE = modals.unfreeze(PLACE, [hold(1, "errors"), hold(2, "more")], 0)
RESTORE = modals.restore(PLACE, [Backup("b.json", NOW, 1, "e" * 64, None)])
DENY = modals.deny(About("", "abcdefghjk"), request("x"))
PROMOTE = modals.promote(PLACE, seen(10), LADDER, may_raise=True)


@pytest.mark.parametrize(
    ("view", "answers", "means"),
    [
        pytest.param(
            PROMOTE,
            {"stage": chosen("25"), "reason": {"value": " good day "}},
            Promote(25, "good day", target="production"),
            id="promote",
        ),
        pytest.param(
            FREEZE,
            {"mode": chosen("rollback"), "lasts": {"value": None}, "reason": {"value": None}},
            Freeze(target="production"),
            id="a-freeze-needs-no-words",
        ),
        pytest.param(
            FREEZE,
            {"mode": chosen("keep"), "lasts": {"value": "2 days"}, "reason": {"value": "fair"}},
            HoldPromotions("fair", timedelta(days=2), target="production"),
            id="a-freeze-that-keeps-the-stage-for-two-days",
        ),
        pytest.param(
            modals.freeze(About(), ["a", "b"]),
            {"router": chosen("b"), "mode": chosen("rollback"), "lasts": {"value": ""}, "reason": {"value": ""}},
            Freeze(target="b"),
            id="a-freeze-of-the-router-that-was-chosen",
        ),
        pytest.param(
            UNFREEZE,
            {"holds": {"selected_options": [{"value": f"{2:032x}"}]}, "found": {"value": "a bad deploy"}},
            Unfreeze("a bad deploy", (f"{2:032x}",), target="production"),
            id="unfreeze-one-of-two",
        ),
        pytest.param(
            RESTORE,
            {"backup": chosen("b.json"), "reason": {"value": "it learned from bad data"}},
            Restore("b.json", "it learned from bad data", target="production"),
            id="restore",
        ),
        pytest.param(DENY, {"reason": {"value": "too early"}}, Deny("too early", operation="abcdefghjk"), id="deny"),
        pytest.param(
            modals.reason_for(modals.SKIP, About("production", "a" * 32), "x", "y"),
            {"reason": {"value": "the fair"}},
            Skip("the fair", operation="a" * 32, target="production"),
            id="skip",
        ),
        pytest.param(
            modals.reason_for(modals.BREAK_GLASS, PLACE, "x", "y"),
            {"reason": {"value": "it cannot wait"}},
            BreakGlass("it cannot wait", target="production"),
            id="break-glass",
        ),
        pytest.param(
            modals.reason_for(modals.REVIEW, About("", "a" * 32), "x", "y"),
            {"reason": {"value": "fine"}},
            Review("fine", operation="a" * 32),
            id="review",
        ),
    ],
)
def test_what_was_filled_in_means_one_command(view: dict[str, Any], answers: dict[str, Any], means: Command) -> None:
    """Nothing that was chosen or written is lost or added."""
    assert read(filled(view, **answers)) == means


@pytest.mark.parametrize(
    ("view", "answers", "fields"),
    [
        pytest.param(FREEZE, {"mode": chosen("rollback"), "lasts": {"value": "soon"}}, {"lasts"}, id="no-length-of-time"),
        pytest.param(FREEZE, {"mode": chosen("rollback"), "lasts": {"value": "90 days"}}, {"lasts"}, id="too-long"),
        pytest.param(modals.freeze(About(), ["a", "b"]), {"mode": chosen("keep")}, {"router"}, id="no-router"),
        pytest.param(
            UNFREEZE, {"holds": {"selected_options": []}, "found": {"value": " "}}, {"holds", "found"}, id="nothing-at-all"
        ),
        pytest.param(
            UNFREEZE, {"holds": {"selected_options": [{"value": "1"}]}, "found": {"value": "\n"}}, {"found"}, id="blanks"
        ),
        pytest.param(
            RESTORE, {"backup": {"selected_option": None}, "reason": {"value": ""}}, {"backup", "reason"}, id="no-backup"
        ),
        pytest.param(DENY, {"reason": {"value": "  "}}, {"reason"}, id="no-reason"),
        pytest.param(PROMOTE, {"stage": {"selected_option": None}}, {"stage"}, id="no-stage"),
        pytest.param(
            modals.reason_for(modals.BREAK_GLASS, PLACE, "x", "y"), {"reason": {"value": "hurry"}}, {"reason"}, id="too-short"
        ),
        pytest.param(modals.reason_for(modals.SKIP, PLACE, "x", "y"), {"reason": {"value": ""}}, {"reason"}, id="no-why"),
    ],
)
def test_a_wrong_answer_is_named_at_its_field(view: dict[str, Any], answers: dict[str, Any], fields: set[str]) -> None:
    """Every field that is wrong is named, each is in the modal, and nothing is done."""
    wrong = read(filled(view, **answers))
    assert isinstance(wrong, dict)
    assert set(wrong) == fields
    assert fields <= {block.get("block_id") for block in view["blocks"]}
