"""A biller that answers what a test says, and the worker's three steps by hand: claim, (pretend to) send, conclude."""

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core import clock, db
from core.access import Actor
from core.ids import new_id
from core.models import BillerConfigVersion, Transaction, User
from core.models.snapshot import Snapshot
from core.money import Money
from core.repositories.billers import Billers
from core.services import claims, drafts, lookups, payments, settlement, transactions
from core.services.errands import Errand, Result
from core.settings import settings
from core.states import Stage
from core.wire.contract import Account, Outcome, Receipt
from tests.world import Database

CODE = "LWB_POSTPAID"
WORKER = "bench:1:first"

# The words of a biller that said so.
CODES: Mapping[Outcome, str | None] = {
    Outcome.CONFIRMED: "SUCCESS",
    Outcome.ACCEPTED: "PENDING",
    Outcome.REJECTED: "ACCOUNT_BLOCKED",
    Outcome.NOT_FOUND: "NOT_FOUND",
    Outcome.UNKNOWN: None,
    Outcome.NOT_SENT: None,
}


# Where the biller of these tests stands, as far as anybody asks: nothing is sent.
AS_SEEDED: Mapping[str, Any] = {"is_active": True, "paused_at": None, "paused_reason": None, "base_url": "http://127.0.0.1:1/lwb", "timeout_ms": 30_000}


class Bench:
    """One for all tests of a module. Each begins with nothing due and an account of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._numbers = count(1)
        self._connection: psycopg.Connection = database.connect()
        self.operator, self.colleague, self.manager = self.add_person("operator"), self.add_person("operator"), self.add_person("manager")

    def close(self) -> None:
        self._connection.close()

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        """Points this test's settings here, and lets nothing of an earlier test be due."""
        patch.setenv("DATABASE_URL", self.database.dsn)
        settings.cache_clear()
        self.sql("UPDATE transactions SET next_action_at = now() + interval '1 year', expires_at = now() + interval '1 year' WHERE next_action_at IS NOT NULL")
        self.sql("UPDATE transactions SET lease_until = now() + interval '1 year' WHERE lease_until IS NOT NULL")
        self.sql("DELETE FROM breakers")
        self.configure(**AS_SEEDED)

    def add_person(self, role: str) -> Actor:
        name = f"{role}-{uuid.uuid4().hex[:6]}"
        with db.unit_of_work() as session:
            person = User(id=new_id(), username=name, display_name=name.title(), role=role, password_hash="!")
            session.add(person)
            permissions = session.execute(text("SELECT permission FROM role_permissions WHERE role = :role"), {"role": role}).scalars().all()
        return Actor(person.id, name, person.display_name, role, frozenset(permissions), "127.0.0.1", proved_at=clock.now())

    def account(self) -> str:
        """One that no other test pays to."""
        return f"7{next(self._numbers):07d}"

    def configure(self, **changes: Any) -> None:
        """A new version of the biller's configuration."""
        with db.unit_of_work() as session:
            config = Billers(session).any_of(CODE)
            assert config is not None
            for name, value in changes.items():
                setattr(config, name, value)
            config.version += 1
            session.flush()
            session.add(BillerConfigVersion(config_id=config.id, version=config.version, snapshot=Snapshot.of(config).model_dump(mode="json")))

    # ---- An operator

    def look_up(self, account: str, actor: Actor | None = None) -> uuid.UUID:
        asked = lookups.ask(actor or self.operator, CODE, account)
        (errand,) = claims.claim_lookups(WORKER, {CODE: 1})
        told = Account(Outcome.CONFIRMED, account, "Grace Banda", Money.from_text("5475.50"), "ACTIVE", "ACTIVE")
        settlement.conclude([Result(errand, new_id(), Outcome.CONFIRMED, told=told)])
        return asked

    def draft(self, account: str | None = None, amount: str = "5475.50", actor: Actor | None = None) -> uuid.UUID:
        actor, account = actor or self.operator, account or self.account()
        form = {"biller": CODE, "account": account, "amount": amount, "lookup": str(self.look_up(account, actor))}
        return drafts.freeze(actor, drafts.begin(actor, form).id).draft.id

    def pay(self, account: str | None = None, amount: str = "5475.50", reason: str | None = None) -> uuid.UUID:
        return payments.submit(self.operator, self.draft(account, amount), reason).transaction_id

    def paid_to(self, stage: Stage, account: str | None = None, amount: str = "5475.50") -> uuid.UUID:
        """A payment that the way of a real one has brought there."""
        made = self.pay(account, amount)
        ways: Mapping[Stage, tuple[Callable[[], object], ...]] = {
            Stage.QUEUED: (),
            Stage.PAY_SENDING: (self.claim,),
            Stage.PAY_UNKNOWN: (lambda: self.answer(Outcome.UNKNOWN),),
            Stage.PAY_ACCEPTED: (lambda: self.answer(Outcome.ACCEPTED),),
            Stage.PAY_RETRY: (lambda: self.answer(Outcome.NOT_SENT),),
            Stage.COMPLETED: (lambda: self.answer(Outcome.CONFIRMED),),
            Stage.FAILED: (lambda: self.answer(Outcome.REJECTED),),
            Stage.CANCELLED: (lambda: payments.cancel(self.operator, made),),
            Stage.REVIEW: (
                lambda: self.answer(Outcome.ACCEPTED),
                lambda: self.due(made),
                lambda: self.inquire(Outcome.NOT_FOUND),
            ),
        }
        for step in ways[stage]:
            step()
        assert self.stage(made) is stage
        return made

    # ---- A worker

    def claim(self, holder: str = WORKER) -> Errand:
        (errand,) = claims.claim_sends(holder, {CODE: 1})
        return errand

    def claim_inquiry(self, holder: str = WORKER) -> Errand:
        (errand,) = claims.claim_inquiries(holder, {CODE: 1})
        return errand

    def result(self, errand: Errand, outcome: Outcome, **more: Any) -> Result:
        told = None if CODES[outcome] is None else Receipt(outcome, CODES[outcome], external_id="LWB0000000001" if outcome is Outcome.CONFIRMED else None)
        return Result(errand, new_id(), outcome, receipt=told, **more)

    def answer(self, outcome: Outcome, **more: Any) -> Result:
        """Claims the one payment that is due, and has it answered."""
        made = self.result(self.claim(), outcome, **more)
        settlement.conclude([made])
        return made

    def inquire(self, outcome: Outcome) -> Result:
        made = self.result(self.claim_inquiry(), outcome)
        settlement.conclude([made])
        return made

    # ---- The clock, and everything else that a person with the SQL console could touch

    def due(self, transaction_id: uuid.UUID) -> None:
        self.sql("UPDATE transactions SET next_action_at = now() WHERE id = %s", transaction_id)

    def let_lease_expire(self, transaction_id: uuid.UUID) -> None:
        self.sql("UPDATE transactions SET next_action_at = now() - interval '1 s', lease_until = now() - interval '1 s' WHERE id = %s", transaction_id)

    def age(self, transaction_id: uuid.UUID, by: timedelta) -> None:
        """Everything about this payment was so long ago."""
        self.sql("UPDATE legs SET last_sent_at = last_sent_at - %s, last_asked_at = last_asked_at - %s WHERE transaction_id = %s", by, by, transaction_id)
        self.due(transaction_id)

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        found = self._connection.execute(query, values)
        return found.fetchall() if found.description else []

    def connect(self) -> psycopg.Connection:
        return self.database.connect()

    def find(self, transaction_id: uuid.UUID) -> Transaction:
        return transactions.find(self.manager, transaction_id)

    def stage(self, transaction_id: uuid.UUID) -> Stage:
        return Stage(self.find(transaction_id).stage)

    def leg(self, transaction_id: uuid.UUID) -> dict[str, Any]:
        names = ("reference", "tainted", "accepted", "sends", "inquiries", "not_found_in_a_row")
        (row,) = self.sql(f"SELECT {', '.join(names)} FROM legs WHERE transaction_id = %s AND kind = 'PAY'", transaction_id)
        return dict(zip(names, row, strict=True))

    def answers(self, transaction_id: uuid.UUID) -> list[tuple[str, bool]]:
        """Outcome, and whether it came in time, of everything that was answered."""
        return self.sql("SELECT outcome, in_time FROM answers WHERE transaction_id = %s ORDER BY at, id", transaction_id)
