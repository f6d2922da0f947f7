"""Copies of the journal, made where it deserves one, what is wrong with journal and copies, and the journal made again.

What does not verify takes no good copy's place. A copy moves nothing at the router, so that it leaves no receipt: it is a file,
and `doctor` says how old the newest is.

Excluded: how a database is copied or built (core/journal/copies), and when (bot/jobs.py).
"""

from collections.abc import Iterator
from datetime import datetime

from core.actors import Actor, Role
from core.errors import AnrError, JournalCorrupt
from core.journal.copies.copies import Copies, Copy, digests_in, wrong_with
from core.journal.copies.rebuild import Rebuilt
from core.journal.copies.rebuild import rebuild as rebuild_journal
from core.journal.verification import verify
from core.rollout.refusals import Refuse, not_allowed
from core.system.logs import logger
from core.target.lock import operation_lock
from core.target.target import Target
from core.text import spoken

log = logger(__name__)


def copies_of(target: Target) -> Copies:
    """Return the copies of a target's journal; several targets may share it."""
    settings = target.settings
    return Copies(settings.journal, settings.copies_dir, settings.retention.journal_copies)


def copy_journal(target: Target) -> Copy:
    """Verify the journal, copy it, read the copy back, and delete the copies that are one too many.

    Raises:
        JournalCorrupt: it does not verify, or has lost what its newest copy has; no copy was made, and none was deleted.
        JournalError: no copy was made.
    """
    verified = verify(target.journal, target.witnesses.marks())
    copies = copies_of(target)
    if grave := [flaw for flaw in verified.flaws if not flaw.missing_file]:
        raise _not_worth_it(target, grave[0].problem)
    if verified.head is None:
        raise JournalCorrupt(f"The journal {target.settings.journal} holds no receipts. No copy was made; `anr init` begins it.")
    chain = verified.readable.digests
    for newest in copies.found()[:1]:
        held = digests_in(newest.path, target.settings.name)
        last = max(held, default=0)
        if last >= min(chain) and chain.get(last) != held[last]:
            raise _not_worth_it(target, f"#{last} {held[last][:12]} is in its newest copy {newest.path.name} and no longer in it")
    copy = copies.take(target.clock())
    log.info("the journal was copied", copy=str(copy.path), size=copy.size, newest=verified.head.mark)
    return copy


def rebuild(target: Target, actor: Actor) -> Rebuilt | Refuse:
    """Make the journal again from the receipts' files, where there is none; no operation begins meanwhile.

    Raises:
        OperationBusy, JournalError: nothing was built, and nothing was changed.
    """
    if actor.is_person and Role.OPERATE not in actor.roles:
        return not_allowed(actor, "rebuild the journal", "operators")
    settings = target.settings
    with operation_lock(settings.run_dir, "rebuild", target.clock()):
        return rebuild_journal(settings.journal, settings.name, settings.receipts_dir, target.witnesses.marks())


def newest_copy(target: Target, now: datetime) -> str:
    """Return how old the newest copy of the journal is, a sentence.

    Raises:
        JournalUnavailable: the copies cannot be listed.
    """
    found = copies_of(target).found()
    if not found:
        return f"There is no copy of the journal in {target.settings.copies_dir}."
    return f"The newest of {len(found)} copies of the journal, {found[0].path}, is {spoken(now - found[0].made_at)} old."


def wrong_with_journal(target: Target) -> Iterator[str]:
    """Yield everything that is wrong with the database, its rows and files, and each of its copies, a sentence each."""
    try:
        if damage := target.journal.damage():
            yield f"{damage}."
        for flaw in target.journal.verify()[1]:
            yield f"{flaw.problem}."
    except AnrError as error:
        yield str(error)
    try:
        for copy in copies_of(target).found():
            if problem := wrong_with(copy.path):
                yield f"The copy {copy.path} is no good one: {problem}."
    except AnrError as error:
        yield str(error)


def _not_worth_it(target: Target, problem: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"The journal {target.settings.journal} does not verify: {problem}. No copy was made, and the older ones were kept; run "
        "`anr verify`. `rollback` and `freeze` still work."
    )
