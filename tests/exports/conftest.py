"""A list with everything in it that lists trip over: edges of days and months, amounts beside each other, and texts that mean something elsewhere."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

import core.db
from core import clock
from core.access import Actor
from core.ids import new_id
from core.models import Transaction
from core.repositories.rollups import Rollups
from core.services import exports
from core.services.asked import Asked
from core.services.exports import Profile
from core.states import ASKING_PLACES, IN_FLIGHT, PAYMENT_PLACES, Status, TransactionType, status_of
from tests.world import AddPerson, Database

ROWS = 400

BILLERS = {"LWB_POSTPAID": "Lilongwe Water Board", "MASM": "MASM", "TNM_BUNDLES": "TNM"}

# What billers and customers have sent somewhere, some day.
NASTY = (
    *("Grace Banda", "Mphatso Phiri", "O'Brien & Sons", 'The "Lake" Hotel', "semi;colon", "comma, inc", "two\nlines", "carriage\rreturn", "tab\there"),
    *(
        "=1+1",
        '=HYPERLINK("http://evil.example","click")',
        "+265991234567",
        "-5",
        "@SUM(A1:A9)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "＝1",
        "＠x",
        "'quoted",
    ),
    *(
        "50% off",
        "under_score",
        "back\\slash",
        "\\.",
        "",
        " ",
        "Ωμέγα",
        "Ŵanthu",
        "İstanbul",
        "ﬁ",
        "\ufeffbom",
        "{0}",
        "%s",
        "%(name)s",
        ":param",
        "NULL",
        "$1",
    ),
)
# As billers write them, and as nobody would.
CODES = ("ACCOUNT_BLOCKED", "13", "invoice-paid", "a%b_c'd")
ACCOUNTS = ("000123", "00", "100001", "1E5", "12345678901234567890", "MASM-0042", "01-02", "%", "_", "a%b", "A_B", "+265888", "=7", "0,5", 'x"y', "\\N")

PLACES = {**PAYMENT_PLACES, **ASKING_PLACES}

ZONE = clock.BUSINESS_ZONE
# The last days of a month and of a year, and of a leap February.
DAYS = (date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2025, 10, 31), date(2025, 11, 1), date(2025, 11, 23), date(2025, 12, 31), date(2026, 1, 1))


@dataclass(frozen=True)
class Crowd:
    """Four hundred transactions of three people."""

    analyst: Actor
    people: Sequence[Actor]
    rows: Sequence[dict[str, Any]]
    database: Database


@pytest.fixture
def crowd(database: Database, add_person: AddPerson) -> Crowd:
    dice = random.Random(20251123)
    people = [add_person("operator", username="grace"), add_person("manager", username="=mphatso"), add_person("analyst", username="chikondi")]
    numbers = count(1)
    rows = [one_row(dice, next(numbers), people) for _ in range(ROWS)]
    with core.db.unit_of_work() as session:
        # They come in where they ended; none of them was ever moved.
        session.execute(text("ALTER TABLE transactions DISABLE TRIGGER USER"))
        session.add_all(Transaction(**row) for row in rows)
        session.flush()
        session.execute(text("ALTER TABLE transactions ENABLE TRIGGER USER"))
        # Nothing tells of rows that were never moved, nor of their accounts: both are gathered from what is there.
        session.execute(text("SELECT gather_accounts()"))
        Rollups(session).rebuild()
    return Crowd(people[2], people, rows, database)


def one_row(dice: random.Random, number: int, people: Sequence[Actor]) -> dict[str, Any]:
    kind = dice.choice(list(TransactionType))
    stage = dice.choice(list(PAYMENT_PLACES if kind.moves_money else ASKING_PLACES))
    account = dice.choice(ACCOUNTS)
    if kind.moves_money and stage in IN_FLIGHT:
        # A biller has one payment in flight for an account.
        account = f"{account}-{number}"
    biller = dice.choice(list(BILLERS))
    moment = some_moment(dice)
    return {
        "id": new_id(),
        "biller_type": biller,
        "biller_name": BILLERS[biller],
        "our_transaction_id": f"{number:07d}{dice.randrange(16**9):09X}",
        "transaction_type": kind.value,
        "topology": "NONE" if kind.moves_money else None,
        "account_number": account,
        "amount": dice.choice((Decimal("0.01"), Decimal("999.99"), Decimal(1000), Decimal("1000.01"), Decimal("9999999999999999.99")))
        if kind.moves_money
        else None,
        "currency": dice.choice(("MWK", "MWK", "MWK", "USD")),
        "invoice_number": f"INV{number:05d}" if kind is TransactionType.CONFIRM_INVOICE else None,
        "bundle_id": dice.choice(("007", "=B1")) if kind is TransactionType.CONFIRM_BUNDLE else None,
        "meter_number": dice.choice((None, "04123456789", "000999")),
        "customer_account_name": dice.choice((None, *NASTY)),
        "external_transaction_id": dice.choice((None, f"LWB-{number}", "0042", "=EXT")),
        "error_message": dice.choice((None, *NASTY)),
        "initiated_by": dice.choice((None, *(person.id for person in people))),
        "stage": stage.value,
        "status": status_of(stage).value,
        "created_at": moment,
        "completed_at": moment + timedelta(seconds=3) if status_of(stage) is Status.COMPLETED else None,
        # Whatever is on its way has a next step.
        "next_action_at": None if PLACES[stage].leaves_to == frozenset() else moment,
        "lease_until": moment if PLACES[stage].on_the_wire else None,
        "lease_owner": "test" if PLACES[stage].on_the_wire else None,
        "demo": dice.random() < 0.1,
        "error_code": dice.choice((None, *CODES)),
    }


def some_moment(dice: random.Random) -> datetime:
    """Often the first or the last microsecond of a business day; sometimes the same as another's."""
    start = clock.day_bounds(dice.choice(DAYS), ZONE)[0]
    return start + dice.choice((timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(hours=dice.randrange(24))))


def exported(actor: Actor, asked: Asked, profile: Profile = Profile.DATA) -> bytes:
    """The whole file, as its reader gets it."""
    export = exports.begin(actor, asked, profile)
    try:
        return b"".join(iter(export.next_block, b""))
    finally:
        export.end()
