"""The drill: whether the safety nets would hold, tried out without touching anything live.

The state is backed up; its newest backup is put back in a scratch folder by the same code that a restore uses, and read; the
journal is verified, and a copy of it, as whoever backs it up would have it. Beside it stands how old each net was before.

Excluded: when a drill is due (the bot's jobs) and a real restore (core/operations/restore.py).
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from core.actors import Actor, Role
from core.errors import AnrError, JournalError, StateFileError
from core.journal.journal import Journal
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.upkeep import drill_held
from core.receipts.evidence import StateBackup
from core.receipts.receipt import Action
from core.receipts.state_content import problem_in
from core.rollout.refusals import Refuse, not_allowed
from core.router.backups import Backup, Backups
from core.settings.target import TargetSettings
from core.target.lock import operation_lock
from core.target.target import Target
from core.text import spoken
from core.upkeep.archive_names import archived_month
from core.upkeep.backup import copy_of, take_backup

_BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SafetyNet:
    """Something that a loss would be made good from.

    Attributes:
        hours: how old it was when the drill began; None if there is none.
        told: the same for people.
    """

    name: str
    hours: float | None
    told: str


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill found; the receipt says it, too.

    Attributes:
        problems: what would not hold, each a sentence; empty if all would.
    """

    sealed: Sealed
    nets: tuple[SafetyNet, ...]
    problems: tuple[str, ...]


def drill(target: Target, actor: Actor, *, cause: str | None = None) -> Drilled | Refuse:
    """Try the safety nets out, and record what was found.

    Raises:
        OperationBusy, JournalError: nothing was recorded.
    """
    if actor.is_person and Role.OPERATE not in actor.roles:
        return not_allowed(actor, "hold a drill", "operators")
    with operation_lock(target.settings.run_dir, "drill", target.clock()):
        now = target.clock()
        if done := target.done_before(cause):
            return done
        nets = tuple(_nets(target, now))
        problems: list[str] = []
        kept, newest = _backed_up(target, now, problems)
        with tempfile.TemporaryDirectory(prefix="anr-drill-") as folder:
            if newest is not None:
                problems.extend(_wrong_with_restore(target, newest, Path(folder), now))
            problems.extend(_wrong_with_journal(target, Path(folder)))
        ages = "; ".join(f"{net.name}: {net.told}" for net in nets)
        stoppable = target.settings.stop_command and target.settings.start_command
        hint = "" if stoppable else "A restore is refused while the router runs: `stop_command` and `start_command` are not set."
        draft = target.draft(
            drill_held(
                Origin(uuid.uuid4().hex, now, actor, cause=cause),
                kept,
                " ".join(filter(None, (*problems, f"Before it: {ages}.", hint))),
                passed=not problems,
                restored=copy_of(newest) if newest else None,
            ),
        )
        return Drilled(target.journal.append(draft), nets, tuple(problems))


def _nets(target: Target, now: datetime) -> Iterator[SafetyNet]:
    newest = target.backups.newest_valid()
    yield _net("newest valid backup", newest.made_at if newest else None, now)
    yield _net("newest archive of the ledger", _newest_archive(target.settings), now)
    try:
        drills = target.journal.of_action(Action.DRILL)
    except JournalError:
        yield SafetyNet("last drill", None, "not known")  # verifying the journal says why
    else:
        yield _net("last drill", max((sealed.receipt.ts for sealed in drills), default=None), now)


def _net(name: str, at: datetime | None, now: datetime) -> SafetyNet:
    if at is None:
        return SafetyNet(name, None, "none")
    return SafetyNet(name, round(max(0.0, (now - at).total_seconds()) / 3600, 2), f"{spoken(now - at)} old")


def _newest_archive(target: TargetSettings) -> datetime | None:
    ledger, times = Path(os.path.realpath(target.ledger)), list[float]()
    for folder in (ledger.parent, target.archive_dir):
        with contextlib.suppress(OSError):
            ours = [path for path in folder.iterdir() if archived_month(path.name, ledger.name) is not None and path.is_file()]
            times.extend(path.stat().st_mtime for path in ours)
    return datetime.fromtimestamp(max(times)).astimezone() if times else None


def _backed_up(target: Target, now: datetime, problems: list[str]) -> tuple[StateBackup, Backup | None]:
    kept = StateBackup(None)
    try:
        kept = take_backup(target, now)
    except StateFileError as error:
        problems.append(str(error))
    try:
        newest = target.backups.newest_valid()
    except StateFileError as error:
        problems.append(str(error))
        return kept, None
    if newest is None:
        problems.append("There is no valid backup that could be restored.")
    return kept, newest


def _wrong_with_restore(target: Target, backup: Backup, folder: Path, now: datetime) -> Iterator[str]:
    """Put a backup back where no router reads, and say what is wrong with what stands there then."""
    scratch = Backups(folder / "anr_state.json", folder / "backups", 1)
    try:
        (folder / "backups").mkdir()
        for name in (backup.name, f"{backup.name}.sha256"):
            shutil.copyfile(target.settings.backups_dir / name, folder / "backups" / name)
        copied = scratch.find(backup.name)
        if copied is None or copied.digest != backup.digest:
            yield f"The backup {backup.name} does not read twice as the same."
            return
        scratch.put_back(copied, now)
        restored = scratch.present()
    except (OSError, StateFileError) as error:
        yield f"The backup {backup.name} could not be put back in a scratch folder: {error}"
        return
    if restored is None or sha256(restored).hexdigest() != backup.digest or problem_in(restored) is not None:
        yield f"What was put back of {backup.name} in a scratch folder is not what was backed up."


def _wrong_with_journal(target: Target, folder: Path) -> Iterator[str]:
    try:
        if damage := target.journal.damage():
            yield f"{damage}."
        readable, flaws = target.journal.verify()
        if flaws:
            yield f"The journal does not verify: {flaws[0].problem}."
        copy = folder / "journal.sqlite"
        _copy_database(target.settings.journal, copy)
        again = Journal(copy, target=target.settings.name, receipts_dir=target.settings.receipts_dir)
        try:
            copied, flaws_of_copy = again.verify()
        finally:
            again.close()
        if copied.digests != readable.digests or flaws_of_copy != flaws:
            yield "A copy of the journal does not say what the journal says."
    except (AnrError, OSError, sqlite3.Error) as error:
        yield f"The journal, or a copy of it, cannot be verified: {error}"


def _copy_database(journal: Path, copy: Path) -> None:
    address = f"{journal.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
