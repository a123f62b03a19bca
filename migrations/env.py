"""Runs migrations one at a time: a second starter waits for the first, and no migration waits long for a lock that payments hold."""

from pathlib import Path

from alembic import context
from sqlalchemy import create_engine, pool, text

from core.models import Base
from core.settings import settings

# Any number would do; this one is "billers" on a telephone's keys.
MIGRATION_LOCK = 2455377

# What each program's role may do with the tables that are there afterwards.
ROLES = Path(__file__).resolve().parent / "sql" / "roles.sql"


def run() -> None:
    dsn = context.config.attributes.get("dsn") or settings().dsn
    engine = create_engine(dsn, poolclass=pool.NullPool, connect_args={"options": "-c timezone=UTC", "connect_timeout": 10})
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # A lock that is waited for holds up whoever asks after it: far less than what a payment's statement waits (core/db.py, which tries again).
        connection.execute(text("SET lock_timeout = '2s'"))
        connection.execute(text("SET statement_timeout = '30min'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text(ROLES.read_text()))
        connection.commit()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.commit()
    engine.dispose()


run()
