"""A week with known answers, and people who may or may not have reports of it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from core.access import Actor
from core.states import Status
from tests.statistics.conftest import LWB, Book, book  # noqa: F401 - fixtures
from tests.world import AddPerson

# A Monday; 22:00 UTC is midnight in Blantyre.
MONDAY = date(2025, 11, 17)
MONDAY_NOON = datetime(2025, 11, 17, 10, tzinfo=UTC)
MASM = "MASM"

# What customers, billers and their systems have been seen to write.
HOSTILE = ('=HYPERLINK("http://x.example","y")', "+1+1", "-2", "@SUM(A1)", "\t=1", "＝1", "007", "1E5", '"; DROP TABLE', "<b>&amp;</b>", "naïve ✓ \u202eabc")


@pytest.fixture
def analyst(add_person: AddPerson) -> Actor:
    return add_person("analyst", display_name="Chisomo")


@pytest.fixture
def manager(add_person: AddPerson) -> Actor:
    return add_person("manager", display_name="Limbani")


@dataclass(frozen=True)
class Week:
    """What was written, to be counted by hand: 17 to 23 November 2025."""

    payments: int
    paid: Decimal


@pytest.fixture
def week(book: Book) -> Week:  # noqa: F811
    """On each of seven days as many payments as its number, at noon, most of them paid, and one look-up; some payments of the week before."""
    payments, paid = 0, Decimal(0)
    for day in range(7):
        noon = MONDAY_NOON + timedelta(days=day)
        for number in range(day + 1):
            amount = Decimal("1000.50") * (day + 1)
            fails = number == 3
            made = book.row(
                noon + timedelta(minutes=number),
                Status.FAILED if fails else Status.COMPLETED,
                amount,
                biller=MASM if number % 2 else LWB,
                error_code="007" if fails else None,
                error_message="Member is not active" if fails else None,
            )
            book.answer(made, noon + timedelta(minutes=number), 1_000 + 100 * day)
            payments += 1
            paid += 0 if fails else amount
        book.row(noon, Status.COMPLETED, None)
    for day in range(3):
        book.row(MONDAY_NOON - timedelta(days=7 - day), Status.COMPLETED, "500.00")
    book.sum_up()
    return Week(payments, paid)
