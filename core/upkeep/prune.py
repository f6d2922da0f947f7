"""Receipts and backups that nothing needs any longer are deleted, with a receipt that says which.

Excluded: which those are (core/rollout/pruning.py, core/router/backup_names.py).
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.actors import Actor, Role
from core.canonical import rfc3339
from core.journal.journal import Journal
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.upkeep import receipts_pruned
from core.receipts.plain import PlainReceipt, time_of
from core.rollout.pruning import prunable
from core.rollout.refusals import Refuse, not_allowed
from core.target.lock import operation_lock
from core.target.target import Target

_AT_ONCE = 512
"""How many receipts are read at a time."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was pruned, or would be.

    Attributes:
        through: number of the last receipt that goes; 0 if none does.
        count: how many go.
        held_back_by: what keeps receipts that are old enough, a sentence.
        sealed: the checkpoint's receipt; None if nothing was changed.
    """

    through: int
    count: int
    held_back_by: str | None
    sealed: Sealed | None = None


def prune(target: Target, actor: Actor, *, cause: str | None = None, dry_run: bool = False) -> Pruning | Refuse:
    """Delete the receipts that are older than the settings keep them, and seal them in a checkpoint.

    Receipts that an open hold, a waiting request or an intent without an outcome needs stay, with all after them. A cause
    key goes with its receipt: those of runs are dates that do not come again, an alert that still fires has an open hold.

    Args:
        target: the router that is meant.
        actor: who asks; a person needs the role OPERATE.
        cause: key of the scheduled run, which prunes once; None if somebody asked.
        dry_run: only say what would be pruned.

    Raises:
        OperationBusy, JournalError: nothing was pruned.
    """
    if actor.is_person and Role.OPERATE not in actor.roles:
        return not_allowed(actor, "prune receipts", "operators")
    with operation_lock(target.settings.run_dir, "prune", target.clock()):
        now = target.clock()
        if not dry_run and (done := target.done_before(cause)):
            return done
        old, later = _by_age(target.journal, now - timedelta(days=target.settings.retention.receipts_days))
        waiting = {approval.id for approval in target.journal.pending()}
        limit = prunable(old, later, target.journal.state(), waiting)
        count = sum(receipt.seq <= limit.through for receipt in old)
        if dry_run or not count:
            return Pruning(limit.through, count, limit.held_back_by)
        draft = target.draft(receipts_pruned(Origin(uuid.uuid4().hex, now, actor, cause=cause), limit.held_back_by or ""))
        return Pruning(limit.through, count, limit.held_back_by, target.journal.prune(draft, limit.through))


def _by_age(journal: Journal, cutoff: datetime) -> tuple[list[PlainReceipt], set[str]]:
    """Return the receipts up to the first that is not older than `cutoff`, and the operations of the others."""
    old, later, stays = list[PlainReceipt](), set[str](), rfc3339(cutoff)
    oldest = journal.oldest()
    if oldest is None or oldest.receipt.ts >= cutoff:
        return old, later
    after = oldest.receipt.seq - 1
    while page := journal.plain(after=after, first=_AT_ONCE):
        for receipt, _ in page:
            if later or time_of(receipt) >= stays:
                later.add(receipt.operation)
            else:
                old.append(receipt)
        after = page[-1][0].seq
    return old, later
