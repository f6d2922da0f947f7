"""Commands that move the router on its ladder, or end a difference between router and journal.

Promote, break the glass, review that, go back to observing in shadow, end a drift. Excluded: the brake (bot/commands/brake.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from bot.blockkit.blocks import LABELS, escape, passed_over, percent
from bot.blockkit.fields import chosen, written
from bot.commands.command import Addressed, Call, Misunderstood
from bot.commands.phrases import LONGEST_QUOTED, cut, leading_stage, option, options_in, plain, unknown_option
from bot.views import answers, modals
from bot.views.answers import GlassOffered
from bot.views.modals import About, View, Wrong
from core.actors import Actor, Approvable, Role
from core.operations import break_glass as glass_operations
from core.operations import end_drift, propose
from core.operations import shadow as shadow_operations
from core.operations.break_glass import Reviewed
from core.operations.results import Asked, Moved, Refused, WouldMove
from core.rollout import break_glass as glass
from core.rollout.decisions import decide_shadow
from core.rollout.ladder import next_stage
from core.rollout.refusals import Code
from core.target.overview import look
from core.target.target import Target
from core.text import clean_text

DriftEnd = Literal["reapply", "accept"]


@dataclass(frozen=True, slots=True)
class Promote(Addressed):
    """A move on the ladder.

    Attributes:
        stage: percent of live traffic; None for the next stage.
    """

    stage: int | None = None
    reason: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class BreakGlass(Addressed):
    """A step up that an approver makes alone, against gates that fail."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Review(Addressed):
    """Somebody else has looked at a break-glass; `operation` is its story."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Shadow(Addressed):
    """A router that was rolled back learns again, and serves nothing."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drift(Addressed):
    """A difference between router and journal is ended: put the journal's settings back, or accept the router's.

    Attributes:
        end: which of the two.
        reason: why, in somebody's own words.
    """

    end: DriftEnd
    reason: str = ""


def promote(call: Call, command: Promote) -> Asked | Moved | WouldMove | Refused | GlassOffered:
    """Ask for a move; an approver whom only failing gates stand in the way of is offered to promote alone."""
    asked = propose.propose(call.target, call.order(command.reason), wanted=command.stage, dry_run=command.dry_run)
    result = call.followed(asked)
    if not isinstance(result, Refused) or result.refusal.code is not Code.GATES_NOT_PASSED or result.report is None:
        return result
    blind = any(gate.blind for gate in result.report.gates.blocking)
    entitled = call.target.access.may_approve(call.actor, Approvable.PROMOTE)
    return GlassOffered(result, call.target.settings.name) if entitled and not blind else result


def break_glass(call: Call, command: BreakGlass) -> Moved | Refused:
    """Promote alone."""
    return call.followed(glass_operations.break_glass(call.target, call.order(command.reason)))


def review(call: Call, command: Review) -> Reviewed | Refused:
    """Review a break-glass."""
    return glass_operations.review(call.target, call.actor, command.reason, command.operation)


def drift(call: Call, command: Drift) -> Moved | Asked | Refused:
    """End a drift."""
    end = end_drift.reapply if command.end == "reapply" else end_drift.accept
    return call.followed(end(call.target, call.order(command.reason), command.operation))


def shadow(call: Call, command: Shadow) -> Moved | Refused:
    """Let the router observe again."""
    return call.followed(shadow_operations.shadow(call.target, call.order(command.reason)))


def parse_promote(rest: str) -> Promote | Misunderstood:
    """Understand `promote [stage] [reason]`, with `--dry-run` wherever it stands."""
    flags, rest = options_in(rest, {"dry-run"})
    dry_run = bool(flags)
    stage: int | None = None
    named = False
    while rest:
        head, tail = cut(rest)
        if option(head) == "dry-run" or head.lower() == "dry-run":
            dry_run, rest = True, tail
        elif not named and (found := leading_stage(rest)) is not None:
            named, (stage, rest) = True, found
        elif not named and set(head) <= set("0123456789.,%"):
            return Misunderstood(
                f"“{head[:LONGEST_QUOTED]}” is no stage; a stage is a whole percentage, for example `promote 25`."
            )
        elif option(head):
            return Misunderstood(f"“{plain(head)[:LONGEST_QUOTED]}” is not an option of `promote`; there is `--dry-run`.")
        else:
            break
    if wrong := unknown_option(rest):
        return Misunderstood(f"“{plain(wrong)[:40]}” is not an option of `promote`; there is `--dry-run`.")
    return Promote(stage, plain(rest), dry_run)


def parse_drift(rest: str) -> Drift | Misunderstood:
    """Understand `drift reapply` and `drift accept`."""
    word, reason = cut(rest)
    if word.lower() not in {"reapply", "accept"}:
        return Misunderstood("`drift` needs one of `drift reapply`, `drift accept`.")
    return Drift(cast("DriftEnd", word.lower()), plain(reason))


def parse_shadow(rest: str) -> Shadow:
    """Understand `shadow [reason]`."""
    return Shadow(plain(rest))


def ask_promote(target: Target, actor: Actor, about: About) -> View:
    """Return the choice of a stage."""
    about = About(target.settings.name, "", about.response_url)
    return modals.promote(about, look(target), target.settings.stages, may_raise=Role.OPERATE in actor.roles)


def read_promote(values: Mapping[str, Any], about: About) -> Promote | Wrong:
    """Return the move that was chosen."""
    stage = chosen(values, "stage")
    if not stage.isdecimal():
        return {"stage": "Choose a stage."}
    return Promote(int(stage), written(values, "reason"), target=about.target)


def ask_break_glass(target: Target, actor: Actor, about: About) -> View:
    """Return what would be passed over, and the question why."""
    state, now = target.journal.state(), target.clock()
    if refusal := glass.may_break_glass(actor, state, target.access):
        return modals.told(modals.BREAK_GLASS, about, answers.answer(refusal))
    report = target.measure(now, leaving_zero=state.stage == 0)
    failing = "\n".join(f"• {LABELS[gate.name]}: {escape(gate.reason)}" for gate in report.gates.blocking)
    above = None if state.stage is None else next_stage(state.stage, target.settings.stages)
    others = passed_over(glass.passed_over(Approvable.PROMOTE, actor, target.access))
    text = (
        f"You promote {percent(state.stage)} → {percent(above)} of live traffic *alone*, against these gates:\n"
        f"{failing or '• none: they pass'}\n{others} "
        "The receipt is marked, and the next break-glass waits until somebody else has reviewed this one."
    )
    about = About(target.settings.name, "", about.response_url)
    return modals.reason_for(modals.BREAK_GLASS, about, text, "Why it cannot wait, and why the gates are wrong")


def read_break_glass(values: Mapping[str, Any], about: About) -> BreakGlass | Wrong:
    """Return the break-glass, if it says enough why."""
    reason = written(values, "reason")
    if len(clean_text(reason)) < glass.SHORTEST_REASON:
        return {"reason": f"Say why, in at least {glass.SHORTEST_REASON} characters: somebody else reviews it."}
    return BreakGlass(reason, operation=about.argument, target=about.target or None)


def ask_review(target: Target, actor: Actor, about: About) -> View:
    """Return the question what was found."""
    if refusal := glass.may_review(target.journal.state(), actor, target.access, about.argument):
        return modals.told(modals.REVIEW, about, answers.answer(refusal))
    text = "You say that you have looked at this break-glass. After that the next one is possible."
    return modals.reason_for(modals.REVIEW, about, text, "What you found")


def read_review(values: Mapping[str, Any], about: About) -> Review | Wrong:
    """Return the review, if it says what was found."""
    reason = written(values, "reason")
    return Review(reason, operation=about.argument, target=about.target or None) if reason else dict(modals.WHY_IN_RECEIPT)


def ask_shadow(target: Target, actor: Actor, about: About) -> View:
    """Return what observing means, and the question what was found."""
    if refusal := decide_shadow(target.journal.state(), actor, target.brake.read().frozen_by, None):
        return modals.told(modals.SHADOW, about, answers.answer(refusal))
    text = (
        "The router learns in shadow again, at every route; it serves no live traffic. What it learned under KILL does not count."
    )
    return modals.reason_for(modals.SHADOW, About(target.settings.name, "", about.response_url), text, "What was found")


def read_shadow(values: Mapping[str, Any], about: About) -> Shadow | Wrong:
    """Return the return to shadow, if it says what was found."""
    reason = written(values, "reason")
    return Shadow(reason, operation=about.argument, target=about.target or None) if reason else dict(modals.WHY_IN_RECEIPT)
