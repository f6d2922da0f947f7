"""Commands of the brake: roll back, freeze, hold promotions at the present stage, and lift holds.

Whoever types a brake is understood in doubt: an option that nobody knows belongs to the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.blockkit.fields import chosen, written
from bot.commands.command import Addressed, Call, Misunderstood
from bot.commands.phrases import bare, cut, option, options_in, plain, unknown_option, without
from bot.views import modals
from bot.views.modals import About, View, Wrong
from core.actors import Actor, Approvable
from core.brake import answers as alert_answers
from core.brake import hold as holding
from core.brake.brake import Braked
from core.brake.hold import Held
from core.brake.lift import Unfrozen
from core.operations import approved_brake, propose
from core.operations.results import Asked, Refused
from core.rollout.refusals import Code, Refuse
from core.target.target import Target
from core.text import leading_span, parse_span


@dataclass(frozen=True, slots=True)
class Rollback(Addressed):
    """The router goes to its safe settings.

    Attributes:
        at_once: do not wait for an approval where one is wanted. If `operation` names a request for it, act in its place.
    """

    reason: str = ""
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Freeze(Addressed):
    """A rollback that also holds every promotion.

    Attributes:
        lasts: when its hold ends by itself; None if somebody has to lift it.
        at_once: do not wait for an approval where one is wanted. If `operation` names a request for it, act in its place.
    """

    reason: str = ""
    lasts: timedelta | None = None
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Hold(Addressed):
    """A freeze that keeps the stage: promotions are held, and the router is left alone (`freeze --keep-stage`).

    Attributes:
        lasts: when the hold ends by itself; None if somebody has to lift it.
    """

    reason: str = ""
    lasts: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unfreeze(Addressed):
    """Holds are lifted; the stage stays as it is. If `operation` is the story of alerts, it is about their holds.

    Attributes:
        holds: ids of holds or their first characters; empty for all.
        while_firing: although an alert behind one still fires.
    """

    reason: str = ""
    holds: tuple[str, ...] = ()
    while_firing: bool = False


def rollback(call: Call, command: Rollback) -> Braked | Asked | Refused | Refuse:
    """Roll back."""
    if command.operation:
        return approved_brake.brake_now(call.target, Approvable.ROLLBACK, call.actor, command.operation)
    return approved_brake.brake(call.target, Approvable.ROLLBACK, call.order(command.reason), at_once=command.at_once)


def freeze(call: Call, command: Freeze) -> Braked | Asked | Refused | Refuse:
    """Roll back, and hold every promotion."""
    if command.operation:
        return approved_brake.brake_now(call.target, Approvable.FREEZE, call.actor, command.operation)
    order = call.order(command.reason)
    return approved_brake.brake(call.target, Approvable.FREEZE, order, lasts=command.lasts, at_once=command.at_once)


def hold(call: Call, command: Hold) -> Held | Refuse:
    """Hold every promotion."""
    return holding.hold_promotions(call.target, call.order(command.reason), lasts=command.lasts)


def unfreeze(call: Call, command: Unfreeze) -> Unfrozen | Asked | Refused:
    """Lift the holds that are named, those of the group of alerts whose card was used, or all."""
    target, operation = call.target, command.operation
    holds = alert_answers.holds_of(target, operation) if operation else frozenset(command.holds)
    if operation and not holds:
        return Refused(Refuse(Code.NOT_FROZEN, "The holds of these alerts are lifted already. Nothing was changed."))
    return propose.unfreeze(target, call.order(command.reason), holds, while_firing=command.while_firing)


def parse_rollback(rest: str) -> Rollback:
    """Understand `rollback [--now] [reason]`."""
    flags, rest = options_in(rest, {"now"})
    return Rollback(plain(rest), at_once=bool(flags))


def parse_freeze(rest: str) -> Freeze | Hold:
    """Understand `freeze [--keep-stage] [--now] [for 4h] [reason]`; an option counts wherever it stands."""
    flags, rest = options_in(rest, {"now", "keep-stage", "keep"})
    lasts: timedelta | None = None
    reason: list[str] = []
    while rest:
        head, tail = cut(rest)
        # within the reason only an option is one: “for two hours now” may be what happened
        expected = not reason or option(head) == "for"
        if expected and lasts is None and (found := _lasting(head, tail)) is not None:
            lasts, rest = found
        else:
            reason.append(head)
            rest = tail
    said = plain(" ".join(reason))
    return Hold(said, lasts) if flags - {"now"} else Freeze(said, lasts, "now" in flags)


def _lasting(head: str, tail: str) -> tuple[timedelta, str] | None:
    """Return how long, from `for two hours`, `--for 2h` or a plain `2h`, and what follows."""
    if head.lower() == "for" or option(head) == "for":
        return leading_span(tail)
    span = parse_span(head)
    return None if span is None else (span, tail)


def parse_unfreeze(rest: str) -> Unfreeze | Misunderstood:
    """Understand `unfreeze [--while-firing] [hold …] [what was found]`.

    What looks like an id and is none is refused: without one every hold would be lifted.
    """
    flags, rest = options_in(rest, {"while-firing"})
    if wrong := unknown_option(rest):
        return Misunderstood(f"“{plain(wrong)[:40]}” is not an option of `unfreeze`; there is `--while-firing`.")
    holds = []
    head, tail = cut(without(rest, {"hold", "holds"}))
    while _names_hold(bare(head)):
        holds.append(bare(head))
        rest = tail
        head, tail = cut(rest)
    if _looks_like_an_id(head):
        text = f"“{plain(head)[:40]}” is no hold's id. Nothing was lifted; `/anr status` shows the ids."
        return Misunderstood(text)
    return Unfreeze(plain(rest), tuple(holds), while_firing=bool(flags))


def _looks_like_an_id(word: str) -> bool:
    """Whether a word was meant as an id: a `#` before it, or letters and digits in one, as no English word has them."""
    core = bare(word)
    mixed = len(core) >= _SHORTEST_ID and core.isascii() and core.isalnum() and any(letter.isdigit() for letter in core)
    return bool(core) and (mixed or word.startswith("#"))


_SHORTEST_ID = 5
"""Characters from which letters and digits in one word are taken for an id."""


def _names_hold(word: str) -> bool:
    """Whether a word can be the first characters of a hold's id, and is no English word such as “facade”."""
    hexadecimal = len(word) >= 6 and set(word) <= set("0123456789abcdef")
    return hexadecimal and (len(word) >= 8 or any(letter.isdigit() for letter in word))


def ask_freeze(_target: Target, _actor: Actor, _about: About) -> None:
    """Leave the modal as it was opened."""


def read_freeze(values: Mapping[str, Any], about: About) -> Freeze | Hold | Wrong:
    """Return the freeze; only a length of time that is none, or no router, is wrong with it."""
    lasts, reason = written(values, "lasts"), written(values, "reason")
    span = parse_span(lasts)
    if lasts and span is None:
        return {"lasts": "Write a length of time, for example 4h, 90 min or 2 days: a minute to 30 days."}
    target = about.target or chosen(values, "router")
    if not target:
        return {"router": "Choose a router."}
    return (Hold if chosen(values, "mode") == "keep" else Freeze)(reason, span, target=target)


def ask_unfreeze(target: Target, _actor: Actor, about: About) -> View:
    """Return the choice of holds."""
    state = target.journal.state()
    named = alert_answers.holds_of(target, about.argument) if about.argument else {hold.id for hold in state.holds}
    chosen_holds = [hold for hold in state.holds if hold.id in named]
    firing = [hold for hold in state.firing if hold.id in named]
    return modals.unfreeze(About(target.settings.name, "", about.response_url), chosen_holds, state.stage, firing)


def read_unfreeze(values: Mapping[str, Any], about: About) -> Unfreeze | Wrong:
    """Return which holds are to be lifted, if it says what was found."""
    found = written(values, "found")
    holds = tuple(str(hold["value"]) for hold in values["holds"].get("selected_options") or ())
    wrong = {} if holds else {"holds": "Choose at least one hold."}
    wrong |= {} if found else {"found": "Say what was found: whoever reads the receipt wants to know."}
    anyway = bool((values.get("while_firing") or {}).get("selected_options"))
    return wrong or Unfreeze(found, holds, anyway, target=about.target)
