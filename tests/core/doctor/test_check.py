import json

from core.doctor.own_checks import check_up
from tests.support.rig import Rig


def test_a_check_can_be_told_to_a_script(begun: Rig) -> None:
    """Every part is plain text."""
    for one in check_up(begun.site):
        assert json.loads(json.dumps([one.name, one.health, one.text, one.remedy]))
