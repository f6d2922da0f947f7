"""The newest mark of the chain that was shown outside of the journal: in a channel, where others have seen it.

A chain whose newest receipts were cut off, files and all, holds by itself; a mark that was shown before betrays it. It is
kept apart from the journal, so that a journal that was put back from a copy does not bring its own witness.

Excluded: comparing it with the chain (core/journal/verification.py).
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.canonical import canonical_bytes
from core.errors import WitnessUnreadable
from core.receipts.chain import Sealed
from core.system.files import make_folder, read_bounded, write_durably


class Mark(BaseModel):
    """Number and digest of a receipt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int = Field(ge=1)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class Witness:
    """One file that remembers the newest mark."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def saw(self, sealed: Sealed) -> None:
        """Remember that a receipt's mark was shown, and with it everything that it follows on.

        Raises:
            OSError: it cannot be written.
            WitnessUnreadable: what was seen before cannot be read, and is not written over.
        """
        before = self.newest()
        if before is None or before.seq < sealed.receipt.seq:
            mark = Mark(seq=sealed.receipt.seq, digest=sealed.digest)
            make_folder(self._file.parent)
            write_durably(self._file, canonical_bytes(mark.model_dump(mode="json")))

    def newest(self) -> Mark | None:
        """Return the newest mark that was shown, or None if none was.

        Raises:
            WitnessUnreadable: it cannot be read, or is no mark.
        """
        try:
            return Mark.model_validate_json(read_bounded(self._file, 4096))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise WitnessUnreadable(
                f"{self._file}, which remembers the newest mark that was shown, cannot be read. Nothing was compared with it; "
                "compare the newest message in the channel with `anr verify --expect`, then move the file away.",
            ) from error
