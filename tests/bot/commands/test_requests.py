"""Answers to requests from Slack, as they are typed."""

import pytest

from bot.commands.parse import parse
from bot.commands.requests import Approve, Deny
from bot.commands.table import Command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("approve request `K7`", Approve(operation="k7"), id="an-id-in-code"),
        pytest.param(
            "deny k7 ask &lt;me&gt; &amp; <@U1A2B3C|olivia> in <#C1|ops>, <https://e.example|e.example>",
            Deny("ask <me> & @olivia in #ops, https://e.example", operation="k7"),
            id="what-slack-escaped-is-plain-again",
        ),
        pytest.param("deny K7 too early", Deny("too early", operation="k7"), id="deny-with-reason"),
    ],
)
def test_an_answer_is_understood(text: str, command: Command) -> None:
    """Which request, and why."""
    assert parse(text) == command
