"""What a set of transactions comes to, against plain SQL written anew here."""

from datetime import UTC, datetime
from decimal import Decimal

from core.access import Actor
from core.repositories.filters import TransactionFilter
from core.services import statistics
from core.states import Status
from tests.statistics.conftest import Book

NOON = datetime(2025, 11, 20, 10, tzinfo=UTC)


def test_figures_count_payments_and_look_ups_apart_and_sum_what_was_paid(book: Book, analyst: Actor) -> None:
    for status, amount in (
        (Status.COMPLETED, "100.10"),
        (Status.COMPLETED, "0.20"),
        (Status.FAILED, "5.00"),
        (Status.REVERSED, "7.00"),
        (Status.CANCELLED, "9.00"),
    ):
        book.row(NOON, status, amount)
    book.row(NOON, Status.COMPLETED, None)
    told = statistics.totals(analyst, TransactionFilter())
    assert (told.rows, told.payments, told.lookups) == (6, 5, 1)
    assert told.by_status == {Status.COMPLETED: 3, Status.FAILED: 1, Status.REVERSED: 1, Status.CANCELLED: 1}
    assert told.value == Decimal("100.30")
    assert (told.completed, told.ended, told.success_rate) == (2, 4, 0.5)


def test_a_rate_of_nothing_is_unknown_and_not_zero(book: Book, analyst: Actor) -> None:
    book.row(NOON, Status.CANCELLED)
    told = statistics.totals(analyst, TransactionFilter())
    assert (told.payments, told.success_rate, told.value) == (1, None, Decimal("0.00"))


def test_amounts_of_another_currency_are_never_added_up(book: Book, analyst: Actor) -> None:
    book.row(NOON, amount="10.00")
    book.row(NOON, amount="3.00", currency="USD")
    told = statistics.totals(analyst, TransactionFilter())
    assert told.values == {"MWK": Decimal("10.00"), "USD": Decimal("3.00")}
    assert told.value == Decimal("10.00")
