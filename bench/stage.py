"""What a run stands on: a database of its own, one biller configured, and payments that were made beforehand, each due at its moment.

Loaded rows need no generator: the load is open-loop, and no slowness of ours makes it wait.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from core import clock, db
from core.ids import new_id
from core.models import BillerConfigVersion, User
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.security import audit, vault
from core.services import seeds

BILLER = "LWB_POSTPAID"
AMOUNT = "5475.50"
CREDENTIALS = {"username": "bench-console", "password": "bench-granite-lantern-42"}

# What `services.payments` writes when a payment is submitted, in sets. One account each: of an account only one may be in flight.
_CREATE = """
    WITH made AS (
        INSERT INTO transactions (id, biller_config_id, config_version, biller_type, biller_name, our_transaction_id, transaction_type, topology,
            account_number, customer_account_name, amount, currency, initiated_by, stage, status, next_action_at, expires_at)
        SELECT uuidv7(), c.id, c.version, c.biller_type, c.biller_name, upper(substr(md5(random()::text || n), 1, 16)), 'POST_TRANSACTION', 'NONE',
            (%(first)s + n)::text, 'Grace Banda', %(amount)s, 'MWK', %(user)s, 'CREATED', 'PENDING', now(), now() + interval '1 day'
        FROM biller_configs AS c, generate_series(0, %(count)s - 1) AS n
        WHERE c.biller_type = %(biller)s AND c.is_active
        RETURNING id, our_transaction_id, account_number
    ), legs AS (
        INSERT INTO legs (transaction_id, kind, reference) SELECT id, 'PAY', our_transaction_id FROM made
    ), submitted AS (
        INSERT INTO audit_entries (actor_id, actor_name, action, subject_type, subject_id, details)
        SELECT %(user)s, 'bench', 'transaction.submitted', 'transaction', id::text, jsonb_build_object('account_number', account_number) FROM made
    )
    INSERT INTO events (transaction_id, version, to_stage, actor_id, actor_name, reason, facts)
    SELECT id, 1, 'CREATED', %(user)s, 'Bench', 'Submitted', jsonb_build_object('payload_hash', md5(id::text)) FROM made
    """

# The loop is over moments, not over payments: the n-th is due n / rate seconds after the start.
_QUEUE = """
    WITH queued AS (
        UPDATE transactions SET stage = 'QUEUED', version = version + 1, updated_at = clock_timestamp(),
            next_action_at = %(start)s + make_interval(secs => (account_number::bigint - %(first)s) * %(apart)s)
        WHERE stage = 'CREATED' AND account_number::bigint BETWEEN %(first)s AND %(first)s + %(count)s - 1
        RETURNING id, version
    )
    INSERT INTO events (transaction_id, version, from_stage, to_stage, actor_id, actor_name, reason)
    SELECT id, version, 'CREATED', 'QUEUED', %(user)s, 'Bench', 'Queued for the worker' FROM queued
    """


@dataclass(frozen=True)
class Load:
    """Payments whose accounts run from `first` on; the n-th of them is due `n * apart_seconds` after `start`."""

    first: int
    count: int
    start: datetime
    apart_seconds: float


def connect() -> psycopg.Connection:
    return psycopg.connect(db.engine().url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)


def commits() -> int:
    """How many the database has made so far, of its own counting (a second behind)."""
    with connect() as connection:
        ((made,),) = connection.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").fetchall()
        return int(made)


def prepare(biller_port: int, concurrency: int) -> None:
    """Tables, seeds, and the one biller, reached on loopback with credentials that are sealed as any other's."""
    db.migrate()
    seeds.load()
    vault.ensure_ring()
    with db.unit_of_work() as session:
        config = Billers(session).any_of(BILLER)
        if config is None:
            raise SystemExit(f"The seeds know no {BILLER}.")
        config.is_active, config.base_url, config.concurrency = True, f"http://127.0.0.1:{biller_port}/lwb", concurrency
        config.topology = "NONE"
        config.authentication = vault.seal_secret(CREDENTIALS, "biller_configs", config.id, "authentication")
        config.version += 1
        session.flush()
        session.add(
            BillerConfigVersion(
                config_id=config.id,
                version=config.version,
                snapshot=Snapshot.of(config).model_dump(mode="json"),
                authentication=config.authentication,
            )
        )
        if session.query(User).first() is None:
            session.add(User(id=new_id(), username="bench", display_name="Bench", role="operator", password_hash="!"))  # noqa: S106 - nobody signs in


def load(count: int, rate: float, first: int) -> Load:
    """Payments due at `rate` a second, from a moment soon after this returns. Rate 0: all of them at once."""
    with connect() as connection:
        began = clock.now()
        ((user,),) = connection.execute("SELECT id FROM users LIMIT 1").fetchall()
        said = {"first": first, "count": count, "amount": AMOUNT, "biller": BILLER, "user": user}
        connection.execute(_CREATE, said)
        took = clock.now() - began
        # Queueing them writes each row anew and all of its indexes: several times what making them took. Late payments would be told as slow ones.
        start = clock.now() + took * 6 + timedelta(seconds=5)
        apart = 1 / rate if rate else 0.0
        connection.execute(_QUEUE, {**said, "start": start, "apart": apart})
        _seal()
        for table in ("transactions", "legs", "events", "audit_entries", "seals"):
            connection.execute(f"VACUUM (ANALYZE) {table}")
    return Load(first, count, start, apart)


def _seal() -> None:
    """What was made beforehand is chained beforehand: the workers' sealer is to meet the run's own rows."""
    while True:
        with db.unit_of_work() as session:
            if not audit.seal(session):
                return


def settings_of_a_run(data_dir: Path) -> dict[str, str]:
    """What the bench and its workers are told. Not sandbox mode: every wait is as long as a bank's."""
    return {
        "BILLERS_DATA_DIR": str(data_dir),
        "BILLERS_ALLOWED_HOSTS": json.dumps(["127.0.0.1"]),
        "BILLERS_ALLOWED_NETWORKS": json.dumps(["127.0.0.0/8"]),
        "BILLERS_LOG_LEVEL": "WARNING",
    }
