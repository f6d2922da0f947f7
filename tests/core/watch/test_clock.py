from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import AnrError
from core.watch.clock import ClockJump, ClockWatch, newest_jump, remember
from tests.support.rig import NOW


@pytest.mark.parametrize(
    ("clock_s", "passed_s", "by_s"),
    [
        pytest.param(20, 20, None, id="nothing-was-set"),
        pytest.param(20.5, 20, None, id="it-is-being-corrected"),
        pytest.param(-3580, 20, -3600, id="an-hour-back"),
        pytest.param(-11, 20, -31, id="half-a-minute-back"),
        pytest.param(3620, 20, 3600, id="an-hour-forward"),
        pytest.param(3600, 3600, None, id="a-long-pause"),
    ],
)
def test_a_clock_that_was_set_is_told_by_how_much(clock_s: float, passed_s: float, by_s: float | None) -> None:
    """What counts is the difference to the time that has passed, not how long nobody looked."""
    watch = ClockWatch()
    assert watch.look(NOW, 1000.0) is None
    jump = watch.look(NOW + timedelta(seconds=clock_s), 1000.0 + passed_s)
    assert (None if jump is None else jump.by_s) == by_s


def test_a_jump_is_told_once() -> None:
    """The next look compares with the new time: from there on the clock goes on as it should."""
    watch = ClockWatch()
    watch.look(NOW, 0.0)
    assert watch.look(NOW - timedelta(hours=1), 20.0) is not None
    assert watch.look(NOW - timedelta(hours=1) + timedelta(seconds=20), 40.0) is None


def test_a_jump_is_kept_for_whoever_asks(tmp_path: Path) -> None:
    """Another process reads when it was noticed and by how much; what cannot be read is an error, and never no jump."""
    assert newest_jump(tmp_path / "run") is None
    jump = ClockJump(noticed=NOW, by_s=-3600)
    remember(tmp_path / "run", jump)
    assert newest_jump(tmp_path / "run") == jump
    assert jump.back == timedelta(hours=1)
    (tmp_path / "run" / "clock.json").write_text("{}", encoding="utf-8")
    with pytest.raises(AnrError, match="Whether the clock was set cannot be read"):
        newest_jump(tmp_path / "run")
