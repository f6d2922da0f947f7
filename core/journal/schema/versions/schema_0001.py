"""What anr 0.1.0 made, which kept no version: a journal of its has these tables, and one that is empty gets them."""

from alembic import op
from sqlalchemy import Column, Integer, LargeBinary, PrimaryKeyConstraint, String, UniqueConstraint

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make what is missing."""
    op.create_table(
        "receipts",
        Column("target", String(31), nullable=False),
        Column("seq", Integer, nullable=False, autoincrement=False),
        Column("id", String(40), nullable=False),
        Column("cause", String(200)),
        Column("operation", String(40), nullable=False),
        Column("data", LargeBinary, nullable=False),
        Column("digest", String(64), nullable=False),
        PrimaryKeyConstraint("target", "seq"),
        UniqueConstraint("target", "id"),
        UniqueConstraint("target", "cause"),
        if_not_exists=True,
    )
    op.create_index("ix_receipts_operation", "receipts", ["operation"], if_not_exists=True)
    op.create_table(
        "approvals",
        Column("target", String(31), nullable=False),
        Column("id", String(40), nullable=False),
        Column("status", String(20), nullable=False),
        Column("data", LargeBinary, nullable=False),
        PrimaryKeyConstraint("target", "id"),
        if_not_exists=True,
    )
    op.create_index("ix_approvals_status", "approvals", ["status"], if_not_exists=True)
