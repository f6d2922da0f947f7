"""How far the reading of a ledger is, for the person who waits for the answer.

Excluded: who waits, and the answer itself (bot/dispatch/dispatcher.py).
"""

import asyncio

PATIENCE_SECONDS = 1.0
"""An answer that takes longer says how far it is."""
_LOOK_SECONDS = 0.05


class Progress:
    """Told by the thread that reads, asked by the one that waits."""

    def __init__(self) -> None:
        self._read = self._size = 0

    def note(self, read: int, size: int) -> None:
        """Take note of how many bytes of how many were read."""
        self._read, self._size = read, size

    async def shown(self) -> str:
        """Wait until the answer has taken its time and something is being read; return how far it is."""
        await asyncio.sleep(PATIENCE_SECONDS)
        while (text := self.text) is None:  # noqa: ASYNC110 - a thread takes the notes
            await asyncio.sleep(_LOOK_SECONDS)
        return text

    @property
    def text(self) -> str | None:
        """How far it is, as a sentence; None while nothing is being read."""
        read, size = self._read, self._size
        if read >= size:
            return None
        return f"Reading the ledger: {read / 1e6:,.0f} of {size / 1e6:,.0f} MB ({read / size:.0%}). The answer follows."
