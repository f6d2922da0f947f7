"""What one person decides alone, at the terminal."""

import json

import pytest

from core.receipts.receipt import Action
from tests.core.cli.conftest import Anr, anr
from tests.core.operations.test_break_glass import OTHER_ROUTE
from tests.support.rig import Rig

__all__ = ["anr"]  # the fixture


@pytest.fixture
def today(anr: Anr, begun: Rig) -> Rig:
    """The house at the present time, because the command line has no other clock, with a ledger that fails one gate."""
    from datetime import UTC, datetime  # noqa: PLC0415 - beside its only use

    begun.clock.now = datetime.now(UTC)
    begun.write_ledger(**OTHER_ROUTE)
    return begun


def test_the_glass_is_broken_with_a_reason_and_not_twice_without_a_review(anr: Anr, today: Rig) -> None:
    """The exit code says what happened; the review of the same person is refused."""
    assert anr("break-glass", "short").exit_code == 1
    done = anr("break-glass", "the canary counts wrong", "--json")
    assert done.exit_code == 0
    assert today.setting("NOVA_ANR_PILOT") == "0.25"
    again = anr("break-glass", "the canary counts wrong")
    assert again.exit_code == 1
    assert "not reviewed by anybody else" in " ".join(again.stderr.split())
    assert anr("review", "it was me").exit_code == 1


def test_the_next_run_is_skipped_once(anr: Anr, today: Rig) -> None:
    """The receipt has the reason."""
    done = anr("skip", "--reason", "migration", "--json")
    assert (done.exit_code, json.loads(done.stdout)["result"]) == (0, "skipped")
    receipt = today.target.journal.receipts(last=1)[0].receipt
    assert (receipt.action, receipt.reason) == (Action.SKIP, "migration")
    assert anr("skip").exit_code == 1


def test_a_brake_that_wants_an_approval_asks_at_the_terminal_too(anr: Anr, today: Rig) -> None:
    """`--now` does not wait."""
    anr.write(approvers=["os:somebody-else"], approvals={"rollback": {"needed": 1}})
    asked = anr("rollback", "--reason", "errors")
    assert asked.exit_code == 0
    assert "Asked: roll back" in asked.stdout
    assert today.setting("NOVA_ANR_PILOT") == "0.10"
    assert anr("rollback", "--now", "--reason", "errors").exit_code == 0
    assert today.setting("NOVA_ANR_PILOT") == "0.00"
