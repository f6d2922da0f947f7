"""Operations on a disk that is full, broken or forbids: no silent success, no lost receipt, a clear error."""

import errno
import itertools
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from core.brake.brake import Braked
from core.errors import AnrError
from core.operations.results import Moved, Refused
from core.receipts.chain import Sealed
from core.receipts.receipt import Action, Phase
from core.rollout.approvals import ApprovalStatus
from core.rollout.refusals import Refuse
from core.router.control import SAFE_SETTINGS
from core.target.target import Target
from core.watch import recover
from tests.support.rig import Rig
from tests.torture.faults import Ended, Failing, run
from tests.torture.test_killed import Yard, approve, consistent, freeze, rollback, target_of, yard_for

pytestmark = pytest.mark.torture

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
FILES = {
    "settings": "*/anr.env",
    "settings-before-the-rename": "*/.anr.env.*",
    "journal": "*/journal.sqlite",
    "write-ahead-log": "*/journal.sqlite-wal",
    "receipt-files": "*/logs*",
    "brake": "*/brake*",
    "lock": "*/operation.lock",
    "holder": "*operation.holder*",
    "ledger": "*/ledger.ndjson",
    "everything": "*/*",
}
SILENT = "succeeded and said nothing"


def fate(yard: Yard, work: Callable[..., Any], ended: Ended) -> str:
    """Check what came of a work whose disk failed, then mend the disk, recover, and check again; return how it ended."""
    options, now = yard.target, yard.rig.clock.now
    target = target_of(options, now)
    how = said_how(work, ended)
    if isinstance(ended.returned, Braked):
        assert not ended.returned.safe or target.router.settings().carries(SAFE_SETTINGS), f"it is not safe: {how}"
    sealed = getattr(ended.returned, "sealed", None)
    if isinstance(sealed, Sealed):
        assert sealed.digest in {sealed_receipt.digest for sealed_receipt in target.journal.receipts()}, (
            f"a receipt was lost: {how}"
        )
    if work in {rollback, freeze} and ended.raised is None and not isinstance(ended.returned, Refuse):
        assert ended.returned.sealed or ended.returned.problems, f"a silent failure: {how}"
    recover.recover(target)
    agree(target, how)
    target.journal.close()
    return how


def said_how(work: Callable[..., Any], ended: Ended) -> str:
    """Return how a work said that it ended. A failure says so as an error of ours, a problem, a refusal or a log entry."""
    if ended.raised is not None:
        kind, text = ended.raised
        assert issubclass(kind, AnrError), f"{work.__name__}: {kind.__name__}: {text}"
        assert len(text) > 40, text
        return kind.__name__
    result, problems = ended.returned, getattr(ended.returned, "problems", ())
    failed = isinstance(result, (Refused, Refuse)) or bool(problems) or (isinstance(result, Moved) and not result.applied)
    if ended.failed and not failed and not ended.logged:
        return SILENT
    return f"{type(result).__name__}{' with problems' if problems else '' if not failed else ', not applied'}"


def agree(target: Target, how: str) -> None:
    """Everything that has to hold after a kill has to hold after a disk failed, too."""
    sealed = [sealed_receipt.receipt for sealed_receipt in target.journal.receipts()]
    failed_brakes = [
        receipt for receipt in sealed if receipt.action in {Action.ROLLBACK, Action.FREEZE} and receipt.result != "applied"
    ]
    if not failed_brakes:
        consistent(target, how)
    assert target.journal.verify()[1] == (), how
    assert target.journal.state().unsettled is None, how
    causes = Counter(receipt.cause for receipt in sealed if receipt.cause)
    assert set(causes.values()) <= {1}, how
    intents = {receipt.approval_id for receipt in sealed if receipt.action is Action.PROMOTE and receipt.phase is Phase.INTENT}
    for receipt in sealed:
        if receipt.action is Action.REQUEST and receipt.approval_id is not None:
            approval = target.journal.approval(receipt.approval_id)
            assert approval is not None, how
            assert (approval.status is ApprovalStatus.APPROVED) == (approval.id in intents), how


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("work", [approve, freeze], ids=lambda work: work.__name__)
def test_a_file_cannot_be_written(
    rig: Rig,
    tmp_path_factory: pytest.TempPathFactory,
    work: Callable[..., Any],
    file: str,
    figure: Callable[[str], None],
) -> None:
    """With each error: what was not done is said, what was said to be recorded is, and all agrees once the disk is mended."""
    yard = yard_for(work, rig, tmp_path_factory.mktemp("kept") / "files")
    fates, failed = Counter[str](), 0
    pattern = f"{yard.target.journal.parent}{FILES[file].removeprefix('*')}" if file == "everything" else FILES[file]
    for error in ERRORS:
        ended = run(work, *yard.again(), fault=Failing(error, pattern, reading=True))
        failed += ended.failed
        fates[fate(yard, work, ended)] += 1
    if file != "holder":
        in_place = file == "settings-before-the-rename"  # where nothing may be put beside the file it is written itself: EACCES
        assert fates[SILENT] <= in_place or not failed
    if failed:
        figure(f"{work.__name__} while {file} fails with {', '.join(errno.errorcode[error] for error in ERRORS)}: {told(fates)}")


@pytest.mark.parametrize("work", [approve, freeze], ids=lambda work: work.__name__)
def test_a_single_write_fails(
    rig: Rig, tmp_path_factory: pytest.TempPathFactory, work: Callable[..., Any], figure: Callable[[str], None]
) -> None:
    """One write in all fails, each in turn, with the errors by turns: what can go on goes on, and the rest says so."""
    yard = yard_for(work, rig, tmp_path_factory.mktemp("kept") / "files")
    whole = run(work, *yard.again()).boundaries
    # of writes to the same file in a row, as SQLite's to its log, the first stands for all
    numbers = [number for number, (before, line) in enumerate(pairwise(("", *whole)), 1) if line != before]
    fates = Counter[str]()
    for number, error in zip(numbers, itertools.cycle(ERRORS), strict=False):
        ended = run(work, *yard.again(), fault=Failing(error, at=number))
        assert ended.failed == 1
        how = fate(yard, work, ended)
        fates[how] += 1
        assert how != SILENT or is_harmless(ended.boundaries[number - 1]), ended.boundaries[number - 1]
    figure(f"{work.__name__} while each of {len(numbers)} writes fails alone: {told(fates)}")


def is_harmless(boundary: str) -> bool:
    """Whether a failure may pass in silence.

    Who holds the lock is told only for others to read, and a brake needs no lock; what is committed moves out of SQLite's
    log some other time; a folder that is there is not made; an owner is given as far as this account may; settings that may not
    be put beside their file, or not in its place, are written in place; a name of the moment that is left over is read by nobody.
    """
    harmless = (
        r"operation\.(holder|lock)|/\.anr\.env\.|^os\.rename .*/anr\.env$|/run$|^sqlite ",
        r"^os\.(mkdir|chown) |^os\.remove .*\.tmp$",
    )
    return any(re.search(pattern, boundary) for pattern in harmless)


def told(fates: Counter[str]) -> str:
    return ", ".join(f"{count} {how}" for how, count in sorted(fates.items()))
