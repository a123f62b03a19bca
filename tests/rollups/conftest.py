"""A house in which anything happens: payments made and moved by the services that move them, at whatever time of whatever day."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

import core.db
from core import clock
from core.access import SYSTEM, Actor
from core.ids import new_id, new_reference
from core.models import Answer, Attempt, Transaction
from core.services.moves import Move, Stand, move_many, tell_created
from core.states import MONEY_TYPES, Stage, TransactionType, places
from tests.world import AddPerson, Database

BILLERS = ("LWB_POSTPAID", "BWB_POSTPAID", "MASM")
CODES = (None, "BLOCKED", "LIMIT", "13")
VERBS = {TransactionType.POST_TRANSACTION: "pay", TransactionType.CONFIRM_INVOICE: "confirm_invoice", TransactionType.CONFIRM_BUNDLE: "purchase_bundle"}

# Midnights in Blantyre: of ends of months and of a year, and of a leap day.
EDGES = [clock.day_bounds(day)[0] for day in (date(2024, 2, 29), date(2024, 3, 1), date(2025, 10, 31), date(2025, 11, 1), date(2025, 11, 20), date(2026, 1, 1))]


@dataclass
class House:
    """Everything that can happen to a transaction, at random. What is done in `later` is committed when that ends."""

    dice: random.Random
    analyst: Actor
    database: Database
    ids: list[uuid.UUID] = field(default_factory=list)

    def moment(self) -> datetime:
        """Close to where days and months end, to the microsecond; or some time."""
        near = timedelta(microseconds=self.dice.choice((-1, 0, 1)), hours=self.dice.choice((0, 0, -1, 1, -24, 24)))
        return self.dice.choice(self.edges) + self.dice.choice((near, timedelta(seconds=self.dice.randint(-200_000, 200_000))))

    @property
    def edges(self) -> list[datetime]:
        return [*EDGES, datetime(2025, 11, 20, 10, tzinfo=UTC)]

    def make(self, session: Session, at: datetime | None = None, kind: TransactionType | None = None) -> uuid.UUID:
        kind = kind or self.dice.choice(list(TransactionType))
        pays = kind in MONEY_TYPES
        made = new_id()
        row = Transaction(
            id=made,
            biller_type=self.dice.choice(BILLERS),
            biller_name="Somebody",
            our_transaction_id=new_reference(),
            transaction_type=kind.value,
            topology=self.dice.choice(("NONE", "SEPARATE")) if pays else None,
            # No two payments stand in each other's way here.
            account_number=str(made),
            amount=Decimal(self.dice.randint(1, 10**8)) / 100 if pays else None,
            currency=self.dice.choice(("MWK", "MWK", "USD")),
            invoice_number=str(made) if kind is TransactionType.CONFIRM_INVOICE else None,
            bundle_id="B1" if kind is TransactionType.CONFIRM_BUNDLE else None,
            created_at=at or self.moment(),
            stage=Stage.CREATED.value,
            status="PENDING",
            next_action_at=clock.now() + timedelta(days=1),
        )
        session.add(row)
        session.flush()
        tell_created(session, made, SYSTEM, "Made.")
        self.ids.append(made)
        return made

    def move(self, session: Session, made: uuid.UUID, *way: Stage) -> None:
        """Along this way, or one step of any that is legal."""
        for to in way or (None,):
            row = session.scalars(select(Transaction).where(Transaction.id == made), execution_options={"populate_existing": True}).one()
            stand = Stand.of(row)
            open_to = sorted(places(stand.transaction_type)[stand.stage].leaves_to)
            if not open_to:
                return
            step = to or self.dice.choice(open_to)
            code = self.dice.choice(CODES) if step is Stage.FAILED else None
            told = {"error_code": code, "error_message": f"Told {self.dice.randint(1, 9)}." if code else None}
            move_many(session, [Move(stand, step, "Moved.", wait=timedelta(days=1), **told)])  # type: ignore[arg-type]

    def answer(self, session: Session, made: uuid.UUID) -> None:
        row = session.get_one(Transaction, made)
        kind = TransactionType(row.transaction_type)
        verb = self.dice.choice((VERBS.get(kind, "lookup"), VERBS.get(kind, "lookup"), "status"))
        attempt = new_id()
        session.add(Attempt(id=attempt, transaction_id=made, leg="PAY", verb=verb, reference="R", lease_epoch=1, worker="test"))
        outcome = self.dice.choice(("CONFIRMED", "CONFIRMED", "UNKNOWN", "NOT_SENT"))
        took = self.dice.choice((None, 0, 1, self.dice.randint(2, 400), self.dice.randint(400, 60_000)))
        session.add(Answer(id=new_id(), attempt_id=attempt, transaction_id=made, outcome=outcome, duration_ms=took))
        session.flush()

    def live(self, session: Session, steps: int) -> None:
        """Whatever happens in so many steps; rows that another unit of work has to itself are left alone."""
        for _ in range(steps):
            free = select(Transaction.id).where(Transaction.id.in_(self.ids)).with_for_update(skip_locked=True)
            known = list(session.scalars(free)) if self.ids else []
            if not known or self.dice.random() < 0.3:
                self.make(session)
            elif self.dice.random() < 0.25:
                self.answer(session, self.dice.choice(known))
            else:
                self.move(session, self.dice.choice(known))

    def day(self, steps: int) -> None:
        with core.db.unit_of_work() as session:
            self.live(session, steps)

    def demo(self, at: datetime | None = None) -> None:
        """A row that has ended when it is made, as demonstration data is: nothing tells of it."""
        with self.database.connect() as connection:
            connection.execute(
                "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, topology, account_number, amount,"
                " created_at, demo, stage, status, completed_at) VALUES (%s, 'MASM', 'MASM', %s, 'POST_TRANSACTION', 'NONE', '1', 12.50, %s, true,"
                " 'COMPLETED', 'COMPLETED', now())",
                (new_id(), new_reference(), at or self.moment()),
            )


def paid(house: House, at: datetime, *further: Stage) -> uuid.UUID:
    """A payment that completed, and went on from there."""
    with core.db.unit_of_work() as session:
        made = house.make(session, at, TransactionType.POST_TRANSACTION)
        house.move(session, made, Stage.QUEUED, Stage.PAY_SENDING, Stage.COMPLETED, *further)
    return made


@dataclass
class Open:
    """A unit of work that is left open: another connection, to be committed at some time."""

    session: Session

    def commit(self) -> None:
        self.session.commit()
        self.session.close()


@pytest.fixture
def house(database: Database, add_person: AddPerson) -> House:
    with database.connect() as connection:
        for code in BILLERS:
            connection.execute("INSERT INTO biller_types (code, name) VALUES (%s, %s) ON CONFLICT DO NOTHING", (code, code.title()))
    return House(random.Random(5), add_person("analyst"), database)


@pytest.fixture
def left_open() -> Iterator[Any]:
    """`left_open()`: a session whose writes nobody sees until it is committed."""
    made: list[Open] = []

    def begin() -> Open:
        made.append(Open(Session(core.db.engine(), expire_on_commit=False)))
        return made[-1]

    yield begin
    for one in made:
        one.session.close()


def sql(session: Session, query: str, **values: Any) -> list[Any]:
    return [tuple(row) for row in session.execute(text(query), values)]
