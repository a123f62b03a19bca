"""Among others: what programs said they do once."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"

# Each pair: what it makes, and how that is taken away again.
PARTS = ("idempotency",)


def upgrade() -> None:
    for part in PARTS:
        op.execute((SQL / f"0008_{part}.sql").read_text())


def downgrade() -> None:
    for part in reversed(PARTS):
        op.execute((SQL / f"0008_{part}.down.sql").read_text())
