from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.server import Playground
from tests.bot.playground.api.conftest import Clock
from tests.bot.playground.api.test_web_api import SECTION, Json, refused

MODAL: Json = {"type": "modal", "title": {"type": "plain_text", "text": "Why"}, "blocks": [SECTION]}


async def test_a_trigger_opens_one_modal_within_three_seconds(
    playground: Playground, client: AsyncWebClient, clock: Clock
) -> None:
    """A trigger works once, and not after its time."""
    trigger, late = (playground.workspace.issue_trigger("U0OLIVIA") for _ in range(2))
    await client.views_open(trigger_id=trigger, view=MODAL)
    assert (await refused(client.views_open(trigger_id=trigger, view=MODAL)))["error"] == "exchanged_trigger_id"
    clock.now += 3.5
    assert (await refused(client.views_open(trigger_id=late, view=MODAL)))["error"] == "expired_trigger_id"
    assert [view["title"]["text"] for view in playground.open_views("U0OLIVIA")] == ["Why"]


async def test_a_view_that_moved_on_is_not_overwritten(playground: Playground, client: AsyncWebClient) -> None:
    """An update with an old hash is a conflict; with the current one it is made."""
    view = (await client.views_open(trigger_id=playground.workspace.issue_trigger("U0OLIVIA"), view=MODAL))["view"]
    fresh = await client.views_update(view_id=view["id"], hash=view["hash"], view={**MODAL, "callback_id": "one"})
    stale = await refused(client.views_update(view_id=view["id"], hash=view["hash"], view=MODAL))
    assert stale["error"] == "hash_conflict"
    assert playground.open_views("U0OLIVIA")[0]["callback_id"] == "one"
    assert fresh["view"]["hash"] != view["hash"]


async def test_an_invalid_modal_is_refused_before_the_trigger_is_spent(playground: Playground, client: AsyncWebClient) -> None:
    """A title too long names its place, and a corrected call with the same trigger works."""
    trigger = playground.workspace.issue_trigger("U0OLIVIA")
    bad = {**MODAL, "title": {"type": "plain_text", "text": "x" * 25}}
    answer = await refused(client.views_open(trigger_id=trigger, view=bad))
    assert answer["error"] == "invalid_arguments"
    assert answer["response_metadata"]["messages"] == ["[ERROR] must be less than 25 characters [json-pointer:/view/title/text]"]
    assert (await client.views_open(trigger_id=trigger, view=MODAL))["ok"] is True


async def test_a_home_is_published_and_a_stale_one_is_a_conflict(playground: Playground, client: AsyncWebClient) -> None:
    """The home of one person keeps its id over updates, and an old hash does not overwrite it."""
    home = {"type": "home", "blocks": [SECTION]}
    first = (await client.views_publish(user_id="U0OLIVIA", view=home))["view"]
    second = (await client.views_publish(user_id="U0OLIVIA", view=home, hash=first["hash"]))["view"]
    stale = await refused(client.views_publish(user_id="U0OLIVIA", view=home, hash=first["hash"]))
    assert (stale["error"], second["id"]) == ("hash_conflict", first["id"])
    assert (await refused(client.views_publish(user_id="U0NOBODY", view=home)))["error"] == "user_not_found"
    assert (await refused(client.views_publish(user_id="U0OLIVIA", view=MODAL)))["error"] == "invalid_arguments"
    assert list(playground.workspace.homes) == ["U0OLIVIA"]


async def test_modals_stack_three_high(playground: Playground, client: AsyncWebClient) -> None:
    """Pushing needs an open modal, and the fourth is one too many."""

    async def push() -> Any:
        return await client.views_push(trigger_id=playground.workspace.issue_trigger("U0OLIVIA"), view=MODAL)

    assert (await refused(push()))["error"] == "not_found"
    root = (await client.views_open(trigger_id=playground.workspace.issue_trigger("U0OLIVIA"), view=MODAL))["view"]
    for _ in range(2):
        await push()
    assert (await refused(push()))["error"] == "push_limit_reached"
    stack = playground.open_views("U0OLIVIA")
    assert [view["root_view_id"] for view in stack] == [root["id"]] * 3
    assert [view["previous_view_id"] for view in stack] == [None, stack[0]["id"], stack[1]["id"]]
