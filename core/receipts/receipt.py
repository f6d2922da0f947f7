"""Receipts: what each step leaves behind, in canonical bytes that are chained by their digests.

Pure. Excluded: where receipts are kept (core/journal/journal.py). The chain is the plain one of a log whose entries name the
digest of the entry before them: an altered, removed or swapped receipt no longer fits its neighbours.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.actors import Actor
from core.alerts.payload import AlertFacts
from core.canonical import Moment
from core.gates.report import Gate
from core.ledger.figures import WindowMetrics
from core.ledger.recorded import recorded
from core.receipts.evidence import (
    AddedUp,
    AlertDrill,
    BreakGlass,
    Checkpoint,
    Deleted,
    Hold,
    LedgerArchive,
    RouterSighting,
    Signature,
    StateCopy,
    Terms,
)
from core.receipts.observation import Observation
from core.receipts.state_content import StateChange


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
    OBSERVED = "observed"
    """What was seen of the running router has changed: it is seen safe, still serves, shows another stage, shows nothing."""
    SHADOW = "shadow"
    """The router observes again: it learns in shadow, and serves nothing."""
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
    RESET = "reset"
    """The bandit's state was removed, so that the router begins anew."""
    ADOPT = "adopt"
    """A backup that somebody else made was taken on."""
    DRILL = "drill"
    ALERT_DRILL = "alertdrill"
    """Whether an alert arrives at the webhook was tried out."""
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


class Statement(BaseModel):
    """What an operation has to say (core/receipts/drafts/ makes them).

    Attributes:
        operation: joins the receipts of one story.
        cause: key of what set this off; unique in a journal, so that one cause has one effect.
        due_at: of a daily run, when it was due, whatever zone said so.
        stage_before: percent of live traffic before, None if unknown.
        stage_after: percent after; of an intent, the one that is wanted.
        metrics: the figures as the report's JSON has them, kept as they are; `figures` reads them.
        alert: the alert that this is about.
        alert_drill: how far the alert of a drill came.
        settings_written: the router's settings that were written, by name; of a brake those that it saw to.
        settings_observed: what the settings file said afterwards, by name.
        router_seen: what the running router last showed.
        observation: what was expected of the running router since when, and what was seen of it.
        router_version: of the router as its endpoint told it last; of a brake, which asks nobody, as the journal knew it.
        holds_in_force: of a daily run and of an unfreezing, what still holds the rollout.
        terms: of a request, what it is bound to.
        break_glass: what was passed over, if somebody acted alone in an emergency.
        late: the router was put in its safe settings at `ts`, but this could be recorded only later.
        backup: the copy of the bandit's state that was made.
        restored: the copy that was put back, or is meant to be.
        state_change: of a restore or a reset, what became of the state.
        archived: what had been the ledger and was compressed.
        deleted: the files that retention removed.
        checkpoint: what stands for the receipts that were pruned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    ts: Moment
    action: Action
    phase: Phase
    actor: Actor
    reason: str = ""
    note: str = ""
    cause: str | None = None
    due_at: Moment | None = None
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
    alert_drill: AlertDrill | None = None
    approval_id: str | None = None
    approvals: tuple[Signature, ...] = ()
    terms: Terms | None = None
    break_glass: BreakGlass | None = None
    settings_written: Mapping[str, str] | None = None
    settings_observed: Mapping[str, str] | None = None
    router_seen: RouterSighting | None = None
    observation: Observation | None = None
    router_version: str | None = None
    late: bool = False
    backup: StateCopy | None = None
    restored: StateCopy | None = None
    state_change: StateChange | None = None
    archived: tuple[LedgerArchive, ...] = ()
    deleted: Deleted | None = None
    checkpoint: Checkpoint | None = None

    @property
    def figures(self) -> WindowMetrics | None:
        """The figures that were measured; None if none were.

        Raises:
            ValueError: they cannot be understood.
        """
        return None if self.metrics is None else recorded(self.metrics)

    @property
    def ended(self) -> str:
        """How it ended, in words: settings are applied once the running router was seen to follow, and written before that."""
        if self.result is Result.APPLIED and self.observation is not None and not self.observation.sight.is_seen:
            return "written"
        return str(self.result).replace("_", " ") if self.result else ""


class Draft(Statement):
    """A statement with what every receipt carries; the journal adds number and predecessor when it is recorded.

    Attributes:
        account: the operating system's account under which it was written, whoever the actor is.
        request_digest: SHA-256 of the request that is recorded with this receipt, in hex; None if none is.
        adds_up: what all receipts before this one add up to; of some receipts, None of most.
    """

    id: str
    account: str = ""
    build: str = ""
    host: str = ""
    runbook_url: str = ""
    request_digest: str | None = None
    adds_up: AddedUp | None = None


class Receipt(Draft):
    """A recorded draft: numbered, and bound to its predecessor."""

    version: Literal[1] = 1
    target: str
    seq: int = Field(ge=1)
    prev: str = Field(pattern=r"^[0-9a-f]{64}$")
