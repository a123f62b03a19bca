"""Business days, and the stretch before that a period is compared with."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from core.repositories.statistics import Grain
from core.services import periods

ZONE = clock.BUSINESS_ZONE
# Where clocks are changed: on 26 October 2025 the day had 25 hours.
BERLIN = ZoneInfo("Europe/Berlin")

DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))
MOMENTS = st.integers(0, 10 * 365 * 86_400).map(lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


def moment(text: str, zone: ZoneInfo = ZONE) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def test_just_before_midnight_in_blantyre_it_is_still_today() -> None:
    for now, day in (("2025-11-30T23:59:59", date(2025, 11, 30)), ("2025-12-01T00:00:00", date(2025, 12, 1))):
        assert periods.today(moment(now), ZONE).first_day == day
    assert periods.this_month(moment("2025-12-01T00:00:00"), ZONE).first_day == date(2025, 12, 1)


def test_today_is_compared_with_yesterday_up_to_the_same_hour() -> None:
    assert periods.today(moment("2025-11-24T10:42:05"), ZONE).before == (moment("2025-11-23T00:00:00"), moment("2025-11-23T10:42:05"))


def test_a_week_begins_on_monday_and_is_compared_up_to_the_same_day() -> None:
    week = periods.this_week(moment("2025-11-26T09:00:00"), ZONE)
    assert (week.first_day, week.last_day) == (date(2025, 11, 24), date(2025, 11, 26))
    assert week.before == (moment("2025-11-17T00:00:00"), moment("2025-11-19T09:00:00"))


@pytest.mark.parametrize(
    ("now", "since", "until"),
    [
        ("2025-11-24T10:00:00", "2025-10-01T00:00:00", "2025-10-24T10:00:00"),
        ("2025-03-31T10:00:00", "2025-02-01T00:00:00", "2025-03-01T00:00:00"),
        ("2025-01-01T00:30:00", "2024-12-01T00:00:00", "2024-12-01T00:30:00"),
    ],
)
def test_a_month_is_compared_up_to_the_same_day_and_never_with_a_part_of_itself(now: str, since: str, until: str) -> None:
    assert periods.this_month(moment(now), ZONE).before == (moment(since), moment(until))


def test_days_that_are_over_are_compared_with_whole_days() -> None:
    period = periods.between(date(2025, 11, 1), date(2025, 11, 10), moment("2025-11-24T10:00:00"), ZONE)
    assert period.before == (moment("2025-10-22T00:00:00"), moment("2025-11-01T00:00:00"))
    assert period.days == 10


def test_where_clocks_change_the_same_hour_is_the_same_on_the_wall() -> None:
    period = periods.today(moment("2025-10-27T10:00:00", BERLIN), BERLIN)
    assert period.before == (moment("2025-10-26T00:00:00", BERLIN), moment("2025-10-26T10:00:00", BERLIN))
    assert len(periods.steps(date(2025, 10, 26), date(2025, 10, 26), Grain.HOUR, BERLIN)) == 25


@pytest.mark.parametrize(
    ("grain", "first", "last", "before"),
    [
        (Grain.DAY, date(2025, 11, 5), date(2025, 11, 5), ("2025-11-04T00:00:00", "2025-11-05T00:00:00")),
        (Grain.WEEK, date(2025, 11, 3), date(2025, 11, 9), ("2025-10-27T00:00:00", "2025-11-03T00:00:00")),
        (Grain.MONTH, date(2025, 11, 1), date(2025, 11, 24), ("2025-10-01T00:00:00", "2025-10-24T10:00:00")),
    ],
)
def test_a_report_is_of_the_whole_day_week_or_month_as_far_as_it_has_come(grain: Grain, first: date, last: date, before: tuple[str, str]) -> None:
    period = periods.whole(grain, date(2025, 11, 5), moment("2025-11-24T10:00:00"), ZONE)
    assert (period.first_day, period.last_day, period.before) == (first, last, (moment(before[0]), moment(before[1])))


@given(DAYS, st.integers(0, 100), st.sampled_from(list(Grain)))
def test_steps_cover_the_range_once_and_each_days_belong_to_one(first: date, more: int, grain: Grain) -> None:
    last = first + timedelta(days=more)
    steps = periods.steps(first, last, grain, ZONE)
    assert list(steps) == sorted(set(steps))
    days = [periods.days_of(step, grain, (first, last), ZONE) for step in steps]
    covered = [start + timedelta(days=offset) for start, end in dict.fromkeys(days) for offset in range((end - start).days + 1)]
    assert covered == [first + timedelta(days=offset) for offset in range(more + 1)]


@given(MOMENTS, st.integers(1, 400))
def test_what_a_range_is_compared_with_is_as_long_and_ends_before_it(now: datetime, days: int) -> None:
    period = periods.last_days(days, now, ZONE)
    start = clock.day_bounds(period.first_day, ZONE)[0]
    since, until = period.before
    assert until - since == now - start
    assert until <= start
    assert start - since == timedelta(days=days)
