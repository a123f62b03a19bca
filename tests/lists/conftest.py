"""A list in which every order, every filter and every search has something to find: many rows of one moment and of one amount among them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core.access import Actor
from core.ids import new_id, new_reference
from core.states import Status, TransactionType
from tests.world import AddPerson, Database

BILLERS = ("LWB_POSTPAID", "MASM", "TNM_BUNDLES")
NAMES = ("Grace Banda", "Mphatso Phiri", "O'Brien & Sons", "50% off", "Al", None)
CODES = ("ACCOUNT_BLOCKED", "13", None)
AMOUNTS = tuple(map(Decimal, ("100.00", "100.00", "500.00", "999.99", "25000.00", "1000000.00")))
FIRST = datetime(2025, 3, 1, 6, tzinfo=UTC)

COLUMNS = (
    *("id", "biller_type", "biller_name", "our_transaction_id", "transaction_type", "topology", "account_number", "amount", "invoice_number", "bundle_id"),
    *("meter_number", "initiated_by", "created_at", "demo", "stage", "status", "customer_account_name", "external_transaction_id", "error_code"),
)


@dataclass
class Ledger:
    """Writes rows that have ended, past the services, as demonstration rows are."""

    connection: psycopg.Connection
    people: Sequence[Actor]
    dice: random.Random = field(default_factory=lambda: random.Random(10_000_000))

    def row(self, **given: Any) -> dict[str, Any]:
        dice = self.dice
        kind = given.get("transaction_type") or dice.choices(list(TransactionType), (5, 8, 1, 2, 1, 2))[0]
        pays = TransactionType(kind).moves_money
        status = given.get("status") or dice.choices((Status.COMPLETED, Status.FAILED, Status.REVERSED, Status.CANCELLED), (90, 7, 2, 1))[0]
        made = new_id()
        row = {
            "id": made,
            "biller_type": dice.choices(BILLERS, (6, 3, 1))[0],
            "our_transaction_id": new_reference(),
            "transaction_type": str(kind),
            "topology": "NONE" if pays else None,
            "account_number": f"40{dice.randrange(60):04}",
            "amount": dice.choice(AMOUNTS) if pays else None,
            "invoice_number": f"INV-{made}" if kind == TransactionType.CONFIRM_INVOICE else None,
            "bundle_id": "B1" if kind == TransactionType.CONFIRM_BUNDLE else None,
            "meter_number": dice.choice((None, "04123456789")),
            "initiated_by": dice.choice(self.people).id,
            "created_at": FIRST + timedelta(minutes=dice.randrange(60 * 24 * 90)) if dice.random() < 0.8 else FIRST,
            "demo": True,
            "stage": str(status),
            "status": str(status),
            "customer_account_name": dice.choice(NAMES),
            "external_transaction_id": dice.choice((None, f"EXT{dice.randrange(10**6):06}")),
            "error_code": dice.choice(CODES) if status != Status.COMPLETED else None,
        }
        row |= given
        row["biller_name"] = row["biller_type"].title()
        return row

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        with self.connection.cursor() as cursor, cursor.copy(f"COPY transactions ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[name] for name in COLUMNS])

    def add(self, count: int, **given: Any) -> list[dict[str, Any]]:
        rows = [self.row(**given) for _ in range(count)]
        self.write(rows)
        return rows

    def tell(self, ids: Sequence[Any], change: str = "version = version") -> None:
        """Changes rows, and leaves the events that services leave."""
        moved = f"WITH moved AS (UPDATE transactions SET {change} WHERE id = ANY(%s) RETURNING id, version, stage)"
        told = "INSERT INTO events (transaction_id, version, from_stage, to_stage, actor_name, reason)"
        self.connection.execute(f"{moved} {told} SELECT id, version + 100, stage, stage, 'test', 'Moved' FROM moved", (list(ids),))

    def ids(self, sql: str, *values: Any) -> list[Any]:
        return [row[0] for row in self.connection.execute(f"SELECT id FROM transactions {sql}", values or None)]


@pytest.fixture
def ledger(database: Database, add_person: AddPerson) -> Any:
    people = [add_person("operator", username=name) for name in ("grace", "mphatso", "chikondi")]
    with database.connect() as connection:
        yield Ledger(connection, people)


@pytest.fixture
def reader(add_person: AddPerson) -> Actor:
    return add_person("analyst", username="reader")
