from pathlib import Path

import pytest

from tests.support.rig import Rig
from tests.support.terminal import ME, Terminal

Anr = Terminal
AT = "2025-10-01T09:05:00Z"


@pytest.fixture
def anr(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Anr:
    """The command line on a house, where a person sits who is an operator and an approver."""
    return Terminal(rig, tmp_path, monkeypatch, operators=[ME], approvers=[ME, "UAARON", "os:somebody-else"])
