"""Records that a receipt carries: holds, signatures, sightings, copies and archives.

Pure. Excluded: the receipt itself (core/receipts/receipt.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.actors import Actor, ActorKind, Approvable
from core.canonical import Moment
from core.gates.policy import GateName

MAX_NAMES_LISTED = 100
"""Names of deleted files that a receipt lists in full."""
HOLD_DIGITS = 8
"""How many characters of a hold's id messages show."""


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
    def short_id(self) -> str:
        """The beginning of its id, as messages show it and `unfreeze` takes it."""
        return self.id[:HOLD_DIGITS]

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


class Terms(BaseModel):
    """What a request is bound to. Its receipt carries them, so that nothing beside the chain says what was asked for.

    Attributes:
        action: what is asked for.
        subject: what it is to be done to.
        revision: of the rollout's state when it was asked.
        epoch: of the bandit's state, likewise.
        policy_digest: of the rules by which a promotion is judged.
        verdict_digest: of the gates; empty where none is asked.
        expires_at: until when it may be answered.
        needed: how many people had to approve.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Approvable
    subject: tuple[str, ...] = ()
    revision: int
    epoch: int
    policy_digest: str
    verdict_digest: str
    expires_at: Moment
    needed: int


class AlertDrill(BaseModel):
    """How far the alert of a drill came, and how long each leg took, in seconds.

    Attributes:
        accepted_s: from posting it until Alertmanager had taken it; None if it did not.
        heard_s: from then until it was known that the webhook had heard it; None if it never did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accepted_s: float | None = None
    heard_s: float | None = None

    @property
    def total_s(self) -> float | None:
        """Seconds from posting it until it was heard; None if it never was."""
        return None if self.accepted_s is None or self.heard_s is None else self.accepted_s + self.heard_s

    def __str__(self) -> str:
        """Return the legs for people."""
        legs = (("accepted by Alertmanager", self.accepted_s), ("heard at the webhook", self.heard_s))
        return " → ".join(("posted", *(f"{name} {seconds:.2f} s" for name, seconds in legs if seconds is not None)))


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
    """What the ledger had until its file got another name, compressed.

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


@dataclass(frozen=True, slots=True)
class StateBackup:
    """What became of the bandit's state before something was done.

    Attributes:
        copy: the backup that was made; None if there is no state to back up.
        deleted: the backups that were one too many.
        note: what else is worth knowing, a sentence; empty if nothing is.
    """

    copy: StateCopy | None
    deleted: Deleted | None = None
    note: str = ""


class Checkpoint(BaseModel):
    """What stands for the receipts that were pruned: the chain and the state go on from here.

    Attributes:
        last: number of the last receipt that was pruned; all from #1 to it are gone.
        pruned: how many of them this prune removed.
        digest: SHA-256 of receipt `last`, which the first one left names as its predecessor.
        state: what receipts #1 to `last` added up to, as JSON (core/rollout/state.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    last: int = Field(ge=1)
    pruned: int = Field(ge=1)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    state: Mapping[str, Any]


class AddedUp(BaseModel):
    """What all receipts before one add up to, as a digest: whoever has that state can go on from it, and has to read no more.

    Attributes:
        rules: by which rules it was added up (core/rollout/state.py).
        digest: SHA-256 of the state's canonical bytes, in hex (core/journal/snapshots.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: int
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
