"""Ways to alter the record, by somebody who may write everything that the site's account writes, and knows how it is made."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from core.canonical import canonical_bytes
from core.journal.journal import Journal
from core.receipts.chain import GENESIS, Sealed, unseal
from core.settings.target import TargetSettings

Receipts = list[dict[str, Any]]
COLUMNS = "target, seq, id, cause, operation, data, digest"


@dataclass(frozen=True)
class Copy:
    """A copy of a site's record, to be altered.

    Attributes:
        target: its settings.
        older: what the record was some receipts ago, a folder.
    """

    target: TargetSettings
    older: Path

    def journal(self) -> Journal:
        """The journal without any mark: a forger's own options name no witness."""
        return Journal(self.target.journal, target=self.target.name, receipts_dir=self.target.receipts_dir)

    def sealed(self) -> tuple[Sealed, ...]:
        with closing(self.journal()) as journal:
            return journal.receipts()

    def sql(self, *statements: str, values: Sequence[object] = ()) -> list[Any]:
        with closing(sqlite3.connect(self.target.journal, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            return [row for statement in statements for row in connection.execute(statement, values).fetchall()]

    def file_of(self, sealed: Sealed) -> Path:
        return self.target.receipts_dir / sealed.file_name

    def remove_record(self) -> None:
        shutil.rmtree(self.target.receipts_dir)
        for path in self.target.journal.parent.glob("journal.sqlite*"):
            path.unlink()

    def put_back(self, older: Path) -> None:
        self.remove_record()
        shutil.copytree(older / "logs", self.target.receipts_dir)
        shutil.copyfile(older / "journal.sqlite", self.target.journal)

    def requests(self) -> dict[str, dict[str, Any]]:
        return {name: json.loads(data) for name, data in self.sql("SELECT id, data FROM approvals")}

    def change_request(self, name: str, **facts: Any) -> None:
        changed = canonical_bytes({**self.requests()[name], **facts})
        self.sql("UPDATE approvals SET data = ? WHERE id = ?", values=(changed, name))

    def rewrite(self, change: Callable[[Receipts], Receipts], **requests: Callable[[dict[str, Any]], None]) -> None:
        """Change what receipts and requests say, and make everything fit again: digests, chain, columns, files, requests."""
        before = self.sealed()
        receipts = change([json.loads(sealed_receipt.data) for sealed_receipt in before])
        for name, edit in requests.items():
            self._rewrite_request(name, edit, receipts)
        first = before[0].receipt
        checkpoint = next((kept["checkpoint"] for kept in reversed(receipts) if kept["checkpoint"]), None)
        seq, prev = (first.seq - 1, first.prev) if first.prev != GENESIS else (0, GENESIS)
        if checkpoint is not None and not any(sealed_receipt.receipt.checkpoint for sealed_receipt in before):
            seq, prev = checkpoint["last"], checkpoint["digest"]
        self.sql("DELETE FROM receipts")
        for sealed_receipt in before:
            self.file_of(sealed_receipt).unlink(missing_ok=True)
        for receipt in receipts:
            seq += 1
            data = canonical_bytes({**receipt, "seq": seq, "prev": prev})
            prev = sha256(data).hexdigest()
            self.insert(data)

    def _rewrite_request(self, name: str, edit: Callable[[dict[str, Any]], None], receipts: Receipts) -> None:
        facts = self.requests()[name]
        edit(facts)
        data = canonical_bytes(facts)
        self.sql("UPDATE approvals SET data = ?, status = ? WHERE id = ?", values=(data, facts["status"], name))
        newest = [receipt for receipt in receipts if receipt["approval_id"] == name and receipt["request_digest"]][-1]
        newest["request_digest"] = sha256(data).hexdigest()

    def insert(self, data: bytes) -> None:
        one = unseal(data)
        receipt = one.receipt
        row = (receipt.target, receipt.seq, receipt.id, receipt.cause, receipt.operation, data, one.digest)
        self.sql(f"INSERT INTO receipts ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values=row)  # noqa: S608 - our own names
        self.file_of(one).write_bytes(data)

    def append(self, receipt: dict[str, Any]) -> None:
        """Add one more receipt to the end of the chain, as anr would."""
        head = self.sealed()[-1]
        self.insert(canonical_bytes({**receipt, "seq": head.receipt.seq + 1, "prev": head.digest, "id": "forged", "cause": None}))
