"""Every word that follows `/anr`: its call into core, and the answer to whoever asked.

Excluded: who asks and which router is meant (bot/desk.py), and what the answers look like (bot/messages.py).
"""

from collections.abc import Callable
from datetime import date

from bot import insights, messages
from bot.blocks import actions, button, section
from bot.commands import Command
from bot.posts import Block
from bot.upkeep_cards import backups
from core import alert_answers, approving, emergency, holding, operations, pausing, preflight, realigning, upkeep
from core.actors import Actor, Approvable
from core.actuation import Order
from core.braking import Unfrozen
from core.decisions import Code, Refuse
from core.insight import insight_into
from core.outcomes import Asked, Refused
from core.overview import Overview
from core.receipts import Sealed
from core.site import Site
from core.verification import verify


def do(  # noqa: C901, PLR0912 - one arm a word
    site: Site, command: Command, actor: Actor, cause: str | None, overview: Callable[[], Overview]
) -> list[Block]:
    """Carry out one command and return the answer; `overview` looks at what is so now.

    Raises:
        AnrError: it could not be done; the message says what was not.
    """
    order = Order(actor, command.reason, cause)
    match command.word:
        case "rollback":
            return messages.answer(emergency.brake(site, Approvable.ROLLBACK, order, at_once=command.at_once))
        case "rollback_now" | "freeze_now":
            action = Approvable(command.word.removesuffix("_now"))
            return messages.answer(emergency.brake_now(site, action, actor, command.story))
        case "freeze":
            if command.keep_stage:
                return messages.answer(holding.hold_promotions(site, order, lasts=command.lasts))
            frozen = emergency.brake(site, Approvable.FREEZE, order, lasts=command.lasts, at_once=command.at_once)
            return messages.answer(frozen)
        case _ if not actor.roles:
            return messages.answer(messages.NOT_A_MEMBER)
        case "help":
            return messages.help_text()
        case "status":
            return messages.status(overview())
        case "report":
            seen = overview()
            if seen.report is None:
                return messages.failure(" ".join(seen.question.unreadable))
            return messages.report(seen.report, site.target.window_minutes)
        case "promote":
            result = operations.propose(site, order, wanted=command.stage, dry_run=command.dry_run)
            return [*messages.answer(result), *_glass(site, actor, result)]
        case "break_glass":
            return messages.answer(emergency.break_glass(site, order))
        case "review":
            return messages.answer(emergency.review(site, actor, command.reason, command.story))
        case "approve":
            return messages.answer(approving.approve(site, actor, command.argument))
        case "deny":
            return messages.answer(approving.deny(site, actor, command.argument, command.reason))
        case "skip":
            return messages.answer(preflight.skip(site, actor, announced_day(site, command.story), command.reason))
        case "details":
            return [section(":thread: The hours and a CSV file are in the report's thread.")]
        case "unfreeze":
            return messages.answer(_unfreeze(site, command, order))
        case "acknowledge":
            return messages.answer(alert_answers.acknowledge(site, order, command.story))
        case "silence":
            return messages.answer(alert_answers.silence(site, order, command.story, command.minutes))
        case "why":
            return insights.why(insight_into(overview(), site.target.schedule))
        case "next":
            return insights.ahead(insight_into(overview(), site.target.schedule))
        case "schedule":
            change = pausing.pause if command.argument == "pause" else pausing.resume
            return messages.answer(change(site, order))
        case "drift":
            end = realigning.reapply if command.argument == "reapply" else realigning.accept
            return messages.answer(end(site, order, command.story))
        case "receipts":
            return messages.receipts(_receipts(site, command))
        case "verify":
            verified = verify(site, command.reason)
            return messages.verification(len(verified.sealed), verified.flaws, verified.head)
        case "backups":
            return backups(site.backups.found())
        case "backup":
            return messages.answer(upkeep.back_up(site, actor, cause=cause))
        case "restore":
            return messages.answer(operations.restore(site, order, command.argument))
        case _:
            return messages.help_text()


def _unfreeze(site: Site, command: Command, order: Order) -> Unfrozen | Asked | Refused:
    """Lift the holds that are named, those of the group of alerts whose card was used, or all."""
    holds = alert_answers.holds_of(site, command.story) if command.story else frozenset(command.holds)
    if command.story and not holds:
        return Refused(Refuse(Code.NOT_FROZEN, "The holds of these alerts are lifted already. Nothing was changed."))
    return operations.unfreeze(site, order, holds, while_firing=command.while_firing)


def _receipts(site: Site, command: Command) -> tuple[Sealed, ...]:
    if command.person is None:
        return site.journal.receipts(last=command.count)
    theirs = (one for one in site.journal.receipts() if one.receipt.actor.id == command.person)
    return tuple(theirs)[-command.count :]


def _glass(site: Site, actor: Actor, result: object) -> list[Block]:
    """Offer an approver, whom only failing gates stand in the way of, to promote alone."""
    if not isinstance(result, Refused) or result.refusal.code is not Code.GATES_NOT_PASSED or result.report is None:
        return []
    blind = any(gate.blind for gate in result.report.gates.blocking)
    if blind or not site.access.may_approve(actor, Approvable.PROMOTE):
        return []
    return [actions(button("Break the glass…", "ask_break_glass", value=site.target.name, style="danger"))]


def announced_day(site: Site, operation: str) -> date:
    """Return the local date of the run that a pre-flight announced, or of the next run if none is named."""
    announced = next((one.receipt.cause for one in site.journal.of_operation(operation)), None) if operation else None
    if announced:
        return date.fromisoformat(announced.partition(":")[2])
    return site.day_ahead()
