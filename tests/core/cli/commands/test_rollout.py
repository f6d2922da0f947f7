import json
from datetime import UTC, datetime

import pytest

from core.cli.output import REFUSED
from core.settings.settings import operating_system_user
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def test_at_the_terminal_too_a_promotion_needs_a_second_person(anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy is that of Slack: a question, a refusal to who asked, somebody else's yes, the router's settings."""
    rig.clock.now = datetime.now(UTC)
    rig.write_ledger()
    monkeypatch.setenv("ANR_PEOPLE", json.dumps({operating_system_user(): "UOLIVIA"}))
    monkeypatch.setenv("ANR_OPERATORS", '["UOLIVIA"]')
    assert anr("init").exit_code == 0
    assert json.loads(anr("promote", "--dry-run", "--json").stdout) == {
        "exit_code": 0,
        "from": 10,
        "result": "would_move",
        "to": 25,
    }
    request = json.loads(anr("promote", "-r", "a good day", "--json").stdout)["request"]
    assert anr("approve", request).exit_code == REFUSED
    assert rig.setting("NOVA_ANR_PILOT") == "0.10"
    monkeypatch.setenv("ANR_PEOPLE", json.dumps({operating_system_user(): "UAARON"}))
    assert anr("approve", request).exit_code == 0
    assert rig.setting("NOVA_ANR_PILOT") == "0.25"
    assert json.loads(anr("status", "--json").stdout)["state"]["stage"] == 25


def test_gates_that_do_not_pass_are_an_exit_code(anr: Anr, rig: Rig) -> None:
    """The ledger is old by the real clock: NO-GO, and nothing is asked for."""
    assert anr("init").exit_code == 0
    refused = anr("promote")
    assert refused.exit_code == REFUSED
    assert "NO-GO" in refused.output
    assert rig.setting("NOVA_ANR_PILOT") == "0.10"
    assert rig.site.journal.pending() == ()
