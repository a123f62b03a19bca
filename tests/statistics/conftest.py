"""Rows with known answers: settled demonstration rows, written by SQL as nobody else writes them."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import psycopg
import pytest

from core.access import Actor
from core.ids import new_id, new_reference
from core.services import rollups
from core.states import MONEY_TYPES, Status, TransactionType
from tests.world import AddPerson, Database

LWB = "LWB_POSTPAID"


@dataclass
class Book:
    """Writes transactions that have ended, and what was answered to the calls that paid them."""

    connection: psycopg.Connection

    def biller(self, code: str) -> None:
        self.connection.execute("INSERT INTO biller_types (code, name) VALUES (%s, %s) ON CONFLICT DO NOTHING", (code, code.title()))

    def row(
        self,
        at: datetime,
        status: Status = Status.COMPLETED,
        amount: str | Decimal | None = "100.00",
        kind: TransactionType | None = None,
        *,
        biller: str = LWB,
        currency: str = "MWK",
        account: str = "70000001",
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> uuid.UUID:
        made = new_id()
        kind = kind or (TransactionType.ACCOUNT_DETAILS if amount is None else TransactionType.POST_TRANSACTION)
        pays = kind in MONEY_TYPES
        self.connection.execute(
            "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, topology, account_number, amount, currency,"
            " invoice_number, bundle_id, created_at, demo, stage, status, completed_at, error_code, error_message)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true, %s, %s, %s, %s, %s)",
            (
                *(made, biller, biller.title(), new_reference(), kind.value, "NONE" if pays else None, account, amount if pays else None, currency),
                *(str(made) if kind is TransactionType.CONFIRM_INVOICE else None, "B1" if kind is TransactionType.CONFIRM_BUNDLE else None),
                *(at, status.value, status.value, at, error_code, error_message),
            ),
        )
        return made

    def sum_up(self) -> None:
        """What was written past the services left no events: the sums are made anew, as whoever loads such rows does."""
        rollups.rebuild()

    def unsettled(self, at: datetime, stage: str, status: str, *, biller: str = LWB) -> str:
        """A payment that has not ended, as if it had gone its way; answers its reference. The guard of moves looks away for it."""
        reference = new_reference()
        with self.connection.transaction():
            self.connection.execute("ALTER TABLE transactions DISABLE TRIGGER hold_the_moves")
            self.connection.execute(
                "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, topology, account_number, amount,"
                " created_at, stage, status, next_action_at)"
                " VALUES (%s, %s, %s, %s, 'POST_TRANSACTION', 'NONE', %s, 100, %s, %s, %s, CASE WHEN %s <> 'REVIEW' THEN now() + interval '1 day' END)",
                (new_id(), biller, biller.title(), reference, reference, at, stage, status, stage),
            )
            self.connection.execute("ALTER TABLE transactions ENABLE TRIGGER hold_the_moves")
        return reference

    def answer(
        self, transaction: uuid.UUID, at: datetime, milliseconds: int | None, *, verb: str = "pay", outcome: str = "CONFIRMED", leg: str | None = "PAY"
    ) -> None:
        attempt = new_id()
        self.connection.execute(
            "INSERT INTO attempts (id, at, transaction_id, leg, verb, reference, lease_epoch, worker) VALUES (%s, %s, %s, %s, %s, 'R', 1, 'test')",
            (attempt, at, transaction, leg, verb),
        )
        self.connection.execute(
            "INSERT INTO answers (id, at, attempt_id, transaction_id, outcome, duration_ms) VALUES (%s, %s, %s, %s, %s, %s)",
            (new_id(), at, attempt, transaction, outcome, milliseconds),
        )


@pytest.fixture
def book(database: Database) -> Iterator[Book]:
    with database.connect() as connection:
        yield Book(connection)


@pytest.fixture
def analyst(add_person: AddPerson) -> Actor:
    return add_person("analyst")
