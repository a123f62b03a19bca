"""One person's day: equal to what plain SQL says, at both edges of the business day, and nobody else's."""

import uuid
from collections import Counter as Tally
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from core import clock
from core.errors import BadInput, NotAllowed
from core.services import my_day
from core.services.my_day import Sum
from core.settings import settings
from core.states import Stage, Status
from tests.receipts.conftest import Counter
from tests.receipts.reading import drawn, words_of

DAY = date(2025, 11, 23)

# The day in Blantyre is from 22:00 to 22:00 in UTC.
FIRST = datetime(2025, 11, 22, 22, tzinfo=UTC)
LAST = datetime(2025, 11, 23, 22, tzinfo=UTC) - timedelta(microseconds=1)

PLAIN_SQL = """
    SELECT status, count(*), sum(amount) FROM transactions
    WHERE initiated_by = %s AND amount IS NOT NULL AND (created_at AT TIME ZONE 'Africa/Blantyre')::date = %s
    GROUP BY status
"""


def paid_at(counter: Counter, moment: datetime, stage: Stage = Stage.COMPLETED, amount: str = "5475.50") -> uuid.UUID:
    made = counter.bench.paid_to(stage, amount=amount)
    counter.rewrite(made, "created_at = %s", moment)
    return made


def test_a_day_is_what_plain_sql_says_with_rows_at_both_its_edges(counter: Counter) -> None:
    inside = [
        paid_at(counter, FIRST, amount="1000.00"),
        paid_at(counter, FIRST + timedelta(hours=12), Stage.FAILED, "200.00"),
        paid_at(counter, FIRST + timedelta(hours=13), Stage.PAY_UNKNOWN, "300.25"),
        paid_at(counter, FIRST + timedelta(hours=14), Stage.CANCELLED, "700.00"),
        paid_at(counter, LAST, amount="4000.75"),
    ]
    before, after = paid_at(counter, FIRST - timedelta(microseconds=1)), paid_at(counter, LAST + timedelta(microseconds=1))
    mine = my_day.of_day(counter.grace, DAY)
    assert [row.id for row in mine.rows] == [inside[place] for place in (4, 3, 2, 1, 0)]
    assert {before, after}.isdisjoint(row.id for row in mine.rows)
    expected = {Status(status): Sum(count, {"MWK": value}) for status, count, value in counter.bench.sql(PLAIN_SQL, counter.grace.id, DAY)}
    assert mine.by_status == expected
    assert expected[Status.COMPLETED] == Sum(2, {"MWK": Decimal("5000.75")})
    assert (mine.everything.count, mine.is_whole) == (5, True)
    assert str(mine.till) == "MWK 5,000.75"
    assert str(mine.held) == "MWK 300.25"
    assert [row.id for row in mine.unsettled] == [inside[2]]


def test_each_payment_is_in_exactly_one_day(counter: Counter) -> None:
    moments = [FIRST - timedelta(microseconds=1), FIRST, LAST, LAST + timedelta(microseconds=1)]
    made = [paid_at(counter, moment) for moment in moments]
    days = [my_day.of_day(counter.grace, DAY + timedelta(days=shift)) for shift in (-1, 0, 1)]
    assert [sorted(made.index(row.id) for row in day.rows) for day in days] == [[0], [1, 2], [3]]


def test_without_a_day_it_is_today_where_the_bank_is(counter: Counter) -> None:
    one = counter.sell(token=None)
    today = clock.business_day(counter.find(one).created_at)
    mine = my_day.of_day(counter.grace)
    assert (mine.day, mine.today, [row.id for row in mine.rows]) == (today, today, [one])


def test_a_day_in_another_zone_is_another_day(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    paid_at(counter, FIRST)
    monkeypatch.setenv("BILLERS_TIMEZONE", "UTC")
    settings.cache_clear()
    assert my_day.of_day(counter.grace, DAY).rows == []
    assert my_day.of_day(counter.grace, DAY - timedelta(days=1)).everything.count == 1


def test_a_day_is_ones_own_and_of_payments_only(counter: Counter) -> None:
    counter.sell(token=None)
    counter.bench.look_up(counter.bench.account(), counter.chisomo)
    assert my_day.of_day(counter.chisomo).rows == []
    assert my_day.of_day(counter.limbani).rows == []
    # The look-up before the payment is no payment.
    assert my_day.of_day(counter.grace).everything.count == 1


@pytest.mark.parametrize(("role", "may"), [("operator", True), ("manager", True), ("analyst", False), ("administrator", False)])
def test_a_day_is_for_who_pays(counter: Counter, role: str, may: bool) -> None:
    somebody = counter.bench.add_person(role)
    for service in (my_day.of_day, my_day.print_sheet):
        if may:
            service(somebody)
        else:
            with pytest.raises(NotAllowed, match="pay bills"):
                service(somebody)


def test_nobody_has_no_till_and_no_calendar_has_every_year(counter: Counter) -> None:
    with pytest.raises(NotAllowed, match="Only a person"):
        my_day.of_day(replace(counter.grace, id=None))
    for day in (date(1999, 12, 31), date(2201, 1, 1), date.min, date.max):
        with pytest.raises(BadInput, match="between 2000 and 2200"):
            my_day.of_day(counter.grace, day)


def test_what_was_debited_from_an_account_is_not_in_the_till(counter: Counter) -> None:
    cash, debited = counter.sell(token=None, amount="100.00"), counter.sell(token=None, amount="900.00")
    counter.rewrite(debited, "debit_account = '1001'")
    mine = my_day.of_day(counter.grace)
    assert (str(mine.till), mine.till.count) == ("MWK 100.00", 1)
    assert mine.by_status[Status.COMPLETED].count == 2
    assert {row.id for row in mine.rows} == {cash, debited}


def test_amounts_of_two_currencies_are_never_added(counter: Counter) -> None:
    counter.sell(token=None, amount="100.00")
    counter.rewrite(counter.sell(token=None, amount="700.00"), "currency = 'USD'")
    assert str(my_day.of_day(counter.grace).till) == "MWK 100.00 + USD 700.00"


def test_a_biller_is_told_with_what_it_confirmed_and_with_all(counter: Counter) -> None:
    counter.sell(token=None, amount="100.00")
    counter.bench.paid_to(Stage.FAILED, amount="900.00")
    mine = my_day.of_day(counter.grace)
    assert mine.billers == {"LWB_POSTPAID": "Lilongwe Water Board"}
    assert str(mine.of_biller("LWB_POSTPAID", Status.COMPLETED)) == "MWK 100.00"
    assert mine.of_biller("LWB_POSTPAID") == Sum(2, {"MWK": Decimal("1000.00")})


def test_a_company_that_is_two_billers_is_told_apart_by_their_codes(counter: Counter) -> None:
    for code in ("SRWB_POSTPAID", "SRWB_PREPAID"):
        counter.rewrite(counter.sell(token=None), "biller_type = %s, biller_name = 'Southern Region Water Board'", code)
    counter.sell(token=None)
    assert list(my_day.of_day(counter.grace).billers.values()) == [
        "Lilongwe Water Board",
        "Southern Region Water Board (SRWB POSTPAID)",
        "Southern Region Water Board (SRWB PREPAID)",
    ]


def test_a_biller_renamed_within_the_day_is_one_biller_by_the_name_of_its_newest_payment(counter: Counter) -> None:
    paid_at(counter, FIRST, amount="100.00")
    counter.rewrite(paid_at(counter, FIRST + timedelta(hours=1), amount="200.00"), "biller_name = 'Central Water'")
    mine = my_day.of_day(counter.grace, DAY)
    assert mine.billers == {"LWB_POSTPAID": "Central Water"}
    assert mine.of_biller("LWB_POSTPAID", Status.COMPLETED) == Sum(2, {"MWK": Decimal("300.00")})


def test_where_rows_are_left_out_the_sums_are_of_all_and_it_is_said(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(my_day, "MOST_ROWS", 2)
    for _ in range(3):
        counter.sell(token=None, amount="100.00")
    mine = my_day.of_day(counter.grace)
    assert (len(mine.rows), mine.is_whole, str(mine.till)) == (2, False, "MWK 300.00")
    assert "The newest 2 of 3 payments are listed" in words_of(my_day.print_sheet(counter.grace).pdf)


def test_the_sheet_has_the_sums_each_row_and_lines_to_sign_on(counter: Counter) -> None:
    made = [paid_at(counter, FIRST + timedelta(minutes=number), amount="100.00") for number in range(60)]
    doubtful = paid_at(counter, LAST, Stage.PAY_UNKNOWN, "300.25")
    sheet = my_day.print_sheet(counter.grace, DAY)
    said, lines = words_of(sheet.pdf), drawn(sheet.pdf)
    for words in (
        *(f"The day of {counter.grace.display_name}", "Sunday 23 November 2025, a business day in CAT. As of ", "Should be in the till: MWK 6,000.00"),
        *("60 completed", "And MWK 300.25 for 1 not settled yet", "Counted", "Signature", "Being confirmed: do not", "Page 2 of 2"),
    ):
        assert words in said
    references = Tally(line for line in lines if len(line) == 16 and " " not in line)
    assert all(references[counter.find(one).our_transaction_id] == 1 for one in made)
    # Once under what is not settled, once in the list.
    assert references[counter.find(doubtful).our_transaction_id] == 2
    assert "00:00:00" in lines
    assert "23:59:59" in lines
    assert sheet.name == "my-day-2025-11-23.pdf"
