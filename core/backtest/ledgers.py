"""Ledgers of the past as columns: as they are, or compressed with gzip, bzip2 or xz.

Excluded: what the lines mean (core/ledger/decode.py).
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from core.errors import LedgerUnreadable
from core.ledger.columns import Columns
from core.ledger.decode import decode
from core.ledger.entry import BOM, MAX_LINE_BYTES, is_json_object
from core.ledger.window import Window
from core.scan.scan import parts
from core.settings.target import LedgerOptions
from core.system.files import open_regular
from core.system.progress import OnProgress

_CHUNK_BYTES = 2 << 20
_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError)


def columns_of(
    path: Path, window: Window, options: LedgerOptions, on_progress: OnProgress, *, rotated: bool = False
) -> Iterator[Columns]:
    """Yield the columns of a ledger; of one that is not compressed only what the window can need, with its siblings if asked for.

    Args:
        path: the ledger; compressed if its name ends so.
        window: the span that is wanted.
        options: how the ledger is read.
        on_progress: told how many bytes of how many were read.
        rotated: whether its rotated siblings are read with it.

    Raises:
        LedgerUnreadable: it is missing, no regular file, damaged, or cannot be read.
    """
    opener = _OPENERS.get(path.suffix)
    if opener is None:
        yield from parts(path, window, options, on_progress, rotated=rotated)
        return
    try:
        with open_regular(path) as packed, opener(packed) as stream:
            size = path.stat().st_size
            for chunk in _chunks(stream):
                on_progress(packed.tell(), size)
                yield decode(chunk)
    except _DAMAGE as error:
        text = f"{path} cannot be read to its end ({error}). Nothing was measured; take it off the list, or restore it."
        raise LedgerUnreadable(text) from error


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield whole lines, many at once; of a line that is too long only as much as shows that it is."""
    rest = b""
    first = True
    while data := stream.read(_CHUNK_BYTES):
        data = data.removeprefix(BOM) if first else data
        first = False
        lines = rest + data
        cut = lines.rfind(b"\n") + 1
        if cut:
            yield lines[:cut]
        rest = lines[cut:][: MAX_LINE_BYTES + 1]
    if is_json_object(rest):
        yield rest
