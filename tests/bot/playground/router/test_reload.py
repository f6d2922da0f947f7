import pytest

from bot.playground.router import reload


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param([], "Usage", id="no URL"),
        pytest.param(["file:///etc/passwd"], "Usage", id="not HTTP"),
        pytest.param(["http://127.0.0.1:1/reload"], "was not reached", id="nobody listens"),
    ],
)
def test_the_reload_command_says_why_it_could_not(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 and what to do, never a traceback."""
    assert reload.main(arguments) == 1
    assert text in capsys.readouterr().err
