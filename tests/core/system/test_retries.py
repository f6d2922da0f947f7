import asyncio
import logging

import pytest

from core.system.retries import async_caller, caller


class Stubborn:
    """Succeeds at its `at`-th call."""

    def __init__(self, at: int) -> None:
        self.at, self.called = at, 0

    def __call__(self, secret: str) -> str:
        self.called += 1
        if self.called < self.at:
            raise OSError(secret)
        return "done"

    async def later(self, secret: str) -> str:
        return self(secret)


@pytest.mark.parametrize("way", ["now", "later"])
@pytest.mark.parametrize(("at", "called"), [(1, 1), (3, 3), (4, 3)], ids=["at-once", "at-the-last-try", "never"])
def test_it_is_tried_until_it_succeeds_and_no_more_often_than_is_said(way: str, at: int, called: int) -> None:
    """What the last try raised is raised; what succeeds is returned."""
    work = Stubborn(at)

    def tried() -> str:
        if way == "now":
            return caller(3, 0.001, 0.002)(OSError, work, "xoxb-secret")
        return asyncio.run(async_caller(3, 0.001, 0.002)(OSError, work.later, "xoxb-secret"))

    if at > called:
        with pytest.raises(OSError, match="xoxb-secret"):
            tried()
    else:
        assert tried() == "done"
    assert work.called == called


def test_what_is_worth_no_other_try_is_raised_at_once() -> None:
    """Only the caller knows what may pass."""
    work = Stubborn(9)
    with pytest.raises(OSError, match="x"):
        caller(3, 0.001, 0.002)(TimeoutError, work, "x")
    assert work.called == 1


def test_a_retry_is_told_to_the_log_without_what_was_called(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that prints JSON prints nothing else, and no argument gets into a log."""
    with caplog.at_level(logging.INFO):
        caller(2, 0.001, 0.002)(OSError, Stubborn(2), "xoxb-secret")
    assert "is tried again in 0.0 s" in caplog.text
    assert "xoxb-secret" not in caplog.text
    assert capsys.readouterr() == ("", "")
