"""A person's day, added up from an index: every one of its rows was read, wherever it lay."""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0013_days_added_up.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "0013_days_added_up.down.sql").read_text())
