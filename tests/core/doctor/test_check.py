import json

import pytest

from core.doctor.check import Health
from core.doctor.own_checks import check_up
from tests.core.doctor.test_own_checks import changed, found
from tests.support.rig import Rig


def test_a_check_can_be_told_to_a_script(begun: Rig) -> None:
    """Every part is plain text."""
    for check in check_up(begun.target):
        assert json.loads(json.dumps([check.name, check.health, check.text, check.remedy]))


@pytest.mark.parametrize("missing", [("stop_command",), ("start_command",), ("stop_command", "start_command")], ids="+".join)
def test_a_restore_that_would_be_refused_is_named_beforehand(begun: Rig, missing: tuple[str, ...]) -> None:
    """Without both commands the state of a running router cannot be exchanged, and nobody should learn that at night."""
    assert found(begun, "restore commands").health is Health.OK
    check = found(changed(begun, **dict.fromkeys(missing, ())), "restore commands")
    assert check.health is Health.WARN
    assert [word for word in ("stop_command", "start_command") if word in check.text] == list(missing)
