"""Where each option comes from; how `anr config check` prints it stands in tests/core/cli/commands/test_config.py."""

from pathlib import Path

import pytest

from core.settings.in_force import InForce, in_force
from core.settings.mistakes import Written
from core.settings.settings import Settings


@pytest.mark.parametrize(
    ("text", "environment", "source"),
    [
        pytest.param("", {}, "default", id="nowhere"),
        pytest.param("[target]\n[target.gates]\nrsi_min = 0.5\n", {}, "f, line 3", id="in-the-file"),
        pytest.param("[target]\ngates = { rsi_min = 0.5 }\n", {}, "f, line 2", id="in-an-inline-table"),
        pytest.param("[target.gates]\nlive_min = 5\n", {}, "default", id="its-neighbour-in-the-file"),
        pytest.param(
            "[target.gates]\nrsi_min = 0.5\n",
            {"ANR_TARGET__GATES__RSI_MIN": "1"},
            "variable ANR_TARGET__GATES__RSI_MIN",
            id="both",
        ),
        pytest.param("", {"anr_target__gates__rsi_min": "1"}, "variable anr_target__gates__rsi_min", id="small-letters"),
        pytest.param("", {"ANR_TARGET": '{"gates": {"rsi_min": 1}}'}, "variable ANR_TARGET", id="in-a-variable-of-its-table"),
        pytest.param("", {"ANR_TARGET__GATES": '{"live_min": 1}'}, "default", id="its-neighbour-in-a-variable"),
    ],
)
def test_an_option_comes_from_where_it_was_said(text: str, environment: dict[str, str], source: str) -> None:
    """The variable that wins, else the line of the file, else nobody."""
    (found,) = (one for one in in_force(Settings(), Written(Path("f"), text, environment)) if one.name == "target.gates.rsi_min")
    assert found == InForce("target.gates.rsi_min", 0.85, source)
