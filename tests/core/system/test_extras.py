"""What is said where an extra is missing."""

import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from core.system.extras import how_to_add


def test_the_command_that_adds_an_extra_names_where_this_anr_came_from() -> None:
    """The tests run from a repository: pip would take it from there, and not from whoever has the name `anr` in the index."""
    root = Path(__file__).parents[3]
    assert f'{sys.executable} -m pip install "anr[warehouse] @ {root.as_uri()}"' in how_to_add("warehouse")


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        pytest.param(json.dumps({"url": "file:///tmp/anr.whl"}), "anr[signing] @ file:///tmp/anr.whl", id="a-wheel"),
        pytest.param(None, "anr[signing] @ file:///…/anr-VERSION-py3-none-any.whl", id="not-noted"),
        pytest.param("{", "anr[signing] @ file:///…/anr-VERSION-py3-none-any.whl", id="not-understood"),
        pytest.param("[]", "anr[signing] @ file:///…/anr-VERSION-py3-none-any.whl", id="something-else"),
    ],
)
def test_where_anr_came_from_is_what_pip_noted(monkeypatch: pytest.MonkeyPatch, noted: str | None, said: str) -> None:
    """As PEP 610 has it; where nothing is noted the wheel is meant."""
    monkeypatch.setattr(importlib.metadata.PathDistribution, "read_text", lambda *_: noted)
    assert said in how_to_add("signing")
