"""One filter, one set of rows: the list walked to its end, its count, the CSV, the totals and plain SQL written anew."""

import csv
import io
import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.repositories.filters import NO_REASON
from core.repositories.transactions import Cursor
from core.services import statistics, transactions
from core.services.asked import Asked, read, searchable
from core.states import Status, TransactionType
from tests.exports.conftest import ACCOUNTS, BILLERS, CODES, DAYS, NASTY, ZONE, Crowd, exported

FILTERS = 200


def some(dice: random.Random, values: list[str], chance: float = 0.3) -> tuple[str, ...]:
    return tuple(dice.sample(values, dice.randint(1, len(values)))) if dice.random() < chance else ()


def some_text(dice: random.Random, values: tuple[str, ...], chance: float = 0.2) -> str:
    """One of the values, a piece of one, or the same in other letters."""
    if dice.random() > chance:
        return ""
    text = dice.choice(values)
    start = dice.randrange(len(text)) if text else 0
    return searchable(dice.choice((text, text[start:], text.upper(), text.lower(), text[: start + 1])))


def some_filter(dice: random.Random, references: tuple[str, ...]) -> Asked:
    low, high = (dice.choice((None, Decimal("0.01"), Decimal("999.99"), Decimal(1000), Decimal("1000.01"))) for _ in range(2))
    return Asked(
        search=some_text(dice, (*NASTY, *ACCOUNTS, *references, "412345")),
        billers=some(dice, list(BILLERS)),
        statuses=some(dice, [one.value for one in Status]),
        types=some(dice, [one.value for one in TransactionType]),
        first_day=dice.choice((None, None, *DAYS)),
        last_day=dice.choice((None, None, *DAYS)),
        amount_min=low if dice.random() < 0.3 else None,
        amount_max=high if dice.random() < 0.3 else None,
        account=some_text(dice, ACCOUNTS),
        reference=some_text(dice, references, 0.1),
        mine=dice.random() < 0.15,
        in_doubt=dice.random() < 0.1,
        under_review=dice.choice((True, False)) if dice.random() < 0.15 else None,
        reasons=some(dice, [*CODES, NO_REASON]),
    )


def plain_sql(asked: Asked, me: object) -> tuple[str, list[Any]]:
    """What the filter means, said a second time by somebody who has not seen the first."""
    where, values = ["true"], []

    def also(sql: str, *arguments: Any) -> None:
        where.append(f"({sql})")
        values.extend(arguments)

    def part(column: str) -> str:
        return f"({column} = %s AND length(%s) < 3 OR length(%s) >= 3 AND strpos(lower({column}), lower(%s)) > 0)"

    whole = "our_transaction_id = upper(%s) OR external_transaction_id = %s OR invoice_number = %s"
    for column, wanted in (("biller_type", asked.billers), ("status", asked.statuses), ("transaction_type", asked.types)):
        if wanted:
            also(f"{column} = ANY(%s)", list(wanted))
    if asked.first_day:
        also("(created_at AT TIME ZONE 'Africa/Blantyre')::date >= %s", asked.first_day)
    if asked.last_day:
        also("(created_at AT TIME ZONE 'Africa/Blantyre')::date <= %s", asked.last_day)
    if asked.amount_min is not None:
        also("amount >= %s", asked.amount_min)
    if asked.amount_max is not None:
        also("amount <= %s", asked.amount_max)
    if asked.account:
        also(part("account_number"), *[asked.account] * 4)
    if asked.reference:
        also(whole, *[asked.reference] * 3)
    if asked.search:
        begins = (
            "length(%s) >= 3 AND (starts_with(our_transaction_id, upper(%s)) OR starts_with(external_transaction_id, %s) OR starts_with(invoice_number, %s))"
        )
        parts = " OR ".join(part(column) for column in ("account_number", "meter_number", "customer_account_name"))
        also(f"{whole} OR {begins} OR {parts}", *[asked.search] * 19)
    if asked.mine:
        also("initiated_by = %s", me)
    if asked.under_review is not None:
        also("(stage = 'REVIEW') = %s", asked.under_review)
    if asked.reasons:
        also("error_code = ANY(%s) OR error_code IS NULL AND '(none)' = ANY(%s)", list(asked.reasons), list(asked.reasons))
    if asked.in_doubt:
        also("status = 'PROCESSING' AND amount IS NOT NULL")
    return " AND ".join(where), values


def walked(crowd: Crowd, asked: Asked) -> list[str]:
    """The list from its newest row to its oldest, page by page, and from its end back to the start."""
    wanted = asked.wanted(ZONE, crowd.analyst.id)
    page = transactions.list_page(crowd.analyst, wanted, 25)
    found = [row.our_transaction_id for row in page.rows]
    pages = [page]
    while page.older:
        page = transactions.list_page(crowd.analyst, wanted, 25, older_than=page.older)
        pages.append(page)
        found += [row.our_transaction_id for row in page.rows]
    back: list[str] = []
    while page.newer:
        page = transactions.list_page(crowd.analyst, wanted, 25, newer_than=page.newer)
        back = [row.our_transaction_id for row in page.rows] + back
    assert back == [row.our_transaction_id for shown in pages[:-1] for row in shown.rows]
    return found


def test_every_filter_means_the_same_rows_everywhere(crowd: Crowd) -> None:
    dice = random.Random(65)
    references = tuple(str(row[name]) for row in crowd.rows[:20] for name in ("our_transaction_id", "external_transaction_id", "invoice_number") if row[name])
    filters = [Asked(), *(some_filter(dice, references) for _ in range(FILTERS))]
    hits = []
    with crowd.database.connect() as connection:
        for asked in filters:
            address = {name: [value] if isinstance(value, str) else value for name, value in asked.address().items()}
            assert read(address, BILLERS) == asked
            where, values = plain_sql(asked, crowd.analyst.id)
            expected = [
                row[0] for row in connection.execute(f"SELECT our_transaction_id FROM transactions WHERE {where} ORDER BY created_at DESC, id DESC", values)
            ]
            assert walked(crowd, asked) == expected, asked
            rows = list(csv.DictReader(io.StringIO(exported(crowd.analyst, asked).decode(), newline="")))
            assert [row["reference"] for row in rows] == expected, asked
            _same_totals(crowd, asked, rows)
            hits.append(len(expected))
    # A generator that only ever finds nothing, or everything, would prove nothing.
    assert sum(0 < found < len(crowd.rows) for found in hits) > FILTERS // 4


def _same_totals(crowd: Crowd, asked: Asked, rows: list[dict[str, str]]) -> None:
    totals = statistics.totals(crowd.analyst, asked.wanted(ZONE, crowd.analyst.id))
    payments = [row for row in rows if row["amount"]]
    assert (totals.rows, totals.payments) == (len(rows), len(payments))
    assert {status.value: count for status, count in totals.by_status.items()} == Counter(row["status"] for row in rows)
    paid: Counter[str] = Counter()
    for row in payments:
        if row["status"] == "COMPLETED":
            paid[row["currency"]] += Decimal(row["amount"])  # type: ignore[assignment]
    assert totals.values == paid


def test_a_cell_says_exactly_what_is_kept(crowd: Crowd) -> None:
    rows = {row["reference"]: row for row in csv.DictReader(io.StringIO(exported(crowd.analyst, Asked()).decode(), newline=""))}
    usernames = {person.id: person.username for person in crowd.people}
    assert len(rows) == len(crowd.rows)
    for kept in crowd.rows:
        told = rows[kept["our_transaction_id"]]
        for name, column in (
            ("biller", "biller_type"),
            ("type", "transaction_type"),
            ("account_number", "account_number"),
            ("customer_name", "customer_account_name"),
            ("biller_reference", "external_transaction_id"),
            ("meter_number", "meter_number"),
            ("error_message", "error_message"),
            ("status", "status"),
            ("currency", "currency"),
        ):
            assert told[name] == (kept[column] or ""), name
        assert told["amount"] == ("" if kept["amount"] is None else f"{kept['amount']:.2f}")
        assert datetime.fromisoformat(told["submitted_at"]) == kept["created_at"]
        assert told["submitted_at"].endswith("+00:00")
        assert told["submitted_by"] == usernames.get(kept["initiated_by"], "")
        assert told["demonstration"] == str(kept["demo"]).lower()


@pytest.mark.parametrize("zone", ["Africa/Blantyre", "America/St_Johns"])
def test_a_day_is_the_business_day_of_the_zone_that_was_set(crowd: Crowd, zone: str) -> None:
    local = ZoneInfo(zone)
    for day in DAYS:
        wanted = Asked(first_day=day, last_day=day).wanted(local)
        expected = {row["our_transaction_id"] for row in crowd.rows if row["created_at"].astimezone(local).date() == day}
        found = transactions.list_page(crowd.analyst, wanted, 100).rows
        assert {row.our_transaction_id for row in found} == expected or len(expected) > 100


def test_rows_of_one_microsecond_are_paged_without_loss(crowd: Crowd) -> None:
    with crowd.database.connect() as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER; UPDATE transactions SET created_at = '2025-11-23T10:00:00Z'")
    assert len(set(walked(crowd, Asked()))) == len(crowd.rows)


def test_a_place_that_is_no_row_any_more_is_still_a_place(crowd: Crowd) -> None:
    moment = crowd.rows[0]["created_at"] + timedelta(microseconds=1)
    page = transactions.list_page(crowd.analyst, replace(Asked()).wanted(ZONE), 25, older_than=Cursor(moment, crowd.rows[0]["id"]))
    assert all(row.created_at < moment for row in page.rows)
