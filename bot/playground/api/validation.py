"""blocks.validate: what Slack would say to blocks, a message or a view, without showing them to anybody.

Excluded: the checks themselves, which are those of the calls that do show them (`limits`). Source:
https://docs.slack.dev/reference/methods/blocks.validate.
"""

from bot.playground.api.web_api import Call
from bot.playground.workspace import limits
from bot.playground.workspace.problems import Problem
from bot.playground.workspace.workspace import Json, SlackRefusal

_KINDS = ("blocks", "message", "view")


def validate(call: Call) -> Json:
    """blocks.validate: takes exactly one of `blocks`, `message` and `view`; refuses with a place for everything that is wrong."""
    named = [kind for kind in _KINDS if kind in call.arguments]
    if len(named) != 1:
        messages = ["must provide exactly one of `blocks`, `view`, or `message`"]
        raise SlackRefusal("invalid_arguments", response_metadata={"messages": messages})
    (kind,) = named
    content = call.arguments.json(kind)
    match kind:
        case "view":
            problems = limits.view_problems(content)
        case "message":
            problems = limits.message_problems(content.get("blocks") if isinstance(content, dict) else content)
        case _:
            problems = limits.message_problems(content)
    if problems:
        raise SlackRefusal(f"invalid_{kind}", errors=[_described(problem, kind) for problem in problems])
    return {}


def _described(problem: Problem, kind: str) -> Json:
    """A pointer is into what was given: into the array of blocks, the message, or the view."""
    inside = {"blocks": "/blocks", "view": "/view"}.get(kind, "")
    described: Json = {"code": "failed_constraint", "message": problem.text, "pointer": problem.at.removeprefix(inside)}
    return described | ({"constraint": {"type": "enum", "expected": list(problem.expected)}} if problem.expected else {})
