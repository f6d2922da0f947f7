"""What the doctor looks like in Slack."""

from bot.playground.workspace.limits import check_message
from bot.views.outlook import Examined, examined
from core.doctor.check import Check, Health

WELL = tuple(Check(f"check {number}", Health.OK, "It is well. " * 30) for number in range(19))
ILL = (Check("ledger", Health.WARN, "It is old.", "See."), Check("journal", Health.FAIL, "It is corrupt.", "Run `anr verify`."))


def test_a_doctor_that_finds_nothing_says_so_in_one_sentence() -> None:
    """What is well is told to whoever asks for it, whole."""
    headline, button = examined(Examined(WELL, "production"))
    assert headline["text"]["text"] == ":white_check_mark: *All 19 checks pass.*"
    assert [(one["action_id"], one["value"]) for one in button["elements"]] == [("doctor_all", "production")]
    every = examined(Examined(WELL, "production", every=True))
    assert check_message(every) == []
    assert all(f"*{check.name}* — {check.text}".rstrip() in str(every) for check in WELL)
    assert "doctor_all" not in str(every)


def test_what_is_ill_comes_first_with_what_to_do() -> None:
    """A failure before a warning, each with its remedy; what is well waits until it is asked for."""
    blocks = examined(Examined((*ILL, *WELL), "production"))
    assert blocks[0]["text"]["text"] == ":x: *1 failure and 1 warning*; 19 checks pass."
    assert "*journal* — It is corrupt.\n      Run `anr verify`." in blocks[1]["text"]["text"]
    assert "*ledger*" in blocks[2]["text"]["text"]
    assert "It is well" not in str(blocks)
