"""C01, C02, C03, C06: clocks that are wrong, and days that end where the bank is."""

import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from core.repositories.statistics import Grain
from core.services import periods, rollups, statistics, transactions
from core.services.statistics import business_zone, of_days
from core.states import Stage
from tests.campaign.harness import until
from tests.matrix.town import BWB, LWB, MASM, PAYING, Bill, Town, new_account

AN_HOUR = 3_600
# Ten minutes, shrunk as every wait.
TEN_MINUTES = 600 * 0.01


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ---- Clocks


def test_c01_workers_with_wrong_clocks_decide_by_the_databases(own_town: Town) -> None:
    """What would go wrong by their own: an expiry an hour early, a quiet window believed closed, a lease that never ends."""
    town = own_town
    for shift in (AN_HOUR, -AN_HOUR):
        town.start_worker("tests.matrix.shifted_worker", SHIFTED_BY=str(shift))
    faults = ["", "act_then_close", "500_without_acting", "act_then_hang"] * 2
    bills = [Bill(biller, new_account(biller)) for biller in (LWB, MASM) for _ in faults]
    for bill, fault in zip(bills, faults * 2, strict=True):
        if fault:
            town.sandbox.next(fault, PAYING[bill.biller], biller=bill.biller, account=bill.account)
    paid = town.pay_all(bills)
    town.watch(*paid)
    for one, fault in zip(paid, faults * 2, strict=True):
        town.expect(one, Stage.COMPLETED, effects=1, sends=2 if fault == "500_without_acting" else 1)
    assert town.value("SELECT count(DISTINCT worker) FROM attempts") == 2, "both of them worked"
    # Everything that was written down is on the database's clock.
    off = "SELECT count(*) FROM {table} WHERE abs(extract(epoch FROM now() - at)) > 600"
    assert [town.value(off.format(table=table)) for table in ("attempts", "answers", "events")] == [0, 0, 0]
    town.judge().assert_all_well()


def test_c02_a_database_whose_clock_goes_back_waits_longer_and_sends_nothing_early(own_town: Town) -> None:
    """The clock going back is all that was kept lying ahead of it. Of the payments in doubt one has arrived, and one has not."""
    town = own_town
    worker = town.start_worker().wait_ready()
    there, lost = (new_account() for _ in range(2))
    town.sandbox.next("act_then_close", account=there)
    town.sandbox.next("500_without_acting", account=lost)
    for _ in range(4):
        # Nothing is found out before the clock goes back.
        town.sandbox.next("500_without_acting", "GetTransactionStatus", account=there)
    paid = town.pay_all([Bill(LWB, there), Bill(LWB, lost)])
    until(lambda: all(town.stage(one) is Stage.PAY_UNKNOWN for one in paid), "both are in doubt")
    assert worker.stop() == 0
    ahead = "interval '1 s' * %s"
    town.rows(f"UPDATE legs SET last_sent_at = last_sent_at + {ahead}, last_asked_at = last_asked_at + {ahead} RETURNING 1", TEN_MINUTES, TEN_MINUTES)
    town.rows(f"UPDATE transactions SET next_action_at = next_action_at + {ahead} WHERE stage = 'PAY_UNKNOWN' RETURNING 1", TEN_MINUTES)
    sent = "SELECT last_sent_at FROM legs WHERE transaction_id = %s AND kind = 'PAY'"
    first_sent = town.value(sent, paid[1])
    town.start_worker()
    town.watch(*paid)
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1)
    # The whole window, by the clock as it is now: that it was nearly over by the clock as it was counts for nothing.
    assert town.value(sent, paid[1]) - first_sent > timedelta(seconds=2.6)
    town.judge().assert_all_well()


# ---- Days


def put_at(town: Town, moments: Mapping[str, datetime]) -> dict[str, uuid.UUID]:
    """Payments that were made at these moments, as nobody in production can have them: a row's moment is the database's, and frozen."""
    paid = dict(zip(moments, town.pay_all([Bill(BWB, new_account(BWB)) for _ in moments]), strict=True))
    town.watch(*paid.values())
    with town.connect() as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        for name, one in paid.items():
            connection.execute("UPDATE transactions SET created_at = %s WHERE id = %s", [moments[name], one])
        connection.execute("ALTER TABLE transactions ENABLE TRIGGER USER")
    # No service can do that, so that nothing tells the sums of it.
    rollups.rebuild()
    return paid


def days_of(town: Town, paid: Mapping[str, uuid.UUID], first: date, last: date) -> dict[str, list[date]]:
    """In which days the list has each of them. The figures say the same number, day by day and altogether."""
    found: dict[str, list[date]] = {name: [] for name in paid}
    total, day = 0, first
    while day <= last:
        listed = {row.id for row in transactions.list_page(town.manager, of_days(day, day), 100).rows}
        assert statistics.totals(town.manager, of_days(day, day)).rows == len(listed), day
        total += len(listed)
        for name, one in paid.items():
            found[name] += [day] if one in listed else []
        day += timedelta(days=1)
    by_day = statistics.over_time(town.manager, of_days(first, last), Grain.DAY)
    assert by_day.rows == total == statistics.totals(town.manager, of_days(first, last)).rows
    return found


@pytest.fixture(scope="module")
def paying_town(shared_town: Town) -> Town:
    shared_town.start_worker()
    return shared_town


def test_c03_at_midnight_in_blantyre_each_row_is_in_exactly_one_day(paying_town: Town, town: Town) -> None:
    paid = put_at(
        town,
        {
            "the last microsecond": at("2025-11-23T21:59:59.999999"),
            "midnight": at("2025-11-23T22:00:00"),
            "midnight in Greenwich": at("2025-11-24T00:00:00"),
            "the next day's last": at("2025-11-24T21:59:59.999999"),
            "the next midnight": at("2025-11-24T22:00:00"),
        },
    )
    d23, d24, d25 = (date(2025, 11, day) for day in (23, 24, 25))
    assert days_of(town, paid, date(2025, 11, 21), date(2025, 11, 27)) == {
        "the last microsecond": [d23],
        "midnight": [d24],
        "midnight in Greenwich": [d24],
        "the next day's last": [d24],
        "the next midnight": [d25],
    }
    town.judge().assert_all_well()


def test_c06_the_29th_of_february_is_a_day_and_its_month_has_it(paying_town: Town, town: Town) -> None:
    paid = put_at(
        town,
        {
            "the 28th": at("2024-02-28T21:59:59.999999"),
            "the 29th begins": at("2024-02-28T22:00:00"),
            "the 29th ends": at("2024-02-29T21:59:59.999999"),
            "March": at("2024-02-29T22:00:00"),
        },
    )
    d29 = date(2024, 2, 29)
    assert days_of(town, paid, date(2024, 2, 26), date(2024, 3, 3)) == {
        "the 28th": [date(2024, 2, 28)],
        "the 29th begins": [d29],
        "the 29th ends": [d29],
        "March": [date(2024, 3, 1)],
    }
    zone, noon = business_zone(), at("2024-02-29T10:00:00")
    for period in (periods.whole(Grain.MONTH, d29, at("2024-03-05T10:00:00"), zone), periods.this_month(noon, zone)):
        assert (period.first_day, period.last_day, period.days) == (date(2024, 2, 1), d29, 29)
        assert statistics.totals(town.manager, of_days(period.first_day, period.last_day)).payments == 3
    # A year before has no such day: the same stretch, counted in days.
    assert periods.between(d29, d29, noon, zone).before[0] == at("2024-02-27T22:00:00")
    # What is written on that day has a part of its table to lie in.
    town.rows("SELECT ensure_partitions('2028-02-01', 2)")
    with town.connect() as connection, connection.transaction(force_rollback=True):
        for moment in ("2028-02-29 00:00:00+02", "2028-02-29 23:59:59.999999+02", "2028-03-01 00:00:00+02"):
            columns = "transaction_id, version, from_stage, to_stage, actor_name, reason"
            copy = f"INSERT INTO events (at, {columns}) SELECT %s, {columns.replace('version', 'version + 100')} FROM events WHERE transaction_id = %s LIMIT 1"
            assert connection.execute(copy, [moment, paid["March"]]).rowcount == 1
    town.judge().assert_all_well()
