"""The journal: receipts and approvals of one target in a database, and each receipt as a file beside it.

A receipt and the approval that it changes are one transaction; it is durable when `append` returns. The row is the truth, the
file a second copy that is re-created if it is missing.

Excluded: tables and queries (core/journal/tables.py), and what receipts mean (core/receipts/receipt.py, core/rollout/state.py).
"""

import os
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from core.canonical import canonical_bytes
from core.errors import CauseAlreadyRecorded, JournalCorrupt, JournalError, JournalUnavailable
from core.journal.marks import Mark, contradiction, left_behind, newest_of
from core.journal.snapshots import EVERY, KEPT, snapshot_of
from core.journal.verified_chain import UNSEEN, ChainBroken, Row, Seen, VerifiedChain, gone_back
from core.receipts.cause import Cause
from core.receipts.chain import (
    CHECKPOINT,
    GENESIS,
    Flaw,
    Sealed,
    newest_checkpoint_in,
    number_in_name,
    seal,
    unseal,
)
from core.receipts.evidence import Checkpoint, Deleted
from core.receipts.plain import PlainReceipt, name_of, plain
from core.receipts.receipt import Action, Draft
from core.rollout.approvals import Approval, ApprovalStatus
from core.rollout.state import RolloutState
from core.system.files import make_folder, sync_directory, write_durably
from core.system.logs import logger
from core.system.progress import OnProgress

if TYPE_CHECKING:
    from core.journal.inspection.inspect import Readable
    from core.journal.tables import Database, Rows
    from core.journal.witness import Witnesses

log = logger(__name__)

_MOST_READ = 4 * EVERY
"""How many receipts are read at most so that one that is recorded can state what they add up to."""
BUSY_SECONDS = 5.0
"""How long a write waits for another process's transaction."""


@dataclass(slots=True)
class _Shared:
    """What one process knows of a journal, whatever its patience: the chain that it verified. Replaced, never changed.

    Attributes:
        chain: what was verified last; empty again once something did not hold.
        seen: the newest receipt of all that it has read or recorded; it is asked for before the rows are, and never forgotten.
        doubted: something did not hold; until the whole chain does, nobody goes on from a snapshot.
        again: the same journal by its patience, in seconds, and for how long its file stays open.
    """

    chain: VerifiedChain
    seen: Seen = UNSEEN
    doubted: bool = False
    again: "dict[tuple[float, float], Journal]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JournalReading:
    """What one transaction found in a journal.

    Attributes:
        state: what all receipts add up to.
        waiting: the requests that wait for an answer, the oldest first.
        done: number of the receipt that recorded the cause that was asked about; None if none did, or none was asked about.
    """

    state: RolloutState
    waiting: tuple[Approval, ...] = ()
    done: int | None = None


class Journal:
    """Receipts and approvals of one target."""

    def __init__(
        self,
        path: Path,
        *,
        target: str,
        receipts_dir: Path,
        busy_seconds: float = BUSY_SECONDS,
        idle_seconds: float = 0.0,
        witnesses: "Witnesses | None" = None,
    ) -> None:
        self._path = path
        self._witnesses = witnesses
        self._target = target
        self._receipts_dir = receipts_dir
        self._busy_seconds = busy_seconds
        self._idle_seconds = idle_seconds
        self._shared = _Shared(VerifiedChain(target))

    @property
    def target(self) -> str:
        """Name of the target whose receipts these are."""
        return self._target

    @cached_property
    def _database(self) -> "Database":
        from core.journal.tables import Database  # noqa: PLC0415 - SQLAlchemy is slow to import, and a brake acts before it records

        return Database(self._path, self._target, self._busy_seconds, self._idle_seconds)

    def _rows(self, *, write: bool = False) -> "AbstractContextManager[Rows]":
        return self._database.rows(write=write)

    def close(self) -> None:
        """Let go of the database."""
        if "_database" in self.__dict__:
            self._database.engine.dispose()

    def with_patience(self, seconds: float) -> "Journal":
        """Return the same journal, waiting only so long for another process's transaction."""
        return self._again(seconds, self._idle_seconds)

    def held_open(self, seconds: float) -> "Journal":
        """Return the same journal, whose file stays open between operations until there was none for so long."""
        return self._again(self._busy_seconds, seconds)

    def _again(self, busy_seconds: float, idle_seconds: float) -> "Journal":
        known = self._shared.again.get((busy_seconds, idle_seconds))
        if known is not None:
            return known
        again = Journal(
            self._path,
            target=self._target,
            receipts_dir=self._receipts_dir,
            busy_seconds=busy_seconds,
            idle_seconds=idle_seconds,
            witnesses=self._witnesses,
        )
        again._shared = self._shared
        return self._shared.again.setdefault((busy_seconds, idle_seconds), again)

    def append(self, draft: Draft, approval: Approval | None = None) -> Sealed:
        """Record a receipt, and with it the new status of an approval, durably and as one.

        Raises:
            CauseAlreadyRecorded: another receipt has the same cause key; nothing was recorded.
            JournalUnavailable: the journal cannot be written at present; nothing was recorded.
            JournalCorrupt: the journal is empty although receipt files exist, or its head does not hold.
        """
        seen = self._shared.seen
        with self._rows(write=True) as rows:
            if draft.cause is not None and (seq := rows.number_of(cause=draft.cause)) is not None:
                raise CauseAlreadyRecorded(draft.cause, seq)
            number, digest = self._head(rows)
            if seen[0] >= number and (flaw := gone_back(seen, [(number, b"", digest)])):
                raise JournalCorrupt(f"The journal {self._path} does not verify: {flaw.problem}. Nothing was recorded.")
            request = None if approval is None else canonical_bytes(approval.model_dump(mode="json"))
            if request is not None:
                draft = draft.model_copy(update={"request_digest": sha256(request).hexdigest()})
            draft = self._with_snapshot(rows, draft, number)
            sealed = seal(draft, target=self._target, seq=number + 1, prev=digest)
            rows.insert(sealed)
            if approval is not None and request is not None:
                rows.put_request(approval.id, approval.status, request)
        self._recorded(sealed)
        return sealed

    def append_together(self, drafts: Sequence[Draft]) -> tuple[Sealed, ...]:
        """Record receipts in one transaction; those whose cause or id another receipt has are left out.

        Raises:
            JournalUnavailable: the journal cannot be written at present; nothing was recorded.
            JournalCorrupt: the journal is empty although receipt files exist, or its head does not hold.
        """
        sealed: list[Sealed] = []
        with self._rows(write=True) as rows:
            number, digest = self._head(rows)
            known = rows.operations_of([draft.cause for draft in drafts if draft.cause is not None])
            for draft in drafts:
                if draft.cause in known or rows.operation_of(draft.id) is not None:
                    continue
                if not sealed:
                    draft = self._with_snapshot(rows, draft, number)  # noqa: PLW2901 - the same, with what it states
                one = seal(draft, target=self._target, seq=number + 1, prev=digest)
                rows.insert(one)
                number, digest = number + 1, one.digest
                sealed.append(one)
                if draft.cause is not None:
                    known[draft.cause] = draft.operation
        for receipt in sealed:
            self._recorded(receipt)
        return tuple(sealed)

    def _with_snapshot(self, rows: "Rows", draft: Draft, number: int) -> Draft:
        """Return the draft that follows on receipt `number`; if it is time to, with what all up to that one add up to.

        Nobody waits for it: where much would have to be read, or the chain does not hold, the next one states it.
        """
        newest = rows.newest_snapshot()
        added_up = newest[0] - 1 if newest is not None else 0
        if number - added_up < EVERY:
            return draft
        known = self._shared.chain, self._shared.seen
        if self._shared.doubted or number - max(known[0].seq, added_up) > _MOST_READ:
            return draft
        try:
            state = self._state(rows, *known, whole=False)
        except JournalCorrupt:
            return draft
        stated, data = snapshot_of(state)
        rows.put_snapshot(number + 1, data, KEPT)
        return draft.model_copy(update={"adds_up": stated})

    def _recorded(self, sealed: Sealed) -> None:
        receipt = sealed.receipt
        self._shared.seen = max(self._shared.seen, (receipt.seq, sealed.digest))
        log.info(
            "recorded",
            receipt=sealed.mark,
            action=str(receipt.action),
            phase=str(receipt.phase),
            result=receipt.result and str(receipt.result),
            actor=receipt.actor.id,
            operation=receipt.operation,
            stage=receipt.stage_after,
        )
        self._write_file(sealed)
        if self._witnesses is not None:
            self._witnesses.tell(sealed)

    def receipts(self, *, after: int = 0, first: int | None = None, last: int | None = None) -> tuple[Sealed, ...]:
        """Return receipts in order of number: those after a number, of these only the `first` few, or only the `last` few.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: a receipt cannot be understood, or does not follow on the one before it.
        """
        with self._rows() as rows:
            found = rows.receipts(after=after, first=first, last=last)
        sealed = tuple(self._unsealed(*row) for row in found)
        for before, following in pairwise(sealed):
            if (following.receipt.seq, following.receipt.prev) != (before.receipt.seq + 1, before.digest):
                raise JournalCorrupt(
                    f"Receipt #{following.receipt.seq} does not follow on #{before.receipt.seq}. Run `anr verify`."
                )
        return sealed

    def oldest(self) -> Sealed | None:
        """Return the oldest receipt that was not pruned, or None if there is none.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: the receipt cannot be understood.
        """
        with self._rows() as rows:
            found = rows.receipts(first=1)
        return self._unsealed(*found[0]) if found else None

    def newest_digest(self) -> str:
        """Return the digest of the newest receipt; where there is none, 64 zeros.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: it is empty although receipt files exist.
        """
        with self._rows() as rows:
            return self._head(rows)[1]

    def of_operation(self, operation: str) -> tuple[Sealed, ...]:
        """Return the receipts of one story, in order of number.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: a receipt cannot be understood.
        """
        with self._rows() as rows:
            found = rows.receipts(operation=operation)
        return tuple(self._unsealed(*row) for row in found)

    def of_request(self, approval_id: str) -> tuple[Sealed, ...]:
        """Return the receipts that name a request, in order of number: by their bytes, whatever the columns beside them say.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: a receipt cannot be understood.
        """
        return self.saying(canonical_bytes({"approval_id": approval_id})[1:-2])

    def of_action(self, action: Action, *, after: int = 0) -> tuple[Sealed, ...]:
        """Return the receipts of an action, in order of number, those after a number.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: a receipt cannot be understood.
        """
        found = self.saying(canonical_bytes({"action": action})[1:-2], after=after)
        return tuple(sealed for sealed in found if sealed.receipt.action is action)  # terms have an `action`, too

    def saying(self, part: bytes, *, after: int = 0) -> tuple[Sealed, ...]:
        """Return the receipts in whose bytes something stands, in order of number: the database goes through those of all.

        Args:
            part: of their canonical JSON.
            after: only those after this number.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: a receipt cannot be understood.
        """
        with self._rows() as rows:
            found = rows.receipts(after=after, saying=part)
        return tuple(self._unsealed(*row) for row in found)

    def state(self, *, whole: bool = False) -> RolloutState:
        """Return what all receipts add up to.

        The whole chain is verified at the first call. After that only what follows on it is: a look costs what was added
        since the last one.

        Args:
            whole: also ask whether every receipt is still, to the byte, what was verified, and whether any mark that was shown
                elsewhere and can be seen from here contradicts them. Whatever may raise traffic does.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: the chain does not hold, so that nobody can say what the state is.
        """
        known = self._shared.chain, self._shared.seen
        with self._rows() as rows:
            return self._state(rows, *known, whole=whole)

    def state_after(self, digest: str) -> tuple[RolloutState, str] | None:
        """Return what all receipts add up to and the digest of the newest, None if that is still the one with this digest.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: the chain does not hold, so that nobody can say what the state is.
        """
        known = self._shared.chain, self._shared.seen
        with self._rows() as rows:
            newest = self._head(rows)[1]
            return None if newest == digest else (self._state(rows, *known, whole=False), newest)

    def read(self, cause: Cause | str | None = None) -> JournalReading:
        """Return what an operation is decided on, as one transaction shows it; every receipt is asked whether it is unchanged.

        Args:
            cause: what sets the operation off; None if nothing is known of it.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: the chain does not hold, so that nobody can say what the state is.
        """
        known = self._shared.chain, self._shared.seen
        with self._rows() as rows:
            state = self._state(rows, *known, whole=True)
            done = None if cause is None else rows.number_of(cause=str(cause))
            return JournalReading(state, self._waiting(rows), done)

    def _state(self, rows: "Rows", known: VerifiedChain, seen: Seen, *, whole: bool) -> RolloutState:
        """Return what the receipts of a transaction add up to; `known` and `seen` were taken before it began."""
        try:
            chain = self._whole_chain(rows, known) if whole else self._newest_chain(rows, known)
            if not chain.seq:
                self._head(rows)
            if flaw := gone_back(seen, self._seen_since(rows, seen, chain)):
                raise ChainBroken(flaw)  # noqa: TRY301 - a flaw like those that the chain itself names
        except ChainBroken as error:
            self._shared.chain, self._shared.doubted = VerifiedChain(self._target), True
            raise JournalCorrupt(
                f"The journal {self._path} does not verify: {error.flaw.problem}. Nothing was changed; run `anr verify` and "
                "`anr journal check`: its copies, or the receipts' files, may be whole. `rollback` and `freeze` still work.",
            ) from error
        except ValueError as error:
            raise JournalCorrupt(
                f"The journal {self._path} goes on from a checkpoint that cannot be understood. Nothing was changed."
            ) from error
        self._shared.chain, self._shared.doubted = chain, False
        self._shared.seen = max(self._shared.seen, (chain.seq, chain.digest))
        if whole:
            self._refuse_contradicted(rows)
        return chain.state

    def _newest_chain(self, rows: "Rows", known: VerifiedChain) -> VerifiedChain:
        """Return the chain as it is now: what was verified, or the newest snapshot, and what follows on it.

        Raises:
            ChainBroken, ValueError: as `VerifiedChain.of` does.
        """
        if known.seq:
            first, *further = rows.receipts(after=known.seq - 1) or [(0, b"", "")]
            return known.followed_by(further) if known.ends_with(first) else self._whole_chain(rows, known)
        if not self._shared.doubted and (snapshot := rows.newest_snapshot()) is not None:
            found = rows.receipts(after=snapshot[0] - 1)
            if (chain := VerifiedChain.from_snapshot(found, self._target, snapshot)) is not None:
                return chain
        return self._whole_chain(rows, known)

    def _whole_chain(self, rows: "Rows", known: VerifiedChain) -> VerifiedChain:
        """Return the chain as it is now, every receipt of it asked whether it is what was verified, or verified now.

        Raises:
            ChainBroken, ValueError: as `VerifiedChain.of` does.
        """
        if known.seal and known.is_made_of(rows.walk(through=known.seq)):
            return known.followed_by(rows.walk(after=known.seq))
        return VerifiedChain.of(rows.walk(), self._target, newest_checkpoint_in(rows.receipts(saying=CHECKPOINT)))

    def _seen_since(self, rows: "Rows", seen: Seen, chain: VerifiedChain) -> list[Row]:
        """Return what tells whether a receipt that was seen is still there, and is still the same."""
        if not seen[0] or seen == (chain.seq, chain.digest):
            return [(*seen[:1], b"", seen[1])]
        return [(number, b"", digest) for number, digest in sorted(rows.digests([seen[0]]).items())]

    def _refuse_contradicted(self, rows: "Rows") -> None:
        """Refuse an older copy that was put back, or another chain: it holds by itself, and not against what was shown.

        Raises:
            JournalCorrupt: a mark outside is not in the chain.
        """
        places = self._witnesses.marks() if self._witnesses is not None else ()
        chain = _digests(rows, [mark.seq for place in places for mark in place.marks])
        against = (
            f"{problem} ({place.source})" for place in places for mark in place.marks if (problem := contradiction(mark, chain))
        )
        problem = next(against, None) or left_behind(places, chain)
        if problem is not None:
            raise JournalCorrupt(
                f"The journal {self._path} is not the one that was shown before: {problem}. Nothing was "
                "changed; run `anr verify`, then restore the newest journal; if it is lost, begin anew under a new "
                "`target.name`. `rollback` and `freeze` still work."
            )

    def digests(self, numbers: Collection[int]) -> dict[int, str]:
        """Return digests by number: of these receipts, of the oldest, and of the one on which that follows.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            return _digests(rows, numbers)

    def head(self) -> Mark | None:
        """Return the mark of the newest receipt, or None if there is none.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            newest = rows.head()
        return None if newest is None else Mark(seq=newest[0], digest=newest[1])

    def prune(self, draft: Draft, through: int) -> Sealed:
        """Delete the receipts up to number `through`, and seal them in a checkpoint: the draft becomes its receipt.

        Their files go first. If anything fails after that, the rows are all there, and `recreate_files` writes the files
        again. The checkpoint and the deletion of the rows are one transaction.

        Raises:
            JournalUnavailable: the journal or a file cannot be written; nothing was pruned.
            JournalCorrupt: what would be pruned does not verify, and is evidence; nothing was pruned.
        """
        readable, flaws = self.verify()
        if flaws := tuple(flaw for flaw in flaws if not flaw.missing_file):
            raise JournalCorrupt(f"The journal {self._path} does not verify: {flaws[0].problem}. Nothing was pruned.")
        before = readable.checkpoint.receipt.checkpoint if readable.checkpoint is not None else None
        with self._rows() as rows:
            pruned = VerifiedChain.of(rows.walk(through=through), self._target, before)
            gone = [plain(data) for _, data, _ in rows.walk(through=through)]
        state = pruned.state.model_dump(mode="json")
        checkpoint = Checkpoint(last=through, pruned=len(gone), digest=pruned.digest, state=state)
        names = [name_of(receipt) for receipt in gone]
        deleted = Deleted.of(names)
        self._delete_files(names)
        try:
            with self._rows(write=True) as rows:
                number, digest = self._head(rows)
                draft = draft.model_copy(update={"checkpoint": checkpoint, "deleted": deleted})
                kept = seal(draft, target=self._target, seq=number + 1, prev=digest)
                rows.insert(kept)
                rows.delete_receipts(through)
                for approval_id in filter(None, {receipt.approval_id for receipt in gone}):
                    rows.delete_request(approval_id)
        except JournalError:
            self.recreate_files()
            raise
        self._recorded(kept)
        return kept

    def _delete_files(self, names: Sequence[str]) -> None:
        try:
            for name in names:
                (self._receipts_dir / name).unlink(missing_ok=True)
            sync_directory(self._receipts_dir)
        except OSError as error:
            self.recreate_files()
            raise JournalUnavailable(
                f"The files of old receipts in {self._receipts_dir} cannot be deleted ({error.strerror or error}). "
                "Nothing was pruned; let the account that runs anr write there.",
            ) from error

    def find_cause(self, cause: Cause | str) -> int | None:
        """Return the number of the receipt that recorded a cause, or None.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            return rows.number_of(cause=str(cause))

    def by_cause(self, cause: Cause | str) -> Sealed | None:
        """Return the receipt that recorded a cause, or None.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: the receipt cannot be understood.
        """
        with self._rows() as rows:
            found = rows.receipts(cause=str(cause))
        return self._unsealed(*found[0]) if found else None

    def caused_by(self, beginning: str) -> tuple[Sealed, ...]:
        """Return the receipts whose cause key begins so, in order of number.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: a receipt cannot be understood.
        """
        with self._rows() as rows:
            found = rows.receipts(cause_from=beginning)
        return tuple(self._unsealed(*row) for row in found)

    def plain(self, *, after: int, first: int) -> tuple[tuple[PlainReceipt, bytes], ...]:
        """Return the `first` few receipts after a number, read without building them, each with its bytes.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: a receipt cannot be understood.
        """
        with self._rows() as rows:
            found = rows.receipts(after=after, first=first)
        try:
            return tuple((plain(data), data) for _, data, _ in found)
        except ValueError as error:
            raise JournalCorrupt(f"A receipt after #{after} cannot be understood: {error}. Run `anr verify`.") from error

    def operations_of(self, causes: Collection[str]) -> dict[str, str]:
        """Return the operation by cause, of those causes that were recorded.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            return rows.operations_of(causes)

    def newest_operation(self, prefix: str) -> str | None:
        """Return the newest operation whose id begins so, or None.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            return rows.newest_operation(prefix)

    def operation_of(self, receipt_id: str) -> str | None:
        """Return the operation of the receipt with this id, or None if there is none. A hold has the id of its receipt.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            return rows.operation_of(receipt_id)

    def has(self, receipt_id: str) -> bool:
        """Whether a receipt with this id was recorded.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        return self.operation_of(receipt_id) is not None

    def approval(self, approval_id: str) -> Approval | None:
        """Return one request, or None if there is none with this id.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            found = rows.requests(request_id=approval_id)
            return self._request(found[0]) if found else None

    def pending(self) -> tuple[Approval, ...]:
        """Return the requests that wait for an answer, the oldest first.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            return self._waiting(rows)

    def _waiting(self, rows: "Rows") -> tuple[Approval, ...]:
        waiting = [self._request(data) for data in rows.requests(status=ApprovalStatus.PENDING)]
        return tuple(sorted(waiting, key=lambda approval: approval.asked_at))

    def verify(self, on_progress: OnProgress | None = None) -> "tuple[Readable, tuple[Flaw, ...]]":
        """Hold every row, request and file against the chain. Return what can be read, and the flaws.

        Args:
            on_progress: told how many bytes of how many were looked at; may raise to stop.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        from core.journal.inspection.inspect import inspect  # noqa: PLC0415 - what starts processes is slow to import

        with self._rows() as rows:
            return inspect(rows, self._target, self._receipts_dir, os.cpu_count() or 1, on_progress)

    def damage(self) -> str | None:
        """Say what SQLite's own check of the database finds wrong, or None.

        Raises:
            JournalUnavailable: the journal cannot be read.
        """
        with self._rows() as rows:
            found = rows.quick_check()
        return None if found == "ok" else f"the database {self._path} is damaged: {found}"

    def recreate_files(self, *, last: int | None = None) -> int:
        """Write the file of every receipt that has none, or of the `last` few; return how many were missing.

        The newest are those whose file a crash can have kept from being written.

        Raises:
            JournalUnavailable: the journal cannot be read.
            JournalCorrupt: a receipt cannot be understood.
        """
        missing = 0
        with self._rows() as rows:
            newest = rows.head()
            after = 0 if last is None or newest is None else max(0, newest[0] - last)
            for seq, data, digest in rows.walk(after=after):
                if not (self._receipts_dir / self._file_name(seq, data)).exists():
                    missing += 1
                    self._write_file(self._unsealed(seq, data, digest))
        return missing

    def _file_name(self, seq: int, data: bytes) -> str:
        try:
            return name_of(plain(data))
        except ValueError as error:
            raise JournalCorrupt(f"Receipt #{seq} cannot be understood: {error}. Run `anr verify`.") from error

    def _head(self, rows: "Rows") -> tuple[int, str]:
        """Return number and digest of the newest receipt, on which the next one follows."""
        if (last := rows.head()) is not None:
            return last
        try:
            kept = any(number_in_name(path.name) is not None for path in self._receipts_dir.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            kept = False
        if kept:
            raise JournalCorrupt(
                f"The journal {self._path} is empty, but {self._receipts_dir} holds receipts: the journal was lost or moved. "
                "Nothing was changed; `anr journal rebuild` makes it again from them. `rollback` and `freeze` still work.",
            )
        for place in self._witnesses.marks() if self._witnesses is not None else ():
            if (shown := newest_of(place.marks)) is not None:
                raise JournalCorrupt(
                    f"The journal {self._path} is empty, but {shown} was shown before ({place.source}): the journal was lost or "
                    "moved. Nothing was changed; restore it from a backup, or give a new rollout a new name (`target.name`). "
                    "`rollback` and `freeze` still work."
                )
        return 0, GENESIS

    def _request(self, data: bytes) -> Approval:
        try:
            return Approval.model_validate_json(data)
        except ValidationError as error:
            raise JournalCorrupt(f"A request in the journal {self._path} cannot be understood. Run `anr verify`.") from error

    def _unsealed(self, seq: int, data: bytes, digest: str) -> Sealed:
        try:
            sealed = unseal(data)
        except ValueError as error:
            raise JournalCorrupt(f"Receipt #{seq} cannot be understood: {error}. Run `anr verify`.") from error
        if sealed.digest != digest:
            raise JournalCorrupt(f"Receipt #{seq} was altered. Run `anr verify`.")
        return sealed

    def _write_file(self, sealed: Sealed) -> None:
        try:
            make_folder(self._receipts_dir)
            write_durably(self._receipts_dir / sealed.file_name, sealed.data, shared=True)
        except OSError as error:
            # the row is durable; `verify` names the missing file and the next `recover` writes it
            log.warning(
                "receipt %s is in the journal, but its file could not be written (%s)", sealed.mark, error.strerror or error
            )


def _digests(rows: "Rows", numbers: Collection[int]) -> dict[int, str]:
    """Return digests by number; the oldest receipt names that of the last one that was pruned."""
    chain = rows.digests(numbers)
    with suppress(ValueError):
        for _, data, _ in rows.receipts(first=1):
            before = unseal(data).receipt.prev
            if before != GENESIS:
                chain.setdefault(min(chain) - 1, before)
    return chain
