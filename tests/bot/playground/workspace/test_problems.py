from bot.playground.workspace.problems import Problem, Problems


def test_every_problem_is_kept_with_its_place_and_what_was_expected() -> None:
    """One does not hide another, and each reads as Slack writes it."""
    problems = Problems()
    problems.text({"type": "loud", "text": ""}, 10, "/title", plain=True)
    problems.number(True, 1, 3, "/size")  # noqa: FBT003 - JSON's true is no number
    assert problems.found == [
        Problem("unsupported type: loud", "/title/type", ("plain_text",)),
        Problem("must be more than 0 characters", "/title/text"),
        Problem("must be an integer", "/size"),
    ]
    assert str(problems.found[0]) == "unsupported type: loud [json-pointer:/title/type]"
