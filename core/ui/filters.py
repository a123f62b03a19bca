"""The list's filter and the address that holds it. The address is the truth: a link to it shows a colleague the same list."""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from core import clock
from core.repositories.filters import TransactionFilter
from core.repositories.transactions import Cursor
from core.services.transactions import PAGE_SIZES
from core.states import Status, TransactionType

# Seconds between two looks of an open list; 0 is off.
PACES = (2, 5, 15, 0)

# A search is one reference or account number; longer is a paste that went wrong.
LONGEST_SEARCH = 60

Address = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. Days are business days, both included."""

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

    @property
    def is_filtered(self) -> bool:
        return replace(self, size=PAGE_SIZES[0], pace=PACES[0], older=None, newer=None) != Asked()

    def wanted(self, zone: ZoneInfo) -> TransactionFilter:
        return TransactionFilter(
            billers=self.billers,
            statuses=self.statuses,
            types=self.types,
            since=clock.day_bounds(self.first_day, zone)[0] if self.first_day else None,
            until=clock.day_bounds(self.last_day, zone)[1] if self.last_day else None,
            search=self.search,
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
            "size": "" if self.size == PAGE_SIZES[0] else str(self.size),
            "every": "" if self.pace == PACES[0] else str(self.pace),
            "older": cursor_text(self.older),
            "newer": cursor_text(self.newer),
        }
        return {name: value for name, value in pairs.items() if value}


def read(address: Address, billers: Iterable[str]) -> Asked:
    """What the address says and this console knows; a value nobody has heard of is left out, as if it were not there."""

    def one(name: str) -> str:
        return next(iter(address.get(name, ())), "")

    return Asked(
        search=" ".join(one("q").split())[:LONGEST_SEARCH],
        billers=_known(address.get("biller", ()), billers),
        statuses=_known(address.get("status", ()), (status.value for status in Status)),
        types=_known(address.get("type", ()), (kind.value for kind in TransactionType)),
        first_day=_day(one("from")),
        last_day=_day(one("to")),
        size=_number(one("size"), PAGE_SIZES),
        pace=_number(one("every"), PACES),
        older=cursor(one("older")),
        newer=cursor(one("newer")),
    )


def cursor_text(place: Cursor | None) -> str:
    """`20251123T120510.123456Z~<id>`: short, and the same in every zone."""
    return f"{place.created_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}~{place.id}" if place else ""


def cursor(text: str) -> Cursor | None:
    moment, _, transaction_id = text.partition("~")
    try:
        return Cursor(datetime.strptime(moment, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC), uuid.UUID(transaction_id))
    except ValueError:
        return None


def _known(values: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    names = set(known)
    return tuple(dict.fromkeys(value for value in values if value in names))


def _number(text: str, known: Sequence[int]) -> int:
    return int(text) if re.fullmatch("[0-9]{1,3}", text, re.ASCII) and int(text) in known else known[0]


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # Outside these, the bounds of a business day cannot be told in UTC.
    return day if 2000 <= day.year <= 2200 else None
