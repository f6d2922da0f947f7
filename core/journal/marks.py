"""Marks: number and digest of a receipt, as they are kept where whoever writes the journal cannot change them.

Pure. Excluded: where they are kept (core/journal/witness.py, core/journal/signed_heads.py) and comparing them with the chain
(core/journal/verification.py).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.canonical import MARK_DIGITS, canonical_bytes
from core.receipts.chain import Sealed

_KIND = "anr.mark"
_LINE = re.compile(rb"\{[^{}\n]{0,1000}\}")
_TYPED = re.compile(r"#?(\d{1,18})[ :]+([0-9a-f]{12,64})", re.ASCII)


class Mark(BaseModel):
    """Number and digest of a receipt.

    Attributes:
        digest: its SHA-256 in hex, or its first digits as messages show them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int = Field(ge=1)
    digest: str = Field(pattern=rf"^[0-9a-f]{{{MARK_DIGITS},64}}$")

    @classmethod
    def of(cls, sealed: Sealed) -> "Mark":
        """Return the mark of a receipt."""
        return cls(seq=sealed.receipt.seq, digest=sealed.digest)

    @classmethod
    def typed(cls, text: str) -> "Mark | None":
        """Return the mark that somebody read in a message, `#12 0c6082f58fd0` or `12:0c6082f58fd0`; None if it is none."""
        found = _TYPED.fullmatch(text.strip())
        return None if found is None or not int(found[1]) else cls(seq=int(found[1]), digest=found[2])

    def __str__(self) -> str:
        """Return it as messages show it."""
        return f"#{self.seq} {self.digest[:MARK_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks that one place holds.

    Attributes:
        source: which place, in a few words.
        marks: what it holds, in any order; empty if nothing.
        problem: why it proves nothing although it should, a sentence; empty if nothing is wrong.
        outside: whether it is in other hands than the journal, so that it proves something.
    """

    source: str
    marks: tuple[Mark, ...] = ()
    problem: str = ""
    outside: bool = True


def line_of(mark: Mark, target: str) -> bytes:
    """Return the line with which a witness is told a mark: JSON, so that a log's own prefix can be told from it."""
    return canonical_bytes({"kind": _KIND, "target": target, "seq": mark.seq, "digest": mark.digest})


def marks_in_lines(text: bytes, target: str) -> tuple[Mark, ...]:
    """Return the marks of a target in what a witness gives back; whatever else stands in it is a log's own."""
    return tuple(_marks_in(text, target))


def _marks_in(text: bytes, target: str) -> Iterator[Mark]:
    for found in _LINE.finditer(text):
        try:
            said = json.loads(found[0])
        except ValueError:
            continue
        if said.get("kind") == _KIND and said.get("target") == target:
            try:
                yield Mark.model_validate({"seq": said.get("seq"), "digest": said.get("digest")})
            except ValidationError:
                continue


def contradiction(mark: Mark, chain: Mapping[int, str]) -> str | None:
    """Say how a mark contradicts a chain, or None: it is in it, or lies before what is still there.

    Args:
        mark: what was shown outside.
        chain: the digest of each receipt by its number, and of the last one that was pruned.
    """
    if mark.seq in chain:
        return None if chain[mark.seq].startswith(mark.digest) else f"{mark} is not in the chain: receipts were replaced"
    if mark.seq < min(chain, default=1):
        return None
    return f"{mark} is not in the chain: receipts were cut off or replaced"


def left_behind(places: Sequence[Marks], chain: Mapping[int, str]) -> str | None:
    """Say that a chain begins after every mark that was seen of it, so that none of them is in it; None if not.

    That is how a chain looks which somebody made up behind a checkpoint of their own. One that was pruned keeps its newest
    receipts, and of those some were shown.

    Args:
        places: those outside count, together: each for itself may have been told nothing for long.
        chain: as for `contradiction`.
    """
    newest = newest_of([mark for place in places if place.outside for mark in place.marks])
    if newest is None or not chain or newest.seq >= min(chain):
        return None
    return f"it begins after every mark that was shown, the newest of which is {newest}: nothing of it was seen outside"


def newest_of(marks: Sequence[Mark]) -> Mark | None:
    """Return the mark with the highest number, or None if there is none."""
    return max(marks, key=lambda mark: mark.seq, default=None)
