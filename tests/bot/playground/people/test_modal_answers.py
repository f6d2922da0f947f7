import pytest

from bot.playground.people.modal_answers import ClientRefusal, Json, completed


def option(value: str) -> Json:
    return {"text": {"type": "plain_text", "text": value.upper()}, "value": value}


def view(kind: str) -> Json:
    element = {"type": kind, "action_id": "stage", "options": [option("10"), option("25")]}
    return {"blocks": [{"type": "input", "block_id": "stage", "element": element}]}


@pytest.mark.parametrize(
    ("kind", "named", "given"),
    [("static_select", "selected_option", {"value": "25"}), ("checkboxes", "selected_options", [{"value": "25"}])],
)
def test_the_client_sends_options_whole_and_only_those_that_are_offered(kind: str, named: str, given: object) -> None:
    """Whoever names a value chooses the option that is shown for it; another value is nothing that could be chosen."""
    chosen = completed(view(kind), {"stage": {"stage": {named: given}}})["stage"]["stage"][named]
    assert chosen in (option("25"), [option("25")])
    other = {"value": "75"} if isinstance(given, dict) else [{"value": "75"}]
    with pytest.raises(ClientRefusal, match="offers no 75"):
        completed(view(kind), {"stage": {"stage": {named: other}}})
