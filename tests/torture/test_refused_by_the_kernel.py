"""A brake and a restore of which the kernel refuses one call, each in turn, by strace: what counts is what the router loaded.

The double is Debian's, not ours: it knows nothing of which call matters (tests/torture/strace.py).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from core.actors import UPKEEP
from core.brake.brake import Braked
from core.operations import propose, requests, results
from core.operations.restore import Restored
from core.receipts.receipt import Result
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.upkeep import backup
from tests.support.rig import Rig
from tests.support.simulated_routers import Routers, simulated_routers
from tests.torture.strace import Refused, Traced, traced
from tests.torture.test_half_failed_brake import freeze, rollback
from tests.torture.ways_up import ACCESS, OLIVIA, PRIYA, Field, nobody_raises, settled_safe

pytestmark = pytest.mark.torture

SAFE = {"enabled": False, "pilot": 0.0, "kill": True}
ERRORS: dict[str, tuple[str, ...]] = {
    "openat": ("EACCES", "EIO", "EMFILE", "ENOSPC"),
    "write": ("ENOSPC", "EIO"),
    "pwrite64": ("ENOSPC", "EIO"),
    "fsync": ("EIO", "EINVAL", "ENOSPC"),
    "fdatasync": ("EIO", "EINVAL"),
    "rename": ("EIO", "EACCES", "ENOSPC"),
    "unlink": ("EIO", "EACCES"),
    "chmod": ("EPERM", "EOPNOTSUPP"),
    "chown": ("EINVAL", "EPERM"),
    "fchown": ("EINVAL", "EPERM"),
    "mkdir": ("EACCES", "ENOSPC"),
    "ftruncate": ("EIO", "ENOSPC"),
    "flock": ("ENOLCK", "ENOSYS"),
    "getdents64": ("EIO", "EACCES"),
    "listxattr": ("EIO", "EOPNOTSUPP"),
    "pipe2": ("EMFILE",),
    "vfork": ("EAGAIN", "ENOMEM"),
    "clone3": ("EAGAIN",),
    "read": ("EIO",),
    "pread64": ("EIO",),
    "fcntl": ("ENOLCK", "EIO"),
    "newfstatat": ("EACCES", "EIO"),
}
"""The calls of a brake that a machine refuses, and how."""
EVERY = {"newfstatat": 8, "fcntl": 6}
"""Of calls that are made hundreds of times one in so many is refused."""


@pytest.fixture(scope="module")
def routers() -> Iterator[Routers]:
    with simulated_routers() as running:
        yield running


@pytest.fixture
def field(rig: Rig, routers: Routers, tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A router that serves 25%."""
    return Field.of(rig, routers, tmp_path_factory.mktemp("kept") / "files")


def faults_of(calls: Counter[str], every: int = 1) -> list[Refused]:
    """Every call that was made, once, each with the next of its errors; or one in so many of them."""
    found = []
    for call, errors in ERRORS.items():
        turns = itertools.cycle(errors)
        found += [Refused(call, next(turns), at) for at in range(1, calls[call] + 1, EVERY.get(call, 1) * every)]
    return found


def from_there_on(calls: Counter[str]) -> list[Refused]:
    """Every kind of call refused from its first, its second and its middle one on: a disk that dies does not come back."""
    return [
        Refused(call, ERRORS[call][0], at, on=True)
        for call in ("write", "pwrite64", "fsync", "fdatasync", "rename", "chmod", "chown", "ftruncate", "vfork")
        for at in sorted({1, 2, max(1, calls[call] // 2)})
        if at <= calls[call]
    ]


def judged(field: Field, fault: Refused, ended: Traced, *, first: bool) -> str:
    """Hold a brake against what the router loaded, then everybody tries the way up, before `recover` or after it."""
    where, braked = str(fault), ended.returned
    assert ended.injected, where
    assert isinstance(braked, Braked), f"{where}: {ended.raised}"
    loaded = field.routers.loaded(field.settings.settings_file)
    assert not braked.safe or loaded == SAFE, f"{where}: called safe, and the router loaded {loaded}"
    assert braked.safe or braked.problems, where
    receipt = braked.sealed.receipt if braked.sealed is not None else None
    if (
        braked.safe
        and receipt is not None
        and (receipt.result, receipt.stage_after) == (Result.APPLIED, 0)
        and not [problem for problem in braked.problems if "could not be synced" not in problem]
    ):
        if braked.problems:
            return "safe and recorded, but not synced, said so"
        return "as if nothing had failed" if not braked.remarks[1:] else "safe and recorded, with remarks"
    if first:
        nobody_raises(field, where)
        settled_safe(field, where, tried=True)
    else:
        settled_safe(field, where)
        nobody_raises(field, f"{where}, settled")
    return "safe, not recorded" if braked.safe else "not safe, said so"


def swept(field: Field, work: Callable[..., Any], faults: list[Refused]) -> Counter[str]:
    fates = Counter[str]()
    for number, fault in enumerate(faults):
        field.again()
        ended = traced(work, field.settings, field.clock.now, fault=fault)
        fates[judged(field, fault, ended, first=number % 2 == 0)] += 1
    return fates


@pytest.mark.parametrize(("work", "every"), [(freeze, 1), (rollback, 3)], ids=["freeze", "rollback"])
def test_a_brake_of_which_one_call_is_refused_leaves_no_way_up(
    field: Field, work: Callable[..., Any], every: int, figure: Callable[[str], None]
) -> None:
    """Law: no brake is called safe that the router did not load, none raises, and whatever failed nobody alone leads it up."""
    field.again()
    whole = traced(work, field.settings, field.clock.now, calls="all")
    assert isinstance(whole.returned, Braked), whole.raised
    faults = [*faults_of(whole.calls, every), *from_there_on(whole.calls)]
    fates = swept(field, work, faults)
    figure(
        f"{work.__name__}: {len(faults)} calls refused by strace: {', '.join(f'{many} {fate}' for fate, many in fates.items())}"
    )


def approve(target: TargetSettings, now: datetime, request: str) -> object:
    return requests.approve(Target.at(target, ACCESS, lambda: now), PRIYA, request)


IN_A_RESTORE = ("openat", "write", "pwrite64", "fsync", "rename", "ftruncate", "chmod", "unlink", "vfork")


def test_a_restore_of_which_one_call_is_refused_leaves_no_way_up(field: Field, figure: Callable[[str], None]) -> None:
    """Law: from its intent on a restore is a brake: whatever failed in it, nobody alone leads the router up again."""
    target = field.target()
    target.settings.state_file.write_text('{"count": 1}', encoding="utf-8")
    backup.back_up(target, UPKEEP)
    target.settings.state_file.write_text('{"count": 666}', encoding="utf-8")
    (found,) = target.backups.found()
    asked = propose.restore(target, Order(OLIVIA, "it learned nonsense"), found.name)
    assert isinstance(asked, results.Asked), asked
    target.journal.close()
    field = field.kept_as_it_is()
    whole = traced(approve, field.settings, field.clock.now, asked.approval.id, calls="all")
    assert isinstance(whole.returned, Restored), whole.raised or whole.returned
    faults = [possible for possible in faults_of(whole.calls, every=5) if possible.call in IN_A_RESTORE]
    fates = Counter[str]()
    for number, fault in enumerate(faults):
        field.again()
        ended = traced(approve, field.settings, field.clock.now, asked.approval.id, fault=fault)
        fates[restored(field, f"{fault}: {ended.raised}", ended, first=number % 2 == 0)] += 1
    figure(f"restore: {len(faults)} calls refused by strace: {', '.join(f'{many} {fate}' for fate, many in fates.items())}")


def restored(field: Field, where: str, ended: Traced, *, first: bool) -> str:
    """Hold a restore against what the router loaded."""
    target = field.target()
    begun, safe = target.journal.state().epoch == 1, field.serves == 0
    target.journal.close()
    if not begun:
        assert field.serves == 0.25, where
        return "never begun"
    outcome = ended.returned.sealed.receipt if isinstance(ended.returned, Restored) else None
    assert safe or outcome is None or outcome.result is not Result.APPLIED, where
    if outcome is not None and outcome.result is Result.APPLIED:
        return "applied"
    if first:
        nobody_raises(field, where)
    settled_safe(field, where, tried=first)
    if not first:
        nobody_raises(field, f"{where}, settled")
    return "safe, half done" if safe else "not safe, half done"
