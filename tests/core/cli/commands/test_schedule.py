import json
from datetime import UTC, datetime, timedelta

from core.cli.output import REFUSED
from core.receipts.receipt import Action
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def scheduled(anr: Anr, *, ago: timedelta = timedelta(minutes=1), **schedule: str) -> None:
    """Let the options say that the run was due a moment ago."""
    anr.write(target={"schedule": {"at": f"{datetime.now(UTC) - ago:%H:%M:%S}", **schedule}})


def test_daily_runs_once(anr: Anr) -> None:
    """The account that runs anr makes the run that is due; the second run of a date is refused."""
    scheduled(anr)
    anr.is_used_by_its_account()
    assert anr("init").exit_code == 0
    assert anr("daily", "--dry-run").exit_code == REFUSED
    first = anr("daily")
    assert first.exit_code == REFUSED
    assert "a person has to ask" in " ".join(first.output.split())
    assert "already made" in anr("daily").output


def test_daily_before_its_time_does_nothing(anr: Anr, rig: Rig) -> None:
    """A timer that comes too early uses up no date."""
    scheduled(anr, ago=timedelta(hours=-1))
    anr.is_used_by_its_account()
    assert anr("init").exit_code == 0
    assert json.loads(anr("daily", "--json").stdout)["code"] == "not_due"
    assert [sealed.receipt.action for sealed in rig.target.journal.receipts()] == [Action.INIT]


def test_a_person_who_types_daily_asks_as_with_promote(anr: Anr, rig: Rig) -> None:
    """The run belongs to the schedule: whoever types it gets a request that somebody else has to approve."""
    rig.clock.now = datetime.now(UTC)
    rig.write_ledger()
    scheduled(anr)
    assert anr("init").exit_code == 0
    assert json.loads(anr("daily", "--json").stdout)["result"] == "asked"
    assert rig.setting("NOVA_ANR_PILOT") == "0.10"
    assert rig.target.journal.receipts(last=1)[0].receipt.account == str(40001)
