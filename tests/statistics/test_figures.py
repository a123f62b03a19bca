"""What a set of transactions comes to, against plain SQL written anew here."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

import core.db
from core import clock
from core.access import Actor
from core.errors import BadInput, NotAllowed, Unavailable
from core.repositories.filters import TransactionFilter
from core.repositories.heaps import Waiting
from core.repositories.statistics import Figures, Grain
from core.services import analytics, periods, statistics
from core.services.asked import Asked
from core.services.statistics import DOUBT_AGES, LONG_QUEUED
from core.states import MONEY_TYPES, Status, TransactionType
from tests.statistics.conftest import LWB, Book

ZONE = clock.BUSINESS_ZONE
NOON = datetime(2025, 11, 20, 10, tzinfo=UTC)
ENDINGS = (Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.REVERSED)
BILLERS = (LWB, "BWB_POSTPAID", "MASM")


# ---- Definitions


def test_figures_count_payments_and_look_ups_apart_and_sum_what_was_paid(book: Book, analyst: Actor) -> None:
    book.row(NOON, Status.COMPLETED, "100.10")
    book.row(NOON, Status.COMPLETED, "0.20")
    book.row(NOON, Status.FAILED, "5.00")
    book.row(NOON, Status.REVERSED, "7.00")
    book.row(NOON, Status.CANCELLED, "9.00")
    book.row(NOON, Status.COMPLETED, None)
    book.sum_up()
    told = statistics.totals(analyst, TransactionFilter())
    assert (told.rows, told.payments, told.lookups) == (6, 5, 1)
    assert told.by_status == {Status.COMPLETED: 3, Status.FAILED: 1, Status.REVERSED: 1, Status.CANCELLED: 1}
    assert told.value == Decimal("100.30")
    assert (told.completed, told.ended, told.success_rate) == (2, 4, 0.5)


def test_a_rate_of_nothing_is_unknown_and_not_zero(book: Book, analyst: Actor) -> None:
    book.row(NOON, Status.CANCELLED)
    book.sum_up()
    told = statistics.totals(analyst, TransactionFilter())
    assert (told.payments, told.success_rate, told.value) == (1, None, Decimal("0.00"))


def test_amounts_of_another_currency_are_never_added_up(book: Book, analyst: Actor) -> None:
    book.row(NOON, amount="10.00")
    book.row(NOON, amount="3.00", currency="USD")
    book.sum_up()
    told = statistics.totals(analyst, TransactionFilter())
    assert told.values == {"MWK": Decimal("10.00"), "USD": Decimal("3.00")}
    assert told.value == Decimal("10.00")


def test_figures_are_not_for_somebody_without_the_right(database: object) -> None:
    nobody = Actor(None, "x", "X", "guest", frozenset({"people:sign_in"}))
    services: list[Callable[[], Any]] = [
        lambda: statistics.totals(nobody, TransactionFilter()),
        lambda: statistics.over_time(nobody, TransactionFilter(), Grain.DAY),
        lambda: statistics.answer_times(nobody, TransactionFilter()),
        lambda: statistics.failure_reasons(nobody, TransactionFilter()),
        lambda: statistics.attention(nobody),
        lambda: statistics.overview(nobody, 7),
        lambda: statistics.mark(nobody),
        lambda: statistics.biller_titles(nobody),
        lambda: statistics.counted(nobody, TransactionFilter()),
        lambda: statistics.heat(nobody, TransactionFilter()),
        lambda: statistics.kpis(nobody),
    ]
    for service in services:
        with pytest.raises(NotAllowed, match="see dashboard and analytics"):
            service()


def test_figures_of_a_database_that_is_away_are_a_sentence(analyst: Actor, set_environment: Callable[..., None]) -> None:
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable, match="cannot be reached"):
        statistics.totals(analyst, TransactionFilter())


# ---- Against SQL


def _fill(book: Book, chance: random.Random, count: int) -> None:
    """Rows around midnights and ends of months, where a zone that was forgotten shows."""
    for code in BILLERS:
        book.biller(code)
    edges = [clock.day_bounds(date(2025, month, day), ZONE)[0] for month, day in ((10, 1), (10, 31), (11, 1), (11, 24), (12, 1))]
    for _ in range(count):
        at = chance.choice(edges) + timedelta(seconds=chance.choice([-1, 0, 1, chance.randint(-40 * 86_400, 40 * 86_400)]))
        kind = chance.choice(list(TransactionType))
        amount = Decimal(chance.randint(1, 10**8)) / 100 if kind in MONEY_TYPES else None
        made = book.row(
            at,
            chance.choice(ENDINGS) if kind in MONEY_TYPES else chance.choice((Status.COMPLETED, Status.FAILED)),
            amount,
            kind,
            biller=chance.choice(BILLERS),
            account=f"7{chance.randint(0, 20):04}",
            error_code=chance.choice([None, "BLOCKED", "LIMIT"]),
        )
        paying = {TransactionType.CONFIRM_INVOICE: "confirm_invoice", TransactionType.CONFIRM_BUNDLE: "purchase_bundle"}.get(kind, "pay")
        calls = ((paying if kind in MONEY_TYPES else "lookup", "CONFIRMED"), ("status", "UNKNOWN"), (paying, "NOT_SENT"))
        for verb, outcome in calls[: chance.randint(0, 3)]:
            book.answer(made, at + timedelta(seconds=2), chance.randint(1, 40_000), verb=verb, outcome=outcome)


def _any_filter(chance: random.Random) -> TransactionFilter:
    def some(of: list[str]) -> tuple[str, ...]:
        return tuple(chance.sample(of, chance.randint(0, 2)))

    first = date(2025, 9, 15) + timedelta(days=chance.randint(0, 90))
    return Asked(
        billers=some(list(BILLERS)),
        statuses=some([status.value for status in ENDINGS]),
        types=some([kind.value for kind in TransactionType]),
        first_day=chance.choice([None, first]),
        last_day=chance.choice([None, first + timedelta(days=chance.randint(0, 60))]),
        search=chance.choice(["", "", "7000"]),
        amount_min=chance.choice([None, None, Decimal("250000.00")]),
    ).wanted(ZONE)


PLAIN = """
    SELECT count(*),
        count(*) FILTER (WHERE amount IS NOT NULL),
        count(*) FILTER (WHERE amount IS NOT NULL AND status = 'COMPLETED'),
        count(*) FILTER (WHERE amount IS NOT NULL AND status IN ('COMPLETED', 'FAILED', 'REVERSED')),
        coalesce(sum(amount) FILTER (WHERE status = 'COMPLETED'), 0)
    FROM transactions
    WHERE (%(billers)s::text[] = '{}' OR biller_type = ANY (%(billers)s)) AND (%(statuses)s::text[] = '{}' OR status = ANY (%(statuses)s))
        AND (%(types)s::text[] = '{}' OR transaction_type = ANY (%(types)s))
        AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
        AND (%(search)s = '' OR account_number LIKE '%%' || %(search)s || '%%')
        AND (%(amount_min)s::numeric IS NULL OR amount >= %(amount_min)s)
    """


def _parameters(wanted: TransactionFilter) -> dict[str, Any]:
    lists = {name: list(getattr(wanted, name)) for name in ("billers", "statuses", "types")}
    return {**lists, **{name: getattr(wanted, name) for name in ("since", "until", "search", "amount_min")}}


def test_for_two_hundred_filters_the_totals_are_those_of_plain_sql(book: Book, analyst: Actor) -> None:
    chance = random.Random(20251124)
    _fill(book, chance, 400)
    book.sum_up()
    met = 0
    for _ in range(200):
        wanted = _any_filter(chance)
        expected = book.connection.execute(PLAIN, _parameters(wanted)).fetchone()
        told = statistics.totals(analyst, wanted)
        assert (told.rows, told.payments, told.completed, told.ended, told.value) == expected, wanted
        met += told.rows > 0
    assert met > 100, "most filters find something, or this compares nothing with nothing"


@pytest.mark.parametrize("grain", list(Grain))
def test_a_step_of_time_is_one_of_the_banks_zone(book: Book, analyst: Actor, grain: Grain) -> None:
    _fill(book, random.Random(7), 300)
    there = "created_at AT TIME ZONE 'Africa/Blantyre'"
    step = f"date_bin('15 minutes', {there}, '2000-01-01')" if grain is Grain.QUARTER else f"date_trunc('{grain.value}', {there})"
    days = (date(2025, 10, 31), date(2025, 11, 2)) if grain is Grain.QUARTER else (date(2025, 1, 1), date(2026, 12, 31))
    expected = book.connection.execute(
        f"SELECT {step} AT TIME ZONE 'Africa/Blantyre', count(*), sum(amount) FROM transactions"
        f" WHERE amount IS NOT NULL AND status = 'COMPLETED' AND ({there})::date BETWEEN %s AND %s GROUP BY 1 ORDER BY 1",
        days,
    ).fetchall()
    assert expected
    book.sum_up()
    told = statistics.over_time(analyst, statistics.of_days(*days), grain).by_step()
    assert [(step, figures.completed, figures.value) for step, figures in told.items() if figures.completed] == expected


def test_quarters_of_an_hour_are_refused_where_nobody_could_tell_them_apart(analyst: Actor) -> None:
    four_days = statistics.of_days(date(2025, 11, 1), date(2025, 11, 4))
    for wanted in (four_days, TransactionFilter(), TransactionFilter(since=NOON)):
        with pytest.raises(BadInput, match="3 days at most"):
            statistics.over_time(analyst, wanted, Grain.QUARTER)


def test_the_last_second_of_a_month_in_blantyre_is_in_that_month(book: Book, analyst: Actor) -> None:
    # 22:00 UTC is midnight in Blantyre.
    book.row(datetime(2025, 10, 31, 21, 59, 59, tzinfo=UTC))
    book.row(datetime(2025, 10, 31, 22, 0, 0, tzinfo=UTC))
    book.sum_up()
    told = statistics.over_time(analyst, TransactionFilter(), Grain.MONTH).by_step()
    assert [(clock.business_day(step), figures.payments) for step, figures in told.items()] == [(date(2025, 10, 1), 1), (date(2025, 11, 1), 1)]
    for day in (date(2025, 10, 31), date(2025, 11, 1)):
        assert statistics.totals(analyst, statistics.of_days(day, day)).payments == 1


def test_billers_and_steps_add_up_to_the_whole(book: Book, analyst: Actor) -> None:
    _fill(book, random.Random(3), 300)
    book.sum_up()
    whole = statistics.over_time(analyst, TransactionFilter(), Grain.WEEK)
    for parts in (whole.by_biller().values(), whole.by_step().values()):
        assert sum(part.rows for part in parts) == whole.rows == 300
        assert sum(part.ended for part in parts) == whole.ended
        assert sum((part.value for part in parts), Decimal(0)) == whole.value


# ---- Answer times, reasons


def test_answer_times_are_those_of_calls_that_pay(book: Book, analyst: Actor) -> None:
    _fill(book, random.Random(11), 300)
    calls = """
        SELECT count(*), avg(duration_ms), percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms), percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms)
        FROM answers n JOIN attempts a ON a.id = n.attempt_id JOIN transactions t ON t.id = n.transaction_id
        WHERE a.verb IN ('pay', 'confirm_invoice', 'purchase_bundle') AND n.outcome <> 'NOT_SENT'
        """
    count, average, median, p95 = book.connection.execute(calls).fetchone() or ()
    book.sum_up()
    told = statistics.answer_times(analyst, TransactionFilter(), Grain.MONTH)
    assert told.altogether is not None
    # A bucket's middle is at most 2.5 % from what is in it; counts and averages are exact.
    assert (told.altogether.calls, told.altogether.average_ms) == (count, pytest.approx(float(average)))
    assert (told.altogether.median_ms, told.altogether.p95_ms) == (pytest.approx(median, rel=0.025), pytest.approx(p95, rel=0.025))
    assert sum(one.calls for one in told.by_biller.values()) == sum(one.calls for one in told.by_step.values()) == count
    lwb = book.connection.execute(calls + "AND t.biller_type = %s", [LWB]).fetchone() or ()
    assert (told.by_biller[LWB].calls, told.by_biller[LWB].p95_ms) == (lwb[0], pytest.approx(lwb[3], rel=0.025))


def test_an_inquiry_and_a_call_that_never_left_say_nothing_of_how_fast_a_biller_answers(book: Book, analyst: Actor) -> None:
    one = book.row(NOON)
    book.answer(one, NOON, 9_000, verb="status")
    book.answer(one, NOON, 3, outcome="NOT_SENT")
    book.sum_up()
    assert statistics.answer_times(analyst, TransactionFilter()).altogether is None
    book.answer(one, NOON, 30_000, outcome="UNKNOWN")
    book.sum_up()
    told = statistics.answer_times(analyst, TransactionFilter(since=NOON)).altogether
    assert told is not None
    assert (told.calls, told.average_ms) == (1, 30_000.0)


def test_reasons_are_those_of_failed_payments_most_frequent_first(book: Book, analyst: Actor) -> None:
    for code in ("LIMIT", "BLOCKED", "BLOCKED", None):
        book.row(NOON, Status.FAILED, error_code=code, error_message="Told.")
    book.row(NOON, Status.FAILED, None, error_code="NO_SUCH_ACCOUNT")
    book.row(NOON, Status.REVERSED, error_code="BLOCKED")
    book.sum_up()
    told = statistics.failure_reasons(analyst, TransactionFilter())
    assert [(reason.code, reason.count) for reason in told] == [("BLOCKED", 2), ("LIMIT", 1), (None, 1)]


# ---- How things stand


def test_what_needs_somebody_is_counted_by_age(book: Book, analyst: Actor) -> None:
    assert statistics.attention(analyst).in_doubt == Waiting()
    now = clock.now()
    doubts = [book.unsettled(now - age, "PAY_UNKNOWN", "PROCESSING") for age in (timedelta(hours=30), timedelta(hours=2), timedelta(seconds=5))]
    book.unsettled(now, "REVIEW", "PROCESSING")
    book.unsettled(now - 2 * LONG_QUEUED, "QUEUED", "PENDING")
    book.unsettled(now, "QUEUED", "PENDING")
    seen = statistics.attention(analyst)
    assert [seen.in_doubt.older_than[age] for age in DOUBT_AGES] == [2, 2, 1]
    assert seen.in_doubt.references == tuple(doubts)
    assert (seen.in_doubt.count, seen.under_review.count, seen.queued.count, seen.queued_long) == (3, 1, 2, 1)
    assert not seen.worker_seen


def test_a_biller_stands_as_its_active_configuration_and_its_last_success_say(book: Book, analyst: Actor) -> None:
    book.row(NOON, Status.COMPLETED, None)
    book.row(NOON + timedelta(hours=1), Status.FAILED)
    before = next(biller for biller in statistics.attention(analyst).billers if biller.code == LWB)
    assert (before.is_active, before.last_success_at) == (False, NOON)
    with core.db.unit_of_work() as unit:
        unit.execute(text("UPDATE biller_configs SET is_active = true, paused_at = now(), paused_reason = 'Holiday.' WHERE biller_type = :code"), {"code": LWB})
        unit.execute(text("INSERT INTO breakers (biller_type, probe_at, reason) VALUES (:code, now(), 'It does not answer.')"), {"code": LWB})
    now = next(biller for biller in statistics.attention(analyst).billers if biller.code == LWB)
    assert (now.is_active, now.paused_because, now.breaker_reason) == (True, "Holiday.", "It does not answer.")


def test_the_mark_changes_with_a_new_row_and_only_then(book: Book, analyst: Actor) -> None:
    book.row(NOON)
    book.sum_up()
    mark = statistics.mark(analyst)
    assert statistics.mark(analyst) == mark
    book.row(NOON + timedelta(seconds=1))
    book.sum_up()
    book.sum_up()
    assert statistics.mark(analyst) != mark


def test_the_overview_compares_today_with_yesterday_by_the_last_whole_hour_of_both(book: Book, analyst: Actor) -> None:
    now = clock.now()
    start = clock.day_bounds(clock.business_day(now), ZONE)[0]
    hour = periods.hour_of(now, ZONE)
    yesterday = timedelta(days=1)
    # Of this hour, today: counted, and not compared. So is what came yesterday after it began, however little.
    book.row(now)
    book.row(hour - yesterday)
    for at in (hour - timedelta(seconds=1), hour - timedelta(seconds=2), hour - timedelta(seconds=1) - yesterday):
        book.row(at, biller="MASM")
    book.sum_up()
    told = statistics.overview(analyst, 1)
    today = told.so_far[0]
    assert (told.hour, today.period.before) == (hour, (start - yesterday, hour - yesterday))
    # Close to midnight the hour before this one is no more of today.
    same_day = 1 if hour > start else 0
    assert (today.figures.payments, today.compared.payments, today.before.payments) == (1 + 2 * same_day, 2 * same_day, same_day)
    assert [sorted(one.compared.by_biller()) for one in (today, told.chosen)] == [sorted(one.figures.by_biller()) for one in (today, told.chosen)]
    assert (told.chosen.compared.payments, told.chosen.before.payments) == (2 * same_day, same_day)
    assert told.chosen.compared.value == Decimal(200 * same_day)


@pytest.mark.parametrize("days", [1, 7, 30, 90])
def test_each_part_of_the_overview_is_what_its_own_days_come_to(book: Book, analyst: Actor, days: int) -> None:
    chance, now = random.Random(days), clock.now()
    for code in BILLERS:
        book.biller(code)
    for _ in range(400):
        # Most of it lately, the rest over all that is compared; never ahead of the clock.
        at = now - timedelta(seconds=chance.randint(1, 86_400 * chance.choice([1, 2, 14, 190])))
        kind = chance.choice(list(TransactionType))
        amount = Decimal(chance.randint(1, 10**8)) / 100 if kind in MONEY_TYPES else None
        book.row(at, chance.choice(ENDINGS) if kind in MONEY_TYPES else Status.COMPLETED, amount, kind, biller=chance.choice(BILLERS))
    book.sum_up()
    told = statistics.overview(analyst, days)

    def comes_to(figures: Figures) -> Any:
        return figures.by_status, figures.payments_by_status, figures.values

    def apart(figures: Figures) -> Any:
        return {code: comes_to(one) for code, one in figures.by_biller().items()}

    def by_step(figures: Figures) -> Any:
        return {step: apart(one) for step, one in figures.by_step().items()}

    for one in (*told.so_far, told.chosen):
        of_period = statistics.totals(analyst, statistics.of_days(one.period.first_day, one.period.last_day))
        assert apart(one.figures) == apart(of_period)
        assert comes_to(one.before) == comes_to(statistics.totals(analyst, statistics.between(*one.period.before)))
    assert [one.period.days for one in (told.so_far[0], told.chosen)] == [1, days]
    today = told.chosen.period.last_day

    def course(days: int, grain: Grain) -> Figures:
        return statistics.over_time(analyst, statistics.of_days(today - timedelta(days=days - 1), today), grain)

    assert by_step(told.chosen.figures) == by_step(course(days, Grain.HOUR if days == 1 else Grain.DAY))
    assert by_step(told.by_day) == by_step(course(statistics.DAYS_BACK, Grain.DAY))


def test_answer_times_of_the_days_before_are_told_by_their_last_whole_hour(book: Book, analyst: Actor) -> None:
    now = clock.now()
    hour = periods.hour_of(now, ZONE)
    for days, milliseconds in ((7, 100), (8, 900)):
        at = hour - timedelta(days=days)
        book.answer(book.row(at), at, milliseconds)
    book.sum_up()
    # An hour that was not over is not in it, though this very moment's place in it may lie behind the row.
    told = statistics.overview(analyst, 7).times_before.altogether
    assert told is not None
    assert (told.calls, told.average_ms) == (1, 900)
    before = TransactionFilter(since=now - timedelta(days=10), until=now - timedelta(days=7))
    compared = analytics.analysis(analyst, TransactionFilter(since=now - timedelta(days=7)), Grain.DAY, before)
    assert compared.times_before == statistics.answer_times(analyst, TransactionFilter(since=before.since, until=hour - timedelta(days=7)))
    assert compared.times_before.altogether == told
