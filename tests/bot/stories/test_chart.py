"""The chart is a picture that anybody can read, and the same chart is the same picture."""

import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from bot.stories import chart as chart_of_day
from bot.stories.chart import Chart, Hour
from core.rollout.timeline import Stretch

BEGINS = datetime(2025, 9, 30, 9, tzinfo=UTC)


def hours(count: int = 25, **change: object) -> tuple[Hour, ...]:
    good = {"decisions": 100, "rsi": 0.98, "rollbacks": 0, "tri_median": 0.1}
    return tuple(Hour(begins=BEGINS + timedelta(hours=number), **{**good, **change}) for number in range(count))  # type: ignore[arg-type]


def chart(count: int = 25, spells: tuple[Stretch, ...] | None = None, zone: str = "UTC", **change: object) -> Chart:
    ends = BEGINS + timedelta(hours=count)
    standing = (Stretch(BEGINS, ends, 10, frozen=False),) if spells is None else spells
    return Chart(hours(count, **change), standing, 0.85, 0.0, zone)


@pytest.mark.parametrize(
    "shown",
    [
        chart(),
        chart(rsi=None, tri_median=None, decisions=0),
        chart(rsi=0.2, rollbacks=3, tri_median=-0.5),
        chart(1),
        chart(745, zone="Pacific/Kiritimati"),
        chart(spells=(Stretch(BEGINS, BEGINS + timedelta(hours=3), None, frozen=True),)),
        chart(spells=()),
    ],
    ids=["a-good-day", "no-data", "a-bad-day", "one-hour", "a-month", "unknown-and-frozen", "nothing-known"],
)
def test_any_day_can_be_drawn_and_the_same_day_is_the_same_picture(shown: Chart) -> None:
    """A PNG of a size that Slack shows sharply, byte for byte the same again."""
    drawn = chart_of_day.png(shown)
    assert drawn == chart_of_day.png(shown)
    assert drawn.startswith(b"\x89PNG")
    assert struct.unpack(">II", drawn[16:24]) == (1600, 1120)
    assert len(drawn) < 1 << 20


def test_another_day_is_another_picture() -> None:
    """An hour below the bound shows, also where only the shape of its mark tells it."""
    assert chart_of_day.png(chart()) != chart_of_day.png(chart(rsi=0.849))


def test_the_chart_has_its_own_ground_so_that_slacks_theme_does_not_matter() -> None:
    """No pixel is transparent, and what is written stands out from the ground by 7 to 1 (WCAG 2.2, 1.4.6); lines by 3 to 1."""
    from matplotlib.image import imread  # noqa: PLC0415 - slow to load

    pixels = imread(BytesIO(chart_of_day.png(chart())))
    assert pixels.shape[2] == 3 or (pixels[..., 3] == 1).all()
    for ink in (chart_of_day.INK, chart_of_day.BOUND):
        assert contrast(ink, chart_of_day.GROUND) >= 7
    for line in (chart_of_day.GOOD, chart_of_day.BAD, chart_of_day.COLD):
        assert contrast(line, chart_of_day.GROUND) >= 3
    for tint in chart_of_day.STAGE_TINTS:
        assert contrast(chart_of_day.INK, tint) >= 7


def test_the_bot_starts_without_loading_what_draws() -> None:
    """Matplotlib takes a second to load; only a picture needs it."""
    program = "import sys, bot.app; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
