"""Answer times of all billers by day: those of a year, by the day, were read from the days of eight billers."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0009_call_totals.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "0009_call_totals.down.sql").read_text())
