"""The Web API methods that show modals and the app's home: views.* of Slack.

Excluded: what happens when a modal is submitted or closed (`people`).
"""

import json

from bot.playground.api.web_api import Call
from bot.playground.workspace import limits
from bot.playground.workspace.workspace import Json, SlackRefusal, Workspace


def open_(call: Call) -> Json:
    """views.open: exchanges a trigger for a modal."""
    view = checked(call.workspace, call.arguments.json("view"), kind="modal")
    user = call.workspace.spend_trigger(call.arguments.required("trigger_id"))
    return {"view": call.workspace.open_modal(user, view)}


def push(call: Call) -> Json:
    """views.push: exchanges a trigger for a modal on top of the open one."""
    view = checked(call.workspace, call.arguments.json("view"), kind="modal")
    user = call.workspace.spend_trigger(call.arguments.required("trigger_id"))
    if not call.workspace.modals.get(user):
        raise SlackRefusal("not_found")
    return {"view": call.workspace.open_modal(user, view, push=True)}


def update(call: Call) -> Json:
    """views.update: of an open modal, refused when its hash has moved on."""
    arguments = call.arguments
    view_id, external_id = arguments.text("view_id"), arguments.text("external_id")
    found = call.workspace.find_view(view_id=view_id, external_id=external_id)
    view = checked(call.workspace, arguments.json("view"), own=found[1] if found else None)
    if found is None:
        raise SlackRefusal("not_found")
    shown = found[1]
    if arguments.text("hash") not in ("", shown["hash"]):
        raise SlackRefusal("hash_conflict", view=shown)
    return {"view": call.workspace.replace_view(shown, view)}


def publish(call: Call) -> Json:
    """views.publish: the app's home of one person."""
    workspace, arguments = call.workspace, call.arguments
    view = checked(workspace, arguments.json("view"), kind="home")
    user = arguments.required("user_id")
    if user not in workspace.users:
        raise SlackRefusal("user_not_found")
    shown = workspace.homes.get(user)
    if shown is not None and arguments.text("hash") not in ("", shown["hash"]):
        raise SlackRefusal("hash_conflict", view=shown)
    if shown is None:
        workspace.homes[user] = workspace.make_view(view)
        workspace.changed()
    else:
        workspace.replace_view(shown, view)
    return {"view": workspace.homes[user]}


def checked(workspace: Workspace, view: object, *, kind: str | None = None, own: Json | None = None) -> Json:
    """Check a view that the app described.

    Args:
        workspace: holds the external ids in use.
        view: what the app sent.
        kind: `modal` or `home`, when only one will do.
        own: the view that it replaces, whose external id it may keep.

    Raises:
        SlackRefusal: `invalid_arguments` with Slack's sentences, `view_too_large`, `duplicate_external_id`.
    """
    problems = limits.check_view(view)
    if not problems and isinstance(view, dict) and kind and view["type"] != kind:
        problems = [f"must be of type: {kind} [json-pointer:/view/type]"]
    if problems or not isinstance(view, dict):
        messages = [f"[ERROR] {problem}" for problem in problems]
        raise SlackRefusal("invalid_arguments", response_metadata={"messages": messages})
    if len(json.dumps(view)) > limits.VIEW_BYTES_MAX:
        raise SlackRefusal("view_too_large")
    if external_id := view.get("external_id"):
        taken = workspace.find_view(external_id=external_id)
        if taken is not None and taken[1] is not own:
            raise SlackRefusal("duplicate_external_id")
    return view
