"""In safe hands: configuration under four eyes, people and their proofs, the vault's keys, the audit's heads and the database's roles."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"

# Each pair: what it makes, and how that is taken away again.
PARTS = ("configuration", "people", "proof", "audit", "vault")


def upgrade() -> None:
    for part in PARTS:
        op.execute((SQL / f"0006_{part}.sql").read_text())


def downgrade() -> None:
    for part in reversed(PARTS):
        op.execute((SQL / f"0006_{part}.down.sql").read_text())
