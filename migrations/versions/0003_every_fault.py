"""Every fault survived: core banking, two people, bulk acts, breaks, and the gate of a restored database."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"

# Each pair: what it makes, and how that is taken away again.
PARTS = ("core_banking", "proposals", "bulk", "gate")


def upgrade() -> None:
    for part in PARTS:
        op.execute((SQL / f"0003_{part}.sql").read_text())


def downgrade() -> None:
    for part in reversed(PARTS):
        op.execute((SQL / f"0003_{part}.down.sql").read_text())
