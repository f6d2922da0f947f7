"""Copying the journal and making it again, in a process that is killed, or whose disk fails, at every write in turn."""

import errno
import itertools
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from core.actors import Actor
from core.brake import brake
from core.errors import AnrError
from core.journal.copies.copies import wrong_with
from core.operations import propose
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.upkeep import journal_copy
from tests.core.journal.copies.test_rebuild import contents
from tests.support.rig import NOW, Rig
from tests.torture.faults import Failing, killed_everywhere, run
from tests.torture.test_killed import ACCESS, actor

pytestmark = pytest.mark.torture


def olivia() -> Actor:
    return actor("UOLIVIA")


def target_of(settings: TargetSettings) -> Target:
    return Target.at(settings, ACCESS, lambda: NOW)


def copy(settings: TargetSettings) -> str:
    return journal_copy.copy_journal(target_of(settings)).path.name


def rebuild(settings: TargetSettings) -> int:
    built = journal_copy.rebuild(target_of(settings), olivia())
    return len(getattr(built, "sealed", ()))


@pytest.fixture
def kept(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a few receipts and a request, which has one good copy."""
    target = rig.target
    propose.init(target, rig.people["olivia"], "begin")
    propose.propose(target, Order(rig.people["olivia"], "faster"))
    brake.freeze(target, rig.people["max"], "page")
    journal_copy.copy_journal(target_of(rig.settings))
    target.journal.close()
    folder = tmp_path_factory.mktemp("kept") / "files"
    shutil.copytree(rig.settings.journal.parent, folder)
    return folder


def brought_back(rig: Rig, kept: Path, *, journal: bool) -> Callable[[], tuple[TargetSettings]]:
    """Bring every file back before each death, with the journal or without it."""

    def again() -> tuple[TargetSettings]:
        folder = rig.settings.journal.parent
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        if not journal:
            rig.settings.journal.unlink()
        return (rig.settings,)

    return again


def copies_hold(settings: TargetSettings, where: str) -> str:
    """Whatever has the name of a copy is a good one, the older one is there, and the next copy is made."""
    copies = journal_copy.copies_of(target_of(settings))
    found = copies.found()
    assert found, where
    assert [wrong_with(one.path) for one in found] == [None] * len(found), where
    copy(settings)
    assert [path.name for path in settings.copies_dir.glob("journal_*-*")] == [], where
    return f"{len(found)} good copies"


def rebuilt_or_nothing(settings: TargetSettings, before: object, where: str) -> str:
    """The journal is the one that was lost, or holds nothing and can be made again."""
    target = target_of(settings)
    try:
        how = "whole" if settings.journal.exists() and target.journal.head() is not None else "nothing"
    except AnrError:  # it has no rows, and there are files: it was lost
        how = "nothing"
    target.journal.close()
    if how == "nothing":
        assert rebuild(settings) == 3, where
    assert contents(settings.journal) == before, where
    return how


def test_a_copy_that_is_killed_at_any_write_leaves_only_good_copies(rig: Rig, kept: Path, figure: Callable[[str], None]) -> None:
    """After each death every file with a copy's name verifies, and the next copy is made."""
    again = brought_back(rig, kept, journal=True)
    fates = Counter(copies_hold(rig.settings, str(ended.boundaries[-1:])) for ended in killed_everywhere(again, copy))
    figure(f"journal copy killed at each write: {dict(fates)}")


def test_a_copy_on_a_disk_that_fails_at_any_write_leaves_only_good_copies(
    rig: Rig, kept: Path, figure: Callable[[str], None]
) -> None:
    """Full, broken or forbidden: an error that says that no copy was made, or a good copy; never a bad one."""
    again = brought_back(rig, kept, journal=True)
    count = len(run(copy, *again()).boundaries)
    fates = Counter[str]()
    for number, error in zip(range(1, count + 1), itertools.cycle((errno.ENOSPC, errno.EIO, errno.EACCES)), strict=False):
        ended = run(copy, *again(), fault=Failing(error, at=number))
        if ended.raised is not None:
            assert issubclass(ended.raised[0], AnrError), ended.raised
        fates[copies_hold(rig.settings, str(ended.boundaries[-1:]))] += 1
    figure(f"journal copy while each of {count} writes fails alone: {dict(fates)}")


def test_a_rebuild_that_is_killed_at_any_write_leaves_the_whole_journal_or_none(
    rig: Rig, kept: Path, figure: Callable[[str], None]
) -> None:
    """After each death the journal is the lost one to the byte, or it has no rows and is made again."""
    before = contents(kept / rig.settings.journal.name)
    again = brought_back(rig, kept, journal=False)
    fates = Counter(
        rebuilt_or_nothing(rig.settings, before, str(ended.boundaries[-1:])) for ended in killed_everywhere(again, rebuild)
    )
    assert set(fates) == {"whole", "nothing"}
    figure(f"journal rebuild killed at each write: {dict(fates)}")


def test_a_rebuild_on_a_disk_that_fails_at_any_write_leaves_the_whole_journal_or_none(
    rig: Rig, kept: Path, figure: Callable[[str], None]
) -> None:
    """Full, broken or forbidden: an error of ours and no rows, or the whole journal."""
    before = contents(kept / rig.settings.journal.name)
    again = brought_back(rig, kept, journal=False)
    count = len(run(rebuild, *again()).boundaries)
    fates = Counter[str]()
    for number, error in zip(range(1, count + 1), itertools.cycle((errno.ENOSPC, errno.EIO, errno.EACCES)), strict=False):
        ended = run(rebuild, *again(), fault=Failing(error, at=number))
        if ended.raised is not None:
            assert issubclass(ended.raised[0], AnrError), ended.raised
        fates[rebuilt_or_nothing(rig.settings, before, str(ended.boundaries[-1:]))] += 1
    figure(f"journal rebuild while each of {count} writes fails alone: {dict(fates)}")
