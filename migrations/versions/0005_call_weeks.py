"""Answer times by week: those of a quarter were read from ninety days, twice, whenever the dashboard was drawn."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0005_call_weeks.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "0005_call_weeks.down.sql").read_text())
