"""Decisions as columns: what the window's figures need of them, and nothing else.

Pure. Excluded: how lines become columns (core/ledger/decode.py), and columns figures (core/ledger/totals.py).
"""

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Self

from core.system.arrays import NDArray, np

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]

TIMELESS = np.iinfo(np.int64).min
"""Stands for the time before a line without one where no dated line stands before it in the same columns."""
_HEAD = struct.Struct("<4sIII")
_FORMAT = b"anr2"


class Flag(IntFlag):
    """What a decision was, as bits of one byte."""

    LIVE = 1
    MATCHES_SHADOW = 2
    ROLLED_BACK = 4
    ENGAGED = 8
    ROLLBACK_KNOWN = 16
    ANOMALY_KNOWN = 32


class Kind(IntFlag):
    """What a line was that is not an entry, as a byte."""

    MALFORMED = 1
    UNDATED = 2


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Some consecutive lines of a ledger, in the order of the ledger.

    Attributes:
        t_us: time of each entry, in microseconds since 1970.
        flags: bits of `Flag` of each entry.
        tri: `tri_delta_norm` of each entry; not a number where it carries none.
        r3: shadow's probability of R3 of each entry with `ENGAGED`, in their order; 0 where the route was masked, not a number
            where nothing tells.
        skipped_t_us: of each line that is no entry, the time of the last entry before it, or `TIMELESS`.
        skipped_kind: its `Kind`.
    """

    t_us: Integers
    flags: Bytes
    tri: Floats
    r3: Floats
    skipped_t_us: Integers
    skipped_kind: Bytes

    def packed(self) -> bytes:
        """Return the columns as bytes."""
        head = _HEAD.pack(_FORMAT, len(self.t_us), len(self.r3), len(self.skipped_t_us))
        eights = (self.t_us, self.tri, self.r3, self.skipped_t_us)
        return b"".join((head, *(column.tobytes() for column in eights), self.flags.tobytes(), self.skipped_kind.tobytes()))

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """Return the columns of `packed` bytes.

        Raises:
            ValueError: the bytes are something else.
        """
        if len(data) < _HEAD.size:
            raise ValueError("too short to be columns")
        form, entries, engaged, skipped = _HEAD.unpack_from(data)
        if form != _FORMAT or len(data) != _HEAD.size + 17 * entries + 8 * engaged + 9 * skipped:
            raise ValueError("the bytes are not columns")
        at = _HEAD.size

        def take(kind: type[Any], count: int) -> NDArray[Any]:
            nonlocal at
            column: NDArray[Any] = np.frombuffer(data, kind, count, at)
            at += column.nbytes
            return column

        t_us, tri = take(np.int64, entries), take(np.float64, entries)
        r3, skipped_t_us = take(np.float64, engaged), take(np.int64, skipped)
        return cls(t_us, take(np.uint8, entries), tri, r3, skipped_t_us, take(np.uint8, skipped))
