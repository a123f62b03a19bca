"""From one list to others: a page by its number, a day, what has come since, and the wider list where this one is empty."""

from datetime import timedelta
from decimal import Decimal

import pytest

import core.db
from core.access import Actor
from core.repositories import transactions as repository
from core.repositories.filters import TransactionFilter
from core.repositories.transactions import Cursor, Sort, Transactions
from core.services import rollups, transactions
from core.states import Status, TransactionType
from tests.lists.conftest import FIRST, Ledger
from tests.lists.test_walks import ORDERS
from tests.world import Database

FILTERS: dict[str, tuple[TransactionFilter, str]] = {
    "everything": (TransactionFilter(), "true"),
    "a biller's payments": (
        TransactionFilter(billers=("MASM",), types=("POST_TRANSACTION",)),
        "biller_type = 'MASM' AND transaction_type = 'POST_TRANSACTION'",
    ),
    "some days": (TransactionFilter(since=FIRST + timedelta(days=7)), "created_at >= '2025-03-08 06:00Z'"),
    "an amount, which no sum knows": (TransactionFilter(amount_min=Decimal(500)), "amount >= 500"),
}


def test_a_page_by_its_number_begins_with_the_row_that_counting_comes_to(ledger: Ledger) -> None:
    ledger.add(400)
    rollups.rebuild()
    landed = 0
    with core.db.unit_of_work() as session:
        found = Transactions(session)
        for name, (wanted, where) in FILTERS.items():
            for sort in Sort:
                rows = ledger.ids(f"WHERE {where} {ORDERS[sort]}")
                for number in (2, 3, len(rows) // 7, len(rows) // 7 + 1):
                    place = found.jump(wanted, number, 7, sort)
                    assert place is not None, (name, sort, number)
                    page = found.page(wanted, 7, older_than=place, sort=sort)
                    assert [row.id for row in page.rows] == rows[(number - 1) * 7 : number * 7], (name, sort, number)
                    landed += 1
                assert found.jump(wanted, 10_000, 7, sort) is None
    assert landed > 40


def test_a_day_is_jumped_to_whichever_way_the_list_goes(ledger: Ledger, reader: Actor) -> None:
    # Midnight in Blantyre is ten in the evening of UTC.
    day = (FIRST + timedelta(days=10)).date()
    midnight = FIRST.replace(hour=22) + timedelta(days=9)
    (first,) = ledger.add(1, created_at=midnight)
    (last,) = ledger.add(1, created_at=midnight + timedelta(days=1, microseconds=-1))
    ledger.add(1, created_at=midnight + timedelta(days=1))
    ledger.add(1, created_at=midnight - timedelta(microseconds=1))
    for sort, expected in ((Sort.NEWEST, last), (Sort.OLDEST, first)):
        place = transactions.jump_to_day(reader, day, sort)
        assert transactions.list_page(reader, TransactionFilter(), 25, older_than=place, sort=sort).rows[0].id == expected["id"]


@pytest.mark.parametrize("looked_through", [500, 5, 1])
def test_what_has_come_since_is_counted_and_what_has_moved_is_told_apart(
    ledger: Ledger, reader: Actor, monkeypatch: pytest.MonkeyPatch, looked_through: int
) -> None:
    # Row by row, just so, and where too much has come for that.
    monkeypatch.setattr(repository, "LOOKED_THROUGH", looked_through)
    failed = {"status": Status.FAILED, "error_code": "13"}
    ledger.add(30, **failed)
    wanted = TransactionFilter(types=("POST_TRANSACTION", "ACCOUNT_DETAILS"), reasons=("13",))
    page = transactions.list_page(reader, wanted)
    first = Cursor(page.rows[0].created_at, page.rows[0].id)

    def news(place: Cursor | None = first) -> tuple[int, int]:
        found = transactions.since(reader, wanted, place, page)
        assert found.as_of > page.as_of
        return found.new, found.changed

    assert news() == (0, 0)
    later = {**failed, "created_at": first.created_at + timedelta(hours=1)}
    payments = ledger.add(3, **later, transaction_type=TransactionType.POST_TRANSACTION)
    # Of another kind, and behind the first of the page: neither is new here.
    others = ledger.add(2, **later, transaction_type=TransactionType.CONFIRM_BUNDLE) + ledger.add(1, **failed, created_at=FIRST - timedelta(days=1))
    ledger.tell([row["id"] for row in payments + others])
    assert news() == (3, 0)
    ledger.tell([page.rows[1].id, page.rows[2].id], "version = version + 1")
    # This one is not in the list any more.
    ledger.tell([page.rows[3].id], "error_code = '99'")
    assert news() == (3, 3)
    assert news(None) == (0, 3)
    # What only passed by without a change of the page's row is none.
    ledger.tell([page.rows[4].id])
    assert news() == (3, 3)
    monkeypatch.setattr(repository, "MOST_NEWS", 2)
    assert news() == (2, 3)


def test_moves_of_a_unit_of_work_that_was_under_way_when_the_list_was_read_are_told(ledger: Ledger, reader: Actor, database: Database) -> None:
    ledger.add(30)
    with database.connect() as other, other.transaction():
        late = Ledger(other, ledger.people)
        (row,) = late.add(1, created_at=FIRST + timedelta(days=100))
        late.tell([row["id"]])
        page = transactions.list_page(reader, TransactionFilter())
        first = Cursor(page.rows[0].created_at, page.rows[0].id)
        ledger.tell([page.rows[1].id], "version = version + 1")
        assert transactions.since(reader, TransactionFilter(), first, page).new == 0
    told = transactions.since(reader, TransactionFilter(), first, page)
    assert (told.new, told.changed) == (1, 1)


def test_an_empty_list_says_where_there_is_something(ledger: Ledger, reader: Actor) -> None:
    rows = ledger.add(20, biller_type="MASM", created_at=FIRST, status="FAILED")
    later = FIRST + timedelta(days=30)
    other_days = transactions.widest(reader, TransactionFilter(billers=("MASM",), since=later, until=later + timedelta(days=1)))
    assert other_days is not None
    assert (other_days.wanted, other_days.rows, other_days.is_exact) == (TransactionFilter(billers=("MASM",)), 20, True)
    assert (other_days.first_at, other_days.last_at) == (rows[0]["created_at"], rows[0]["created_at"])
    any_status = transactions.widest(reader, TransactionFilter(billers=("MASM",), statuses=("COMPLETED",), since=later))
    assert any_status is not None
    assert any_status.wanted == TransactionFilter(billers=("MASM",))
    # Never the list without any filter: that is what every list has beside it.
    assert transactions.widest(reader, TransactionFilter(billers=("AIRTEL_VALIDATION",))) is None
