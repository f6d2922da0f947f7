"""What a bot is ready for, with one part after the other broken for real."""

from collections.abc import Callable

import pytest

from bot.http.readiness import Purpose, is_ready, unready
from tests.support.rig import Rig


def unreadable_marks(rig: Rig) -> None:
    rig.settings.run_dir.mkdir(exist_ok=True)
    (rig.settings.run_dir / "brake").write_text("in the way", encoding="utf-8")


def garbage(rig: Rig) -> None:
    rig.target.journal.close()
    rig.settings.journal.write_bytes(b"garbage" * 1000)


def no_settings_file(rig: Rig) -> None:
    rig.settings.settings_file.unlink()


ALL = {Purpose.BRAKE, Purpose.PROMOTION, Purpose.SLACK}


@pytest.mark.parametrize(
    ("breaks", "part", "ready_for"),
    [
        pytest.param(lambda _rig: None, None, ALL, id="nothing"),
        pytest.param(garbage, "journal", ALL - {Purpose.PROMOTION}, id="the-journal"),
        pytest.param(no_settings_file, "router", {Purpose.SLACK}, id="the-settings-file"),
        pytest.param(unreadable_marks, "marks", {Purpose.SLACK}, id="the-marks"),
    ],
)
def test_what_is_broken_takes_away_what_needs_it(
    begun: Rig, breaks: Callable[[Rig], None], part: str | None, ready_for: set[Purpose]
) -> None:
    """A broken journal promotes nothing and brakes; without settings or marks it does neither; the reason is told by its part."""
    breaks(begun)
    problems = {"production": unready(begun.target)}
    assert set(problems["production"]) == ({part} if part else set())
    assert {purpose for purpose in Purpose if is_ready(purpose, problems, None)} == ready_for


def test_slacks_absence_takes_nothing_but_slack_away() -> None:
    """Whoever asks whether it can brake is told yes while nobody in Slack reaches it."""
    away = {purpose: is_ready(purpose, {"production": {}}, "the connection is down") for purpose in Purpose}
    assert away == {Purpose.BRAKE: True, Purpose.PROMOTION: True, Purpose.SLACK: False}


def test_one_router_of_several_is_enough_not_to_be_ready() -> None:
    """A probe that asks for all of them is answered for all of them."""
    problems = {"production": {}, "staging": {"router": "it is read-only"}}
    assert not is_ready(Purpose.BRAKE, problems, None)
