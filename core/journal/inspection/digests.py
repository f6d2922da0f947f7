"""The digests of a chain by number, in little memory: a million receipts take 32 MB.

Pure. Excluded: what they are compared with (core/journal/marks.py).
"""

from collections.abc import Iterator, Mapping

_BYTES = 32
"""Of a SHA-256."""


class Digests(Mapping[int, str]):
    """The digest of each receipt by its number, in hex. Receipts are added in order of number."""

    def __init__(self) -> None:
        self._first = 0
        self._unbroken = bytearray()
        self._others: dict[int, str] = {}

    def add(self, first: int, digests: bytes) -> None:
        """Add the digests of receipts that follow on each other, 32 bytes each.

        Args:
            first: the number of the first of them.
            digests: those of all of them.
        """
        if not self._unbroken:
            self._first = first
        if first == self._end:
            self._unbroken += digests
        else:
            for at in range(0, len(digests), _BYTES):
                self._others[first + at // _BYTES] = digests[at : at + _BYTES].hex()

    def number_of(self, digest: str) -> int | None:
        """Return the number of the receipt with a digest; None if there is none among those that follow on each other."""
        wanted, at = bytes.fromhex(digest), -1
        while (at := self._unbroken.find(wanted, at + 1)) >= 0:
            if at % _BYTES == 0:
                return self._first + at // _BYTES
        return None

    @property
    def _end(self) -> int:
        return self._first + len(self._unbroken) // _BYTES

    def __getitem__(self, number: int) -> str:
        if self._first <= number < self._end:
            at = (number - self._first) * _BYTES
            return self._unbroken[at : at + _BYTES].hex()
        return self._others[number]

    def __iter__(self) -> Iterator[int]:
        yield from range(self._first, self._end)
        yield from self._others

    def __len__(self) -> int:
        return len(self._unbroken) // _BYTES + len(self._others)
