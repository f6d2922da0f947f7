"""The signs by which a channel's list is read."""

from bot.blockkit.blocks import button, header, question, section
from bot.blockkit.post import Post, Reply, of_router
from bot.blockkit.signs import State, named, titled


def test_no_two_states_have_one_sign() -> None:
    """Whoever sees the sign alone, on a lock screen, knows the state."""
    assert len({state.value for state in State}) == len(list(State))
    assert all(" " not in state.value and not state.value.isascii() for state in State)


def test_the_router_is_named_behind_the_sign() -> None:
    """So that the signs of a list stand below one another; a title without one is named too."""
    assert named(titled(State.ASKED, "Approval needed"), "staging") == "⏳ [staging] Approval needed"
    assert named("Hour by hour", "staging") == "[staging] Hour by hour"


def test_a_post_of_several_routers_names_its_own_wherever_somebody_decides() -> None:
    """Title, fallback, replies, and what a button asks first; texts of Slack's greatest length stay within it."""
    ask = {"type": "actions", "elements": [button("Approve", "approve", confirm=question("P" * 100, "At once.", "Promote"))]}
    post = of_router(
        Post("⏳ Approval needed", (header("⏳ " + "x" * 148), section("text"), ask), (Reply("a", "Receipt #1"),)), "staging"
    )
    title, text, buttons = post.blocks
    assert title["text"]["text"].startswith("⏳ [staging] x")
    assert len(title["text"]["text"]) == 150
    assert text == section("text")
    asked = buttons["elements"][0]["confirm"]["title"]["text"]
    assert (asked[:10], len(asked)) == ("[staging] ", 100)
    assert (post.text, post.replies[0].text) == ("⏳ [staging] Approval needed", "[staging] Receipt #1")
