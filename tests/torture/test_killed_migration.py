"""The migration of a journal that anr 0.1.0 wrote: the process is killed, or its disk fails, at every write in turn."""

import errno
import itertools
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from core.brake import brake
from core.errors import JournalUnavailable
from core.settings.target import TargetSettings
from core.target.target import Target
from tests.core.journal.test_older_journals import upgraded
from tests.support.rig import Rig
from tests.torture.faults import Failing, killed_everywhere, run
from tests.torture.test_killed import ACCESS, actor

pytestmark = pytest.mark.torture

RECEIPTS = 22


def look(target: TargetSettings) -> int:
    """Open the journal, which brings it up; return its newest number."""
    found = Target.at(target, ACCESS).journal.head()
    return 0 if found is None else found.seq


def rollback(target: TargetSettings) -> bool:
    """Brake, and record it in a journal that nobody has brought up yet; return whether the router is safe."""
    braked = brake.rollback(Target.at(target, ACCESS), actor("UMAX"), "slow")
    return isinstance(braked, brake.Braked) and braked.safe


@pytest.fixture
def again(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[TargetSettings]]:
    """Bring every file back to what 0.1.0 left, and return the arguments of a work."""
    upgraded(rig, "whole")
    folder, kept = rig.settings.journal.parent, tmp_path_factory.mktemp("kept") / "files"
    shutil.copytree(folder, kept)

    def bring_back() -> tuple[TargetSettings]:
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        return (rig.settings,)

    return bring_back


def whole(target: TargetSettings, where: str) -> str:
    """Check that the journal is one of two, the old one or the new; then open it, and check that nothing was lost."""
    with closing(sqlite3.connect(target.journal)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert database.execute("SELECT count(*) FROM receipts").fetchone()[0] >= RECEIPTS, where
        version = database.execute("SELECT version_num FROM alembic_version").fetchall() if "alembic_version" in tables else None
    assert version in (None, [("0001",)]), where
    journal = Target.at(target, ACCESS).journal
    sealed, flaws = journal.verify()
    assert [flaw for flaw in flaws if not flaw.missing_file] == [], where
    assert len(sealed) >= RECEIPTS, where
    journal.close()
    with closing(sqlite3.connect(target.journal)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)], where
    return "older" if version is None else "newest"


def test_a_migration_that_is_killed_at_any_write_leaves_the_older_journal_or_the_newest(
    rig: Rig, again: Callable[[], tuple[TargetSettings]], figure: Callable[[str], None]
) -> None:
    """After each death the next look finds every receipt, and the schema is brought up once."""
    found = Counter(whole(rig.settings, str(ended.boundaries[-1:])) for ended in killed_everywhere(again, look))
    assert set(found) == {"older", "newest"}
    figure(f"migration killed at each write: {dict(found)}")


def test_a_migration_on_a_disk_that_fails_at_any_write_says_so_and_loses_nothing(
    rig: Rig, again: Callable[[], tuple[TargetSettings]], figure: Callable[[str], None]
) -> None:
    """Full, broken or forbidden at each write in turn: done, or an error of the journal's; afterwards all receipts are there."""
    count = len(run(look, *again()).boundaries)
    fates = Counter[str]()
    for number, error in zip(range(1, count + 1), itertools.cycle((errno.ENOSPC, errno.EIO, errno.EACCES)), strict=False):
        ended = run(look, *again(), fault=Failing(error, at=number))
        if ended.raised is not None:
            assert ended.raised[0] is JournalUnavailable, ended.raised
        fates["refused" if ended.raised else "done"] += 1
        whole(rig.settings, str(ended.boundaries[-1:]))
    figure(f"migration while each of {count} writes fails alone: {dict(fates)}")


def test_a_brake_is_safe_where_the_disk_is_too_full_to_bring_the_journal_up(
    rig: Rig, again: Callable[[], tuple[TargetSettings]]
) -> None:
    """Not a byte more goes into the journal: the router is made safe all the same, and the journal is what it was."""
    pattern = f"{rig.settings.journal}*"
    ended = run(rollback, *again(), fault=Failing(errno.ENOSPC, pattern))
    assert (ended.returned, ended.failed > 0) == (True, True), ended.raised
    assert rig.setting("NOVA_ANR_PILOT") == "0.00"
    assert whole(rig.settings, "full") == "older"


def test_files_are_brought_back(again: Callable[[], tuple[TargetSettings]], tmp_path: Path) -> None:
    """Each death begins with a journal of 0.1.0, else the others would prove nothing."""
    for _ in range(2):
        (target,) = again()
        with closing(sqlite3.connect(target.journal)) as database:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {"receipts", "approvals"}
        look(target)
