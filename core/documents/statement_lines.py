"""What stands in a biller's file, read with its map of columns. A value that could be read in two ways is refused with its row, and never guessed."""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from core.documents.statement_rows import Row
from core.documents.workbook_cells import Cell
from core.errors import BadInput

# Longer than any reference or account there is.
LONGEST = 100

# So many rows are told of; whoever mends those finds the rest in the same way.
MOST_COMPLAINTS = 5
MOST_TOLD = 5

# Within so many rows a file has said what its columns are called.
HEADER_WITHIN = 40

# Excel keeps so many digits, and what it adds beyond them is noise of the machine.
EXCEL_DIGITS = 15
EXCEL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's dates have no zone
EXCEL_DAYS = range(20_000, 80_000)

LARGEST = Decimal("9999999999999999.99")
FIRST_DAY = date(2000, 1, 1)

# Words of the kind's column that say money was given back, as billers write them.
USUAL_REVERSALS = ("reversal", "reversed", "refund", "refunded", "rvsl", "credit note", "cancelled")


@dataclass(frozen=True, slots=True)
class Columns:
    """The map: names of columns as the file's header has them; empty where there is none. What is here is kept for each biller."""

    amount: str = ""
    day: str = ""
    time: str = ""
    our_reference: str = ""
    their_reference: str = ""
    account: str = ""
    kind: str = ""
    # Words in the kind's column: money that was given back, and rows that are no payments at all (fees, balances).
    reversals: tuple[str, ...] = USUAL_REVERSALS
    left_out: tuple[str, ...] = ()
    # 11/24/2026 instead of 24/11/2026, and 1.250,00 instead of 1,250.00.
    month_first: bool = False
    decimal_comma: bool = False

    @property
    def named(self) -> Mapping[str, str]:
        """The columns that are there, by what they have."""
        return {name: column for name in NAMES if (column := getattr(self, name))}

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "reversals": list(self.reversals), "left_out": list(self.left_out)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Columns":
        known = {field.name for field in fields(cls)}
        told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items() if name in known}
        return cls(**told)


# What a column can have, with how it is called to people and how billers call it.
NAMES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "our_reference": (
        "Our reference",
        ("our reference", "our ref", "partner reference", "partner ref", "bank reference", "bank ref", "client reference", "customer reference", "external id"),
    ),
    "their_reference": (
        "Their reference",
        ("receipt", "receipt no", "receipt number", "biller reference", "their reference", "transaction id", "transaction no", "reference", "ref", "txn id"),
    ),
    "account": ("Account", ("account", "account number", "account no", "meter", "meter number", "customer number", "customer no", "msisdn", "phone", "member")),
    "amount": ("Amount", ("amount", "amount paid", "paid", "value", "amount mwk", "amount (mwk)", "total")),
    "day": (
        "Day, with or without the time",
        ("date", "transaction date", "payment date", "date and time", "date time", "datetime", "posted", "paid at", "value date"),
    ),
    "time": ("Time, where it stands apart", ("time", "transaction time", "payment time")),
    "kind": ("Kind: payment or given back", ("type", "kind", "transaction type", "status", "description", "narration")),
}


class Line(NamedTuple):
    """One movement. The amount is text as the database takes it, and more than nothing."""

    row: int
    day: date
    at: datetime | None
    our_reference: str | None
    their_reference: str | None
    account: str | None
    amount: str
    kind: str


class Refused(ValueError):
    """Why a cell is not what its column has."""


# ---- The header


def names_of(row: Row) -> list[str]:
    """The columns' names, each once: a second of the same name is told apart."""
    found: list[str] = []
    for cell in row.cells:
        name = text_of(cell)
        again = sum(1 for one in found if one == name or one.startswith(f"{name} (")) if name else 0
        found.append(f"{name} ({again + 1})" if again else name)
    return found


def find_header(rows: Iterable[Row], columns: Columns | None = None) -> Row | None:
    """The row that says what the columns are called: with a map, the one that has its names; without, the one that reads most like it."""
    best, best_score = None, 0
    for row in rows:
        if row.number > HEADER_WITHIN:
            break
        names = {_folded(name) for name in names_of(row) if name}
        if columns is not None:
            if {_folded(name) for name in columns.named.values()} <= names:
                return row
            continue
        score = _likeness(row, names)
        if score > best_score:
            best, best_score = row, score
    return best


def _likeness(row: Row, names: set[str]) -> int:
    """Words only, several of them; each that billers use for a column counts most."""
    cells = [cell for cell in row.cells if text_of(cell)]
    if len(cells) < 2 or not all(isinstance(cell, str) and not any(letter.isdigit() for letter in cell) for cell in cells):
        return 0
    return len(names) + 10 * sum(1 for _, known in NAMES.values() if names & set(known))


def guessed(header: Row) -> Columns:
    """What the columns probably have, for a person to correct. No column has two things."""
    names, taken = names_of(header), set[str]()
    found: dict[str, Any] = {}
    for what, (_, known) in NAMES.items():
        by_word = {_folded(name): name for name in names if name and name not in taken}
        name = next((by_word[word] for word in known if word in by_word), None)
        if name:
            found[what] = name
            taken.add(name)
    return Columns(**found)


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").replace(".", " ").split()).casefold()


def check(columns: Columns) -> None:
    """Raises `BadInput` for a map with which nothing could be matched."""
    if not columns.amount or not columns.day:
        raise BadInput("Choose the column with the amount and the one with the day: without them nothing can be compared.")
    if not (columns.our_reference or columns.their_reference or columns.account):
        raise BadInput("Choose a column with a reference or the account: without one, no line can be told from another.")
    chosen = list(columns.named.values())
    if twice := next((name for name in chosen if chosen.count(name) > 1), None):
        raise BadInput(f"The column “{twice}” is chosen for two things. Choose another one for one of them.")


# ---- Lines


class Reading:
    """Reads the rows once, as they come. What was passed over is counted here."""

    def __init__(self, columns: Columns, zone: ZoneInfo, today: date) -> None:
        check(columns)
        self.passed_over = 0
        # Of those, the first that have an amount: totals, most likely, and for a person to see.
        self.with_amount: list[int] = []
        self._columns = columns
        self._zone = zone
        self._latest = today + timedelta(days=1)
        self._reversals = {word.casefold() for word in columns.reversals}
        self._left_out = {word.casefold() for word in columns.left_out}

    def lines(self, rows: Callable[[], Generator[Row, None, None]]) -> Iterator[Line]:
        """Every movement after the header. Raises `BadInput` with the first rows that cannot be read, after which nothing was kept."""
        with closing(rows()) as first:
            header = find_header(first, self._columns)
        if header is None:
            missing = ", ".join(f"“{name}”" for name in self._columns.named.values())
            raise BadInput(f"No row among the first {HEADER_WITHIN} has these columns: {missing}. Choose the columns anew, or ask for the usual statement.")
        names = [_folded(name) for name in names_of(header)]
        places = {what: names.index(_folded(name)) for what, name in self._columns.named.items()}
        complaints: list[str] = []
        with closing(rows()) as all_rows:
            for row in all_rows:
                if row.number <= header.number:
                    continue
                try:
                    line = self._line(row, places)
                except Refused as error:
                    complaints.append(f"Row {row.number:,}: {error}")
                    if len(complaints) == MOST_COMPLAINTS:
                        break
                    continue
                if line is None:
                    self._pass_over(row, places["amount"])
                elif not complaints:
                    yield line
        if complaints:
            raise BadInput(f"Nothing was imported. {' '.join(complaints)}")

    def _pass_over(self, row: Row, amount: int) -> None:
        self.passed_over += 1
        if len(self.with_amount) < MOST_TOLD and amount < len(row.cells) and text_of(row.cells[amount]):
            self.with_amount.append(row.number)

    def _line(self, row: Row, places: Mapping[str, int]) -> Line | None:
        cells = {what: row.cells[place] if place < len(row.cells) else None for what, place in places.items()}
        amount = cells["amount"]
        our, their, account = (_identifier(cells.get(name)) for name in ("our_reference", "their_reference", "account"))
        word = text_of(cells.get("kind")).casefold()
        # Titles, blank rows, totals at the end, and what the map says is no payment.
        if text_of(amount) == "" or not (our or their or account) or (text_of(cells["day"]) == "") or word in self._left_out:
            return None
        value = amount_of(amount, decimal_comma=self._columns.decimal_comma)
        day, at = moment_of(cells["day"], cells.get("time"), self._zone, month_first=self._columns.month_first)
        if not FIRST_DAY <= day <= self._latest:
            raise Refused(f"{day:%d %b %Y} is no day of a statement. If the file writes the month first, say so under the columns.")
        kind = "REVERSAL" if value < 0 or word in self._reversals else "PAYMENT"
        return Line(row.number, day, at, our.upper() if our else None, their, account, f"{abs(value):f}", kind)


# ---- Cells


def text_of(cell: Cell) -> str:
    """A cell as a person reads it: one line, without signs that cannot be seen, and without what spreadsheets put around text to keep it."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.{EXCEL_DIGITS}g}" if abs(cell) < 10**EXCEL_DIGITS else f"{cell:f}"
    said = cell if isinstance(cell, str) else cell.isoformat(" ") if isinstance(cell, datetime) else str(cell)
    if not said.isascii() or not said.isprintable():
        said = "".join(letter if letter.isprintable() or letter.isspace() else "" for letter in said)
    said = " ".join(said.split())
    if said.startswith('="') and said.endswith('"') and len(said) > 3:
        return said[2:-1].replace('""', '"')
    return said.removeprefix("'")


def _identifier(cell: Cell) -> str | None:
    said = text_of(cell)
    if len(said) > LONGEST:
        raise Refused(f"“{said[:20]}…” is longer than any reference or account.")
    return said or None


_CURRENCY = re.compile(r"^(?:MWK|MK|K)\.?\s*|\s*(?:MWK|MK)$", re.IGNORECASE)
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_GROUPED = re.compile(r"[0-9]{1,3}(?:[, '\u2019][0-9]{3})+(?:\.[0-9]+)?", re.ASCII)
_SWAPPED = str.maketrans(",.", ".,")


@lru_cache(maxsize=4096)
def _amount_of_text(said: str, decimal_comma: bool) -> Decimal:
    bare, sign = said, 1
    if bare.startswith("(") and bare.endswith(")"):
        bare, sign = bare[1:-1].strip(), -1
    bare = _CURRENCY.sub("", bare)
    if bare.startswith(("-", "\N{MINUS SIGN}")) or bare.endswith("-"):
        bare, sign = bare.strip("-\N{MINUS SIGN} "), -1
    bare = _CURRENCY.sub("", bare.removeprefix("+"))
    figures = bare.translate(_SWAPPED) if decimal_comma else bare
    if not (_PLAIN.fullmatch(figures) or _GROUPED.fullmatch(figures)):
        raise Refused(f"“{said[:30]}” is no amount. Amounts look like {'1.250,00' if decimal_comma else '1,250.00'} here.")
    try:
        return sign * Decimal(re.sub(r"[, '\u2019]", "", figures))
    except InvalidOperation:
        raise Refused(f"“{said[:30]}” is no amount.") from None


def amount_of(cell: Cell, *, decimal_comma: bool = False) -> Decimal:
    """Less than nothing for money that was given back. Never rounded. Raises `Refused`."""
    if isinstance(cell, bool | datetime | date | time):
        raise Refused(f"“{text_of(cell)[:30]}” is no amount.")
    value = Decimal(text_of(cell)) if isinstance(cell, int | float) and abs(cell) < 10**EXCEL_DIGITS else _amount_of_text(text_of(cell), decimal_comma)
    if value == 0:
        raise Refused("the amount is nothing. A statement has what was paid.")
    if abs(value) > LARGEST:
        raise Refused("the amount is larger than any the console can keep.")
    exact = value.quantize(Decimal("0.01"))
    if exact != value:
        raise Refused(f"“{text_of(cell)[:30]}” has more than two decimals.")
    return exact


_MONTHS = {name: number for number, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
_REST = r"(?:[T ,]+(?P<time>.+))?"
_DATES = tuple(
    re.compile(pattern + _REST, re.IGNORECASE | re.ASCII)
    for pattern in (
        r"(?P<year>\d{4})[-/. ](?P<month>\d{1,2})[-/. ](?P<day>\d{1,2})",
        r"(?P<first>\d{1,2})[-/. ](?P<second>\d{1,2})[-/. ](?P<year>\d{4}|\d{2})",
        r"(?P<day>\d{1,2})[-/. ]*(?P<name>[a-z]{3,9})\.?[-/., ]*(?P<year>\d{4}|\d{2})",
        r"(?P<name>[a-z]{3,9})\.?[-/. ]+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?[-/ ]+(?P<year>\d{4})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    )
)
_WEEKDAY = re.compile(r"^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+", re.IGNORECASE)
_TIME = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>Z|UTC|GMT|CAT|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE | re.ASCII,
)
_COMPACT_TIME = re.compile(r"(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?(?P<half>)(?P<zone>)", re.ASCII)
_ZONES = {"Z": UTC, "UTC": UTC, "GMT": UTC, "CAT": timezone(timedelta(hours=2))}


def moment_of(day: Cell, apart: Cell, zone: ZoneInfo, *, month_first: bool = False) -> tuple[date, datetime | None]:
    """The business day, and the moment where a time is told. What names no zone is told by the clock on the bank's wall. Raises `Refused`."""
    if isinstance(day, bool):
        raise Refused(f"“{day}” is no day.")
    if isinstance(day, int | float) and int(day) in EXCEL_DAYS:
        day = EXCEL_ZERO + timedelta(days=day)
        day = day.replace(microsecond=0)
    clock: tuple[time, timezone | None] | None
    if isinstance(day, datetime):
        told, clock = day.date(), (day.time(), None) if day.time() != time(0) else None
    elif isinstance(day, date):
        told, clock = day, None
    else:
        told, clock = _day_of_text(text_of(day), month_first)
    if clock is None and apart is not None and text_of(apart):
        clock = (apart, None) if isinstance(apart, time) else (apart.time(), None) if isinstance(apart, datetime) else _time_of_text(text_of(apart))
    if clock is None:
        return told, None
    at = datetime.combine(told, clock[0], clock[1] or zone)
    return at.astimezone(zone).date(), at.astimezone(UTC)


@lru_cache(maxsize=8192)
def _day_of_text(said: str, month_first: bool) -> tuple[date, tuple[time, timezone | None] | None]:
    bare = _WEEKDAY.sub("", said)
    found = next((match for pattern in _DATES if (match := pattern.fullmatch(bare))), None)
    if found is None:
        raise Refused(f"“{said[:30]}” is no day. Days look like 24/11/2026, 2026-11-24 or 24 Nov 2026.")
    parts = found.groupdict()
    year = int(parts["year"]) + (2000 if len(parts["year"]) == 2 else 0)
    if parts.get("first"):
        number, month = (int(parts["second"]), int(parts["first"])) if month_first else (int(parts["first"]), int(parts["second"]))
    else:
        number, month = int(parts["day"]), int(parts["month"]) if parts.get("month") else _MONTHS.get(parts["name"][:3].casefold(), 0)
    try:
        told = date(year, month, number)
    except ValueError:
        hint = " If the file writes the month first, say so under the columns." if parts.get("first") and not month_first else ""
        raise Refused(f"“{said[:30]}” is no day of the calendar.{hint}") from None
    return told, _time_of_text(parts["time"]) if parts["time"] else None


def _time_of_text(said: str) -> tuple[time, timezone | None]:
    found = _TIME.fullmatch(said.strip()) or _COMPACT_TIME.fullmatch(said.strip())
    if found is None:
        raise Refused(f"“{said[:30]}” is no time. Times look like 14:05 or 2:05 pm.")
    hour = int(found["hour"])
    if found["half"]:
        if not 1 <= hour <= 12:
            raise Refused(f"“{said[:30]}” is no time.")
        hour = hour % 12 + (12 if found["half"][0] in "pP" else 0)
    try:
        return time(hour, int(found["minute"]), int(found["second"] or 0)), _zone_of_text(found["zone"])
    except ValueError:
        raise Refused(f"“{said[:30]}” is no time.") from None


def _zone_of_text(said: str | None) -> timezone | None:
    if not said:
        return None
    if known := _ZONES.get(said.upper()):
        return known
    digits: Sequence[str] = said[1:].replace(":", "")
    away = timedelta(hours=int("".join(digits[:2])), minutes=int("".join(digits[2:])))
    return timezone(-away if said[0] == "-" else away)
