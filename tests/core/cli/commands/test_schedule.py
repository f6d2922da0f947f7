from core.cli.output import REFUSED
from tests.core.cli.conftest import Anr


def test_daily_runs_once(anr: Anr) -> None:
    """The second run of a date is refused."""
    assert anr("init").exit_code == 0
    assert anr("daily", "--dry-run").exit_code == REFUSED
    first = anr("daily")
    assert first.exit_code == REFUSED
    assert "a person has to ask" in " ".join(first.output.split())
    assert "already made" in anr("daily").output
