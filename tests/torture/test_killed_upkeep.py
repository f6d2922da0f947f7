"""Backup, restore, prune and archive in a process that is killed at every write, or whose disk fails at every write."""

import errno
import gzip
import itertools
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.actors import RECOVERY, AccessPolicy, Actor, ActorKind, Approvable
from core.brake import brake
from core.errors import AnrError
from core.operations import propose, requests, results
from core.receipts.effect import replaces_state
from core.receipts.receipt import Action, Phase, Result
from core.router.control import SAFE_SETTINGS
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.upkeep import archive as archiving
from core.upkeep import backup as backing_up
from core.upkeep import prune as pruning
from core.watch import recover
from tests.core.doctor.test_own_checks import changed
from tests.support.ledger_writers import REOPENS, archived_ids, family_ids, writing
from tests.support.rig import Rig, decision
from tests.torture.faults import Ended, Failing, Killed, killed_everywhere, run

pytestmark = pytest.mark.torture

ACCESS = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON", "UPRIYA"}))
GOOD, BAD = {"count": 1}, {"count": 666}
OLD, NOW = "2025-07-15T12:00:00Z", "2025-10-01T09:00:00Z"
CALLS = "router.calls"
PLAIN, TO_MOVE = "ledger-20250901T000000Z.ndjson", "ledger-20250701T000000Z.ndjson.gz"
EXPIRED = "ledger-20240701T000000Z.ndjson.gz"
RANDOM_DEATHS = 5
"""For each of three operations."""


def actor(name: str) -> Actor:
    return Actor(kind=ActorKind.SLACK, id=name, roles=ACCESS.roles_of(name, full_member=True))


def target_of(target: TargetSettings, now: datetime) -> Target:
    return Target.at(target, ACCESS, lambda: now)


def restore(target: TargetSettings, now: datetime, request: str) -> object:
    return requests.approve(target_of(target, now), actor("UAARON"), request)


def reset(options: TargetSettings, now: datetime, _request: str) -> object:
    target = target_of(options, now)
    waiting = next((intent.id for intent in target.journal.pending() if intent.action is Approvable.RESET), "over")
    return requests.approve(target, actor("UAARON"), waiting)


def prune(target: TargetSettings, now: datetime, _request: str) -> object:
    return pruning.prune(target_of(target, now), actor("UOLIVIA"))


def archive(target: TargetSettings, now: datetime, _request: str) -> object:
    return archiving.archive(target_of(target, now), actor("UOLIVIA"))


def backup(target: TargetSettings, now: datetime, _request: str) -> object:
    return backing_up.back_up(target_of(target, now), actor("UOLIVIA"))


Work = Callable[[TargetSettings, datetime, str], object]


@dataclass
class Yard:
    """A folder that is brought back to where a work begins, as often as it is needed."""

    rig: Rig
    kept: Path
    request: str
    now: datetime

    def again(self) -> tuple[TargetSettings, datetime, str]:
        folder = self.rig.settings.journal.parent
        shutil.rmtree(folder)
        shutil.copytree(self.kept, folder)
        return self.rig.settings, self.now, self.request


def lines(rig: Rig, numbers: range) -> bytes:
    """Decisions of these numbers, every second of July."""
    entries = ({**decision(rig.clock.now), "id": str(number), "t": OLD if number % 2 else NOW} for number in numbers)
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


@pytest.fixture
def yard(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """Old receipts and new ones, a good backup and a bad state, requests to restore and to reset, a ledger with old months.

    Beside the ledger stands what it was until September, not compressed yet, and what it was until July, which is to be moved;
    what it was a year before is to be deleted. The router's stops and starts leave a trace.
    """
    folder = rig.settings.journal.parent
    trace = {f"{word}_command": ("sh", "-c", f"echo {word} >> '{folder}/{CALLS}'") for word in ("stop", "start")}
    rig = changed(rig, **trace)
    olivia, target, options = rig.people["olivia"], rig.target, rig.settings
    rig.clock.pass_(days=-91)
    propose.init(target, olivia, "begin")
    brake.freeze(target, rig.people["max"], "page")
    propose.unfreeze(target, Order(olivia))
    rig.clock.pass_(days=91)
    options.state_file.write_text(json.dumps(GOOD), encoding="utf-8")
    backing_up.back_up(target, olivia)
    options.state_file.write_text(json.dumps(BAD), encoding="utf-8")
    (found,) = target.backups.found()
    asked = propose.restore(target, Order(olivia), found.name)
    assert isinstance(asked, results.Asked)
    assert isinstance(propose.reset_state(target, Order(olivia)), results.Asked)
    options.ledger.write_bytes(lines(rig, range(40)))
    options.archive_dir.mkdir()
    for path, data, day in (
        (options.ledger.with_name(PLAIN), lines(rig, range(40, 60)), datetime(2025, 9, 1, tzinfo=UTC)),
        (options.ledger.with_name(TO_MOVE), gzip.compress(lines(rig, range(60, 80))), datetime(2025, 7, 1, tzinfo=UTC)),
        (options.archive_dir / EXPIRED, gzip.compress(lines(rig, range(80, 90))), datetime(2024, 7, 1, tzinfo=UTC)),
    ):
        path.write_bytes(data)
        os.utime(path, (day.timestamp(), day.timestamp()))
    target.journal.close()
    kept = tmp_path_factory.mktemp("kept") / "files"
    shutil.copytree(options.journal.parent, kept)
    return Yard(rig, kept, asked.approval.id, rig.clock.now)


def settled(yard: Yard, ended: Ended) -> str:
    """Recover, and check that everything agrees; return what became of the restore, the receipts and the ledger."""
    options = yard.rig.settings
    where = str((ended.boundaries[-1:], ended.raised))
    if options.ledger.exists():  # else nothing is measured until it is
        every_line_once(yard, where)
    target = target_of(options, yard.now)
    recovered = recover.recover(target)
    assert recovered.unfinished is None, where
    sealed, flaws = target.journal.receipts(), target.journal.verify()[1]
    assert flaws == (), where
    assert sorted(path.name for path in options.receipts_dir.glob("anr_*.json")) == [
        sealed_receipt.file_name for sealed_receipt in sealed
    ], where
    state = target.journal.state()
    assert state.unsettled is None, where
    assert target.router.settings().stage == state.stage == 0, where
    assert set(target.brake.read().frozen_by) == {hold.id for hold in state.holds}, where
    count = Counter((sealed_receipt.receipt.action, sealed_receipt.receipt.phase) for sealed_receipt in sealed)
    outcome = restored(yard, target, count, where)
    pruned = pruned_so(target, count, where)
    archived = archived_so(yard, count, where)
    target.journal.close()
    return f"{outcome}, {pruned}, {archived}"


def restored(yard: Yard, target: Target, count: Counter[tuple[Action, Phase]], where: str) -> str:
    """What the receipts say of the state is so, it is one of two, whole; a router that was stopped was started again."""
    options = yard.rig.settings
    state = json.loads(options.state_file.read_bytes()) if options.state_file.exists() else None
    calls = options.journal.parent / CALLS
    called = calls.read_text(encoding="utf-8").split() if calls.exists() else []
    assert called[-1:] in ([], ["start"]), where
    begun = [action for action in Action if replaces_state(action) and count[action, Phase.INTENT]]
    assert target.journal.state().epoch == len(begun), where
    assert target.journal.state().frozen == bool(begun), where
    if not begun:
        assert (state, called) == (BAD, []), where
        return "nothing restored"
    (action,) = begun
    assert count[action, Phase.OUTCOME] == count[action, Phase.INTENT] == 1, where
    assert target.router.settings().carries(SAFE_SETTINGS), where
    receipt = next(
        sealed.receipt for sealed in target.journal.receipts() if sealed.receipt.action is action and sealed.receipt.result
    )
    if receipt.actor.is_same_as(RECOVERY):
        assert called, where
        assert "The router was started again in its safe settings." in receipt.note, where
    wanted = GOOD if action is Action.RESTORE else None
    says: dict[Result | None, list[dict[str, int] | None]] = {Result.APPLIED: [wanted], Result.NOT_APPLIED: [BAD]}
    assert state in says.get(receipt.result, [wanted, BAD]), (where, receipt.result)
    approval = next(request for request in (target.journal.approval(receipt.operation),) if request is not None)
    assert approval.status == "approved", where
    return f"{action} {receipt.result}"


def pruned_so(target: Target, count: Counter[tuple[Action, Phase]], where: str) -> str:
    """All old receipts are there, or none is and a checkpoint stands for them."""
    first = target.journal.receipts()[0].receipt.seq
    assert (first, count[Action.PRUNE, Phase.EVENT]) in {(1, 0), (4, 1)}, where
    return "pruned" if first > 1 else "nothing pruned"


def every_line_once(yard: Yard, where: str) -> None:
    """In what reports read, and in the archives that they no longer look at, together."""
    target = yard.rig.settings
    found = family_ids(target.ledger) + archived_ids(target.archive_dir)
    if not (target.archive_dir / EXPIRED).exists():
        found += Counter(map(str, range(80, 90)))
    assert found == {str(number): 1 for number in range(90)}, where


def archived_so(yard: Yard, count: Counter[tuple[Action, Phase]], where: str) -> str:
    """There is a ledger, every line once, and nothing was removed that the receipt, of which there is one, does not tell."""
    target, told = yard.rig.settings, bool(count[Action.ARCHIVE, Phase.EVENT])
    assert target.ledger.exists(), where
    every_line_once(yard, where)
    assert count[Action.ARCHIVE, Phase.EVENT] <= 1, where
    assert told or (target.ledger.with_name(PLAIN).exists() and (target.archive_dir / EXPIRED).exists()), where
    return "archived" if told else "nothing archived"


def archived_to_the_end(target: TargetSettings) -> None:
    """Compressed, moved, deleted, and nothing half-done beside it."""
    assert sorted(path.name for path in target.archive_dir.iterdir()) == [TO_MOVE]
    beside = sorted(path.name for path in target.ledger.parent.glob("*ledger*nd*"))
    assert beside == [f"{PLAIN}.gz", "ledger-20251001T090500Z.ndjson", "ledger.ndjson"]


def again(yard: Yard, work: Work, where: str) -> None:
    """The same once more does what is left to be done, and no more."""
    first = target_of(yard.rig.settings, yard.now)
    begun = bool(first.journal.state().epoch)
    work(yard.rig.settings, yard.now, yard.request)
    became = settled(yard, Ended(False, (where,)))  # noqa: FBT003 - as it ended
    if work in {restore, reset}:
        assert begun or f"{work.__name__} applied" in became, where
    elif work is prune:
        assert ", pruned" in became, where
    elif work is archive:
        assert ", archived" in became, where
        archived_to_the_end(yard.rig.settings)


@pytest.mark.parametrize("work", [restore, reset, prune, archive, backup], ids=lambda work: work.__name__)
def test_killed_at_every_write_the_next_start_settles_upkeep(yard: Yard, work: Work, figure: Callable[[str], None]) -> None:
    """Whichever write dies: journal, files, state, ledger and marks agree after `recover`, and doing it again completes it."""
    deaths, became = 0, Counter[str]()
    for ended in killed_everywhere(yard.again, work):
        deaths += ended.killed
        assert ended.raised is None
        became[settled(yard, ended)] += 1
        if deaths % 10 == 0:
            again(yard, work, str(ended.boundaries[-1:]))
    assert deaths > 10
    figure(f"{work.__name__}: killed at each of {deaths} writes; after recover {dict(became)}")


@pytest.mark.parametrize("work", [restore, reset, prune, archive], ids=lambda work: work.__name__)
def test_killed_at_random_times_the_next_start_settles_upkeep(yard: Yard, work: Work, figure: Callable[[str], None]) -> None:
    """Between the writes, too."""
    dice = random.Random(work.__name__)
    deaths, lasts, became = 0, 0.1, Counter[str]()
    while deaths < RANDOM_DEATHS:
        ended = run(work, *yard.again(), kill_after_s=dice.uniform(0, lasts))
        lasts *= 1.05 if ended.killed else 0.8
        deaths += ended.killed
        became[settled(yard, ended)] += 1
        again(yard, work, "at a random time")
    figure(f"{work.__name__}: killed at {deaths} random times; after recover {dict(became)}")


def failing_everywhere(yard: Yard, work: Work) -> Iterator[Ended]:
    """Let every second write fail: because the disk is full, because it fails, because it is forbidden."""
    reached = len(run(work, *yard.again()).boundaries)
    for number, code in zip(range(1, reached + 1, 2), itertools.cycle((errno.ENOSPC, errno.EIO, errno.EACCES)), strict=False):
        yield run(work, *yard.again(), fault=Failing(code, at=number))


@pytest.mark.parametrize("work", [restore, reset, prune, archive, backup], ids=lambda work: work.__name__)
def test_a_disk_that_fails_at_any_write_of_upkeep_loses_nothing(yard: Yard, work: Work, figure: Callable[[str], None]) -> None:
    """Whichever write fails: an error of ours or a receipt that says so, and after `recover` everything agrees."""
    failures, errors, became = 0, 0, Counter[str]()
    for ended in failing_everywhere(yard, work):
        assert ended.raised is None or issubclass(ended.raised[0], AnrError), ended
        assert ended.raised is not None or ended.returned is not None, ended
        failures += ended.failed
        errors += ended.raised is not None
        became[settled(yard, ended)] += 1
    assert failures > 10
    figure(f"{work.__name__}: {failures} writes failed, {errors} errors told; after recover {dict(became)}")


def test_not_a_line_is_lost_when_the_archive_is_killed_while_the_router_appends(rig: Rig, figure: Callable[[str], None]) -> None:
    """One router writes all the while; month after month the archive dies and is settled: every line is there exactly once."""
    target, deaths = rig.settings, 0
    propose.init(rig.target, rig.people["olivia"], "begin")
    target.ledger.write_bytes(b"")
    with writing(REOPENS, target.ledger, old=OLD, now=NOW, pace=1) as router:
        for number in itertools.count(1, 2):
            ended = run(archive, target, rig.clock.now, "", fault=Killed(at=number))
            deaths += ended.killed
            assert ended.raised is None, ended
            assert recover.recover(rig.target).unfinished is None
            rig.clock.pass_(days=31)
            half_a_month_ago = (rig.clock.now - timedelta(days=15)).timestamp()
            for renamed in target.ledger.parent.glob("ledger-*.ndjson"):
                os.utime(renamed, (half_a_month_ago, half_a_month_ago))
            if not ended.killed:
                break
        count = router.ended()
    archive(target, rig.clock.now, "")
    everything = family_ids(target.ledger) + archived_ids(target.archive_dir)
    assert set(everything) == {str(number) for number in range(1, count + 1)}
    assert [number for number, times in everything.items() if times != 1] == []
    assert rig.target.journal.verify()[1] == ()
    assert deaths > 20
    figure(f"archive killed {deaths} times while a router wrote {count:,} lines: every line is there exactly once")
