"""When people pay: in office hours, less on Saturdays, more when wages are paid, and on no two Tuesdays the same number of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from random import Random
from zoneinfo import ZoneInfo

DAYS = 365

# Weights, of no unit: an hour of the day, a day of the week (Monday first). Nights and Sundays are the few who pay by themselves.
# fmt: off
HOURS = (
    0.02, 0.01, 0.01, 0.01, 0.02, 0.05, 0.15, 0.45, 1.00, 1.30, 1.40, 1.30,
    1.00, 0.85, 1.10, 1.20, 0.90, 0.50, 0.30, 0.25, 0.20, 0.12, 0.06, 0.03,
)
# fmt: on
WEEKDAYS = (1.10, 1.00, 0.95, 1.00, 1.15, 0.45, 0.12)

# Wages come in the last days of a month; the queue is long for some days.
PAYDAY, DAYS_AFTER = 26, 2
PAYDAY_RUSH = 1.6

# Over the whole year a fifth more people come to pay here.
GROWTH = 0.2

# One day has rain and another a market: without it, ten million rows would draw the table above and nothing else.
MOOD = 0.08

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Week:
    """Hours of one week, how busy each of them is, and how many transactions fall into all of them. Weeks fit in memory; a year of ten million does not."""

    rows: int
    hours: Sequence[datetime]
    weights: Sequence[float]

    def moments(self, random: Random, count: int) -> Sequence[datetime]:
        """`count` moments within it, in order."""
        return sorted(hour + HOUR * random.random() for hour in random.choices(self.hours, self.weights, k=count))


def weeks(random: Random, count: int, now: datetime, zone: ZoneInfo) -> Iterator[Week]:
    """The weeks of the last year in order, with `count` transactions in all. The first hour is left free, for what comes before a payment."""
    first, hours = now - timedelta(days=DAYS) + HOUR, DAYS * 24 - 1
    starts = [first + HOUR * hour for hour in range(hours)]
    local = [(start + HOUR / 2).astimezone(zone) for start in starts]
    moods = {day: random.lognormvariate(0, MOOD) for day in dict.fromkeys(moment.date() for moment in local)}
    weights = [_weight(moment) * moods[moment.date()] * (1 + GROWTH * hour / hours) for hour, moment in enumerate(local)]
    total, passed, given = sum(weights), 0.0, 0
    for _, numbers in groupby(range(hours), key=lambda hour: local[hour].isocalendar()[:2]):
        week = list(numbers)
        passed += sum(weights[hour] for hour in week)
        due = count if week[-1] == hours - 1 else round(count * passed / total)
        yield Week(due - given, [starts[hour] for hour in week], [weights[hour] for hour in week])
        given = due


def _weight(local: datetime) -> float:
    rush = PAYDAY_RUSH if local.day >= PAYDAY or local.day <= DAYS_AFTER else 1.0
    return HOURS[local.hour] * WEEKDAYS[local.weekday()] * rush
