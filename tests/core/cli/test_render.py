"""What a result means at a terminal: sentence, exit code, JSON."""

import json
from contextlib import nullcontext
from datetime import date
from typing import Any

import pytest
import typer

from core.brake import brake
from core.cli.output import DONE, FAILED, REFUSED
from core.cli.render import ending, finish
from core.operations import daily, propose, requests, results
from core.rollout.schedule import PromotionMode
from core.target.order import Order
from tests.support.rig import Rig


def ask(rig: Rig) -> results.Asked:
    asked = propose.propose(rig.target, Order(rig.people["olivia"], "good day"))
    assert isinstance(asked, results.Asked)
    return asked


def test_a_question_names_the_command_that_answers_it(begun: Rig) -> None:
    """The next person can copy it."""
    asked = ask(begun)
    told = ending(asked)
    assert told.code == DONE
    assert f"anr approve {asked.approval.id}" in told.said[0]
    assert told.facts["request"] == asked.approval.id


def test_a_refusal_by_the_gates_lists_every_blocker(begun: Rig) -> None:
    """Exit code 1, each gate that does not pass on a line of its own."""
    begun.settings.ledger.write_bytes(b"")
    told = ending(propose.propose(begun.target, Order(begun.people["olivia"])))
    assert told.code == REFUSED
    assert told.said == ()
    assert len(told.complaints) == 1 + len(told.facts["blockers"])
    assert told.facts["code"] == "gates_not_passed"


@pytest.mark.parametrize(("answer", "code"), [("deny", DONE), ("late", REFUSED)])
def test_a_request_that_ended_is_done_for_who_denied_it_and_refused_for_who_came_late(begun: Rig, answer: str, code: int) -> None:
    """To end it was the wish of the one and the disappointment of the other."""
    asked = ask(begun)
    if answer == "deny":
        ended = requests.deny(begun.target, begun.people["aaron"], asked.approval.id, "no")
    else:
        begun.clock.pass_(hours=2)
        ended = requests.deny(begun.target, begun.people["aaron"], asked.approval.id)
    assert ending(ended).code == code


def test_a_brake_that_could_not_make_the_router_safe_shouts_and_fails(begun: Rig) -> None:
    """Exit code 3, and the sentence cannot be overlooked."""
    begun.settings.settings_file.unlink()
    begun.settings.settings_file.mkdir()
    told = ending(brake.rollback(begun.target, begun.people["max"], "errors"))
    assert told.code == FAILED
    assert told.said[0] == "THE ROUTER MAY NOT BE SAFE."
    assert "anr.env" in " ".join(told.complaints)
    assert told.facts["result"] == "not_safe"


def test_every_result_of_an_operation_is_json(begun: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads one object with the result, the receipt and the exit code, whatever was done."""
    people, target = begun.people, begun.target
    wanted = {
        "would_move": propose.propose(target, Order(people["olivia"]), dry_run=True),
        "asked": (asked := ask(begun)),
        "refused": requests.approve(target, people["olivia"], asked.approval.id),
        "written": requests.approve(target, people["aaron"], asked.approval.id),
        "not_yet_seen": brake.freeze(target, people["max"], "errors"),
        "unfrozen": propose.unfreeze(target, Order(people["olivia"], "healed")),
    }
    for name, result in wanted.items():
        with pytest.raises(typer.Exit) if name == "refused" else nullcontext():
            finish(result, as_json=True)
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert told["result"] == name
        assert told["exit_code"] == (REFUSED if name == "refused" else DONE)


def test_the_daily_run_ends_like_what_it_did(begun: Rig) -> None:
    """A day without a promotion is refused, with the reason of the day."""
    ran = daily.daily(begun.target, date(2025, 10, 1), PromotionMode.OFF)
    assert isinstance(ran, daily.DailyRun)
    told = ending(ran.outcome)
    assert told.code == REFUSED
    assert told.complaints == ("Scheduled promotion is switched off in the settings.",)


def test_a_result_that_nobody_thought_of_is_not_silently_done() -> None:
    """No exit code 0 by accident."""
    with pytest.raises(TypeError):
        ending(object())
