"""What `anr verify` detects, whoever tampered with rows, files, or both."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.cli.output import FAILED
from core.journal.journal import Journal
from core.journal.marks import Mark
from core.journal.verification import verify
from core.receipts.chain import Sealed, seal
from core.receipts.receipt import Action
from tests.core.journal.test_journal import draft
from tests.support.rig import Rig

Tamper = Callable[[Rig, tuple[Sealed, ...]], None]


def change(rig: Rig, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(rig.settings.journal, isolation_level=None)) as connection:
        connection.execute(statement, values)


def file_of(rig: Rig, sealed: Sealed) -> Path:
    return rig.settings.receipts_dir / sealed.file_name


def flip_a_byte_of_a_row(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    change(rig, "UPDATE receipts SET data = ? WHERE seq = 3", flipped(sealed[2].data))


def flip_a_byte_of_a_row_and_mend_its_digest(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    forged = sealed[2].data.replace(b"note 3", b"note 4")
    digest = seal(draft(3, note="note 4"), target="production", seq=3, prev=sealed[1].digest).digest
    change(rig, "UPDATE receipts SET data = ?, digest = ? WHERE seq = 3", forged, digest)
    file_of(rig, sealed[2]).write_bytes(forged)


def flip_a_byte_of_a_file(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    path = file_of(rig, sealed[2])
    path.write_bytes(flipped(path.read_bytes()))


def delete_a_row(rig: Rig, _: tuple[Sealed, ...]) -> None:
    change(rig, "DELETE FROM receipts WHERE seq = 3")


def delete_a_row_and_its_file(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    delete_a_row(rig, sealed)
    file_of(rig, sealed[2]).unlink()


def delete_a_file(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    file_of(rig, sealed[2]).unlink()


def delete_the_tail_of_rows(rig: Rig, _: tuple[Sealed, ...]) -> None:
    change(rig, "DELETE FROM receipts WHERE seq > 3")


def delete_the_tail(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    delete_the_tail_of_rows(rig, sealed)
    for receipt in sealed[3:]:
        file_of(rig, receipt).unlink()


def replace_the_tail(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    delete_the_tail(rig, sealed)
    stranger = Journal(rig.settings.journal, target="production", receipts_dir=rig.settings.receipts_dir)
    for number in (4, 5):
        stranger.append(draft(number, note="another story"))


def delete_everything(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    change(rig, "DELETE FROM receipts")
    for receipt in sealed:
        file_of(rig, receipt).unlink()


def swap_two_rows(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    for seq, sealed_receipt in ((2, sealed[2]), (3, sealed[1])):
        change(
            rig,
            "UPDATE receipts SET id = ?, data = ?, digest = ? WHERE seq = ?",
            f"x{seq}",
            sealed_receipt.data,
            sealed_receipt.digest,
            seq,
        )


def swap_two_files(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    first, second = file_of(rig, sealed[1]), file_of(rig, sealed[2])
    first.write_bytes(sealed[2].data)
    second.write_bytes(sealed[1].data)


def fork_the_rows(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    fork = seal(draft(9, note="fork"), target="production", seq=6, prev=sealed[3].digest)
    row = ("production", 6, "r9", None, "o9", fork.data, fork.digest)
    columns = "target, seq, id, cause, operation, data, digest"
    change(rig, f"INSERT INTO receipts ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", *row)  # noqa: S608 - our own names
    file_of(rig, fork).write_bytes(fork.data)


def fork_the_files(rig: Rig, sealed: tuple[Sealed, ...]) -> None:
    fork = seal(draft(9, Action.INIT, note="fork"), target="production", seq=5, prev=sealed[3].digest)
    file_of(rig, fork).write_bytes(fork.data)


def flipped(data: bytes) -> bytes:
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


TAMPERINGS: list[tuple[Tamper, str]] = [
    (flip_a_byte_of_a_row, "#3 was altered"),
    (flip_a_byte_of_a_row_and_mend_its_digest, "#4 does not follow on the receipt before it"),
    (flip_a_byte_of_a_file, "differs from the journal"),
    (delete_a_row, "receipts #3 to #3 are missing"),
    (delete_a_row_and_its_file, "receipts #3 to #3 are missing"),
    (delete_a_file, "_000003_daily.json is missing"),
    (delete_the_tail_of_rows, "_000004_daily.json has no receipt in the journal: its tail was cut off"),
    (delete_the_tail, "what the bot remembers of the channel: #5 "),
    (replace_the_tail, "what the bot remembers of the channel: #5 "),
    (delete_everything, "what the bot remembers of the channel: #5 "),
    (swap_two_rows, "#2 calls itself #3: receipts were swapped"),
    (swap_two_files, "differs from the journal"),
    (fork_the_rows, "#5 and #6 follow on the same receipt: the chain was forked"),
    (fork_the_files, "is a second #5: the chain was forked"),
]


@pytest.fixture
def posted(rig: Rig) -> tuple[Sealed, ...]:
    """Five receipts, the newest of which was shown in a channel."""
    journal: Journal = rig.target.journal
    sealed = tuple(journal.append(draft(number, note=f"note {number}")) for number in range(1, 6))
    rig.target.witness.saw(Mark.of(sealed[-1]), chain=journal.digests)
    return sealed


def anr_verify(rig: Rig, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, list[str]]:
    """Run `anr verify` as a script does."""
    monkeypatch.setenv("ANR_TARGET", rig.settings.model_dump_json())
    monkeypatch.setenv("ANR_CONFIG", "")
    monkeypatch.chdir(rig.settings.journal.parent)
    done = CliRunner().invoke(app, ["verify", "--alone", "--json", *words])
    return done.exit_code, json.loads(done.stdout)["flaws"]


@pytest.mark.parametrize(
    ("tamper", "problem"), [pytest.param(*tampering, id=tampering[0].__name__.replace("_", "-")) for tampering in TAMPERINGS]
)
def test_verify_detects(
    rig: Rig, posted: tuple[Sealed, ...], monkeypatch: pytest.MonkeyPatch, tamper: Tamper, problem: str
) -> None:
    """The exit code is that of a failure, and the flaw is named."""
    assert anr_verify(rig, monkeypatch) == (0, [])
    tamper(rig, posted)
    code, flaws = anr_verify(rig, monkeypatch)
    assert code == FAILED
    assert any(problem in flaw for flaw in flaws), flaws


def test_a_mark_that_was_posted_betrays_a_deleted_tail_without_our_own_memory(
    rig: Rig, posted: tuple[Sealed, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has removed everything here has not removed the message."""
    mark = posted[-1].mark
    assert anr_verify(rig, monkeypatch, "--expect", mark) == (0, [])
    delete_the_tail(rig, posted)
    (rig.settings.run_dir / "witness.json").unlink()
    assert anr_verify(rig, monkeypatch) == (0, [])
    code, flaws = anr_verify(rig, monkeypatch, "--expect", mark)
    assert (code, flaws) == (FAILED, [f"the mark that was given: {mark} is not in the chain: receipts were cut off or replaced"])


def test_an_older_mark_does_not_take_the_place_of_a_newer_one(rig: Rig, posted: tuple[Sealed, ...]) -> None:
    """A story that is shown again says nothing new about the chain."""
    rig.target.witness.saw(Mark.of(posted[1]), chain=rig.target.journal.digests)
    newest = rig.target.witness.newest()
    assert newest is not None
    assert (newest.seq, newest.digest) == (5, posted[-1].digest)


@pytest.mark.parametrize("garbage", [b"", b"{}", b"\xff", b"[" * 3000, b'{"digest":"x","seq":0}'], ids=repr)
def test_a_witness_that_cannot_be_read_is_a_flaw_and_is_kept(rig: Rig, posted: tuple[Sealed, ...], garbage: bytes) -> None:
    """Whoever spoils the memory of what was posted does not get an all-clear, and evidence is not written over."""
    path = rig.settings.run_dir / "witness.json"
    path.write_bytes(garbage)
    (flaw,) = verify(rig.target.journal, rig.target.witnesses.marks()).flaws
    assert "cannot be read" in flaw.problem
    with pytest.raises(Exception, match="cannot be read"):
        rig.target.witness.saw(Mark.of(posted[-1]), chain=rig.target.journal.digests)
    assert path.read_bytes() == garbage
