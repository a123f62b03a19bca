"""A counter that sells: payments made by the way of a real one, some of them with a token."""

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from core import db
from core.access import Actor
from core.ids import new_id
from core.models import Transaction
from core.money import Money
from core.repositories.transactions import Transactions
from core.services import settlement
from core.services.errands import Result
from core.settings import settings
from core.wire.contract import Outcome, Receipt
from tests.payments.bench import Bench
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.world import Database

TOKEN = "12345678901234567890"
GROUPED = "1234 5678 9012 3456 7890"

RING = json.dumps({"k1": base64.b64encode(b"1" * 32).decode()})


@dataclass
class Counter:
    """Grace sells, Chisomo is her colleague, Limbani their manager: new people in each test."""

    bench: Bench
    grace: Actor
    chisomo: Actor
    limbani: Actor

    @property
    def database(self) -> Database:
        return self.bench.database

    def sell(self, token: str | None = TOKEN, amount: str = "5475.50") -> uuid.UUID:
        """A completed payment of Grace's; the biller tells a token with it."""
        made = self.bench.pay(amount=amount)
        told = Receipt(Outcome.CONFIRMED, "SUCCESS", external_id="SRWB-77", token=token, units="12.3", charges=Money.from_text("150.00"))
        settlement.conclude([Result(self.bench.claim(), new_id(), Outcome.CONFIRMED, receipt=told)])
        return made

    def find(self, transaction_id: uuid.UUID) -> Transaction:
        with db.unit_of_work() as session:
            found = Transactions(session).by_id(transaction_id)
        assert found is not None
        return found

    def audited(self, transaction_id: uuid.UUID, action: str) -> list[tuple[str, dict[str, Any]]]:
        """Who and what, in the order it happened."""
        return self.bench.sql(
            "SELECT actor_name, details FROM audit_entries WHERE subject_type = 'transaction' AND subject_id = %s AND action = %s ORDER BY seq",
            str(transaction_id),
            action,
        )

    def rewrite(self, transaction_id: uuid.UUID, change: str, *values: Any) -> None:
        """What no service can do: as if the row had always been so."""
        with self.database.connect() as connection, connection.transaction():
            connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
            connection.execute(f"UPDATE transactions SET {change} WHERE id = %s", (*values, transaction_id))
            connection.execute("ALTER TABLE transactions ENABLE TRIGGER USER")


@pytest.fixture
def counter(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Counter:  # noqa: F811
    monkeypatch.setenv("BILLERS_VAULT_KEYS", RING)
    settings.cache_clear()
    made = Counter(bench, bench.add_person("operator"), bench.add_person("operator"), bench.add_person("manager"))
    monkeypatch.setattr(bench, "operator", made.grace)
    return made


@pytest.fixture
def without_keys(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and the key ring is gone."""

    def lose() -> None:
        monkeypatch.delenv("BILLERS_VAULT_KEYS")
        settings.cache_clear()

    return lose
