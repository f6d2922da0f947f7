"""A block of receipts is proven by itself only if nothing about it is wrong, whoever looks at it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.journal.inspection import blocks
from core.journal.inspection.blocks import all_looked_at, looked_at
from core.journal.tables import ReceiptRow
from core.receipts.receipt import Action, Phase
from tests.core.receipts.test_chain import CHAIN, chained, draft


def rows_of(folder: Path, count: int = 5) -> list[ReceiptRow]:
    """The rows of a chain whose files lie in the folder."""
    sealed = CHAIN if count == len(CHAIN) else chained([draft(at, Action.HOLD, Phase.EVENT) for at in range(1, count + 1)])
    for one in sealed:
        (folder / one.file_name).write_bytes(one.data)
    return [
        ReceiptRow(one.receipt.seq, one.receipt.id, one.receipt.cause, one.receipt.operation, one.data, one.digest)
        for one in sealed
    ]


def test_a_block_proves_its_receipts(tmp_path: Path) -> None:
    """Their numbers, their digests and on what the first follows; and it hands on what adds something to the state."""
    good = looked_at(rows_of(tmp_path), "production", str(tmp_path))
    assert good is not None
    assert (good.first, good.last, good.prev, good.digest) == (1, 5, CHAIN[0].receipt.prev, CHAIN[-1].digest)
    assert good.digests == b"".join(bytes.fromhex(sealed.digest) for sealed in CHAIN)
    assert (good.telling, good.newest) == (tuple(sealed.data for sealed in CHAIN), CHAIN[-1].data)


def spoilt(path: Path, data: bytes) -> None:
    path.write_bytes(data + b" ")


def piped(path: Path, _data: bytes) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("at", [0, 2, 4])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda row: row._replace(seq=9), id="number"),
        pytest.param(lambda row: row._replace(seq="none"), id="no-number"),
        pytest.param(lambda row: row._replace(id="another"), id="id"),
        pytest.param(lambda row: row._replace(cause="another"), id="cause"),
        pytest.param(lambda row: row._replace(operation=None), id="operation"),
        pytest.param(lambda row: row._replace(data=row.data.replace(b"day", b"dax")), id="bytes"),
        pytest.param(lambda row: row._replace(data=row.data.decode()), id="text"),
        pytest.param(lambda row: row._replace(data=b"{}\n"), id="no-receipt"),
        pytest.param(lambda row: row._replace(digest="0" * 64), id="digest"),
    ],
)
def test_a_block_with_a_row_that_is_altered_proves_nothing(
    tmp_path: Path, spoil: Callable[[ReceiptRow], ReceiptRow], at: int
) -> None:
    """In whichever column, of whichever receipt."""
    rows = rows_of(tmp_path)
    rows[at] = spoil(rows[at])
    assert looked_at(rows, "production", str(tmp_path)) is None


@pytest.mark.parametrize(
    "spoil", [pytest.param(lambda path, _: path.unlink(), id="gone"), spoilt, pytest.param(piped, marks=[], id="pipe")]
)
def test_a_block_of_which_a_file_is_another_proves_nothing(tmp_path: Path, spoil: Callable[[Path, bytes], None]) -> None:
    """Nor does it wait for somebody to write into what is no file."""
    rows = rows_of(tmp_path)
    spoil(tmp_path / CHAIN[2].file_name, CHAIN[2].data)
    assert looked_at(rows, "production", str(tmp_path)) is None


def test_receipts_that_are_not_in_order_or_anothers_prove_nothing(tmp_path: Path) -> None:
    """Swapped, left out, or of another router."""
    rows = rows_of(tmp_path)
    for wrong in ([rows[1], rows[0], *rows[2:]], [*rows[:2], *rows[3:]]):
        assert looked_at(wrong, "production", str(tmp_path)) is None
    assert looked_at(rows, "staging", str(tmp_path)) is None
    assert looked_at([], "production", str(tmp_path)) is None


@pytest.mark.parametrize("helpers", [0, 2])
def test_blocks_come_in_order_whoever_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: int) -> None:
    """Other processes prove of each block what this one would, and every row is in one of them."""
    monkeypatch.setattr(blocks, "_AT_ONCE", 7)
    rows = rows_of(tmp_path, 60)
    rows[40] = rows[40]._replace(id="another")
    found = list(all_looked_at(rows, "production", tmp_path, helpers))
    assert [row for block, _ in found for row in block] == rows
    assert [good for _, good in found] == [looked_at(block, "production", str(tmp_path)) for block, _ in found]
    assert [good is None for _, good in found] == [at == 40 // 7 for at in range(len(found))]


def test_a_process_that_cannot_be_started_costs_speed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process looks, then."""
    monkeypatch.setattr(blocks, "_AT_ONCE", 7)
    monkeypatch.setattr("sys.executable", str(tmp_path / "nothing"))
    found = list(all_looked_at(rows_of(tmp_path, 60), "production", tmp_path, 2))
    assert all(good is not None for _, good in found)
    assert len(found) == 9
