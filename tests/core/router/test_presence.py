"""A router counts as down only if everything that can be observed says so."""

import os
import socket
import time
from pathlib import Path

import pytest

from core.router.presence import signs_of_life
from core.settings.target import TargetSettings
from tests.core.doctor.test_own_checks import changed
from tests.support.rig import Rig


def closed_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/health/slots"


def quiet(target: TargetSettings, seconds: float = 120) -> None:
    for path in (target.ledger, target.state_file):
        if path.exists():
            os.utime(path, (time.time() - seconds,) * 2)


@pytest.fixture
def down(rig: Rig) -> TargetSettings:
    """A router that is down: nobody listens, and nothing was written for two minutes."""
    target = changed(rig, health_url=closed_port()).settings
    target.state_file.write_text("{}", encoding="utf-8")
    quiet(target)
    return target


def test_a_router_of_which_nothing_is_left_is_down(down: TargetSettings) -> None:
    """Refused connection, quiet ledger, quiet state."""
    assert signs_of_life(down) is None
    down.state_file.unlink()
    assert signs_of_life(down) is None


def test_a_router_that_answers_is_not_down(rig: Rig) -> None:
    """However quiet its files are."""
    quiet(rig.settings)
    assert "something answers" in (signs_of_life(rig.settings) or "")


@pytest.mark.parametrize("name", ["ledger", "state_file"])
def test_a_router_that_writes_is_not_down(down: TargetSettings, name: str) -> None:
    """Its health may be told elsewhere."""
    os.utime(getattr(down, name))
    assert "written to within the last minute" in (signs_of_life(down) or "")


def test_a_router_that_writes_to_what_was_its_ledger_is_not_down(down: TargetSettings) -> None:
    """It keeps its ledger open, and nobody writes to the new file; what was compressed a moment ago is no sign."""
    rotated = down.ledger.with_name("ledger-20251001T090500Z.ndjson")
    rotated.write_bytes(b"")
    assert "written to within the last minute" in (signs_of_life(down, (rotated,)) or "")
    rotated.unlink()
    assert signs_of_life(down, (rotated,)) is None


def test_what_cannot_be_seen_is_not_down(down: TargetSettings, tmp_path: Path) -> None:
    """No ledger, a ledger in a table, a name that nobody knows: no sign of death."""
    assert "there is no ledger" in (signs_of_life(down.model_copy(update={"ledger": tmp_path / "none"})) or "")
    table = TargetSettings.model_validate({**down.model_dump(), "ledger": "sqlite:///ledger.db", "ledger_table": ""})
    assert "is a table" in (signs_of_life(table) or "")
    unknown = down.model_copy(update={"health_url": "http://no-such-host.invalid/health"})
    assert "nobody can tell" in (signs_of_life(unknown) or "")
