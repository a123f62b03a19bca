"""Eight billers: prepaid tokens, and the history of connection tests."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0002_tables.sql").read_text())


def downgrade() -> None:
    op.execute("DROP TABLE connection_tests")
    op.execute("DROP TABLE vended_tokens")
