"""Figures from sums are what SQL says of the rows: at every moment, whoever writes, folds or makes the sums anew beside it."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

import core.db
from core import clock
from core.access import Actor
from core.models import Transaction
from core.repositories import rollup_questions
from core.repositories.filters import TransactionFilter
from core.repositories.rollup_questions import can_add_up
from core.repositories.rollup_tables import WIDER, State, bucket_middle_ms, bucket_of
from core.repositories.rollups import Rollups
from core.repositories.statistics import AnswerTimes, Counted, Figures, Grain, Statistics
from core.services import lookups, rollups, seeds, statistics
from core.states import Stage, Status, TransactionType
from tests.conftest import Database, SetEnvironment
from tests.rollups.conftest import BILLERS, House, Open, paid, sql

ZONE = clock.BUSINESS_ZONE
NOON = datetime(2025, 11, 20, 10, tzinfo=UTC)
ZONES = ("Africa/Blantyre", "Asia/Kolkata", "America/St_Johns", "Europe/Berlin", "UTC")

WHERE = """
    FROM transactions t
    WHERE (:billers = '{}' OR t.biller_type = ANY (CAST(:billers AS text[]))) AND (:statuses = '{}' OR t.status = ANY (CAST(:statuses AS text[])))
        AND (:types = '{}' OR t.transaction_type = ANY (CAST(:types AS text[])))
        AND t.created_at >= CAST(:since AS timestamptz) AND t.created_at < CAST(:until AS timestamptz)
        AND (NOT :in_doubt OR t.status = 'PROCESSING' AND t.amount IS NOT NULL)
        AND (:review = '' OR (t.stage = 'REVIEW')::text = :review)
        AND (:weekdays = '{}' OR extract(isodow FROM t.created_at AT TIME ZONE :zone)::int - 1 = ANY (CAST(:weekdays AS int[])))
        AND CASE
            WHEN CAST(:first AS time) IS NULL THEN true
            WHEN CAST(:first AS time) < CAST(:second AS time)
                THEN (t.created_at AT TIME ZONE :zone)::time >= CAST(:first AS time) AND (t.created_at AT TIME ZONE :zone)::time < CAST(:second AS time)
            ELSE (t.created_at AT TIME ZONE :zone)::time >= CAST(:first AS time) OR (t.created_at AT TIME ZONE :zone)::time < CAST(:second AS time)
        END
    """


def words_of(wanted: TransactionFilter) -> dict[str, Any]:
    lists = {name: "{" + ",".join(getattr(wanted, name)) + "}" for name in ("billers", "statuses", "types")}
    since, until = (moment.isoformat() if moment else open_end for moment, open_end in ((wanted.since, "-infinity"), (wanted.until, "infinity")))
    review = "" if wanted.under_review is None else str(wanted.under_review).lower()
    weekdays, (first, second) = "{" + ",".join(map(str, wanted.weekdays)) + "}", wanted.time_of_day or (None, None)
    times = {"weekdays": weekdays, "first": first and first.isoformat(), "second": second and second.isoformat(), "zone": wanted.zone}
    return {**lists, **times, "since": since, "until": until, "in_doubt": wanted.in_doubt, "review": review}


def some(dice: random.Random, of: list[str]) -> tuple[str, ...]:
    return tuple(dice.sample(of, dice.randint(1, 2))) if dice.random() < 0.3 else ()


def some_filter(house: House) -> TransactionFilter:
    dice = house.dice
    return TransactionFilter(
        billers=some(dice, list(BILLERS)),
        statuses=some(dice, [status.value for status in Status]),
        types=some(dice, [kind.value for kind in TransactionType]),
        since=house.moment() if dice.random() < 0.6 else None,
        until=house.moment() if dice.random() < 0.6 else None,
        in_doubt=dice.random() < 0.1,
        under_review=dice.choice((True, False)) if dice.random() < 0.15 else None,
        **some_times(dice),
    )


def some_times(dice: random.Random) -> dict[str, Any]:
    """Days of the week and times of day, by clocks whose hours begin when those of UTC do and by one whose do not."""
    which = dice.choices(((), ("weekdays",), ("time_of_day",), ("weekdays", "time_of_day")), (7, 1, 1, 1))[0]
    found: dict[str, Any] = {
        "weekdays": tuple(dice.sample(range(7), dice.randint(3, 6))),
        "time_of_day": tuple(dice.sample([time(0), time(5), time(8), time(10, 30), time(17), time(22)], 2)),
    }
    zone = dice.choice((ZONE.key, ZONE.key, "America/New_York", "Asia/Kathmandu"))
    return {**{name: found[name] for name in which}, "zone": zone} if which else {}


def cells_of(figures: Figures) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for cell in figures.cells:
        count, value = found.get(key := (cell.biller, cell.step, cell.status.value, cell.is_payment, cell.currency), (0, Decimal(0)))
        found[key] = (count + cell.count, value + cell.value)
    return found


def holds(session: Session, wanted: TransactionFilter, grain: Grain | None, zone: ZoneInfo) -> int:
    """Everything that is told of this filter is what SQL says in the same snapshot; answers how many rows it was."""
    found, words = Statistics(session), words_of(wanted)
    if grain is Grain.QUARTER:
        step = "date_bin('15 minutes', t.created_at, TIMESTAMPTZ '2000-01-01 00:00Z')"
    else:
        step = f"date_trunc('{grain.value}', t.created_at AT TIME ZONE '{zone.key}') AT TIME ZONE '{zone.key}'" if grain else "NULL::timestamptz"
    expected = {
        tuple(row[:5]): (row[5], row[6])
        for row in sql(
            session,
            f"SELECT t.biller_type, {step}, t.status, t.amount IS NOT NULL, t.currency, count(*),"
            " coalesce(sum(amount) FILTER (WHERE t.status = 'COMPLETED'), 0)"
            f" {WHERE} GROUP BY 1, 2, 3, 4, 5",
            **words,
        )
    }
    assert cells_of(found.figures(wanted, grain, zone)) == expected, (wanted, grain, zone)
    rows = sum(count for count, _ in expected.values())
    assert found.count(wanted) == Counted(rows, is_exact=True)
    # The list's own conditions count the same.
    assert session.scalar(select(func.count()).select_from(Transaction).where(*wanted.conditions())) == rows
    return rows


def holds_too(session: Session, wanted: TransactionFilter, zone: ZoneInfo) -> None:
    """The same of answer times, reasons, the week and the place of a row."""
    found, words = Statistics(session), words_of(wanted)
    local = f"t.created_at AT TIME ZONE '{zone.key}'"
    heat = sql(session, f"SELECT extract(isodow FROM {local})::int - 1, extract(hour FROM {local})::int, count(*) {WHERE} GROUP BY 1, 2", **words)
    assert {place: one.rows for place, one in found.heat(wanted, zone).items()} == {(day, hour): count for day, hour, count in heat}
    calls = (
        "SELECT a.duration_ms AS took, t.biller_type, t.created_at FROM (SELECT * "
        + WHERE
        + ") t JOIN answers a ON a.transaction_id = t.id JOIN attempts p ON p.id = a.attempt_id WHERE a.duration_ms IS NOT NULL"
        " AND p.verb IN ('pay', 'confirm_invoice', 'purchase_bundle') AND a.outcome <> 'NOT_SENT'"
    )
    measures = "count(*), avg(took), percentile_cont(0.5) WITHIN GROUP (ORDER BY took), percentile_cont(0.95) WITHIN GROUP (ORDER BY took)"
    ((count, average, median, p95),) = sql(session, f"SELECT {measures} FROM ({calls}) calls", **words)
    times = found.answer_times(wanted, Grain.DAY, zone)
    assert (times.altogether is None) == (count == 0)
    if times.altogether:
        assert (times.altogether.calls, times.altogether.average_ms) == (count, pytest.approx(float(average)))
        assert (times.altogether.median_ms, times.altogether.p95_ms) == (pytest.approx(median, rel=0.025), pytest.approx(p95, rel=0.025))
    # Whole weeks are read in one piece, and so is what is told in one sum.
    weekly = found.answer_times(wanted, Grain.WEEK, zone)
    apart = {
        "biller_type": times.by_biller,
        f"date_trunc('day', created_at, '{zone.key}')": times.by_step,
        f"date_trunc('week', created_at, '{zone.key}')": weekly.by_step,
    }
    for key, told in apart.items():
        expected = {row[0]: row[1:] for row in sql(session, f"SELECT {key}, {measures} FROM ({calls}) calls GROUP BY 1", **words)}
        figures = {key: (one.calls, one.average_ms, one.median_ms, one.p95_ms) for key, one in told.items()}
        assert figures == {
            key: (count, pytest.approx(float(mean)), *(pytest.approx(one, rel=0.025) for one in ranks)) for key, (count, mean, *ranks) in expected.items()
        }
    assert found.answer_times(wanted).altogether == weekly.altogether == times.altogether
    reasons = sql(
        session,
        f"SELECT t.biller_type, t.error_code, min(t.error_message), count(*) {WHERE} AND t.status = 'FAILED' AND t.amount IS NOT NULL GROUP BY 1, 2",
        **words,
    )
    assert sorted((one.biller, one.code or "", one.message or "", one.count) for one in found.failure_reasons(wanted)) == sorted(
        (biller, code or "", message or "", count) for biller, code, message, count in reasons
    )
    moments = [row[0] for row in sql(session, f"SELECT t.created_at {WHERE} ORDER BY t.created_at DESC, t.id DESC", **words)]
    for offset in {0, len(moments) // 2, len(moments) - 1} & set(range(len(moments))):
        place = Rollups(session).place(wanted, offset)
        if not can_add_up(wanted):
            assert place is None
            continue
        assert place is not None
        hour, rest = place
        assert hour <= moments[offset] < hour + timedelta(hours=1)
        assert rest == offset - sum(moment >= hour + timedelta(hours=1) for moment in moments)
    assert Rollups(session).place(wanted, len(moments)) is None


def check(house: House, filters: int, zone: ZoneInfo = ZONE) -> int:
    met = 0
    with core.db.snapshot() as session:
        assert Rollups(session).differences() == []
        for _ in range(filters):
            wanted, grain = some_filter(house), house.dice.choice((None, *Grain))
            met += holds(session, wanted, grain, zone) > 0
            if house.dice.random() < 0.3:
                holds_too(session, wanted, zone)
    return met


# ---- At every moment


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_figures_are_what_sql_says_of_the_rows(house: House, left_open: Callable[[], Open], seed: int) -> None:
    house.dice.seed(seed)
    writers: list[Open] = []
    met = 0
    for _ in range(14):
        house.day(house.dice.randint(1, 12))
        act = house.dice.random()
        if act < 0.35:
            rollups.fold()
        elif act < 0.45:
            rollups.rebuild()
        elif act < 0.7:
            # Somebody writes and does not commit yet: with an older number than those who commit before.
            writers.append(left_open())
            house.live(writers[-1].session, 4)
        elif writers:
            writers.pop(0).commit()
        met += check(house, 5)
    for writer in writers:
        writer.commit()
    met += check(house, 20)
    rollups.fold()
    met += check(house, 20)
    assert met > 40, "most filters find something, or this compares nothing with nothing"


@pytest.mark.parametrize("name", ZONES)
def test_days_are_those_of_the_zone_that_is_set_whether_it_has_whole_hours_or_not(house: House, set_environment: SetEnvironment, name: str) -> None:
    house.day(60)
    rollups.fold()
    set_environment(billers_timezone=name)
    assert check(house, 16, ZoneInfo(name)) > 5
    rollups.fold()
    with core.db.snapshot() as session:
        assert Rollups(session).state().zone == ZoneInfo(name)
    house.day(20)
    assert check(house, 16, ZoneInfo(name)) > 5
    # Somebody asks by another zone's days than those that are added up.
    assert check(house, 16, ZoneInfo("Asia/Kathmandu")) > 2


def test_a_writer_who_began_before_and_commits_after_the_fold_is_counted_once(house: House, left_open: Callable[[], Open]) -> None:
    slow = left_open()
    first = house.make(slow.session, NOON, TransactionType.POST_TRANSACTION)
    paid(house, NOON)
    rollups.fold()
    assert statistics.totals(house.analyst, TransactionFilter()).rows == 1
    house.move(slow.session, first, Stage.QUEUED)
    slow.commit()
    assert statistics.totals(house.analyst, TransactionFilter()).rows == 2
    rollups.fold()
    rollups.fold()
    assert statistics.totals(house.analyst, TransactionFilter()).by_status == {Status.COMPLETED: 1, Status.PENDING: 1}
    assert _read(house, "SELECT sum(count) FROM rollup_days") == [(2,)], "and by then it is in the sums"


def test_a_reader_of_an_older_snapshot_sees_the_figures_of_its_moment(house: House) -> None:
    made = paid(house, NOON)
    with core.db.snapshot() as session:
        # What a snapshot sees is settled by its first question.
        before = Statistics(session).now()
        with core.db.unit_of_work() as other:
            house.move(other, made, Stage.REVERSAL_REQUESTED, Stage.PAY_REVERSAL_SENDING, Stage.REVERSED)
            house.make(other, NOON)
        rollups.fold()
        rollups.rebuild()
        figures = Statistics(session).figures(TransactionFilter())
        assert (figures.rows, figures.completed, before is not None) == (1, 1, True)
        assert holds(session, TransactionFilter(), Grain.DAY, ZONE) == 1
    assert statistics.totals(house.analyst, TransactionFilter()).payments_by_status.get(Status.REVERSED) == 1


def test_what_completed_and_was_reversed_is_value_no_more_on_the_day_it_was_made(house: House) -> None:
    made = paid(house, NOON)
    rollups.fold()
    day = statistics.of_days(date(2025, 11, 20), date(2025, 11, 20))
    assert len(statistics.totals(house.analyst, day).values) == 1
    with core.db.unit_of_work() as session:
        house.move(session, made, Stage.REVERSAL_REQUESTED, Stage.PAY_REVERSAL_SENDING, Stage.REVERSED)
    for _ in range(2):
        told = statistics.totals(house.analyst, day)
        assert (told.values, told.payments_by_status) == ({}, {Status.REVERSED: 1})
        rollups.fold()
    assert _read(house, "SELECT status, count FROM rollup_days") == [("REVERSED", 1)], "nothing is left of where it stood before"


def test_while_somebody_folds_moves_and_makes_anew_each_snapshot_agrees_with_itself(house: House) -> None:
    house.day(40)
    over, broken = threading.Event(), []

    def keep(act: Callable[[], object]) -> None:
        try:
            while not over.is_set():
                act()
        except Exception as error:  # noqa: BLE001 - told below, where the test fails of it
            broken.append(error)

    busy = House(random.Random(77), house.analyst, house.database)
    threads = [threading.Thread(target=keep, args=(act,)) for act in (lambda: busy.day(2), rollups.fold, rollups.rebuild)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(25):
            with core.db.snapshot() as session:
                holds(session, some_filter(house), house.dice.choice((None, Grain.DAY, Grain.HOUR)), ZONE)
                assert Rollups(session).differences() == []
            # Where every statement is of its own moment, an answer is of one all the same.
            with core.db.unit_of_work() as session:
                Statistics(session).figures(some_filter(house), Grain.DAY, ZONE)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not broken
    assert check(house, 10) >= 0


# ---- What is not in the events


def test_rows_that_came_without_events_are_there_once_the_sums_are_made_anew(house: House) -> None:
    house.demo(NOON)
    with core.db.snapshot() as session:
        assert Rollups(session).differences() != []
    rollups.rebuild()
    assert statistics.totals(house.analyst, TransactionFilter()).value == Decimal("12.50")
    rollups.fold()
    assert statistics.totals(house.analyst, TransactionFilter()).rows == 1


def test_a_loader_that_sums_up_in_its_own_unit_of_work_is_right_from_its_commit_on(house: House) -> None:
    with core.db.unit_of_work() as session:
        made = house.make(session, NOON)
        Rollups(session).rebuild()
        house.move(session, made)
        house.make(session, NOON)
    assert check(house, 5) >= 0
    assert statistics.totals(house.analyst, TransactionFilter()).rows == 2


@pytest.mark.parametrize(
    ("told", "by_sums"),
    [
        ({"weekdays": (3,)}, True),
        ({"weekdays": (3,), "time_of_day": (time(12), time(13))}, True),
        # From ten in the evening to one in the afternoon, whatever day.
        ({"time_of_day": (time(22), time(13))}, True),
        ({"time_of_day": (time(11, 30), time(13))}, False),
        ({"weekdays": (3,), "zone": "Asia/Kathmandu"}, False),
        ({"weekdays": (3,), "since": None}, False),
        ({"weekdays": (3,), "since": NOON - timedelta(days=93)}, False),
        ({"weekdays": (3,), "amount_min": Decimal("0.01")}, False),
    ],
)
def test_days_of_the_week_and_hours_of_the_day_are_counted_by_sums_where_hours_make_them_up(house: House, told: dict[str, Any], by_sums: bool) -> None:
    # A Thursday, at noon in Blantyre; then a Friday, and that evening.
    for moment in (NOON, NOON, NOON + timedelta(days=1), NOON + timedelta(hours=6)):
        paid(house, moment)
    rollups.fold()
    days = {"since": NOON - timedelta(days=20), "until": NOON + timedelta(days=10), "zone": ZONE.key}
    wanted = TransactionFilter(**{**days, **told})
    with core.db.snapshot() as session:
        found = Statistics(session)
        rows = session.scalar(select(func.count()).select_from(Transaction).where(*wanted.conditions())) or 0
        assert rows > 1
        # Counted from the rows it would end at one.
        assert found.count(wanted, at_most=1) == (Counted(rows, is_exact=True) if by_sums else Counted(1, is_exact=False))
        assert found.figures(wanted).rows == rows
    paid(house, NOON)
    paid(house, NOON + timedelta(days=1, hours=5))
    assert statistics.counted(house.analyst, wanted).rows == rows + 1, "what the sums do not hold yet is counted beside them"


def test_questions_alike_but_for_their_time_have_figures_of_their_own_from_one_statement(house: House) -> None:
    house.day(200)
    rollups.fold()
    # From a Wednesday over a whole month to a Monday: cut into the same pieces.
    firsts = [clock.day_bounds(day)[0] for day in (date(2025, 10, 29), date(2025, 12, 31))]
    wanted = [TransactionFilter(since=first, until=first + timedelta(days=40, hours=3)) for first in firsts]

    def ask(one: TransactionFilter) -> int:
        with core.db.snapshot() as session:
            holds_too(session, one, ZONE)
            return holds(session, one, Grain.DAY, ZONE)

    def put_together() -> list[int]:
        statements = (rollup_questions.cells_of, rollup_questions.week_of, rollup_questions.times_of, rollup_questions.reasons_of)
        return [one.cache_info().misses for one in statements]

    rows, before = ask(wanted[0]), put_together()
    assert 0 < ask(wanted[1]) != rows > 0
    assert ask(wanted[0]) == rows
    assert put_together() == before


@pytest.mark.parametrize(
    ("told", "by_lines"),
    [
        ({}, True),
        ({"billers": BILLERS[:1]}, True),
        ({"types": ("POST_TRANSACTION",)}, True),
        ({"billers": BILLERS[:2]}, False),
        ({"billers": BILLERS[:1], "types": ("POST_TRANSACTION",)}, False),
        ({"until": NOON}, False),
    ],
)
def test_answer_times_of_a_day_are_kept_in_one_line_of_all_of_a_biller_and_of_a_type(house: House, told: dict[str, Any], by_lines: bool) -> None:
    house.day(400)
    rollups.fold()
    wanted = TransactionFilter(**{"since": clock.day_bounds(date(2024, 2, 1))[0], "until": clock.day_bounds(date(2026, 2, 1))[0], **told})

    def by_day() -> Mapping[datetime, AnswerTimes]:
        with core.db.snapshot() as session:
            return Statistics(session).answer_times(wanted, Grain.DAY, ZONE).by_step

    with core.db.snapshot() as session:
        holds_too(session, wanted, ZONE)
    whole = by_day()
    first = min(whole)
    with house.database.connect() as connection:
        connection.execute("DELETE FROM rollup_call_lines")
    assert by_day() == ({} if by_lines else whole)
    with house.database.connect() as connection:
        # Whoever changes a day's sums has its lines drawn anew, and those of no other day.
        connection.execute("UPDATE rollup_call_days SET count = count WHERE day = %s", [first.astimezone(ZONE).date()])
    assert by_day() == ({first: whole[first]} if by_lines else whole)


def test_what_a_filter_searches_for_is_counted_from_the_rows(house: House) -> None:
    made = paid(house, NOON)
    rollups.fold()
    for wanted in (TransactionFilter(search=str(made)), TransactionFilter(amount_min=Decimal("0.01")), TransactionFilter(reasons=("(none)",))):
        assert statistics.totals(house.analyst, wanted).rows == 1
        assert statistics.counted(house.analyst, wanted) == Counted(1, is_exact=True)
        with core.db.snapshot() as session:
            assert Rollups(session).place(wanted, 0) is None
            assert Statistics(session).heat(wanted, ZONE).keys() == {(3, 12)}
    paid(house, NOON)
    with core.db.snapshot() as session:
        assert Statistics(session).count(TransactionFilter(amount_min=Decimal("0.01")), at_most=1) == Counted(1, is_exact=False)


# ---- When they cannot be trusted


def test_sums_that_are_wrong_are_found_told_of_and_made_anew(house: House) -> None:
    today = clock.now()
    paid(house, today)
    rollups.fold()
    assert rollups.verify().ok
    assert rollups.verify_lately().ok
    for table in ("rollup_hours", "rollup_days"):
        with house.database.connect() as connection:
            connection.execute(f"UPDATE {table} SET count = count + 1")
        verdict = rollups.verify_lately()
        assert [(one.table, one.by[0]) for one in verdict.differences] == [(table, 1)]
        assert "made anew" in verdict.sentence
        assert statistics.totals(house.analyst, TransactionFilter()).rows == 1
        assert statistics.attention(house.analyst).rollups_differ == 1
        assert statistics.kpis(house.analyst).lost == 1
    assert rollups.verify().ok
    assert statistics.attention(house.analyst).rollups_differ == 1, "that they were wrong is told for a day"
    with house.database.connect() as connection:
        connection.execute("UPDATE rollup_state SET differed_at = differed_at - interval '1 day'")
    assert (statistics.attention(house.analyst).rollups_differ, statistics.kpis(house.analyst).lost) == (0, 0)


@pytest.mark.parametrize("table", ["rollup_call_hours", "rollup_call_days", "rollup_call_weeks", "rollup_call_totals", "rollup_call_lines", "rollup_reasons"])
def test_a_sum_that_is_missing_is_found_in_every_table(house: House, table: str) -> None:
    house.day(150)
    rollups.fold()
    assert rollups.verify().ok
    with house.database.connect() as connection:
        (gone,) = connection.execute(f"WITH gone AS (DELETE FROM {table} RETURNING *) SELECT count(*) FROM gone").fetchone() or (0,)
    found = rollups.verify().differences
    assert {one.table for one in found} == {table}
    assert len(found) == gone > 0
    assert check(house, 5) >= 0


def test_a_dump_restored_on_a_server_that_has_counted_less_is_noticed_and_counted_right(house: House) -> None:
    house.day(60)
    rollups.fold()
    house.day(10)
    with house.database.connect() as connection:
        # As it comes: what this server wrote has numbers of another, which this one will not reach for long.
        for table in ("events", "answers"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET xid = xid + 1000000000; ALTER TABLE {table} ENABLE TRIGGER USER")
        connection.execute("UPDATE rollup_state SET watermark = watermark + 1000000000")
    mark = statistics.mark(house.analyst)
    house.day(20)
    assert statistics.mark(house.analyst) != mark
    with core.db.snapshot() as session:
        assert holds(session, TransactionFilter(), Grain.DAY, ZONE) > 10
    rollups.fold()
    with core.db.snapshot() as session:
        state = Rollups(session).state()
        assert state.may_be_read
        assert state.settled_seq > 0
    check(house, 10)
    house.day(30)
    check(house, 10)
    rollups.fold()
    check(house, 10)
    rollups.rebuild()
    check(house, 10)


def test_a_database_that_comes_with_rows_has_its_figures_at_once_and_its_sums_with_the_first_fold(
    empty_database: Database, set_environment: SetEnvironment
) -> None:
    set_environment(billers_sandbox="true")
    core.db.migrate()
    seeds.load()
    with empty_database.connect() as connection:
        person = connection.execute("SELECT id FROM users WHERE role = 'operator'").fetchone()
    assert person is not None
    actor = Actor(person[0], "grace", "Grace", "operator", frozenset({"accounts:lookup", "statistics:read"}))
    lookups.ask(actor, "LWB_POSTPAID", "100001")
    core.db.downgrade("0003")
    core.db.migrate()
    for _ in range(2):
        assert statistics.totals(actor, TransactionFilter()).rows == 1
        with core.db.snapshot() as session:
            made = Rollups(session).state().may_be_read
        rollups.fold()
    assert made
    with empty_database.connect() as connection:
        assert connection.execute("SELECT sum(count) FROM rollup_days").fetchone() == (1,)


# ---- Fold and mark


def test_one_folds_at_a_time(house: House) -> None:
    paid(house, NOON)
    with core.db.unit_of_work() as session:
        assert Rollups(session).fold() > 0
        assert rollups.fold() == 0
    assert rollups.fold() == 0, "and there is nothing left to take in"


def test_a_fold_that_is_not_committed_has_happened_to_nobody(house: House) -> None:
    paid(house, NOON)

    def give_up() -> None:
        with core.db.unit_of_work() as session:
            assert Rollups(session).fold() > 0
            raise RuntimeError("the worker dies here")

    with pytest.raises(RuntimeError):
        give_up()
    assert statistics.totals(house.analyst, TransactionFilter()).rows == 1
    rollups.fold()
    assert statistics.totals(house.analyst, TransactionFilter()).rows == 1


def test_the_mark_changes_with_whoever_commits_last_and_not_with_a_fold(house: House, left_open: Callable[[], Open]) -> None:
    slow = left_open()
    house.make(slow.session, NOON)
    paid(house, NOON)
    mark = statistics.mark(house.analyst)
    rollups.fold()
    assert statistics.mark(house.analyst) == mark
    # Its event has a smaller number than those that are there.
    slow.commit()
    after = statistics.mark(house.analyst)
    assert after != mark
    with core.db.unit_of_work() as session:
        house.answer(session, house.ids[-1])
    assert statistics.mark(house.analyst) != after, "an answer without a move changes the answer times"


# ---- Small rules


def test_every_time_is_at_most_two_and_a_half_percent_from_the_middle_of_its_bucket(database: Database) -> None:
    times = [0, 1, 2, 3, 19, 20, 21, 999, 1000, 30_000, 59_999, 600_000, *(round(WIDER**power) for power in range(1, 280))]
    with core.db.unit_of_work() as session:
        for took in times:
            (bucket,) = session.execute(text(f"SELECT {bucket_of('CAST(:took AS integer)')}"), {"took": took}).one()
            assert bucket_middle_ms(bucket) == pytest.approx(took, rel=0.025)


def test_the_five_figures_of_the_plan_rest_on_what_they_say(house: House) -> None:
    empty = statistics.kpis(house.analyst)
    assert (empty.success_rate, empty.average_answer_ms, empty.changes_rate, empty.lost, empty.live_p99_ms) == (None, None, None, 0, None)
    now = clock.now()
    made = paid(house, now)
    with core.db.unit_of_work() as session:
        house.make(session, now - timedelta(days=40), TransactionType.POST_TRANSACTION)
        left = house.make(session, now, TransactionType.POST_TRANSACTION)
        house.move(session, left, Stage.QUEUED, Stage.PAY_SENDING)
        session.execute(text("UPDATE transactions SET lease_until = now() - interval '10 minutes' WHERE id = :id"), {"id": left})
        session.execute(
            text("INSERT INTO attempts (id, transaction_id, leg, verb, reference, lease_epoch, worker) VALUES (:attempt, :id, 'PAY', 'pay', 'R', 1, 'w')"),
            {"attempt": made, "id": made},
        )
        session.execute(
            text("INSERT INTO answers (id, attempt_id, transaction_id, outcome, duration_ms) VALUES (:id, :id, :id, 'CONFIRMED', 1234)"), {"id": made}
        )
        for version, passed in ((11, None), (12, True), (13, False), (14, True)):
            session.execute(
                text(
                    "INSERT INTO biller_config_versions (config_id, version, snapshot, created_by) SELECT id, :version, '{}', :by FROM biller_configs"
                    " ORDER BY id LIMIT 1"
                ),
                {"version": version, "by": house.analyst.id},
            )
            if passed is not None:
                session.execute(
                    text(
                        "INSERT INTO connection_tests (id, config_id, config_version, actor_name, passed, stages)"
                        " SELECT gen_random_uuid(), id, :version, 'Ada', :passed, '[{\"stage\": \"name\"}]' FROM biller_configs ORDER BY id LIMIT 1"
                    ),
                    {"version": version, "passed": passed},
                )
    told = statistics.kpis(house.analyst)
    assert (told.success_rate, told.ended, told.average_answer_ms, told.calls) == (1.0, 1, 1234.0, 1)
    assert (told.changes.saved, told.changes.tested, told.changes.passed) == (4, 3, 2)
    assert (told.left_behind, told.lost) == (1, 1)


def test_a_filter_of_no_time_at_all_finds_nothing(house: House) -> None:
    paid(house, NOON)
    rollups.fold()
    day = statistics.of_days(date(2025, 11, 20), date(2025, 11, 20))
    assert statistics.totals(house.analyst, replace(day, since=day.until, until=day.since)).rows == 0
    assert statistics.totals(house.analyst, replace(day, until=day.since)).rows == 0


def _read(house: House, query: str) -> list[Any]:
    with house.database.connect() as connection:
        return list(connection.execute(query))


def test_a_state_knows_whether_it_may_be_read() -> None:
    made = State(10, 0, None, ZONE, 0, 0, NOON, False, False, None, 0, None, 9, 10)
    assert made.may_be_read
    assert not replace(made, watermark=11).may_be_read
    assert not replace(made, rebuilt_at=None).may_be_read
