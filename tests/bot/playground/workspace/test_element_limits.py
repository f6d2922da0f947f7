from typing import Any

import pytest

from bot.playground.workspace.element_limits import ACTIONS_ELEMENTS, INPUT_ELEMENTS, element_problems
from bot.playground.workspace.problems import Problems

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def menu(**rest: Any) -> Json:
    return {"type": "static_select", "options": [{"text": plain("x"), "value": "x", **rest}]}


def found(element: Json) -> list[str]:
    problems = Problems()
    element_problems(problems, element, "", ACTIONS_ELEMENTS | INPUT_ELEMENTS)
    return [str(problem) for problem in problems.found]


@pytest.mark.parametrize(
    ("fits", "too_much", "problem"),
    [
        pytest.param(
            menu(description=plain("x" * 75)),
            menu(description=plain("x" * 76)),
            "must be less than 76 characters [json-pointer:/options/0/description/text]",
            id="option's description",
        ),
        pytest.param(
            menu(value="x" * 150),
            menu(value="x" * 151),
            "must be less than 151 characters [json-pointer:/options/0/value]",
            id="option's value",
        ),
        pytest.param(
            {"type": "plain_text_input", "max_length": 3_000},
            {"type": "plain_text_input", "max_length": 3_001},
            "must be between 1 and 3000 [json-pointer:/max_length]",
            id="longest answer",
        ),
        pytest.param(
            {"type": "button", "text": plain("x"), "accessibility_label": "x" * 75},
            {"type": "button", "text": plain("x"), "accessibility_label": "x" * 76},
            "must be less than 76 characters [json-pointer:/accessibility_label]",
            id="what is read out",
        ),
    ],
)
def test_an_element_at_the_limit_passes_and_past_it_names_the_place(fits: Json, too_much: Json, problem: str) -> None:
    """On both sides of each edge."""
    assert found(fits) == []
    assert found(too_much) == [problem]
