"""A biller with a day of payments, and statements of it as a biller would write them."""

import csv
import io
import itertools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from core.documents.statement_lines import Columns
from core.ids import new_id, new_reference
from core.models.reconciliation import Result
from core.repositories.reconciliation import Item
from core.services import reconciliation, statements
from core.services.statements import Imported
from core.states import LEGS, LegKind, Stage, Topology, status_of
from tests.payments.bench import CODE, Bench
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.world import proven

# A day that is over, and that no other test of this folder has: each house takes the next. The first lies so far back that
# one process can run every test that needs a house, however the tests are spread over processes, and still end before today.
FIRST_DAY = date(2021, 3, 1)

HEADER = ("Date", "Our reference", "Receipt", "Account", "Amount", "Type")
COLUMNS = Columns(amount="Amount", day="Date", our_reference="Our reference", their_reference="Receipt", account="Account", kind="Type")


@dataclass(frozen=True)
class Paid:
    """A payment of ours."""

    id: uuid.UUID
    reference: str
    external_id: str
    account: str
    amount: str
    day: date


@dataclass
class House:
    """The people who reconcile, and a day of their own for each test."""

    bench: Bench
    day: date
    analyst: Actor = field(init=False)
    manager: Actor = field(init=False)
    colleague: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.analyst, self.manager, self.colleague = (proven(self.bench.add_person(role)) for role in ("analyst", "manager", "manager"))

    def paid(self, amount: str = "5475.50", stage: Stage = Stage.COMPLETED, **changes: Any) -> Paid:
        """A payment of this day, standing where it is put."""
        made = Paid(new_id(), new_reference(), f"R{uuid.uuid4().hex[:10].upper()}", changes.pop("account", None) or self.bench.account(), amount, self.day)
        topology = changes.pop("topology", Topology.NONE)
        at = changes.pop("at", None) or clock.day_bounds(changes.pop("day", self.day))[0] + timedelta(hours=10)
        columns: dict[str, Any] = {
            "id": made.id,
            "biller_type": CODE,
            "biller_name": "Lilongwe Water Board",
            "our_transaction_id": made.reference,
            "external_transaction_id": made.external_id if stage is Stage.COMPLETED else None,
            "transaction_type": "POST_TRANSACTION",
            "topology": topology.value,
            "account_number": made.account,
            "amount": amount,
            "initiated_by": self.bench.operator.id,
            "stage": stage.value,
            "status": status_of(stage).value,
            "created_at": at,
            "next_action_at": clock.now() + timedelta(days=365) if stage in (Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED, Stage.QUEUED) else None,
            **changes,
        }
        config = "(SELECT id FROM biller_configs WHERE biller_type = %s), (SELECT version FROM biller_configs WHERE biller_type = %s)"
        self.by_hand(
            "transactions",
            f"INSERT INTO transactions ({', '.join(columns)}, biller_config_id, config_version) VALUES ({', '.join(['%s'] * len(columns))}, {config})",
            *columns.values(),
            CODE,
            CODE,
        )
        for kind in LEGS[topology]:
            reference = made.reference if kind is LegKind.PAY else new_reference()
            sent = kind is LegKind.PAY or (kind is LegKind.DEBIT and topology is Topology.SEPARATE)
            self.bench.sql(
                "INSERT INTO legs (transaction_id, kind, reference, sends, tainted, last_sent_at, last_deadline_ms) VALUES (%s, %s, %s, %s, %s, now(), 30000)",
                *(made.id, kind.value, reference, 1 if sent else 0, kind is LegKind.PAY and stage in (Stage.REVIEW, Stage.PAY_UNKNOWN)),
            )
        return made

    def by_hand(self, table: str, query: str, *values: Any) -> None:
        """With the table's triggers off."""
        self.bench.sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            self.bench.sql(query, *values)
        finally:
            self.bench.sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def line(self, paid: Paid, **changes: str) -> Mapping[str, str]:
        """As the biller writes of this payment."""
        told = {"Date": f"{self.day:%d/%m/%Y}", "Our reference": paid.reference, "Receipt": paid.external_id, "Account": paid.account, "Amount": paid.amount}
        return {**told, "Type": "Payment", **changes}

    def load(self, *lines: Mapping[str, str], columns: Columns = COLUMNS, by: Actor | None = None, name: str = "statement.csv") -> Imported:
        return statements.load(by or self.analyst, CODE, name, io.BytesIO(as_csv(lines)), columns)

    def items(self, result: Result | None = None, day: date | None = None) -> list[Item]:
        return reconciliation.items(self.analyst, CODE, day or self.day, result)

    def results(self, day: date | None = None) -> dict[Result, int]:
        """How many there are of each, what agrees included."""
        return {result: one.count for result, one in reconciliation.of_day(self.analyst, CODE, day or self.day).figures.tallies.items()}

    def only(self) -> Item:
        """The one difference there is."""
        (item,) = self.items()
        return item

    def at(self, hour: int) -> datetime:
        return clock.day_bounds(self.day)[0] + timedelta(hours=hour)


def as_csv(lines: Sequence[Mapping[str, str]], header: Sequence[str] = HEADER) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, header)
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


_days = (FIRST_DAY + timedelta(days=3 * number) for number in itertools.count())


@pytest.fixture
def house(bench: Bench) -> House:  # noqa: F811 - the fixture
    return House(bench, next(_days))
