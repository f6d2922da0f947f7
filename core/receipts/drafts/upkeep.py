"""What receipts state about upkeep: copies of the bandit's state and what is put in its place, drills, pruning, archives.

Pure. Excluded: how it is done (core/upkeep/, core/operations/restore.py).
"""

from core.receipts.drafts.origin import Consent, Ending, Origin, Step, consented, read_back
from core.receipts.evidence import Deleted, Hold, LedgerArchive, StateBackup, StateCopy
from core.receipts.receipt import Action, Phase, Result, Statement
from core.receipts.state_content import StateChange
from core.text import clean_text


def backup_made(origin: Origin, kept: StateBackup) -> Statement:
    """The bandit's state was backed up."""
    return _copied(origin, Action.BACKUP, kept, Result.APPLIED)


def backup_failed(origin: Origin, why: str) -> Statement:
    """A scheduled backup could not be made; `why` is a sentence."""
    return _copied(origin, Action.BACKUP, StateBackup(None, note=why), Result.NOT_APPLIED)


def backup_adopted(origin: Origin, copy: StateCopy, content: str) -> Statement:
    """A backup that somebody else made was taken on; `content` says what it holds, in a sentence."""
    return _copied(origin, Action.ADOPT, StateBackup(copy, note=content), Result.APPLIED)


def drill_held(origin: Origin, kept: StateBackup, found: str, *, passed: bool, restored: StateCopy | None) -> Statement:
    """The safety nets were tried out.

    Args:
        origin: who tried them.
        kept: the backup that was made for it.
        found: what was found, in sentences.
        passed: nothing was wrong.
        restored: the backup that was read back; None if there is none.
    """
    result = Result.APPLIED if passed else Result.NOT_APPLIED
    drill = _copied(origin, Action.DRILL, StateBackup(kept.copy, kept.deleted, found), result)
    return drill.model_copy(update={"restored": restored})


def receipts_pruned(origin: Origin, held_back_by: str) -> Statement:
    """Old receipts were deleted; what keeps others, a sentence. The journal adds the checkpoint."""
    return Statement(action=Action.PRUNE, phase=Phase.EVENT, note=clean_text(held_back_by), **origin.facts)


def ledger_archived(origin: Origin, archived: tuple[LedgerArchive, ...], deleted: Deleted | None, note: str = "") -> Statement:
    """What was the ledger got another name, was compressed, or was too old and deleted.

    Args:
        origin: who archived.
        archived: what was compressed.
        deleted: the archives that were too old; None if there were none.
        note: which names the ledger's file got, in a sentence.
    """
    return Statement(
        action=Action.ARCHIVE,
        phase=Phase.EVENT,
        note=clean_text(note),
        result=Result.APPLIED,
        archived=archived,
        deleted=deleted,
        **origin.facts,
    )


def archive_failed(origin: Origin, why: str) -> Statement:
    """A scheduled archive could not be made; `why` is a sentence."""
    return Statement(action=Action.ARCHIVE, phase=Phase.EVENT, result=Result.NOT_APPLIED, note=clean_text(why), **origin.facts)


def state_change_intent(
    origin: Origin, action: Action, step: Step, hold: Hold, *, restored: StateCopy | None, consent: Consent | None
) -> Statement:
    """Another state is about to be put in the place of the bandit's, or it is about to be removed.

    Args:
        origin: who wants it.
        action: a restore or a reset.
        step: down to the safe settings.
        hold: what freezes the rollout from now on.
        restored: the copy that is to be put back; None for a reset.
        consent: the request that allowed it; None if none was needed.
    """
    return Statement(
        action=action,
        phase=Phase.INTENT,
        stage_before=step.from_stage,
        stage_after=step.to_stage,
        pilot_before=step.pilot_before,
        holds_added=(hold,),
        settings_written=dict(step.wanted),
        restored=restored,
        **consented(consent),
        **origin.facts,
    )


def state_change_outcome(
    origin: Origin,
    intent: tuple[Action, int | None, StateCopy | None],
    ending: Ending,
    *,
    kept: StateCopy | None,
    change: StateChange | None,
) -> Statement:
    """What became of the bandit's state.

    Args:
        origin: who wanted it, or who settled it.
        intent: the intent's action, its stage before in percent, and the copy that was to be put back.
        ending: how it ended, and what the router's settings say.
        kept: the copy of the state that was there before.
        change: what became of the state, as three facts; None if it was left alone.
    """
    action, stage_before, restored = intent
    return Statement(
        action=action,
        phase=Phase.OUTCOME,
        note=clean_text(ending.note),
        result=ending.result,
        stage_before=stage_before,
        stage_after=ending.stage,
        backup=kept,
        restored=restored,
        state_change=change,
        **read_back(ending.settings),
        **origin.facts,
    )


def _copied(origin: Origin, action: Action, kept: StateBackup, result: Result) -> Statement:
    return Statement(
        action=action,
        phase=Phase.EVENT,
        note=clean_text(kept.note),
        result=result,
        backup=kept.copy,
        deleted=kept.deleted,
        **origin.facts,
    )
