"""A witness in other hands: what it is told, what it gives back, and that to take it away is found."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.brake.brake import Braked, freeze
from core.errors import JournalCorrupt, JournalUnavailable
from core.journal.marks import Mark, line_of, marks_in_lines
from core.journal.verification import verify
from core.operations import propose, requests
from core.operations.results import Asked
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from tests.core.journal.test_journal import draft
from tests.support.rig import Rig


@contextmanager
def told() -> Iterator[None]:
    """Wait, at the end, until the witness has heard everything."""
    yield
    for thread in threading.enumerate():
        if thread.name == "anr-witness":
            thread.join()


def witnessed(rig: Rig, tell: tuple[str, ...], read: tuple[str, ...]) -> Target:
    """The same site with a witness."""
    facts = {**dict(rig.settings), "witness_command": tell, "witness_read_command": read}
    return Target.at(TargetSettings(**facts), rig.target.access, rig.clock)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "witness.log"


@pytest.fixture
def target(rig: Rig, file: Path) -> Target:
    """A site whose witness keeps a file, and which has begun and was frozen and lifted."""
    made = witnessed(rig, ("tee", "-a", str(file)), ("cat", str(file)))
    with told():
        propose.init(made, rig.people["olivia"], "begin")
    return made


def test_a_witness_is_told_of_every_receipt_and_confirms_it(target: Target, rig: Rig) -> None:
    """The newest one confirms all that came before it."""
    with told():
        freeze(target, rig.people["olivia"], "errors")
    head = target.journal.receipts()[-1]
    found = verify(target.journal, target.witnesses.marks())
    assert (found.flaws, found.proven, found.unproven) == ((), head.receipt.seq, None)
    (place,) = target.witnesses.marks()
    assert Mark.of(head) in place.marks
    assert {mark.seq: mark.digest for mark in place.marks}.items() <= target.journal.digests(
        [mark.seq for mark in place.marks]
    ).items()


def test_in_a_storm_one_process_tells_the_newest(rig: Rig, file: Path, tmp_path: Path) -> None:
    """While the witness has not answered many receipts are recorded: it is told once more, of the last of them."""
    gate = tmp_path / "gate"
    subprocess.run(["mkfifo", gate], check=True)  # noqa: S607 - as sh finds it
    target = witnessed(rig, ("sh", "-c", f"cat >> {file}; cat {gate}"), ("cat", str(file)))
    with told():
        target.journal.append(draft(1))
        while not (file.exists() and file.read_bytes()):
            pass
        for number in range(2, 51):
            target.journal.append(draft(number))
        (teller,) = [thread for thread in threading.enumerate() if thread.name == "anr-witness"]
        gate.write_bytes(b"go on")
        gate.write_bytes(b"go on")
        teller.join()
    (place,) = target.witnesses.marks()
    assert (len(place.marks), place.marks[-1].seq) == (2, 50)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        pytest.param(lambda path: path.unlink(), "cat ended with 1", id="deleted"),
        pytest.param(lambda path: path.write_bytes(b""), "it holds no mark of this journal", id="emptied"),
    ],
)
def test_a_witness_that_was_taken_away_is_a_flaw_and_nothing_is_raised(
    target: Target, rig: Rig, file: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    """Whoever deletes the witness gets no all-clear, and no promotion; the brake works."""
    with told():
        asked = propose.propose(target, Order(rig.people["olivia"], "good"))
    assert isinstance(asked, Asked)
    spoil(file)
    (flaw,) = verify(target.journal, target.witnesses.marks()).flaws
    assert problem in flaw.problem
    with pytest.raises(JournalUnavailable, match="Nothing is promoted while"):
        requests.approve(target, rig.people["aaron"], asked.approval.id)
    assert rig.setting("NOVA_ANR_PILOT") == "0.10"
    assert isinstance(freeze(target, rig.people["olivia"], "errors"), Braked)


def test_an_older_copy_that_was_put_back_raises_nothing_and_brakes(target: Target, rig: Rig, tmp_path: Path) -> None:
    """The journal of this morning holds by itself; the witness has seen more."""
    shutil.copyfile(rig.settings.journal, tmp_path / "morning")
    logs = shutil.copytree(rig.settings.receipts_dir, tmp_path / "morning logs")
    with told():
        freeze(target, rig.people["olivia"], "errors")
    target.journal.close()
    for path in rig.settings.journal.parent.glob("journal.sqlite*"):
        path.unlink()
    shutil.copyfile(tmp_path / "morning", rig.settings.journal)
    shutil.rmtree(rig.settings.receipts_dir)
    shutil.copytree(logs, rig.settings.receipts_dir)
    shutil.rmtree(rig.settings.run_dir)
    again = Target.at(target.settings, target.access, rig.clock)
    assert again.journal.verify()[1] == ()
    with pytest.raises(JournalCorrupt, match=r"is not the one that was shown before: #\d+ .* \(the witness\)"):
        propose.propose(again, Order(rig.people["olivia"], "good"))
    assert isinstance(freeze(again, rig.people["olivia"], "errors"), Braked)


def test_nothing_begins_anew_where_a_witness_has_seen_receipts(target: Target, rig: Rig) -> None:
    """`rm -r ops; anr init` is refused, and says of which receipt the witness knows."""
    target.journal.close()
    shutil.rmtree(rig.settings.receipts_dir)
    for path in rig.settings.journal.parent.glob("journal.sqlite*"):
        path.unlink()
    again = Target.at(target.settings, target.access, rig.clock)
    with pytest.raises(JournalCorrupt, match=r"is empty, but #1 [0-9a-f]{12} was shown before \(the witness\)"):
        propose.init(again, rig.people["olivia"], "begin")


def test_a_witness_that_hangs_keeps_no_brake_waiting(rig: Rig, tmp_path: Path) -> None:
    """It is told on a thread: the brake has acted and is recorded while the witness still has not answered."""
    gate = tmp_path / "gate"
    subprocess.run(["mkfifo", gate], check=True)  # noqa: S607 - as sh finds it
    target = witnessed(rig, ("sh", "-c", f"cat {gate}"), ("true",))
    braked = freeze(target, rig.people["olivia"], "errors")
    assert isinstance(braked, Braked)
    waiting = [thread for thread in threading.enumerate() if thread.name == "anr-witness"]
    assert waiting
    gate.write_bytes(b"go on")
    for thread in waiting:
        thread.join()


def test_what_a_witness_is_told_passes_through_syslogs_own_tool() -> None:
    """util-linux's `logger` takes the line from its input as it is, and its own words do not matter."""
    mark = Mark(seq=12, digest="0c6082f58fd0" + "ab" * 26)
    done = subprocess.run(
        ["logger", "--no-act", "--stderr", "--socket-errors=off", "-t", "anr"],  # noqa: S607 - as sh finds it
        input=line_of(mark, "production"),
        capture_output=True,
        check=True,
    )
    assert marks_in_lines(done.stderr, "production") == (mark,)


def test_evidence_is_not_written_over_by_what_is_shown_later(rig: Rig) -> None:
    """Once a shown mark contradicts the chain it stays, whatever the bot posts of the new chain."""
    witness, chain = rig.target.witness, {1: "aa" * 32, 2: "bb" * 32}
    witness.saw(Mark(seq=2, digest="cc" * 32), chain=lambda _: chain)
    witness.saw(Mark(seq=3, digest="dd" * 32), chain=lambda _: {**chain, 3: "dd" * 32})
    newest = witness.newest()
    assert newest is not None
    assert (newest.seq, newest.digest) == (2, "cc" * 32)


def test_of_what_a_channel_shows_a_contradiction_comes_first(rig: Rig) -> None:
    """Forged receipts were posted after true ones: the true one is what is remembered."""
    chain = {1: "aa" * 32, 2: "bb" * 32, 3: "dd" * 32}
    rig.target.witness.saw(Mark(seq=3, digest="dd" * 32), Mark(seq=2, digest="cc" * 32), chain=lambda _: chain)
    newest = rig.target.witness.newest()
    assert newest is not None
    assert newest.digest == "cc" * 32
