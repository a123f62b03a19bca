"""Answer times of a day in one line: those of a year, by the day, were ranked from all its buckets."""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0012_call_lines.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "0012_call_lines.down.sql").read_text())
