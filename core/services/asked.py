"""What an address asks for: the list's filter, order, place and pace. Read and written here only, so that page, link and export mean the same rows."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

from core import clock
from core.errors import BadInput
from core.money import LARGEST, Money
from core.repositories.filters import NO_REASON, SHORTEST_PART, TransactionFilter
from core.repositories.steps import Grain, first_day_of
from core.repositories.transactions import Cursor, Sort
from core.services.transactions import PAGE_SIZES
from core.settings import settings
from core.states import Status, TransactionType

# Seconds between two looks of an open list; 0 is off.
PACES = (2, 5, 15, 0)

# A search is one reference, account number or name; longer is a paste that went wrong.
LONGEST_SEARCH = 60

T = TypeVar("T")

# A code is short, and a chart has no more bars.
LONGEST_REASON, MOST_REASONS = 60, 50

# No list has more pages than its rows have digits for.
LAST_PAGE = 9_999_999

# The columns there are, by the names they have in an export, and those that stand where nobody chose.
USUAL_COLUMNS = ("reference", "biller", "account_number", "customer_name", "type", "amount", "status", "submitted_at")
COLUMNS = (
    *USUAL_COLUMNS,
    *("stage", "biller_reference", "invoice_number", "bundle_id", "meter_number", "account_type", "debit_account"),
    *("error_code", "error_message", "submitted_by", "settled_at"),
)

ONE_DAY = timedelta(days=1)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# Names of days that mean others tomorrow: a saved view stays useful by them. Each is told its first and its last day.
NAMED_DAYS: Mapping[str, Callable[[date], tuple[date, date]]] = {
    "today": lambda today: (today, today),
    "yesterday": lambda today: (today - ONE_DAY, today - ONE_DAY),
    "this-week": lambda today: (_monday(today), _monday(today) + 6 * ONE_DAY),
    "last-week": lambda today: (_monday(today) - 7 * ONE_DAY, _monday(today) - ONE_DAY),
    "this-month": lambda today: (today.replace(day=1), _month_end(today)),
    "last-month": lambda today: ((today.replace(day=1) - ONE_DAY).replace(day=1), today.replace(day=1) - ONE_DAY),
    "this-year": lambda today: (today.replace(month=1, day=1), today.replace(month=12, day=31)),
    "last-year": lambda today: (date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)),
}

# `7d`: since then the last seven days, today being one of them; until then what is older than those.
_SO_MANY_DAYS = re.compile(r"([1-9][0-9]{0,2})d", re.ASCII)

Address = Mapping[str, Sequence[str]]
Escape = Callable[[object], str]

# What a filter by type leaves in the list.
TYPE_WORDS: Mapping[TransactionType, str] = {
    TransactionType.ACCOUNT_DETAILS: "look-ups",
    TransactionType.POST_TRANSACTION: "payments",
    TransactionType.GET_INVOICE: "invoice look-ups",
    TransactionType.CONFIRM_INVOICE: "invoice payments",
    TransactionType.BUNDLE_DETAILS: "bundle lists",
    TransactionType.CONFIRM_BUNDLE: "bundle purchases",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. Days are business days, both included; amounts are included, too.

    A bound of days is a date or a name for one (`since`, `until`), never both: a name moves on with the calendar.
    """

    search: str = ""
    billers: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    size: int = PAGE_SIZES[0]
    pace: int = PACES[0]
    older: Cursor | None = None
    newer: Cursor | None = None
    amount_min: Decimal | None = None
    amount_max: Decimal | None = None
    account: str = ""
    reference: str = ""
    mine: bool = False
    in_doubt: bool = False
    under_review: bool | None = None
    reasons: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    # Who submitted it: any of these. With `mine` oneself, too.
    operators: tuple[uuid.UUID, ...] = ()
    # Monday is 0. From the first time of day up to the second, by the clock on the bank's wall.
    weekdays: tuple[int, ...] = ()
    time_of_day: tuple[time, time] | None = None
    # The leg in core banking is not settled.
    bank_open: bool = False
    sort: Sort = Sort.NEWEST
    # Which columns, in which order; none: the usual ones.
    columns: tuple[str, ...] = ()
    # The page that `older` or `newer` leads to, counted from 1; 0 where nobody has counted.
    page: int = 1

    @property
    def at_the_top(self) -> "Asked":
        """The same list at its beginning: where a changed filter leads, for the place was one in another list."""
        return replace(self, older=None, newer=None, page=1)

    @property
    def filter_only(self) -> "Asked":
        """The same rows in the same order and columns, without a place among them or a pace: what an export takes, and what a view keeps."""
        return replace(self.at_the_top, size=PAGE_SIZES[0], pace=PACES[0])

    @property
    def is_filtered(self) -> bool:
        return replace(self.filter_only, sort=Sort.NEWEST, columns=()) != Asked()

    def settled(self, today: date) -> "Asked":
        """With dates where days had names: what the names mean today."""
        first, last = (_day_named(name, today) for name in (self.since, self.until))
        return replace(self, since="", until="", first_day=first[0] if first else self.first_day, last_day=_until(self.until, last) or self.last_day)

    def wanted(self, zone: ZoneInfo, me: uuid.UUID | None = None) -> TransactionFilter:
        """`me` is whose rows "mine only" means."""
        if self.mine and me is None:
            # Left out it would widen the filter to everybody's rows.
            raise BadInput("“Mine only” needs somebody who is signed in. Take it out of the filter.")
        days = self.settled(clock.business_day(clock.now(), zone))
        also_mine = (me,) if self.mine and me is not None and self.operators else ()
        since = clock.day_bounds(days.first_day, zone)[0] if days.first_day else None
        until = clock.day_bounds(days.last_day, zone)[1] if days.last_day else None
        time_of_day = self.time_of_day
        if time_of_day and days.first_day and days.first_day == days.last_day and (time_of_day[0] < time_of_day[1] or time_of_day[1] == time(0)):
            # Of one day they are one stretch of time, and found as quickly as one.
            since, until = _at(days.first_day, time_of_day[0], zone), _at(days.first_day, time_of_day[1], zone) if time_of_day[1] != time(0) else until
            time_of_day = None
        return TransactionFilter(
            billers=self.billers,
            statuses=self.statuses,
            types=self.types,
            since=since,
            until=until,
            amount_min=self.amount_min,
            amount_max=self.amount_max,
            account=self.account,
            reference=self.reference,
            search=self.search,
            initiated_by=me if self.mine and not also_mine else None,
            operators=tuple(dict.fromkeys((*self.operators, *also_mine))),
            in_doubt=self.in_doubt,
            under_review=self.under_review,
            reasons=self.reasons,
            weekdays=self.weekdays,
            time_of_day=time_of_day,
            zone=zone.key if self.weekdays or time_of_day else "UTC",
            bank_open=self.bank_open,
        )

    def address(self) -> dict[str, str | list[str]]:
        """What differs from the plain list, as the query of an address."""
        pairs: dict[str, str | list[str]] = {
            "q": self.search,
            "biller": list(self.billers),
            "status": list(self.statuses),
            "type": list(self.types),
            "from": self.first_day.isoformat() if self.first_day else "",
            "to": self.last_day.isoformat() if self.last_day else "",
            "since": self.since,
            "until": self.until,
            "min": "" if self.amount_min is None else f"{self.amount_min:f}",
            "max": "" if self.amount_max is None else f"{self.amount_max:f}",
            "account": self.account,
            "ref": self.reference,
            "mine": "1" if self.mine else "",
            "by": [str(one) for one in self.operators],
            "doubt": "1" if self.in_doubt else "",
            "review": "" if self.under_review is None else "1" if self.under_review else "0",
            "reason": list(self.reasons),
            "weekday": [WEEKDAYS[one] for one in self.weekdays],
            "time": times_text(self.time_of_day),
            "bank": "1" if self.bank_open else "",
            "sort": "" if self.sort is Sort.NEWEST else self.sort.value,
            "columns": ",".join(self.columns),
            "size": "" if self.size == PAGE_SIZES[0] else str(self.size),
            "every": "" if self.pace == PACES[0] else str(self.pace),
            "older": cursor_text(self.older),
            "newer": cursor_text(self.newer),
            "page": "" if self.page == 1 else str(self.page),
        }
        return {name: value for name, value in pairs.items() if value}


# ---- Reading


def read(address: Address, billers: Iterable[str]) -> Asked:
    """What the address says and this console knows; a value nobody has heard of is left out, as if it were not there."""
    return read_and_tell(address, billers)[0]


def read_and_tell(address: Address, billers: Iterable[str]) -> tuple[Asked, tuple[str, ...]]:
    """Besides, the names of the parameters that were left out, whole or in part: a list says so, an export refuses them."""
    reader = _Reader(address)
    first_day, last_day = reader.one("from", _day), reader.one("to", _day)
    asked = Asked(
        search=reader.text("q"),
        billers=reader.known("biller", billers),
        statuses=reader.known("status", (status.value for status in Status)),
        types=reader.known("type", (kind.value for kind in TransactionType)),
        first_day=first_day,
        last_day=last_day,
        since=reader.one("since", lambda text: None if first_day else day_name(text)) or "",
        until=reader.one("until", lambda text: None if last_day else day_name(text)) or "",
        amount_min=reader.one("min", bound),
        amount_max=reader.one("max", bound),
        account=reader.text("account"),
        reference=reader.text("ref"),
        mine=reader.one("mine", _yes) or False,
        operators=reader.ids("by"),
        in_doubt=reader.one("doubt", _yes) or False,
        under_review=reader.one("review", {"1": True, "0": False}.get),
        reasons=reader.words("reason"),
        weekdays=tuple(WEEKDAYS.index(one) for one in reader.known("weekday", WEEKDAYS)),
        time_of_day=reader.one("time", times),
        bank_open=reader.one("bank", _yes) or False,
        sort=reader.one("sort", Sort) or Sort.NEWEST,
        columns=reader.one("columns", _columns) or (),
        size=reader.one("size", lambda text: _number(text, PAGE_SIZES)) or PAGE_SIZES[0],
        pace=PACES[0] if (pace := reader.one("every", lambda text: _number(text, PACES))) is None else pace,
        older=reader.one("older", cursor),
        newer=reader.one("newer", cursor),
        page=1 if (page := reader.one("page", _page)) is None else page,
    )
    return asked, tuple(reader.left_out)


class _Reader:
    """Reads parameters, and notes which of them said something that it could not keep."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.left_out: list[str] = []

    def one(self, name: str, meaning: Callable[[str], T | None]) -> T | None:
        values = [value for value in self._address.get(name, ()) if value]
        found = _meaning(meaning, values[0]) if values else None
        if len(values) > 1 or (values and found is None):
            self.left_out.append(name)
        return found

    def text(self, name: str) -> str:
        """Words in one line, whole: a search cut short would be another search."""
        found = self.one(name, searchable) or ""
        if " ".join(next(iter(self._address.get(name, ())), "").split()) != found and name not in self.left_out:
            self.left_out.append(name)
        return found

    def words(self, name: str) -> tuple[str, ...]:
        """Several, each as it is: a code that billers use is in no list of ours."""
        values = tuple(dict.fromkeys(value for value in self._address.get(name, ()) if value))
        kept = tuple(value for value in values if len(value) <= LONGEST_REASON and value.isprintable())[:MOST_REASONS]
        if kept != values:
            self.left_out.append(name)
        return kept

    def ids(self, name: str) -> tuple[uuid.UUID, ...]:
        """Several, each as an id is written; whose it is, is not asked here."""
        values = [value for value in self._address.get(name, ()) if value]
        found = [_meaning(uuid.UUID, value) for value in values]
        if None in found:
            self.left_out.append(name)
        return tuple(dict.fromkeys(one for one in found if one is not None))

    def known(self, name: str, known: Iterable[str]) -> tuple[str, ...]:
        names, values = set(known), self._address.get(name, ())
        if not names.issuperset(values):
            self.left_out.append(name)
        return tuple(dict.fromkeys(value for value in values if value in names))


def _meaning(meaning: Callable[[str], T | None], text: str) -> T | None:
    try:
        return meaning(text)
    except (BadInput, ValueError):
        return None


def searchable(text: str) -> str:
    """What was typed as it is searched for: one line, nothing unprintable, and no longer than a search is."""
    seen = "".join(letter if letter.isprintable() else " " * letter.isspace() for letter in text)
    return " ".join(seen.split())[:LONGEST_SEARCH].strip()


def bound(text: str) -> Decimal | None:
    """An amount as a person or an address writes it; None for nothing. Raises `BadInput` with what to write instead."""
    return Money.parse(text).amount if text.strip() else None


def cursor_text(place: Cursor | None) -> str:
    """`20251123T120510.123456Z~<id>`: short, and the same in every zone. In a list by amount the amount follows."""
    if place is None:
        return ""
    amount = "" if place.amount is None else f"~{place.amount:f}"
    return f"{place.created_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}~{place.id}{amount}"


def cursor(text: str) -> Cursor | None:
    moment, _, rest = text.partition("~")
    transaction_id, _, amount = rest.partition("~")
    try:
        created_at = datetime.strptime(moment, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
        return Cursor(created_at, uuid.UUID(transaction_id), bound(amount))
    except (BadInput, ValueError):
        return None


def _yes(text: str) -> bool | None:
    return True if text == "1" else None


def _number(text: str, known: Sequence[int]) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,3}", text, re.ASCII) and int(text) in known else None


def _day(text: str) -> date | None:
    day = date.fromisoformat(text)
    # Outside these, the bounds of a business day cannot be told in UTC.
    return day if 2000 <= day.year <= 2200 else None


def _columns(text: str) -> tuple[str, ...] | None:
    names = tuple(text.split(","))
    return names if len(set(names)) == len(names) and set(names) <= set(COLUMNS) else None


def _page(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,7}", text, re.ASCII) and int(text) != 1 else None


def times(text: str) -> tuple[time, time] | None:
    """`08:00..10:30`: from the first up to the second, which may be midnight or lie on the next day."""
    first, second = (time.fromisoformat(one) for one in text.split(".."))
    return None if first == second or first.tzinfo or second.tzinfo else (first, second)


def _at(day: date, moment: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, moment, zone).astimezone(UTC)


def times_text(between: tuple[time, time] | None) -> str:
    return "..".join(map(_time_text, between)) if between else ""


def _time_text(moment: time) -> str:
    return moment.isoformat("auto" if moment.second or moment.microsecond else "minutes")


def _times_words(first: time, second: time) -> str:
    return f"from {_time_text(first)} to {_time_text(second)} o'clock"


# ---- Named days


def day_name(text: str) -> str | None:
    """The name as it is kept, or None for what is no name of days."""
    name = text.strip().lower()
    return name if name in NAMED_DAYS or name in WEEKDAYS or _SO_MANY_DAYS.fullmatch(name) else None


def _day_named(name: str, today: date) -> tuple[date, date] | None:
    """First and last of them. A weekday is the latest one, today being one."""
    if name in NAMED_DAYS:
        return NAMED_DAYS[name](today)
    if name in WEEKDAYS:
        day = today - (today.weekday() - WEEKDAYS.index(name)) % 7 * ONE_DAY
        return day, day
    if so_many := _SO_MANY_DAYS.fullmatch(name):
        return today - (int(so_many[1]) - 1) * ONE_DAY, today
    return None


def _until(name: str, days: tuple[date, date] | None) -> date | None:
    if days is None:
        return None
    return days[0] - ONE_DAY if _SO_MANY_DAYS.fullmatch(name) else days[1]


def _monday(day: date) -> date:
    return first_day_of(Grain.WEEK, day)


def _month_end(day: date) -> date:
    return (day.replace(day=1) + 31 * ONE_DAY).replace(day=1) - ONE_DAY


def business_today() -> date:
    """Which day it is in the bank's zone."""
    return clock.business_day(clock.now(), ZoneInfo(settings().billers_timezone))


# ---- In words


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing the filter asks for, in words, and what would be asked for without it."""

    words: str
    without: Asked


def conditions(asked: Asked, names: Mapping[str, str], escape: Escape = str) -> list[list[Condition]]:
    """The filter in words. Conditions that stand together are alternatives; all groups hold at once.

    `names` are the billers' by code, and people's by id in text.
    """
    days = asked.settled(business_today())
    since = f"from {_day_text(days.first_day)}{_named(asked.since, 'last {} days')}" if days.first_day else ""
    until = f"until {_day_text(days.last_day)}{_named(asked.until, 'older than {} days')}" if days.last_day else ""
    groups = [
        [Condition(f"“{escape(asked.search)}”", replace(asked, search=""))] if asked.search else [],
        [Condition(Status(one).value.lower(), replace(asked, statuses=_less(asked.statuses, one))) for one in asked.statuses],
        [Condition(TYPE_WORDS[TransactionType(one)], replace(asked, types=_less(asked.types, one))) for one in asked.types],
        [Condition(escape(names.get(one, one)), replace(asked, billers=_less(asked.billers, one))) for one in asked.billers],
        [Condition(since, replace(asked, first_day=None, since=""))] if since else [],
        [Condition(until, replace(asked, last_day=None, until=""))] if until else [],
        [Condition(_least_text(asked.amount_min), replace(asked, amount_min=None))] if asked.amount_min is not None else [],
        [Condition(_largest_text(asked.amount_max), replace(asked, amount_max=None))] if asked.amount_max is not None else [],
        [Condition(f"account {_with(asked.account)}“{escape(asked.account)}”", replace(asked, account=""))] if asked.account else [],
        [Condition(f"reference “{escape(asked.reference)}”", replace(asked, reference=""))] if asked.reference else [],
        [
            *([Condition("mine only" if not asked.operators else "mine", replace(asked, mine=False))] if asked.mine else []),
            *(Condition(f"by {escape(names.get(str(one), 'somebody'))}", replace(asked, operators=_less(asked.operators, one))) for one in asked.operators),
        ],
        [Condition(f"on {WEEKDAYS[one].capitalize()}s", replace(asked, weekdays=_less(asked.weekdays, one))) for one in asked.weekdays],
        [Condition(_times_words(*asked.time_of_day), replace(asked, time_of_day=None))] if asked.time_of_day else [],
        [Condition("in doubt", replace(asked, in_doubt=False))] if asked.in_doubt else [],
        [Condition("open in core banking", replace(asked, bank_open=False))] if asked.bank_open else [],
        [Condition("under review" if asked.under_review else "not under review", replace(asked, under_review=None))] if asked.under_review is not None else [],
        [Condition(_reason_text(one, escape), replace(asked, reasons=_less(asked.reasons, one))) for one in asked.reasons],
    ]
    return [group for group in groups if group]


def in_words(asked: Asked, names: Mapping[str, str], escape: Escape = str) -> str:
    """`failed or completed, payments, from 1 Nov 2025`; "every transaction" where nothing is asked for."""
    return ", ".join(" or ".join(one.words for one in group) for group in conditions(asked, names, escape)) or "every transaction"


def contradiction(asked: Asked) -> str | None:
    """Why nothing can match, as a sentence, or None."""
    days = asked.settled(business_today())
    if days.first_day and days.last_day and days.first_day > days.last_day:
        return "The first day is after the last one, so nothing can match. Swap them."
    if asked.amount_min is not None and asked.amount_max is not None and asked.amount_min > asked.amount_max:
        return "The least amount is above the largest one, so nothing can match. Swap them."
    return None


def _less(values: tuple[T, ...], one: T) -> tuple[T, ...]:
    return tuple(value for value in values if value != one)


def whole_bound(amount: Decimal, step: Decimal) -> Decimal | None:
    """The whole amount that this bound lies one coin beside: 50,000 for "more than 50,000", which is kept as 50,000.01."""
    beside = amount - step
    return beside if beside == beside.to_integral_value() and 0 < beside <= LARGEST else None


# The smallest difference between two amounts, whatever the currency.
COIN = Decimal("0.01")


def _least_text(amount: Decimal) -> str:
    whole = whole_bound(amount, COIN)
    return f"{amount:,f} or more" if whole is None else f"more than {whole:,f}"


def _largest_text(amount: Decimal) -> str:
    whole = whole_bound(amount, -COIN)
    return f"{amount:,f} or less" if whole is None else f"less than {whole:,f}"


def _named(name: str, so_many_days: str) -> str:
    """The name beside the date that it means today: tomorrow it means another."""
    so_many = _SO_MANY_DAYS.fullmatch(name)
    told = so_many_days.format(so_many[1]) if so_many else name.replace("-", " ")
    return f" ({told})" if told else ""


def _reason_text(reason: str, escape: Escape) -> str:
    return "without a code" if reason == NO_REASON else f"code “{escape(reason)}”"


def _day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _with(account: str) -> str:
    return "with " if len(account) >= SHORTEST_PART else ""
