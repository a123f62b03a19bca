"""Writes demonstration rows, many at a time. It knows one thing: the columns of each table that a settled story fills."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session


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
    amount: Decimal | None
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

# In the order in which they may be written: a transaction stands before what is told of it.
TABLES: dict[type[Any], str] = {
    TransactionRow: "transactions",
    LegRow: "legs",
    AttemptRow: "attempts",
    AnswerRow: "answers",
    EventRow: "events",
    TokenRow: "vended_tokens",
}


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

    def write(self, rows: Sequence[Row]) -> None:
        """Rows of one table, in one COPY."""
        if not rows:
            return
        table, columns = TABLES[type(rows[0])], ", ".join(type(rows[0])._fields)
        connection = cast("psycopg.Connection[Any]", self._session.connection().connection.driver_connection)
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def analyze(self) -> None:
        """Lists and figures ask these: the planner would take tens of thousands of rows for none until autovacuum comes by."""
        self._session.execute(text("ANALYZE transactions, answers"))
