"""What backups, restores, pruning and archiving look like in Slack.

Pure. Excluded: the rest of a story's message (bot/stories/card.py) and of an answer (bot/views/answers.py).
"""

from collections.abc import Sequence

from bot.blockkit.blocks import counted, escape, section, when
from bot.blockkit.post import Block
from bot.blockkit.signs import State
from core.canonical import MARK_DIGITS
from core.receipts.receipt import Action, Phase, Receipt, Result
from core.router.backups import Backup

_DRILLS = frozenset({Action.DRILL, Action.ALERT_DRILL})
UPKEEP = _DRILLS | {Action.BACKUP, Action.ADOPT, Action.RESTORE, Action.RESET, Action.PRUNE, Action.ARCHIVE}
_TITLES = {
    Action.BACKUP: ("State backed up", "The state could not be backed up"),
    Action.ADOPT: ("Backup adopted", "The backup could not be adopted"),
    Action.RESET: ("State reset", "State not reset"),
    Action.DRILL: ("Drill: the safety nets hold", "Drill: NOT ALL SAFETY NETS HOLD"),
    Action.ALERT_DRILL: ("Drill: the alert path is alive", "Drill: THE DRILL ALERT DID NOT ARRIVE"),
    Action.PRUNE: ("Old receipts pruned", "Old receipts could not be pruned"),
    Action.ARCHIVE: ("Ledger archived", "The ledger could not be archived"),
}
"""Title of a story that was done, and of one that was not."""
_BACKUPS_LISTED, _ARCHIVES_LISTED = 12, 24


def upkeep_title(receipt: Receipt) -> tuple[State, str]:
    """Return how upkeep that nobody had to approve stands, and the words of its title."""
    done, failed = _TITLES.get(receipt.action, ("State restored", "State not restored"))
    if receipt.action in _DRILLS or receipt.action is Action.ARCHIVE:
        ok = receipt.result is Result.APPLIED
    else:
        ok = bool(receipt.backup or receipt.checkpoint)
    return (State.FINE, done) if ok else (State.FAILED, failed)


def upkeep_outcome(receipt: Receipt) -> str:
    """Say what upkeep did: which backup, which state, which archives, which receipts."""
    note = f" {escape(receipt.note)}" if receipt.note else ""
    deleted = f" Deleted: {counted(receipt.deleted.count, 'file')}, listed in the receipt." if receipt.deleted else ""
    match receipt.action:
        case Action.RESTORE | Action.RESET:
            return _restore(receipt) + note
        case Action.DRILL:
            held = receipt.result is Result.APPLIED
            tried = f" Put back in a scratch folder: `{escape(receipt.restored.name)}`." if receipt.restored else ""
            said = "Backed up, restored and verified beside the live files." if held else "Not everything would hold."
            return f"{':ring_buoy:' if held else ':rotating_light:'} {said}{tried}{deleted}{note}"
        case Action.ALERT_DRILL:
            arrived = receipt.result is Result.APPLIED
            said = "An alert came through Alertmanager to the webhook" if arrived else "Nobody knows whether a page would brake"
            return f"{':ring_buoy:' if arrived else ':rotating_light:'} {said}; a drill freezes nothing.{note}"
        case Action.ADOPT if receipt.backup:
            return f":floppy_disk: `{escape(receipt.backup.name)}` has its checksum now and can be restored.{note}"
        case Action.BACKUP if receipt.backup:
            return f":floppy_disk: `{escape(receipt.backup.name)}`, {receipt.backup.size:,} bytes.{deleted}{note}"
        case Action.PRUNE if receipt.checkpoint:
            gone = f"{receipt.checkpoint.pruned:,} receipts up to #{receipt.checkpoint.last}"
            return f":wastebasket: {gone} are gone; this checkpoint seals them, so that `verify` still holds.{note}"
        case Action.ARCHIVE if receipt.result is Result.APPLIED:
            packed = "".join(
                f"\n• `{escape(archived.name)}`: {archived.lines:,} lines" for archived in receipt.archived[:_ARCHIVES_LISTED]
            )
            said = f" Compressed, each verified:{packed}" if packed else ""
            return f":card_file_box:{note}{said}{deleted}"
        case _:
            return f":x: Not done.{deleted}{note}"


def _restore(receipt: Receipt) -> str:
    resets = receipt.action is Action.RESET
    if receipt.phase is Phase.INTENT:
        doing = "removed" if resets else "put back"
        return f":hourglass_flowing_sand: The rollout is frozen; the router is stopped, and the state is being {doing}…"
    name = escape(receipt.restored.name) if receipt.restored else "a backup"
    before = f" The state before it is kept as `{escape(receipt.backup.name)}`." if receipt.backup else ""
    if resets:
        done = (
            ":seedling: The state was removed" if receipt.result is Result.APPLIED else ":x: The state is not known to be reset"
        )
        return f"{done}; requests from before are void.{before} The rollout is frozen."
    if receipt.result is Result.APPLIED:
        return f":floppy_disk: The state is that of `{name}`; requests from before are void.{before} The rollout is frozen."
    return f":x: The state of `{name}` is not there, or not known to be.{before} The rollout is frozen."


def backups(found: Sequence[Backup]) -> list[Block]:
    """Return the backups of the bandit's state, a line each, the newest first."""
    lines = [
        f"{':white_check_mark:' if kept.valid else ':x:'} `{escape(kept.name)}` {when(kept.made_at)} · {kept.size:,} bytes · "
        f"sha256 `{kept.digest[:MARK_DIGITS]}`{'' if kept.valid else f' · *{escape(kept.problem or str())}*'}"
        for kept in found[:_BACKUPS_LISTED]
    ]
    if not lines:
        return [section("There are no backups yet; `/anr backup` makes one.")]
    more = len(found) - _BACKUPS_LISTED
    return [section("\n".join((*lines, *([f"{more} more: `anr backups` lists all."] if more > 0 else []))))]
