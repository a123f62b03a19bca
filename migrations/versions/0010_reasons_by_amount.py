"""What went wrong by amount: a page of one reason, the largest first, was found by reading all that failed for it."""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0010_reasons_by_amount.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "0010_reasons_by_amount.down.sql").read_text())
