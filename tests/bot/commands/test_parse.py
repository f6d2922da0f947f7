from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.blockkit.blocks import escape, section
from bot.commands.command import WORDS, Command, Misunderstood
from bot.commands.parse import parse

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("", Command("help"), id="nothing-is-help"),
        pytest.param("  STATUS ", Command("status"), id="case-and-spaces"),
        pytest.param("promote", Command("promote"), id="next-stage"),
        pytest.param("promote 25", Command("promote", stage=25), id="named-stage"),
        pytest.param("promote 25% looks good", Command("promote", stage=25, reason="looks good"), id="percent-and-reason"),
        pytest.param("promote --dry-run 50", Command("promote", stage=50, dry_run=True), id="dry-run"),
        pytest.param("promote —dry-run", Command("promote", dry_run=True), id="a-phone-writes-a-dash"),
        pytest.param(
            "promote 100 requests failed", Command("promote", stage=100, reason="requests failed"), id="first-number-is-the-stage"
        ),
        pytest.param("schedule pause the fair", Command("schedule", argument="pause", reason="the fair"), id="pause"),
        pytest.param("drift Reapply", Command("drift", argument="reapply"), id="drift"),
        pytest.param("promote to 25 percent, looks fine", Command("promote", stage=25, reason="looks fine"), id="as-a-sentence"),
        pytest.param("promote stage 50", Command("promote", stage=50), id="the-word-stage"),
        pytest.param("promote 0.25 ok", Command("promote", stage=25, reason="ok"), id="as-a-share"),
        pytest.param("promote next stage", Command("promote"), id="next-in-words"),
        pytest.param("promote 1000", Command("promote", stage=1000), id="a-wrong-number-is-not-the-next-stage"),
        pytest.param("freeze for 2 hours errors", Command("freeze", lasts=2 * HOUR, reason="errors"), id="for-two-hours"),
        pytest.param("freeze 90m errors", Command("freeze", lasts=1.5 * HOUR, reason="errors"), id="a-plain-length-of-time"),
        pytest.param("freeze for the fair", Command("freeze", reason="for the fair"), id="for-something-else"),
        pytest.param(
            "freeze --keep-stage --for 1h30 fair", Command("freeze", keep_stage=True, lasts=1.5 * HOUR, reason="fair"), id="keep"
        ),
        pytest.param("freeze --kep-stage fair", Command("freeze", reason="--kep-stage fair"), id="a-brake-is-never-refused"),
        pytest.param("roll back now", Command("rollback", reason="now"), id="in-two-words"),
        pytest.param(
            "unfreeze `af326918`, 49a623 a bad deploy",
            Command("unfreeze", holds=("af326918", "49a623"), reason="a bad deploy"),
            id="holds-by-id",
        ),
        pytest.param("unfreeze facade repaired", Command("unfreeze", reason="facade repaired"), id="a-word-is-no-id"),
        pytest.param("receipts 10 <@U0OLIVIA|olivia>", Command("receipts", count=10, person="U0OLIVIA"), id="whose-and-how-many"),
        pytest.param("receipts of <@W0OLIVIA>", Command("receipts", person="W0OLIVIA"), id="a-mention-without-a-name"),
        pytest.param("approve request `K7`", Command("approve", argument="k7"), id="an-id-in-code"),
        pytest.param(
            "deny k7 ask &lt;me&gt; &amp; <@U1A2B3C|olivia> in <#C1|ops>, <https://e.example|e.example>",
            Command("deny", argument="k7", reason="ask <me> & @olivia in #ops, https://e.example"),
            id="what-slack-escaped-is-plain-again",
        ),
        pytest.param("stop", Command("rollback"), id="stop-means-rollback"),
        pytest.param("freeze it <!channel>", Command("freeze", reason="it @channel"), id="a-call-is-plain-text"),
        pytest.param("deny K7 too early", Command("deny", argument="k7", reason="too early"), id="deny-with-reason"),
    ],
)
def test_a_text_is_understood(text: str, command: Command) -> None:
    """What people type means one command."""
    assert parse(text) == command


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("rolback", "rollback"),
        ("statsu", "status"),
        ("frieze", "freeze"),
        ("xyzzy", None),
        ("approve", None),
        ("schedule", None),
        ("schedule stop", None),
        ("drift", None),
        ("promote --force", None),
        ("promote 0.255", None),
        ("please freeze now", "freeze"),
        ("receipts 100", None),
        ("receipts olivia", None),
    ],
)
def test_a_mistake_does_nothing_and_names_the_nearest_word(text: str, nearest: str | None) -> None:
    """A mistake is never taken for a command."""
    found = parse(text)
    assert isinstance(found, Misunderstood)
    assert found.nearest == nearest


@given(st.text(max_size=4000))
def test_every_text_is_a_command_or_a_mistake(text: str) -> None:
    """Nothing that can be typed is an error of the parser."""
    found = parse(text)
    assert isinstance(found, Misunderstood) or found.word in WORDS


@given(st.text(max_size=8000))
def test_outside_text_is_disarmed_and_bounded(text: str) -> None:
    """No mention or link survives, no text is longer than Slack takes, and no escape is cut in half."""
    block = section(escape(text))
    shown = block["text"]["text"]
    assert "<" not in shown
    assert len(shown) <= 3000
    assert all(shown[at:].startswith(("&amp;", "&lt;", "&gt;")) for at, sign in enumerate(shown) if sign == "&")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("status staging", Command("status", target="staging"), id="after-the-word"),
        pytest.param("promote Staging 25 ok", Command("promote", stage=25, reason="ok", target="staging"), id="before-the-stage"),
        pytest.param("freeze production is ill", Command("freeze", reason="is ill", target="production"), id="before-the-reason"),
        pytest.param("freeze all is ill", Command("freeze", reason="all is ill"), id="no-name"),
    ],
)
def test_one_of_several_routers_is_named_after_the_command(text: str, command: Command) -> None:
    """Where there are several routers, the word after the command may be one of them."""
    assert parse(text, ["production", "staging"]) == command


def test_the_only_router_needs_no_name_and_takes_none() -> None:
    """With one router every word belongs to the reason."""
    assert parse("freeze production is ill", ["production"]) == Command("freeze", reason="production is ill")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("state reset it learned nonsense", Command("state", argument="reset", reason="it learned nonsense")),
        ("drill", Command("drill")),
        ("drill alerts", Command("drill", argument="alerts")),
        ("drill Alerts before the release", Command("drill", argument="alerts", reason="before the release")),
        ("drill because it is Monday", Command("drill", reason="because it is Monday")),
        (
            "restore a.json --other-routes back to five",
            Command("restore", argument="a.json", reason="back to five", other_routes=True),
        ),
        ("restore a.json —other-routes", Command("restore", argument="a.json", other_routes=True)),
    ],
)
def test_upkeep_is_understood(text: str, command: Command) -> None:
    """The state's reset, the two drills, and a restore of a backup with other routes."""
    assert parse(text) == command


@pytest.mark.parametrize("text", ["state", "state delete", "state --reset"])
def test_only_a_reset_that_is_spelt_out_is_one(text: str) -> None:
    """The last resort is not understood in doubt."""
    assert isinstance(parse(text), Misunderstood)
