"""Writes demonstration rows, many at a time. It knows one thing: the columns of each table that a settled story fills."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.db import engine


class TransactionRow(NamedTuple):
    """A row of `transactions` as it is once it has ended. New ids and JSON are text here and below."""

    id: str
    biller_config_id: uuid.UUID
    config_version: int
    biller_type: str
    biller_name: str
    our_transaction_id: str
    transaction_type: str
    topology: str | None
    account_number: str
    account_type: str | None
    amount: str | None
    currency: str
    bundle_id: str | None
    invoice_number: str | None
    meter_number: str | None
    initiated_by: uuid.UUID
    created_at: datetime
    demo: bool
    stage: str
    status: str
    version: int
    lease_epoch: int
    expires_at: datetime | None
    customer_account_name: str | None
    external_transaction_id: str | None
    api_endpoint: str | None
    error_code: str | None
    error_message: str | None
    metadata: str | None
    processed_at: datetime | None
    completed_at: datetime
    updated_at: datetime


class LegRow(NamedTuple):
    transaction_id: str
    kind: str
    reference: str
    accepted: bool
    sends: int
    inquiries: int
    last_sent_at: datetime | None
    last_asked_at: datetime | None
    last_deadline_ms: int | None
    external_id: str | None


class AttemptRow(NamedTuple):
    id: str
    at: datetime
    transaction_id: str
    leg: str | None
    verb: str
    reference: str
    config_version: int
    lease_epoch: int
    worker: str


class AnswerRow(NamedTuple):
    id: str
    at: datetime
    attempt_id: str
    transaction_id: str
    outcome: str
    failure: str | None
    http_status: int | None
    code: str | None
    message: str | None
    external_id: str | None
    duration_ms: int
    request: str | None
    response: str | None


class EventRow(NamedTuple):
    at: datetime
    transaction_id: str
    version: int
    from_stage: str | None
    to_stage: str
    actor_id: uuid.UUID | None
    actor_name: str
    reason: str
    facts: str


class TokenRow(NamedTuple):
    transaction_id: str
    envelope: str
    created_at: datetime


Row = TransactionRow | LegRow | AttemptRow | AnswerRow | EventRow | TokenRow

# What a load fills with as many rows as there are transactions, or nearly.
FILLED = ("transactions", "known_accounts")

# In the order in which they may be written: a transaction stands before what is told of it.
TABLES: dict[type[Any], str] = {
    TransactionRow: "transactions",
    LegRow: "legs",
    AttemptRow: "attempts",
    AnswerRow: "answers",
    EventRow: "events",
    TokenRow: "vended_tokens",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one table, as lines that COPY reads."""

    kind: type[Any]
    lines: Sequence[str]


def line_of(row: Row) -> str:
    """A row as COPY reads it. Written here: the driver, which asks each value for its type, takes three times as long."""
    return "\t".join([_said(value) for value in row])


def mould_of(row: Row, own: Collection[str]) -> str:
    """The line of a row with a `%s` for each of its `own` columns: what it has in common with others is put into text once."""
    return "\t".join(["%s" if name in own else _said(value).replace("%", "%%") for name, value in zip(row._fields, row, strict=True)])


def _said(value: object) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, str):
        return value if value.isprintable() and "\\" not in value else value.translate(IN_COPY)
    return _name_of(value) if isinstance(value, uuid.UUID) else str(value)


# What means something else in COPY's text.
IN_COPY = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})

# People and configurations: a handful, in every row.
_name_of = lru_cache(maxsize=1_000)(str)


class Demo:
    def __init__(self, session: Session) -> None:
        self._session = session

    def hold(self) -> None:
        """Whoever else loads demonstration data waits here until this unit of work ends. It may take long: that is no defect here."""
        self._session.execute(text("SET LOCAL statement_timeout = '30min'"))
        self._session.execute(text("SET LOCAL lock_timeout = '30min'"))
        self._session.execute(text("SELECT pg_advisory_xact_lock(hashtext('billers.demo'))"))

    def count(self) -> int:
        """How many demonstration transactions there are."""
        return int(self._session.execute(text("SELECT count(*) FROM transactions WHERE demo")).scalar_one())

    def now(self) -> datetime:
        moment: datetime = self._session.execute(text("SELECT clock_timestamp()")).scalar_one()
        return moment

    def sandbox_people(self, permission: str) -> Sequence[tuple[uuid.UUID, str, str]]:
        """Id, name and role of the sandbox's own people who may do this; those of one role in the order of their names."""
        rows = self._session.execute(
            text(
                "SELECT u.id, u.display_name, u.role FROM users u JOIN role_permissions p ON p.role = u.role"
                " WHERE u.sandbox AND u.disabled_at IS NULL AND p.permission = :permission ORDER BY u.role DESC, u.username"
            ),
            {"permission": permission},
        )
        return [(person_id, name, role) for person_id, name, role in rows]

    def make_months(self, first: datetime, months: int) -> None:
        """Parts for what is going to be written. In a unit of work of its own: making one keeps every reader of a story out until it ends."""
        self._session.execute(text("SELECT ensure_partitions(:first, :months)"), {"first": first, "months": months})

    def write(self, batch: Batch) -> None:
        """Rows of one table, in one COPY. Constraints, triggers and indexes see each of them."""
        columns = ", ".join(batch.kind._fields)
        connection = cast("psycopg.Connection[Any]", self._session.connection().connection.driver_connection)
        with connection.cursor() as cursor, cursor.copy(f"COPY {TABLES[batch.kind]} ({columns}) FROM STDIN") as copy:
            copy.write("\n".join(batch.lines) + "\n")

    def make_room(self) -> Sequence[str] | None:
        """While there is no transaction, millions go in without the indexes, each of which is then sorted once. Answers how the indexes are made again.

        None where there are some, and nothing is done: somebody may be reading them. Otherwise whoever asks for a transaction waits until this unit of work
        ends, and whatever happens to it, there are rows and indexes or neither.
        """
        if self._session.execute(text("SELECT EXISTS (SELECT FROM transactions)")).scalar_one():
            return None
        self._session.execute(text(f"LOCK TABLE {', '.join(FILLED)} IN ACCESS EXCLUSIVE MODE"))
        # Accounts are gathered afterwards in one go.
        self._session.execute(text("ALTER TABLE transactions DISABLE TRIGGER note_accounts"))
        # Those of keys stay.
        query = """
            SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
            WHERE indrelid = ANY(CAST(:tables AS regclass[])) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            ORDER BY indexrelid
        """
        found = self._session.execute(text(query), {"tables": list(FILLED)}).all()
        for name, _ in found:
            self._session.execute(text(f"DROP INDEX {name}"))
        return [definition for _, definition in found]

    def gather_accounts(self) -> None:
        self._session.execute(text("SELECT gather_accounts()"))
        self._session.execute(text("ALTER TABLE transactions ENABLE TRIGGER note_accounts"))

    def make_index(self, definition: str) -> None:
        # Sorted in memory as far as may be.
        self._session.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        self._session.connection().exec_driver_sql(definition)

    def analyze(self) -> None:
        """Lists and figures ask these: the planner would take tens of thousands of rows for none until autovacuum comes by."""
        self._session.execute(text("ANALYZE transactions, answers, known_accounts, known_names"))


def settle() -> None:
    """What autovacuum would do in its own time: pages that all may see are marked as such, so that an index alone answers. No unit of work can hold it."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        try:
            connection.execute(text(f"VACUUM (ANALYZE) {', '.join([*TABLES.values(), 'known_accounts', 'known_names', 'audit_entries', 'seals'])}"))
        finally:
            connection.execute(text("RESET statement_timeout"))
