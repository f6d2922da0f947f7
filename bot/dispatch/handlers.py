"""Every word that follows `/anr`: its call into core, and the answer to whoever asked.

Excluded: who asks and which router is meant (bot/dispatch/dispatcher.py), and what the answers look like (bot/views/answers.py).
"""

from collections.abc import Callable
from datetime import date
from typing import TypeVar

from bot.blockkit.blocks import actions, button, section
from bot.blockkit.post import Block
from bot.commands.command import Command
from bot.stories.upkeep import backups
from bot.views import answers, outlook
from core.actors import Actor, Approvable
from core.brake import answers as alert_answers
from core.brake import hold
from core.brake.lift import Unfrozen
from core.journal.verification import verify
from core.operations import approved_brake, break_glass, daily, drift, propose, requests, shadow
from core.operations.results import Asked, Moved, Refused
from core.receipts.cause import day_of
from core.receipts.chain import Sealed
from core.rollout.outlook import Insight, insight_into
from core.rollout.refusals import Code, Refuse
from core.rollout.state import learning_of, not_counted
from core.target.order import Order
from core.target.overview import Overview
from core.target.target import Target
from core.upkeep import backup, drill
from core.watch.observe import followed

Result = TypeVar("Result")


def handle(  # noqa: C901, PLR0912 - one arm a word
    site: Target, command: Command, actor: Actor, cause: str | None, overview: Callable[[], Overview]
) -> list[Block]:
    """Carry out one command and return the answer; `overview` looks at what is so now.

    Raises:
        AnrError: it could not be done; the message says what was not.
    """
    order = Order(actor, command.reason, cause)
    match command.word:
        case "rollback":
            return answers.answer(approved_brake.brake(site, Approvable.ROLLBACK, order, at_once=command.at_once))
        case "rollback_now" | "freeze_now":
            action = Approvable(command.word.removesuffix("_now"))
            return answers.answer(approved_brake.brake_now(site, action, actor, command.operation))
        case "freeze":
            if command.keep_stage:
                return answers.answer(hold.hold_promotions(site, order, lasts=command.lasts))
            frozen = approved_brake.brake(site, Approvable.FREEZE, order, lasts=command.lasts, at_once=command.at_once)
            return answers.answer(frozen)
        case _ if not actor.roles:
            return answers.answer(answers.NOT_A_MEMBER)
        case "help":
            return answers.help_text()
        case "status":
            return answers.status(overview())
        case "report":
            seen = overview()
            if seen.report is None:
                return answers.failure(" ".join(seen.question.unreadable))
            does_not_count = not_counted(learning_of(seen.state), seen.now) if seen.state else ""
            return answers.report(seen.report, site.target.window_minutes, does_not_count)
        case "promote":
            result = _seen(site, propose.propose(site, order, wanted=command.stage, dry_run=command.dry_run))
            return [*answers.answer(result), *_offer_break_glass(site, actor, result)]
        case "break_glass":
            return answers.answer(_seen(site, break_glass.break_glass(site, order)))
        case "review":
            return answers.answer(break_glass.review(site, actor, command.reason, command.operation))
        case "approve":
            return answers.answer(_seen(site, requests.approve(site, actor, command.argument)))
        case "deny":
            return answers.answer(requests.deny(site, actor, command.argument, command.reason))
        case "skip":
            return answers.answer(daily.skip(site, actor, announced_day(site, command.operation), command.reason))
        case "details":
            return [section(":thread: The hours and a CSV file are in the report's thread.")]
        case "unfreeze":
            return answers.answer(_unfreeze(site, command, order))
        case "shadow":
            return answers.answer(_seen(site, shadow.shadow(site, order)))
        case "acknowledge":
            return answers.answer(alert_answers.acknowledge(site, order, command.operation))
        case "silence":
            return answers.answer(alert_answers.silence(site, order, command.operation, command.minutes))
        case "why":
            return outlook.why(_insight(site, overview()))
        case "next":
            return outlook.ahead(_insight(site, overview()))
        case "schedule":
            change = daily.pause if command.argument == "pause" else daily.resume
            return answers.answer(change(site, order))
        case "drift":
            end = drift.reapply if command.argument == "reapply" else drift.accept
            return answers.answer(_seen(site, end(site, order, command.operation)))
        case "receipts":
            return answers.receipts(_receipts(site, command))
        case "verify":
            verified = verify(site.journal, site.witness, command.reason)
            return answers.verification(len(verified.sealed), verified.flaws, verified.head)
        case "backups":
            return backups(site.backups.found())
        case "backup":
            return answers.answer(backup.back_up(site, actor, cause=cause))
        case "restore":
            return answers.answer(propose.restore(site, order, command.argument, other_routes=command.other_routes))
        case "state":
            return answers.answer(propose.reset_state(site, order))
        case "drill":
            return answers.answer(drill.drill(site, actor, cause=cause))
        case _:
            return answers.help_text()


def _seen(site: Target, result: Result) -> Result:
    """Wait a few seconds to see what came of a move, so that its answer says it. A brake is answered at once."""
    return followed(site, result) if isinstance(result, Moved) else result


def _unfreeze(site: Target, command: Command, order: Order) -> Unfrozen | Asked | Refused:
    """Lift the holds that are named, those of the group of alerts whose card was used, or all."""
    holds = alert_answers.holds_of(site, command.operation) if command.operation else frozenset(command.holds)
    if command.operation and not holds:
        return Refused(Refuse(Code.NOT_FROZEN, "The holds of these alerts are lifted already. Nothing was changed."))
    return propose.unfreeze(site, order, holds, while_firing=command.while_firing)


def _insight(site: Target, seen: Overview) -> Insight:
    return insight_into(seen.now, seen.blockers, seen.question, site.target.schedule)


def _receipts(site: Target, command: Command) -> tuple[Sealed, ...]:
    if command.person is None:
        return site.journal.receipts(last=command.count)
    theirs = (one for one in site.journal.receipts() if one.receipt.actor.id == command.person)
    return tuple(theirs)[-command.count :]


def _offer_break_glass(site: Target, actor: Actor, result: object) -> list[Block]:
    """Offer an approver, whom only failing gates stand in the way of, to promote alone."""
    if not isinstance(result, Refused) or result.refusal.code is not Code.GATES_NOT_PASSED or result.report is None:
        return []
    blind = any(gate.blind for gate in result.report.gates.blocking)
    if blind or not site.access.may_approve(actor, Approvable.PROMOTE):
        return []
    return [actions(button("Break the glass…", "ask_break_glass", value=site.target.name, style="danger"))]


def announced_day(site: Target, operation: str) -> date:
    """Return the local date of the run that a pre-flight announced, or of the next run if none is named."""
    announced = next((one.receipt.cause for one in site.journal.of_operation(operation)), None) if operation else None
    return day_of(announced) or site.day_ahead()
