"""What the analytics page is asked for, and the address that holds it. The address is the truth: a link to it shows a colleague the same figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from core import clock
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import Grain
from core.services import periods
from core.services.periods import Period
from core.ui.attention import PAYMENT_TYPES
from core.ui.filters import Asked, read

# Ranges by their name in the address: what they are called, and how many days they have.
RANGES: Mapping[str, tuple[str, int]] = {"7d": ("7 days", 7), "30d": ("30 days", 30), "90d": ("90 days", 90), "custom": ("Custom", 0)}
USUAL = "30d"

# Longer than the bank keeps a till roll; more days would be more points than a screen has.
LONGEST_DAYS = 731

# Steps from short to long, with how many days a range has at least and at most for them: with fewer they are no course, with more no picture.
GRAINS: Mapping[Grain, tuple[int, int]] = {
    Grain.QUARTER: (1, 3),
    Grain.HOUR: (1, 14),
    Grain.DAY: (2, LONGEST_DAYS),
    Grain.WEEK: (8, LONGEST_DAYS),
    Grain.MONTH: (32, LONGEST_DAYS),
}

# What a report is of.
REPORTS = (Grain.DAY, Grain.WEEK, Grain.MONTH)

# How the volume is told apart.
SPLITS: Mapping[str, str] = {"total": "Altogether", "biller": "By biller", "status": "By status"}

# What billers are compared by.
MEASURES: Mapping[str, str] = {"payments": "Payments", "value": "Value", "rate": "Success rate"}

# What the week's hours are coloured by.
HEATS: Mapping[str, str] = {"payments": "Payments", "failed": "Failed"}


@dataclass(frozen=True, slots=True)
class Wish:
    """Days are business days, both included. Without a kind of payment chosen it is all of them, and look-ups are counted beside."""

    range: str = USUAL
    first_day: date | None = None
    last_day: date | None = None
    grain: Grain = Grain.DAY
    billers: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    compares: bool = True
    split: str = "total"
    versus: tuple[str, ...] = ()
    measure: str = "payments"
    heat: str = "payments"
    report: Grain = Grain.DAY
    report_day: date | None = None

    def contradiction(self) -> str | None:
        """What is wrong with the days, as a sentence that says what to do."""
        if self.range != "custom":
            return None
        if self.first_day is None or self.last_day is None:
            return "Choose the first and the last day of the range."
        if self.first_day > self.last_day:
            return "The first day is after the last one. Choose them the other way round."
        if (self.last_day - self.first_day).days >= LONGEST_DAYS:
            return f"This range is longer than {LONGEST_DAYS} days. Choose a shorter one."
        return None

    def period(self, now: datetime, zone: ZoneInfo) -> Period:
        """The range's days; of a range without a contradiction."""
        if self.range == "custom" and self.first_day and self.last_day:
            return periods.between(self.first_day, self.last_day, now, zone)
        return periods.last_days(RANGES[self.range][1] or RANGES[USUAL][1], now, zone)

    @property
    def counted(self) -> "Wish":
        """What of it decides what is counted; the rest is how that is shown."""
        return Wish(self.range, self.first_day, self.last_day, self.grain, self.billers, self.types, self.compares)

    def wanted(self, period: Period, zone: ZoneInfo) -> TransactionFilter:
        return Asked(billers=self.billers, types=self.types, first_day=period.first_day, last_day=period.last_day).wanted(zone)

    def before(self, period: Period) -> TransactionFilter:
        return TransactionFilter(billers=self.billers, types=self.types, since=period.before[0], until=period.before[1])

    def list_address(
        self,
        first: date,
        last: date,
        *statuses: str,
        billers: Sequence[str] = (),
        reasons: Sequence[str] = (),
        weekdays: tuple[int, ...] = (),
        time_of_day: tuple[time, time] | None = None,
    ) -> dict[str, str | list[str]]:
        """The list of the payments behind a figure."""
        return Asked(
            billers=tuple(billers) or self.billers,
            statuses=statuses,
            types=self.types or PAYMENT_TYPES,
            first_day=first,
            last_day=last,
            reasons=tuple(reasons),
            weekdays=weekdays,
            time_of_day=time_of_day,
        ).address()

    def address(self) -> dict[str, str | list[str]]:
        """What differs from the page as it opens, as the query of an address."""
        usual, is_custom = Wish(), self.range == "custom"
        pairs: dict[str, str | list[str]] = {
            "range": "" if self.range == usual.range else self.range,
            "from": self.first_day.isoformat() if is_custom and self.first_day else "",
            "to": self.last_day.isoformat() if is_custom and self.last_day else "",
            "by": "" if self.grain is usual.grain else self.grain.value,
            "biller": list(self.billers),
            "type": list(self.types),
            "compare": "" if self.compares else "no",
            "split": "" if self.split == usual.split else self.split,
            "versus": list(self.versus),
            "measure": "" if self.measure == usual.measure else self.measure,
            "heat": "" if self.heat == usual.heat else self.heat,
            "report": "" if self.report is usual.report else self.report.value,
            "day": self.report_day.isoformat() if self.report_day else "",
        }
        return {name: value for name, value in pairs.items() if value}


def read_wish(address: Mapping[str, Sequence[str]], billers: Iterable[str]) -> Wish:
    """What the address says and this console knows; a value nobody has heard of is left out, as if it were not there."""
    known = list(billers)

    def one(name: str, choices: Iterable[str], usual: str) -> str:
        value = next(iter(address.get(name, ())), usual)
        return value if value in choices else usual

    # Billers, kinds and days are read as the list reads them.
    asked, versus, report = read(address, known), read({"biller": address.get("versus", ())}, known), read({"from": address.get("day", ())}, known)
    return Wish(
        range=one("range", RANGES, USUAL),
        first_day=asked.first_day,
        last_day=asked.last_day,
        grain=Grain(one("by", [grain.value for grain in GRAINS], Grain.DAY.value)),
        billers=asked.billers,
        types=tuple(kind for kind in asked.types if kind in PAYMENT_TYPES),
        compares=one("compare", ("no", "yes"), "yes") == "yes",
        split=one("split", SPLITS, "total"),
        versus=versus.billers,
        measure=one("measure", MEASURES, "payments"),
        heat=one("heat", HEATS, "payments"),
        report=Grain(one("report", [grain.value for grain in REPORTS], Grain.DAY.value)),
        report_day=report.first_day,
    )


def offered(days: int) -> list[Grain]:
    """The steps that make sense in a range of so many days, short ones first."""
    return [grain for grain, (least, most) in GRAINS.items() if least <= days <= most]


def fitting(grain: Grain, days: int) -> Grain:
    """These steps, or in a range that they do not fit the nearest that do."""
    found, order = offered(days), list(GRAINS)
    return min(found, key=lambda one: abs(order.index(one) - order.index(grain)))


def with_days(wish: Wish, now: datetime, zone: ZoneInfo) -> Wish:
    """Custom days begin as those that were shown."""
    if wish.range != "custom" or (wish.first_day and wish.last_day):
        return wish
    today = clock.business_day(now, zone)
    return replace(wish, first_day=wish.first_day or today.replace(day=1), last_day=wish.last_day or today)
