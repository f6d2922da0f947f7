import json

from core.cli.output import REFUSED
from core.router.control import SAFE_SETTINGS
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def test_rollback_freeze_and_unfreeze(anr: Anr, rig: Rig) -> None:
    """The brake needs nothing; unfreezing leaves the router where it is."""
    assert anr("rollback", "--reason", "errors").exit_code == 0
    assert rig.site.router.settings().carries(SAFE_SETTINGS)
    assert anr("freeze").exit_code == 0
    assert anr("promote", "10").exit_code == REFUSED
    assert "1 lifted" in anr("unfreeze").output
    assert rig.site.router.settings().carries(SAFE_SETTINGS)
    assert anr("verify").exit_code == 0
    assert [one["action"] for one in json.loads(anr("receipts", "--json").stdout)] == ["rollback", "freeze", "unfreeze"]
