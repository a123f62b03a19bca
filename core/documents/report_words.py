"""A report in words: what its period is called, rates never better than they are, changes against the period before."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from core.documents.report import HOME, Report, Tally
from core.models.reports import ReportKind

NONE_YET, UNCHANGED = "–", "unchanged"

TITLES = {ReportKind.DAILY: "Daily report", ReportKind.WEEKLY: "Weekly report", ReportKind.MONTHLY: "Monthly report"}

# Largest first: how a sum is shortened on an axis.
SHORTENED = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def period_name(kind: ReportKind, first: date) -> str:
    """`2026-11-24`, `2026-W47`, `2026-11`: how addresses and files call it."""
    if kind is ReportKind.DAILY:
        return first.isoformat()
    if kind is ReportKind.WEEKLY:
        year, week, _ = first.isocalendar()
        return f"{year:04}-W{week:02}"
    return f"{first:%Y-%m}"


def period_words(kind: ReportKind, first: date, last: date) -> str:
    """`Tuesday 24 November 2026`, `16–22 November 2026, week 47`, `November 2026`."""
    if kind is ReportKind.DAILY:
        return f"{first:%A} {first.day} {first:%B %Y}"
    if kind is ReportKind.WEEKLY:
        return f"{_days(first, last)}, week {first.isocalendar().week}"
    return f"{first:%B %Y}"


def _days(first: date, last: date) -> str:
    if first == last:
        return f"{last.day} {last:%B %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%B %Y}"
    year = f" {first:%Y}" if first.year != last.year else ""
    return f"{first.day} {first:%B}{year} – {last.day} {last:%B %Y}"


def title(report: Report) -> str:
    """`Daily report`; of some billers it says so, or a part would pass for the whole."""
    if not report.only:
        return TITLES[report.kind]
    return f"{TITLES[report.kind]} of {report.only[0] if len(report.only) == 1 else f'{len(report.only)} billers'} only"


def period(report: Report) -> str:
    so_far = "" if report.is_over else ", so far"
    return period_words(report.kind, report.first_day, report.last_day) + so_far


def before(report: Report) -> str:
    """What it is compared with; the hour where the period is not over."""
    zone = ZoneInfo(report.zone)
    since, until = (moment.astimezone(zone) for moment in report.before)
    ends_a_day = (until.hour, until.minute, until.second) == (0, 0, 0)
    last = (until - timedelta(seconds=1)).date() if ends_a_day else until.date()
    words = period_words(report.kind, since.date(), last)
    return words if ends_a_day and report.is_over else f"{words}, up to {until.day} {until:%b, %H:%M}"


def moment(at: datetime, zone: str) -> str:
    """`24 Nov 2026, 06:00:03 CAT`."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def as_of(report: Report) -> str:
    return f"As of {moment(report.as_of, report.zone)}"


def step(report: Report, start: datetime) -> str:
    """`06:00` of a day, `24 Nov` of a longer period."""
    local = start.astimezone(ZoneInfo(report.zone))
    return f"{local:%H:%M}" if report.kind is ReportKind.DAILY else f"{local.day} {local:%b}"


def step_kind(report: Report) -> str:
    return "hour" if report.kind is ReportKind.DAILY else "day"


# ---- Figures


def count(number: int) -> str:
    return f"{number:,}"


def amount(value: Decimal, currency: str = HOME) -> str:
    """`MWK 1,250,000.00`."""
    return f"{currency} {value:,.2f}"


def value(tally: Tally, currency: str = HOME) -> Decimal:
    return tally.values.get(currency, Decimal("0.00"))


def values(tally: Tally) -> str:
    """Each currency for itself, the kwacha first and always."""
    others = sorted(set(tally.values) - {HOME})
    return " + ".join(amount(value(tally, currency), currency) for currency in (HOME, *others))


def short(number: float) -> str:
    """`1.2 M`, for an axis."""
    for size, letter in SHORTENED:
        if number >= size:
            return f"{number / size:,.1f}".removesuffix(".0") + f" {letter}"
    return f"{number:,.0f}"


def percent(tally: Tally) -> str:
    """`94.9%`, cut after the first decimal: 94.96 is below a target of 95, and 99.99 is not all. A dash where nothing has ended."""
    if not tally.ended:
        return NONE_YET
    tenths = tally.completed * 1000 // tally.ended
    return f"{tenths // 10}.{tenths % 10}%"


def seconds(milliseconds: float | None) -> str:
    """`1.5 s`, `0.38 s`."""
    if milliseconds is None:
        return NONE_YET
    told = milliseconds / 1000
    return f"{told:.2f} s" if told < 1 else f"{told:,.1f} s"


def change(now: int | Decimal, earlier: int | Decimal) -> str:
    """`+12.3%`; nothing where there was nothing to compare with."""
    if not earlier:
        return ""
    return UNCHANGED if now == earlier else f"{float((now - earlier) / earlier):+.1%}"


def reaches(tally: Tally, target: float) -> bool:
    return tally.success_rate is not None and tally.success_rate >= target


# What each figure means: it stands on the paper, so that two people read the same number in it.
DEFINITIONS = (
    "Payments are transactions that move money, by the business day they were submitted; look-ups are counted apart.",
    "Success rate: completed of completed, failed and reversed payments. What is in doubt, not sent or cancelled is in neither.",
    "Value paid: the sum of completed payments, each currency for itself. In doubt: sent or perhaps sent, and not settled at the moment of this report.",
    "Answer time: how long billers took to answer calls that pay. A call that got no answer counts with its wait.",
)
