"""Receipts: what each step leaves behind, in canonical bytes that are chained by their digests.

Pure. Excluded: where receipts are kept (core/journal.py). The chain is the plain one of a log whose entries name the
digest of the entry before them: an altered, removed or swapped receipt no longer fits its neighbours.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.actors import Actor, ActorKind
from core.alerts import AlertFacts
from core.canonical import Moment, canonical_bytes, rfc3339
from core.gates import Gate, GateName

GENESIS = "0" * 64
"""The digest that the first receipt names as its predecessor."""
MAX_RECEIPT_BYTES = 1 << 20
MAX_NAMES_LISTED = 100
"""Names of deleted files that a receipt lists in full."""


class Action(StrEnum):
    """What a receipt is about."""

    INIT = "init"
    DAILY = "daily"
    REQUEST = "request"
    APPROVE = "approve"
    DENY = "deny"
    EXPIRE = "expire"
    STALE = "stale"
    PROMOTE = "promote"
    LOWER = "lower"
    ROLLBACK = "rollback"
    FREEZE = "freeze"
    HOLD = "hold"
    """Promotions were held, and the router was left at its stage."""
    UNFREEZE = "unfreeze"
    SEEN = "seen"
    """The running router was first seen to serve its stage."""
    PAUSE = "pause"
    RESUME = "resume"
    DRIFT = "drift"
    AGREED = "agreed"
    """Router and journal agree again after a drift."""
    REAPPLY = "reapply"
    ACCEPT = "accept"
    GUARD = "guard"
    BACKUP = "backup"
    RESTORE = "restore"
    PRUNE = "prune"
    ARCHIVE = "archive"
    PREFLIGHT = "preflight"
    SKIP = "skip"
    REVIEW = "review"
    ALERT = "alert"
    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"


class Phase(StrEnum):
    """Where in its operation a receipt stands. An intent promises an outcome; an event stands alone."""

    INTENT = "intent"
    OUTCOME = "outcome"
    EVENT = "event"


class Result(StrEnum):
    """How an operation ended."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    OVERTAKEN = "overtaken"
    """A brake came in between, and won."""
    UNKNOWN = "unknown"


class Hold(BaseModel):
    """One cause for which the rollout is frozen, with its owner.

    Attributes:
        expires_at: when it ends by itself; None if somebody has to lift it.
        keeps_stage: the router was left at its stage; otherwise it was rolled back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]{1,40}$")
    actor: Actor
    reason: str
    since: Moment
    cause: str | None = None
    expires_at: Moment | None = None
    keeps_stage: bool = False

    @property
    def is_alert(self) -> bool:
        """Whether an alert holds the rollout, not a person."""
        return self.actor.kind is ActorKind.ALERT


class Signature(BaseModel):
    """One person's yes or no to a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: Actor
    at: Moment
    decision: Literal["approved", "denied"]


class BreakGlass(BaseModel):
    """What somebody passed over when they acted alone in an emergency.

    Attributes:
        gates: the gates that failed.
        skipped: those whose approval was not waited for, as the settings name them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gates: tuple[GateName, ...] = ()
    skipped: tuple[str, ...] = ()


class RouterSighting(BaseModel):
    """The pilot that the running router last showed in its ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pilot: float
    at: Moment

    def shows(self, stage: int) -> bool:
        """Whether this is the pilot of a stage in percent."""
        return abs(self.pilot - stage / 100) < 1e-6


class StateCopy(BaseModel):
    """One backup of the bandit's state.

    Attributes:
        size: in bytes.
        digest: SHA-256 of its bytes, in hex.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int
    digest: str


class LedgerArchive(BaseModel):
    """One month's decisions, moved from the ledger to a compressed file.

    Attributes:
        lines: how many.
        size: of the lines, in bytes before compression.
        digest: SHA-256 of the lines, in hex; that of the decompressed file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lines: int
    size: int
    digest: str


class Deleted(BaseModel):
    """Files that were deleted: the first names, and a digest that proves the rest of the list.

    Attributes:
        digest: SHA-256 of all names in order, each with a line end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    names: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, names: Sequence[str]) -> "Deleted | None":
        """Return the record of these names, or None if there are none."""
        if not names:
            return None
        listed = "".join(f"{name}\n" for name in names).encode()
        return cls(count=len(names), names=tuple(names[:MAX_NAMES_LISTED]), digest=sha256(listed).hexdigest())


class Checkpoint(BaseModel):
    """What stands for the receipts that were pruned: the chain and the state go on from here.

    Attributes:
        last: number of the last receipt that was pruned; all from #1 to it are gone.
        pruned: how many of them this prune removed.
        digest: SHA-256 of receipt `last`, which the first one left names as its predecessor.
        state: what receipts #1 to `last` added up to, as JSON (core/rollout.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    last: int = Field(ge=1)
    pruned: int = Field(ge=1)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    state: Mapping[str, Any]


class Draft(BaseModel):
    """What an operation has to say; the journal adds number and predecessor when it is recorded.

    Attributes:
        operation: joins the receipts of one story.
        cause: key of what set this off; unique in a journal, so that one cause has one effect.
        stage_before: percent of live traffic before, None if unknown.
        stage_after: percent after; of an intent, the one that is wanted.
        alert: the alert that this is about.
        settings_written: the router's settings that were written, by name; of a brake those that it saw to.
        settings_observed: what the settings file said afterwards, by name.
        router_seen: what the running router last showed.
        holds_in_force: of a daily run and of an unfreezing, what still holds the rollout.
        break_glass: what was passed over, if somebody acted alone in an emergency.
        late: the router was put in its safe settings at `ts`, but this could be recorded only later.
        backup: the copy of the bandit's state that was made.
        restored: the copy that was put back, or is meant to be.
        archived: the months that were moved out of the ledger.
        deleted: the files that retention removed.
        checkpoint: what stands for the receipts that were pruned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    operation: str
    ts: Moment
    action: Action
    phase: Phase
    actor: Actor
    reason: str = ""
    note: str = ""
    cause: str | None = None
    result: Result | None = None
    stage_before: int | None = None
    stage_after: int | None = None
    pilot_before: str | None = None
    pilot_after: str | None = None
    holds_added: tuple[Hold, ...] = ()
    holds_lifted: tuple[str, ...] = ()
    holds_in_force: tuple[Hold, ...] = ()
    go: bool | None = None
    gates: tuple[Gate, ...] = ()
    metrics: Mapping[str, Any] | None = None
    alert: AlertFacts | None = None
    approval_id: str | None = None
    approvals: tuple[Signature, ...] = ()
    break_glass: BreakGlass | None = None
    settings_written: Mapping[str, str] | None = None
    settings_observed: Mapping[str, str] | None = None
    router_seen: RouterSighting | None = None
    late: bool = False
    backup: StateCopy | None = None
    restored: StateCopy | None = None
    archived: tuple[LedgerArchive, ...] = ()
    deleted: Deleted | None = None
    checkpoint: Checkpoint | None = None
    build: str = ""
    host: str = ""
    runbook_url: str = ""


class Receipt(Draft):
    """A recorded draft: numbered, and bound to its predecessor."""

    version: Literal[1] = 1
    target: str
    seq: int = Field(ge=1)
    prev: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A receipt with the bytes that stand for it and their digest."""

    receipt: Receipt
    data: bytes
    digest: str

    @property
    def mark(self) -> str:
        """Number and first 12 hex digits, as messages show them: `#12 3f9a…`."""
        return f"#{self.receipt.seq} {self.digest[:12]}"

    @property
    def file_name(self) -> str:
        """Name of the receipt's file: time, number and action, so that no two share one."""
        receipt = self.receipt
        stamp = rfc3339(receipt.ts)[:19].replace("-", "").replace(":", "")
        return f"anr_{stamp}Z_{receipt.seq:06d}_{receipt.action}.json"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that does not hold together in a chain of receipts.

    Attributes:
        missing_file: only a copy is gone; the receipt is in the journal.
    """

    seq: int
    problem: str
    missing_file: bool = False


def seal(draft: Draft, *, target: str, seq: int, prev: str) -> Sealed:
    """Number a draft, bind it to its predecessor, and fix its bytes."""
    receipt = Receipt(**dict(draft), target=target, seq=seq, prev=prev)
    data = canonical_bytes(receipt.model_dump(mode="json"))
    return Sealed(receipt, data, sha256(data).hexdigest())


@lru_cache(maxsize=1024)  # the newest stories are read again and again, and the same bytes always say the same
def unseal(data: bytes) -> Sealed:
    """Read a receipt back from its bytes.

    Raises:
        ValueError: the bytes are no receipt, or not in canonical form.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise ValueError(f"a receipt has at most {MAX_RECEIPT_BYTES:,} bytes, this has {len(data):,}")
    try:
        receipt = Receipt.model_validate_json(data)
        # a receipt from before a field was added does not have it, and keeps its bytes
        again = canonical_bytes(receipt.model_dump(mode="json", exclude_unset=True))
    except (ValidationError, RecursionError) as error:
        raise ValueError("the bytes are not a receipt") from error
    if again != data:
        raise ValueError("the bytes are not in canonical form")
    return Sealed(receipt, data, sha256(data).hexdigest())


def newest_checkpoint(receipts: Iterable[Receipt]) -> Checkpoint | None:
    """Return the checkpoint from which a chain goes on, or None if it begins with the first receipt."""
    return next((receipt.checkpoint for receipt in reversed(tuple(receipts)) if receipt.checkpoint is not None), None)


def flaws_in_chain(rows: Sequence[tuple[int, bytes, str]], *, target: str, after: tuple[int, str] | None = None) -> list[Flaw]:
    """Check a chain: rows of number, bytes and recorded digest, in order of number. Empty if it holds.

    A whole chain has to begin with the first receipt, or exactly after the last one that its newest checkpoint seals.

    Args:
        rows: the receipts.
        target: whose chain it is.
        after: number and digest of the receipt on which the first row has to follow; None if `rows` is the whole chain.
    """
    flaws: list[Flaw] = []
    followed: dict[str, int] = {}
    expected_seq, expected_prev = _beginning(rows) if after is None else (after[0] + 1, after[1])
    for seq, data, digest in rows:
        if seq > expected_seq:
            flaws.append(Flaw(expected_seq, f"receipts #{expected_seq} to #{seq - 1} are missing"))
        elif seq < expected_seq:
            flaws.append(Flaw(seq, f"#{seq} is still there, although a checkpoint says that it was pruned"))
        actual = sha256(data).hexdigest()
        if actual != digest:
            flaws.append(Flaw(seq, f"#{seq} was altered: its bytes do not have the digest that was recorded"))
        flaws.extend(Flaw(seq, problem) for problem in _problems(data, seq, expected_prev, target, followed))
        expected_seq, expected_prev = seq + 1, actual
    return flaws


def _beginning(rows: Iterable[tuple[int, bytes, str]]) -> tuple[int, str]:
    """Return the number of the first receipt of a whole chain, and the digest on which it has to follow."""
    checkpoint = newest_checkpoint(_checkpoints_in(rows))
    return (checkpoint.last + 1, checkpoint.digest) if checkpoint else (1, GENESIS)


def _checkpoints_in(rows: Iterable[tuple[int, bytes, str]]) -> Iterator[Receipt]:
    for _, data, _ in rows:
        if b'"checkpoint":{' in data:  # in canonical form; to read every receipt only for this would take twice as long
            with suppress(ValueError):  # whoever looks for flaws names it
                yield unseal(data).receipt


def _problems(data: bytes, seq: int, prev: str, target: str, followed: dict[str, int]) -> list[str]:
    """Return what is wrong with one receipt; `followed` is who was seen to follow on which digest."""
    try:
        receipt = unseal(data).receipt
    except ValueError as error:
        return [f"#{seq}: {error}"]
    problems = []
    if receipt.seq != seq:
        problems.append(f"#{seq} calls itself #{receipt.seq}: receipts were swapped")
    if receipt.prev != prev:
        problems.append(f"#{seq} does not follow on the receipt before it")
    if (other := followed.setdefault(receipt.prev, seq)) != seq:
        problems.append(f"#{other} and #{seq} follow on the same receipt: the chain was forked")
    if receipt.target != target:
        problems.append(f"#{seq} belongs to target {receipt.target!r}, not to {target!r}")
    return problems
