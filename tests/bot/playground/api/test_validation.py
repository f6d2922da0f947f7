"""blocks.validate, held against the answers that Slack's own page of it shows."""

import json
from pathlib import Path
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from tests.bot.playground.api.test_web_api import SECTION, refused

SHOWN = json.loads((Path(__file__).parents[3] / "slack_methods" / "blocks.validate.json").read_text(encoding="utf-8"))
BAD: dict[str, Any] = {"type": "section", "text": {"type": "invalid", "text": "Hello"}}


async def test_the_answers_are_those_that_slack_documents(client: AsyncWebClient) -> None:
    """Good blocks, a text of an unknown kind, and a call that names nothing to look at: word for word."""
    assert (await client.blocks_validate(blocks=[SECTION])).data == SHOWN["success"]
    assert await refused(client.blocks_validate(blocks=[BAD])) == SHOWN["error_invalid_blocks"]
    assert await refused(client.blocks_validate()) == SHOWN["error_invalid_arguments"]
    assert await refused(client.blocks_validate(blocks=[SECTION], view={"type": "home"})) == SHOWN["error_invalid_arguments"]


async def test_a_pointer_is_into_the_message_or_the_view_that_was_given(client: AsyncWebClient) -> None:
    """A view is refused as one, with the place in it; a message with that of its block."""
    title = {"type": "plain_text", "text": "x" * 25}
    view = await refused(client.blocks_validate(view={"type": "modal", "title": title, "blocks": [BAD]}))
    assert view["error"] == "invalid_view"
    assert [error["pointer"] for error in view["errors"]] == ["/title/text", "/blocks/0/text/type"]
    message = await refused(client.blocks_validate(message={"text": "x", "blocks": [SECTION, BAD]}))
    assert (message["error"], message["errors"][0]["pointer"]) == ("invalid_message", "/blocks/1/text/type")
