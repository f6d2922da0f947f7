"""Commands that answer a request: approve and deny. `operation` is the request's id, which is its story's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.blockkit.fields import written
from bot.commands.command import Addressed, Call, Misunderstood
from bot.commands.phrases import bare, cut, plain, without
from bot.views import answers, modals
from bot.views.modals import About, View, Wrong
from core.actors import Actor
from core.brake.brake import Braked
from core.brake.lift import Unfrozen
from core.operations import requests
from core.operations.restore import Restored
from core.operations.results import Ended, Moved, Refused, Signed
from core.rollout.approvals import still_open
from core.rollout.refusals import not_allowed
from core.target.target import Target


@dataclass(frozen=True, slots=True)
class Approve(Addressed):
    """A yes."""


@dataclass(frozen=True, slots=True)
class Deny(Addressed):
    """A no; one is enough."""

    reason: str = ""


def approve(call: Call, command: Approve) -> Moved | Unfrozen | Restored | Braked | Signed | Ended | Refused:
    """Approve a request; the last approval that it needs carries it out."""
    return call.followed(requests.approve(call.target, call.actor, command.operation))


def deny(call: Call, command: Deny) -> Ended | Refused:
    """End a request with a no."""
    return requests.deny(call.target, call.actor, command.operation, command.reason)


def parse_approve(rest: str) -> Approve | Misunderstood:
    """Understand `approve ID`."""
    named, _ = _named(rest)
    return Approve(operation=named) if named else _needs_id("approve")


def parse_deny(rest: str) -> Deny | Misunderstood:
    """Understand `deny ID [reason]`."""
    named, reason = _named(rest)
    return Deny(plain(reason), operation=named) if named else _needs_id("deny")


def _named(rest: str) -> tuple[str, str]:
    """Return the id that a text names, or "", and what follows it."""
    named, reason = cut(without(rest, {"request"}))
    return bare(named), reason


def _needs_id(word: str) -> Misunderstood:
    return Misunderstood(f"`{word}` needs the id of the request, as shown on its card.")


def ask_deny(target: Target, actor: Actor, about: About) -> View:
    """Return the question why a request is denied."""
    if not actor.roles:
        return modals.told(modals.DENY, about, answers.answer(not_allowed(actor, "deny a request", "approvers")))
    approval = target.journal.approval(about.argument)
    if refusal := still_open(approval, about.argument, target.clock()):
        return modals.told(modals.DENY, about, answers.answer(refusal))
    if approval is None:
        raise AssertionError("still_open refuses a request that does not exist")
    return modals.deny(about, approval)


def read_deny(values: Mapping[str, Any], about: About) -> Deny | Wrong:
    """Return the no, if it says why."""
    reason = written(values, "reason")
    return Deny(reason, operation=about.argument) if reason else {"reason": "Say why: whoever asked wants to know."}
