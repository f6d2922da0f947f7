"""The way up and down the ladder: begin, propose, unfreeze, the daily run. Each gathers, decides and applies under the lock.

Excluded: answering a request (core/operations/requests.py), carrying a move out (core/operations/apply.py), the brake
(core/brake/brake.py) and settling what died half-way (core/watch/recover.py).
"""

import uuid
from collections.abc import Callable

from core.actors import Actor, ActorKind, Approvable, Role
from core.brake.lift import Unfrozen, lift
from core.errors import JournalError
from core.gates.report import Report
from core.operations.apply import step_down
from core.operations.ask import Proposal, ask
from core.operations.restore import chosen, nothing_to_reset, router_in_the_way
from core.operations.results import Asked, Moved, Refused, WouldMove
from core.receipts.drafts.moves import initialised
from core.receipts.drafts.origin import Origin
from core.rollout.approvals import Approval
from core.rollout.decisions import (
    Lower,
    decide_move,
    decide_on_gates,
    decide_unfreeze,
    may_restore,
)
from core.rollout.refusals import Code, Refuse, may_operate, not_allowed
from core.target.gather import Gathered, decide_locked
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Facts, Target, already_done, observed
from core.text import clean_text


def init(target: Target, actor: Actor, reason: str) -> Moved | Refused:
    """Record the stage that the router's settings show as the journal's first fact. Nothing is written to the router.

    Raises:
        OperationBusy, JournalError, SettingsFileError, BrakeUnreadable: nothing was recorded.
    """
    if actor.kind is not ActorKind.ACCOUNT and Role.OPERATE not in actor.roles:
        return Refused(not_allowed(actor, "initialise the journal", "operators"))
    shown = observed(target)[0]
    seen = None if shown is None or shown.stage is None else target.served_since(shown.stage, target.clock())
    now = target.clock()
    with operation_lock(target.settings.run_dir, "init", now):
        facts = target.facts(target.unseen())
        if facts.state.revision:
            return Refused(Refuse(Code.ALREADY_INITIALISED, "The journal has receipts already. Nothing was recorded."))
        stage = facts.settings.stage
        if stage not in target.settings.stages:
            text = "The pilot in the router's settings is not on the ladder. Nothing was recorded; set it to a stage first."
            return Refused(Refuse(Code.NOT_ON_LADDER, text))
        draft = target.draft(
            initialised(
                Origin(uuid.uuid4().hex, now, actor, reason),
                stage,
                facts.settings.values,
                seen if seen is not None and seen.shows(stage) else None,
            ),
        )
        return Moved(target.journal.append(draft))


def propose(
    target: Target,
    order: Order,
    *,
    wanted: int | None = None,
    dry_run: bool = False,
    judged: Callable[[bool], Report] | None = None,
) -> Asked | Moved | WouldMove | Refused:
    """Ask for a move on the ladder: a step up waits for an approval, a move down happens at once.

    Args:
        target: the router that is meant.
        order: who asks, why, and what set it off; the same cause again has no second effect.
        wanted: a stage in percent, or None for the next one.
        dry_run: decide, but change and record nothing.
        judged: of a dry run, the gates on other figures than the ledger's; it is told whether stage 0 would be left.

    Raises:
        AnrError: something that a decision needs cannot be read; nothing was changed.
    """
    if judged is not None and not dry_run:
        raise AssertionError("nothing is promoted on other figures than the ledger's")
    return decide_locked(
        target,
        "promote",
        lambda gathered: _propose(target, order, gathered, wanted, dry_run=dry_run, judged=judged),
        measured=judged is None and _asks_gates(target, wanted),
    )


def _asks_gates(target: Target, wanted: int | None) -> bool:
    """Whether this is a step up, as far as the journal says before the lock: decides only when the gates are measured."""
    try:
        state = target.journal.state()
    except JournalError:
        return False  # it is said under the lock
    return state.stage is not None and not state.frozen and (wanted is None or wanted > state.stage)


def _propose(
    target: Target,
    order: Order,
    gathered: Gathered,
    wanted: int | None,
    *,
    dry_run: bool,
    judged: Callable[[bool], Report] | None,
) -> Asked | Moved | WouldMove | Refused:
    now, actor = gathered.now, order.actor
    facts = target.facts_and_requests(gathered.evidence, order.cause)
    if facts.done is not None:
        return Refused(already_done(facts.done))
    move = decide_move(target.preconditions(facts, now), actor, wanted)
    if isinstance(move, Refuse):
        return Refused(move, approval=_waiting(facts, move))
    if isinstance(move, Lower):
        return WouldMove(move, None) if dry_run else Moved(step_down(target, facts, move, order))
    leaving_zero = move.from_stage == 0
    report = judged(leaving_zero) if judged else gathered.report(target, leaving_zero=leaving_zero)
    decision = decide_on_gates(move, actor, report.gates)
    if isinstance(decision, Refuse):
        return Refused(decision, report)
    if dry_run:
        return WouldMove(decision, report)
    return ask(target, facts, Proposal(Approvable.PROMOTE, to_stage=move.to_stage), order, now, report)


def unfreeze(
    target: Target,
    order: Order,
    hold_ids: frozenset[str] = frozenset(),
    *,
    while_firing: bool = False,
) -> Unfrozen | Asked | Refused:
    """Lift holds, all or those named, or ask for it where the settings want an approval.

    The router stays in its safe settings: unfreezing never promotes (rule 8). A hold whose alert still fires is lifted only
    `while_firing`, with a reason.

    Args:
        target: the router that is meant.
        order: who asks, and why.
        hold_ids: of the holds that are meant, or the beginnings of their ids; empty for all.
        while_firing: also lift holds whose alert still fires.

    Raises:
        OperationBusy, JournalError, SettingsFileError, BrakeUnreadable: nothing was lifted.
    """
    now = target.clock()
    with operation_lock(target.settings.run_dir, "unfreeze", now):
        state = target.journal.state()
        decision = decide_unfreeze(state, order.actor, hold_ids, clean_text(order.reason), while_firing=while_firing)
        if isinstance(decision, Refuse):
            return Refused(decision)
        if target.access.rule(Approvable.UNFREEZE).needed:
            return ask(target, target.facts_and_requests(target.unseen()), Proposal(Approvable.UNFREEZE, decision), order, now)
        return lift(target, state, decision, order, now)


def restore(target: Target, order: Order, name: str, *, other_routes: bool = False) -> Asked | Refused:
    """Ask for a backup of the bandit's state to be put back. It always waits for somebody else's approval.

    Args:
        target: the router that is meant.
        order: who asks, why, and what set it off.
        name: of a backup in the list; it is compared, and never becomes a path.
        other_routes: also if it has other routes than the newest valid backup.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    now = target.clock()
    if refusal := may_operate(order.actor, "ask for a restore"):
        return Refused(refusal)
    with operation_lock(target.settings.run_dir, "restore", now):
        if done := target.done_before(order.cause):
            return Refused(done)
        facts = target.facts_and_requests(target.unseen())
        if refusal := may_restore(facts.state):
            return Refused(refusal)
        backup = chosen(target, name, other_routes=other_routes)
        if isinstance(backup, Refuse):
            return Refused(backup)
        if refusal := router_in_the_way(target):
            return Refused(refusal)
        return ask(target, facts, Proposal(Approvable.RESTORE, (backup.name, backup.digest), to_stage=0), order, now)


def reset_state(target: Target, order: Order) -> Asked | Refused:
    """Ask for the bandit's state to be removed, so that the router begins anew (the runbook's last resort).

    It always waits for somebody else's approval, and the state is kept as a backup before it goes.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    now = target.clock()
    if refusal := may_operate(order.actor, "ask for a reset of the bandit's state"):
        return Refused(refusal)
    with operation_lock(target.settings.run_dir, "state reset", now):
        if done := target.done_before(order.cause):
            return Refused(done)
        facts = target.facts_and_requests(target.unseen())
        if refusal := may_restore(facts.state) or nothing_to_reset(target) or router_in_the_way(target):
            return Refused(refusal)
        return ask(target, facts, Proposal(Approvable.RESET, to_stage=0), order, now)


def _waiting(facts: Facts, refusal: Refuse) -> Approval | None:
    """Return the request that has to be answered first, if that is what stands in the way."""
    if refusal.code is not Code.APPROVAL_PENDING:
        return None
    return next((alert for alert in facts.waiting if alert.action is Approvable.PROMOTE), None)
