import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from core.cli.app import app
from core.settings.settings import operating_system_user
from tests.support.rig import Rig

Anr = Callable[..., Result]
AT = "2025-10-01T09:05:00Z"


@pytest.fixture
def anr(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Anr:
    """The command line on a house, where whoever runs the test is an operator and an approver."""
    target, user = rig.target, operating_system_user()
    for name in ("ledger", "settings_file", "health_url", "journal", "receipts_dir", "run_dir", "state_file", "backups_dir"):
        monkeypatch.setenv(f"ANR_TARGET__{name.upper()}", str(getattr(target, name)))
    monkeypatch.setenv("ANR_TARGET__OBSERVE_TIMEOUT_S", "0")
    monkeypatch.setenv("ANR_TARGET__SOAK_HOURS", "0")
    for word in ("STOP", "START"):
        monkeypatch.setenv(f"ANR_TARGET__{word}_COMMAND", '["true"]')
    monkeypatch.setenv("ANR_OPERATORS", json.dumps([f"os:{user}"]))
    monkeypatch.setenv("ANR_APPROVERS", json.dumps([f"os:{user}", "UAARON", "os:somebody-else"]))
    return lambda *words: CliRunner().invoke(app, list(words))
