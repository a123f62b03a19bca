"""Every order of the list, whole and filtered, is the order that SQL has: forwards, backwards, and while rows arrive."""

from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest

import core.db
from core.repositories import walks, words
from core.repositories.filters import NO_REASON, TransactionFilter
from core.repositories.transactions import Sort, Transactions
from core.states import MONEY_TYPES, Status, TransactionType
from tests.lists.conftest import AMOUNTS, BILLERS, FIRST, Ledger
from tests.world import Database

ORDERS = {
    Sort.NEWEST: "ORDER BY created_at DESC, id DESC",
    Sort.OLDEST: "ORDER BY created_at, id",
    Sort.LARGEST: "ORDER BY amount DESC NULLS LAST, created_at DESC, id DESC",
    Sort.SMALLEST: "ORDER BY amount ASC NULLS LAST, created_at, id",
}

PAYMENTS = tuple(kind.value for kind in MONEY_TYPES)

THERE = "created_at AT TIME ZONE 'America/St_Johns'"

# What is asked for, and the same in SQL.
FILTERS: dict[str, tuple[TransactionFilter, str]] = {
    "everything": (TransactionFilter(), "true"),
    "a biller": (TransactionFilter(billers=("MASM",)), "biller_type = 'MASM'"),
    "payments": (TransactionFilter(types=PAYMENTS), "amount IS NOT NULL"),
    "look-ups that failed": (TransactionFilter(types=("ACCOUNT_DETAILS",), statuses=("FAILED",)), "transaction_type = 'ACCOUNT_DETAILS' AND status = 'FAILED'"),
    "nothing: a biller that nobody asked": (TransactionFilter(billers=("AIRTEL_VALIDATION",)), "false"),
    "some days": (
        TransactionFilter(since=FIRST + timedelta(days=10), until=FIRST + timedelta(days=20)),
        "created_at >= '2025-03-11 06:00Z' AND created_at < '2025-03-21 06:00Z'",
    ),
    "amounts": (TransactionFilter(amount_min=Decimal(500), amount_max=Decimal(25000)), "amount BETWEEN 500 AND 25000"),
    "amounts of a biller": (TransactionFilter(billers=("TNM_BUNDLES",), amount_min=Decimal(900)), "biller_type = 'TNM_BUNDLES' AND amount >= 900"),
    "an amount nobody paid": (TransactionFilter(amount_min=Decimal(10**9)), "false"),
    "a code": (TransactionFilter(reasons=("13",)), "error_code = '13'"),
    "a code or none, of what failed": (
        TransactionFilter(statuses=("FAILED",), reasons=("13", NO_REASON)),
        "status = 'FAILED' AND (error_code = '13' OR error_code IS NULL)",
    ),
    "a word": (TransactionFilter(search="banda"), "customer_account_name ILIKE '%banda%'"),
    "a word of some days at a biller": (
        TransactionFilter(search="4000", billers=("MASM",), since=FIRST + timedelta(days=30)),
        "account_number LIKE '%4000%' AND biller_type = 'MASM' AND created_at >= '2025-03-31 06:00Z'",
    ),
    "part of a number, and how references begin": (
        TransactionFilter(search="0004"),
        "account_number LIKE '%0004%' OR external_transaction_id LIKE '0004%'",
    ),
    "part of a meter and of a name": (TransactionFilter(search="0412"), "meter_number LIKE '%0412%' OR customer_account_name LIKE '%0412%'"),
    "part of an account": (TransactionFilter(account="0001"), "account_number LIKE '%0001%'"),
    "the Fridays": (TransactionFilter(weekdays=(4,)), "extract(isodow FROM created_at) = 5"),
    "from eight to nine at a biller": (
        TransactionFilter(time_of_day=(time(8), time(9)), zone="Africa/Blantyre", billers=("MASM",)),
        "biller_type = 'MASM' AND extract(hour FROM created_at AT TIME ZONE 'Africa/Blantyre') = 8",
    ),
    "the nights between": (
        TransactionFilter(time_of_day=(time(22), time(5)), weekdays=(0, 6), zone="America/St_Johns"),
        f"(extract(hour FROM {THERE}) >= 22 OR extract(hour FROM {THERE}) < 5) AND extract(isodow FROM {THERE}) IN (1, 7)",
    ),
    "in doubt": (TransactionFilter(in_doubt=True), "false"),
    "under review": (TransactionFilter(under_review=True), "false"),
    "not under review": (TransactionFilter(under_review=False), "true"),
}


@pytest.fixture(params=["as it is", "as if it were ten million"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten million rows are read in other ways than a few hundred; here few are many already, and a look into the lanes goes one row deep."""
    if request.param != "as it is":
        few = {"FEW": 3, "FEW_ROWS": 3, "FEW_OF_DAYS": 3, "FEW_REASONS": 3, "STRETCHES": (1, 2)}
        monkeypatch.setattr(words, "MOST_ACCOUNTS", 2)
        monkeypatch.setattr(words, "SAMPLED", 50)
        monkeypatch.setattr(words, "COMMON_IN_SAMPLE", 1)
        monkeypatch.setattr(words, "COMMON_PLACES", 1)
        monkeypatch.setattr(words, "SOME_ACCOUNTS", 1)
        monkeypatch.setattr(words, "FIRST_ACCOUNTS", 1)
        depths = dict.fromkeys(("DEPTHS", "DEPTHS_FOR_AMOUNTS", "DEPTHS_FOR_WORDS", "DEPTHS_FOR_SYLLABLES", "DEPTHS_FOR_NUMBERS"), (1, 4))
        shallow = {"PLAIN_IS_DEEPER": 2, "DEEPEST_COUNT": 2, "DEEPEST_COUNT_OF_WORDS": 2, "LIKELY": 1, "TELLING": 1}
        for name, value in (few | depths | shallow).items():
            monkeypatch.setattr(walks, name, value)


def test_numbers_that_lie_side_by_side_are_not_taken_for_common_ones(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "SAMPLED", 100)
    monkeypatch.setattr(words, "COMMON_IN_SAMPLE", 30)
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)"
            " SELECT 'MASM', (75290 + n)::text, CASE n % 20 WHEN 0 THEN '999' || n ELSE '' END, 'Grace Banda' FROM generate_series(1, 2000) AS n"
        )
    with core.db.unit_of_work() as session:
        # Ninety-nine of a street in one or two pages of the table, a hundred of a kind of meter in all of them.
        street, kind = (words.Words(session, TransactionFilter(search=one)) for one in ("753", "999"))
        assert (street.are_few, kind.are_few) == (True, False)
        assert len(street.found.by_number) == len({f"{number}" for number in range(75291, 77291) if "753" in f"{number}"})


def test_a_month_is_not_looked_for_among_the_amounts_of_a_year(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.add(60, transaction_type=TransactionType.POST_TRANSACTION, amount=Decimal(900), biller_type="MASM", created_at=FIRST)
    late = FIRST + timedelta(days=200)
    ledger.add(3, transaction_type=TransactionType.POST_TRANSACTION, amount=Decimal(900), biller_type="MASM", created_at=late)
    monkeypatch.setattr(walks, "FEW", 20)
    way = walks.Way(by_amount=False, descending=True)
    with core.db.unit_of_work() as session:
        for since, by_amount in ((None, True), (late, False)):
            walk = walks.Walk(session, TransactionFilter(billers=("MASM",), amount_min=Decimal(800 if since else 901), since=since))
            few = walk._few(way, walk._lanes(()))
            # Three of those days, and as many with such an amount: but the sixty of other days would be gone past to find them.
            assert few is not None
            assert few.by_amount is by_amount


def walked(wanted: TransactionFilter, sort: Sort, arriving: Any = None) -> list[Any]:
    """The list page by page to its end, and back to where it began."""
    with core.db.unit_of_work() as session:
        found = Transactions(session)
        page = found.page(wanted, 7, sort=sort)
        pages = [page]
        while page.older:
            if arriving:
                arriving()
            page = found.page(wanted, 7, older_than=page.older, sort=sort)
            pages.append(page)
        back: list[Any] = []
        while page.newer and len(back) < sum(len(one.rows) for one in pages[:-1]):
            page = found.page(wanted, 7, newer_than=page.newer, sort=sort)
            back = [row.id for row in page.rows] + back
        assert back == [row.id for one in pages[:-1] for row in one.rows]
        return [row.id for one in pages for row in one.rows]


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("sort", Sort)
def test_every_filter_in_every_order_is_what_sql_says(ledger: Ledger, sort: Sort) -> None:
    ledger.add(300)
    ledger.add(3, external_transaction_id="0004-7", account_number="77", meter_number=None)
    ledger.add(2, customer_account_name="Lodge 0412", meter_number=None)
    empty = 0
    for name, (wanted, where) in FILTERS.items():
        expected = ledger.ids(f"WHERE {where} {ORDERS[sort]}")
        assert walked(wanted, sort) == expected, name
        empty += not expected
    assert empty == 4


@pytest.mark.parametrize("sort", Sort)
def test_rows_that_arrive_meanwhile_move_no_page(ledger: Ledger, sort: Sort) -> None:
    ledger.add(100)
    there = ledger.ids(ORDERS[sort])

    def arriving() -> None:
        # Before and behind wherever the reader is: at the very end of each order.
        ledger.add(1, created_at=FIRST + timedelta(days=365), transaction_type=TransactionType.POST_TRANSACTION, amount=max(AMOUNTS) + 1)

    met = walked_once(sort, arriving)
    assert [one for one in met if one in set(there)] == there
    assert len(set(met)) == len(met)


def walked_once(sort: Sort, arriving: Any) -> list[Any]:
    with core.db.unit_of_work() as session:
        found = Transactions(session)
        page = found.page(TransactionFilter(), 7, sort=sort)
        met = [row.id for row in page.rows]
        while page.older and len(met) < 300:
            arriving()
            page = found.page(TransactionFilter(), 7, older_than=page.older, sort=sort)
            met += [row.id for row in page.rows]
        return met


def test_rows_of_one_moment_and_one_amount_are_told_apart_by_their_ids(ledger: Ledger) -> None:
    ledger.add(40, created_at=FIRST, transaction_type=TransactionType.POST_TRANSACTION, amount=Decimal(100))
    for sort in Sort:
        assert walked(TransactionFilter(), sort) == ledger.ids(ORDERS[sort]), sort


@pytest.mark.parametrize("sort", Sort)
def test_how_far_to_look_next_is_the_same_place_whether_it_was_looked_before_or_not(ledger: Ledger, sort: Sort) -> None:
    """Short of it, a page that is not full would seem to be the last, and the whole list would be gone along to fill it."""
    ledger.add(300)
    found = 0
    with core.db.unit_of_work() as session:
        for name, (wanted, _) in FILTERS.items():
            walk = walks.Walk(session, wanted)
            for way, types in walks.ways(sort, None, back=False):
                lanes = walk._lanes(types)
                if lanes is not None and (first := walk._edge(way, lanes, 1)) is not None:
                    next_one = walk._edge(way, lanes, 4)
                    assert walk._edge(way, lanes, 4, before=first) == next_one, name
                    found += next_one is not None
    assert found > 10


@pytest.mark.usefixtures("size")
def test_a_count_that_stops_says_so_and_one_that_does_not_is_exact(ledger: Ledger) -> None:
    ledger.add(300)
    with core.db.unit_of_work() as session:
        found = Transactions(session)
        for name, (wanted, where) in FILTERS.items():
            there = len(ledger.ids(f"WHERE {where}"))
            for most in (5, 1000):
                counted = found.count_up_to(wanted, most)
                assert counted.rows == there if counted.is_exact else counted.rows <= min(there, most), (name, most)
                assert counted.is_exact <= (there <= most), (name, most)
        plain = replace(TransactionFilter(), billers=(BILLERS[0],), statuses=(Status.COMPLETED.value,))
        assert found.count_up_to(plain, 1000) == walks.Reckoned(len(ledger.ids("WHERE biller_type = %s AND status = 'COMPLETED'", BILLERS[0])), is_exact=True)
        assert found.count_up_to(plain, 2) == walks.Reckoned(2, is_exact=False)
