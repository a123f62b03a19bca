"""Each name once: a whole name was looked for among all accounts, and a number's largest payments were read from the rows themselves."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "0011_names_apart.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "0011_names_apart.down.sql").read_text())
