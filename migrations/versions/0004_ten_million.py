"""Ten million rows, at once: roll-ups, the list's indexes, saved views, the history of exports, reports."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"

# Each pair: what it makes, and how that is taken away again.
PARTS = ("rollups", "lists", "views", "exports", "reports")


def upgrade() -> None:
    for part in PARTS:
        op.execute((SQL / f"0004_{part}.sql").read_text())


def downgrade() -> None:
    for part in reversed(PARTS):
        op.execute((SQL / f"0004_{part}.down.sql").read_text())
