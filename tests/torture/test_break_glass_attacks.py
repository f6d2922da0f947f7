"""Whoever broke the glass alone tries it again: by a review of their own, by an old one, beside a drift, after a death."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.actors import Actor, ActorKind
from core.operations import apply, break_glass, propose
from core.operations.results import Moved, Refused
from core.receipts.receipt import Action
from core.rollout.refusals import Code
from core.target.order import Order
from core.target.target import Target
from core.watch import recover
from tests.support.rig import Rig

pytestmark = pytest.mark.torture
WHY = "the customer waits for it"
FAILING: dict[str, Any] = {"live": {"route": "R3", "pilot": 0.10}}
AT_25: dict[str, Any] = {"live": {"route": "R3", "pilot": 0.25}}


def code(result: object) -> Code:
    assert isinstance(result, Refused), result
    return result.refusal.code


def breaks(rig: Rig, who: str = "aaron", target: Target | None = None) -> Moved | Refused:
    return break_glass.break_glass(target or rig.target, Order(rig.people[who], WHY))


@pytest.fixture
def broken(begun: Rig) -> Rig:
    """A router that Aaron raised to 25% alone; its gates go on failing."""
    begun.write_ledger(**FAILING)
    assert isinstance(breaks(begun), Moved)
    begun.clock.pass_(minutes=30)
    begun.write_ledger(**AT_25)
    return begun


def stays(rig: Rig) -> None:
    assert code(breaks(rig)) is Code.NOT_REVIEWED
    assert code(breaks(rig, "priya")) is Code.NOT_REVIEWED
    assert rig.target.journal.state().stage == 25


@pytest.mark.parametrize("account", ["aaron", "priya"])
def test_a_review_of_ones_own_from_another_place(broken: Rig, account: str) -> None:
    """At the terminal nobody can tell who of the Slack users that is; named under `people`, it is themselves."""
    approvers = frozenset({*broken.target.access.approvers, f"os:{account}"})
    access = broken.target.access.model_copy(update={"approvers": approvers})
    at_terminal = Actor(kind=ActorKind.OS, id=account)
    unnamed = replace(broken.target, access=access)
    assert code(break_glass.review(unnamed, access.as_now(at_terminal))) is Code.IDENTITY_UNPROVEN
    access = access.model_copy(update={"people": {account: "UAARON"}})
    named = replace(broken.target, access=access)
    assert code(break_glass.review(named, access.as_now(at_terminal))) is Code.SELF_APPROVAL
    stays(broken)


def test_the_review_of_an_earlier_one_is_replayed(broken: Rig) -> None:
    """A button that was pressed once stands for that break-glass alone."""
    first = broken.target.journal.state().unreviewed
    assert first is not None
    assert isinstance(break_glass.review(broken.target, broken.people["priya"], operation=first.operation), break_glass.Reviewed)
    assert isinstance(breaks(broken), Moved)
    assert broken.target.journal.state().stage == 50
    assert code(break_glass.review(broken.target, broken.people["priya"], operation=first.operation)) is Code.NOTHING_TO_REVIEW
    assert code(breaks(broken)) is Code.NOT_REVIEWED


def test_a_review_at_another_router_is_none_here(broken: Rig, tmp_path: Path) -> None:
    """Each router's record has its own: what is reviewed there says nothing of this one."""
    other = tmp_path / "other.env"
    other.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    places = {"settings_file": other, "run_dir": tmp_path / "run-other", "receipts_dir": tmp_path / "logs-other"}
    settings = broken.settings.model_copy(update={"name": "staging", **places})
    staging = Target.at(settings, broken.target.access, broken.clock)
    propose.init(staging, broken.people["olivia"], "begin")
    last = broken.target.journal.state().unreviewed
    assert last is not None
    assert code(break_glass.review(staging, broken.people["priya"], operation=last.operation)) is Code.NOTHING_TO_REVIEW
    stays(broken)
    staging.journal.close()


def test_a_file_edited_by_hand_does_not_go_with_it(broken: Rig) -> None:
    """Reviewed or not: a drift is ended first, and neither is there a step from where nobody has put the router."""
    break_glass.review(broken.target, broken.people["priya"])
    broken.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\nNOVA_ANR_KILL=0\n", encoding="utf-8")
    assert code(breaks(broken)) is Code.DRIFT
    assert broken.target.journal.state().stage == 25


def test_one_that_died_before_its_write_waits_for_its_review_all_the_same(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its intent is in the chain: dying on purpose gives nobody another try."""
    begun.write_ledger(**FAILING)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as changed:
        changed.setattr(apply, "_carry_out", die)
        with pytest.raises(KeyboardInterrupt):
            breaks(begun)
    assert begun.target.journal.receipts(last=1)[0].receipt.action is Action.PROMOTE
    recover.recover(begun.target)
    assert code(breaks(begun)) is Code.NOT_REVIEWED
    assert begun.target.journal.state().stage == 10
