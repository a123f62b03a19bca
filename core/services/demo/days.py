"""When people pay: in office hours, less on Saturdays, more when wages are paid."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

DAYS = 90

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

# Over the whole time a tenth more people come to pay here.
GROWTH = 0.1

HOUR = timedelta(hours=1)


def moments(random: Random, count: int, now: datetime, zone: ZoneInfo) -> Sequence[datetime]:
    """`count` moments within the last 90 days, in order. The first hour is left free, for what comes before a payment."""
    first, hours = now - timedelta(days=DAYS) + HOUR, DAYS * 24 - 1
    weights = [_weight((first + HOUR * (hour + 0.5)).astimezone(zone)) * (1 + GROWTH * hour / hours) for hour in range(hours)]
    chosen = random.choices(range(hours), weights, k=count)
    return sorted(first + HOUR * (hour + random.random()) for hour in chosen)


def _weight(local: datetime) -> float:
    rush = PAYDAY_RUSH if local.day >= PAYDAY or local.day <= DAYS_AFTER else 1.0
    return HOURS[local.hour] * WEEKDAYS[local.weekday()] * rush
