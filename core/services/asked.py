"""What an address asks for: the list's filter, its place and its pace. Read and written here only, so that a page, a link and an export mean the same rows."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

from core import clock
from core.errors import BadInput
from core.money import Money
from core.repositories.filters import NO_REASON, SHORTEST_PART, TransactionFilter
from core.repositories.transactions import Cursor
from core.services.transactions import PAGE_SIZES
from core.states import Status, TransactionType

# Seconds between two looks of an open list; 0 is off.
PACES = (2, 5, 15, 0)

# A search is one reference, account number or name; longer is a paste that went wrong.
LONGEST_SEARCH = 60

T = TypeVar("T")

# A code is short, and a chart has no more bars.
LONGEST_REASON, MOST_REASONS = 60, 50

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
    """What the address asks for. Days are business days, both included; amounts are included, too."""

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

    @property
    def filter_only(self) -> "Asked":
        """The same rows, without a place among them or a way to look at them: what an export takes."""
        return replace(self, size=PAGE_SIZES[0], pace=PACES[0], older=None, newer=None)

    @property
    def is_filtered(self) -> bool:
        return self.filter_only != Asked()

    def wanted(self, zone: ZoneInfo, me: uuid.UUID | None = None) -> TransactionFilter:
        """`me` is whose rows "mine only" means."""
        if self.mine and me is None:
            # Left out it would widen the filter to everybody's rows.
            raise BadInput("“Mine only” needs somebody who is signed in. Take it out of the filter.")
        return TransactionFilter(
            billers=self.billers,
            statuses=self.statuses,
            types=self.types,
            since=clock.day_bounds(self.first_day, zone)[0] if self.first_day else None,
            until=clock.day_bounds(self.last_day, zone)[1] if self.last_day else None,
            amount_min=self.amount_min,
            amount_max=self.amount_max,
            account=self.account,
            reference=self.reference,
            search=self.search,
            initiated_by=me if self.mine else None,
            in_doubt=self.in_doubt,
            under_review=self.under_review,
            reasons=self.reasons,
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
            "min": "" if self.amount_min is None else f"{self.amount_min:f}",
            "max": "" if self.amount_max is None else f"{self.amount_max:f}",
            "account": self.account,
            "ref": self.reference,
            "mine": "1" if self.mine else "",
            "doubt": "1" if self.in_doubt else "",
            "review": "" if self.under_review is None else "1" if self.under_review else "0",
            "reason": list(self.reasons),
            "size": "" if self.size == PAGE_SIZES[0] else str(self.size),
            "every": "" if self.pace == PACES[0] else str(self.pace),
            "older": cursor_text(self.older),
            "newer": cursor_text(self.newer),
        }
        return {name: value for name, value in pairs.items() if value}


# ---- Reading


def read(address: Address, billers: Iterable[str]) -> Asked:
    """What the address says and this console knows; a value nobody has heard of is left out, as if it were not there."""
    return read_and_tell(address, billers)[0]


def read_and_tell(address: Address, billers: Iterable[str]) -> tuple[Asked, tuple[str, ...]]:
    """Besides, the names of the parameters that were left out, whole or in part: a list says so, an export refuses them."""
    reader = _Reader(address)
    asked = Asked(
        search=reader.text("q"),
        billers=reader.known("biller", billers),
        statuses=reader.known("status", (status.value for status in Status)),
        types=reader.known("type", (kind.value for kind in TransactionType)),
        first_day=reader.one("from", _day),
        last_day=reader.one("to", _day),
        amount_min=reader.one("min", bound),
        amount_max=reader.one("max", bound),
        account=reader.text("account"),
        reference=reader.text("ref"),
        mine=reader.one("mine", _yes) or False,
        in_doubt=reader.one("doubt", _yes) or False,
        under_review=reader.one("review", {"1": True, "0": False}.get),
        reasons=reader.words("reason"),
        size=reader.one("size", lambda text: _number(text, PAGE_SIZES)) or PAGE_SIZES[0],
        pace=PACES[0] if (pace := reader.one("every", lambda text: _number(text, PACES))) is None else pace,
        older=reader.one("older", cursor),
        newer=reader.one("newer", cursor),
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
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:LONGEST_SEARCH].strip()


def bound(text: str) -> Decimal | None:
    """An amount as a person or an address writes it; None for nothing. Raises `BadInput` with what to write instead."""
    return Money.parse(text).amount if text.strip() else None


def cursor_text(place: Cursor | None) -> str:
    """`20251123T120510.123456Z~<id>`: short, and the same in every zone."""
    return f"{place.created_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}~{place.id}" if place else ""


def cursor(text: str) -> Cursor | None:
    moment, _, transaction_id = text.partition("~")
    try:
        return Cursor(datetime.strptime(moment, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC), uuid.UUID(transaction_id))
    except ValueError:
        return None


def _yes(text: str) -> bool | None:
    return True if text == "1" else None


def _number(text: str, known: Sequence[int]) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,3}", text, re.ASCII) and int(text) in known else None


def _day(text: str) -> date | None:
    day = date.fromisoformat(text)
    # Outside these, the bounds of a business day cannot be told in UTC.
    return day if 2000 <= day.year <= 2200 else None


# ---- In words


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing the filter asks for, in words, and what would be asked for without it."""

    words: str
    without: Asked


def conditions(asked: Asked, names: Mapping[str, str], escape: Escape = str) -> list[list[Condition]]:
    """The filter in words. Conditions that stand together are alternatives; all groups hold at once. `names` are the billers', by code."""
    groups = [
        [Condition(f"“{escape(asked.search)}”", replace(asked, search=""))] if asked.search else [],
        [Condition(Status(one).value.lower(), replace(asked, statuses=_less(asked.statuses, one))) for one in asked.statuses],
        [Condition(TYPE_WORDS[TransactionType(one)], replace(asked, types=_less(asked.types, one))) for one in asked.types],
        [Condition(escape(names.get(one, one)), replace(asked, billers=_less(asked.billers, one))) for one in asked.billers],
        [Condition(f"from {_day_text(asked.first_day)}", replace(asked, first_day=None))] if asked.first_day else [],
        [Condition(f"until {_day_text(asked.last_day)}", replace(asked, last_day=None))] if asked.last_day else [],
        [Condition(f"{asked.amount_min:,f} or more", replace(asked, amount_min=None))] if asked.amount_min is not None else [],
        [Condition(f"{asked.amount_max:,f} or less", replace(asked, amount_max=None))] if asked.amount_max is not None else [],
        [Condition(f"account {_with(asked.account)}“{escape(asked.account)}”", replace(asked, account=""))] if asked.account else [],
        [Condition(f"reference “{escape(asked.reference)}”", replace(asked, reference=""))] if asked.reference else [],
        [Condition("mine only", replace(asked, mine=False))] if asked.mine else [],
        [Condition("in doubt", replace(asked, in_doubt=False))] if asked.in_doubt else [],
        [Condition("under review" if asked.under_review else "not under review", replace(asked, under_review=None))] if asked.under_review is not None else [],
        [Condition(_reason_text(one, escape), replace(asked, reasons=_less(asked.reasons, one))) for one in asked.reasons],
    ]
    return [group for group in groups if group]


def in_words(asked: Asked, names: Mapping[str, str], escape: Escape = str) -> str:
    """`failed or completed, payments, from 1 Nov 2025`; "every transaction" where nothing is asked for."""
    return ", ".join(" or ".join(one.words for one in group) for group in conditions(asked, names, escape)) or "every transaction"


def contradiction(asked: Asked) -> str | None:
    """Why nothing can match, as a sentence, or None."""
    if asked.first_day and asked.last_day and asked.first_day > asked.last_day:
        return "The first day is after the last one, so nothing can match. Swap them."
    if asked.amount_min is not None and asked.amount_max is not None and asked.amount_min > asked.amount_max:
        return "The least amount is above the largest one, so nothing can match. Swap them."
    return None


def _less(values: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(value for value in values if value != one)


def _reason_text(reason: str, escape: Escape) -> str:
    return "without a code" if reason == NO_REASON else f"code “{escape(reason)}”"


def _day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _with(account: str) -> str:
    return "with " if len(account) >= SHORTEST_PART else ""
