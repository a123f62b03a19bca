"""The foundation: people, billers, transactions and their story, audit."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"

TABLES = (
    *("seals", "audit_entries", "workers", "events", "answers", "attempts", "legs", "transactions", "drafts"),
    *("breakers", "biller_config_versions", "biller_configs", "biller_types"),
    *("sign_in_attempts", "sign_in_tickets", "user_sessions", "users", "role_permissions", "roles"),
)


def upgrade() -> None:
    for name in ("0001_tables.sql", "0001_guards.sql", "0001_partitions.sql"):
        op.execute((SQL / name).read_text())


def downgrade() -> None:
    op.execute("DROP VIEW transaction_payloads")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION ensure_partitions, append_only, hold_the_frozen_draft, hold_the_reference, hold_the_moves")
