"""A day at the bank: statements matched to the day, people told, work in the background."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"

# Each pair: what it makes, and how that is taken away again.
PARTS = ("reconciliation", "notifications", "jobs", "approvals", "attention")


def upgrade() -> None:
    for part in PARTS:
        op.execute((SQL / f"0007_{part}.sql").read_text())


def downgrade() -> None:
    for part in reversed(PARTS):
        op.execute((SQL / f"0007_{part}.down.sql").read_text())
