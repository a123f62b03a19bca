"""The rows of a filter as a file: which there are, in which columns, and how each cell is written for whom.

And what is kept of each: who took which rows away, how far it came, and how it ended.
"""

import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, DateTime, Select, String, and_, bindparam, case, func, literal, or_, select, update
from sqlalchemy import cast as as_type
from sqlalchemy.orm import Session, aliased

from core.models import Export, Transaction, User
from core.repositories.filters import TransactionFilter
from core.repositories.rollup_questions import summed_by_hour
from core.repositories.snapshots import Snapshot
from core.repositories.statistics import IS_PAID
from core.repositories.steps import has_whole_hours
from core.repositories.transactions import Sort

# What one question asks for, where many rows are asked for: some megabytes.
PIECE_ROWS = 50_000

# From when to when a piece is, both as the server reads them.
SINCE, UNTIL, NEVER, FOREVER = "piece_since", "piece_until", "-infinity", "infinity"
MOMENT = DateTime(timezone=True)

# A spreadsheet that meets one of these at the start of a cell takes what follows for a formula; the wide forms are those of East Asian keyboards.
FORMULA_SIGNS = "=+-@＝＋－＠"
# Spreadsheets look past these for the sign.
BLANKS = " \t\r\n\v\f\u00a0\u3000\ufeff"

# Longer texts cannot stand in a formula, and neither can a new line: such an identifier gets an apostrophe.
LONGEST_LITERAL = 255

UTC = ZoneInfo("UTC")

# Where whole seconds are counted from does not matter.
SECOND, SOME_SECOND = timedelta(seconds=1), datetime(2000, 1, 1, tzinfo=UTC)

# `2025-11-23 10:42:05`.
LOCAL_LENGTH = 19

Cell = ColumnElement[Any]


class Profile(StrEnum):
    """For whom the file is."""

    SPREADSHEET = "spreadsheet"  # CSV for people: opens in a spreadsheet as it is meant.
    DATA = "data"  # CSV for programs: every value exactly as it is kept.
    WORKBOOK = "workbook"  # XLSX: text, amounts and moments are cells of their kinds.


class Kind(Enum):
    """What stands in a column, whatever the file."""

    REFERENCE = auto()  # One of ours: letters and digits, made by us.
    IDENTIFIER = auto()  # Letters and digits that are no number: a zero in front counts.
    TEXT = auto()  # What a person or a biller wrote.
    WORD = auto()  # One of our own words.
    AMOUNT = auto()
    MOMENT = auto()
    PERSON = auto()  # Who: told by the name they sign in with.


@dataclass(frozen=True, slots=True)
class Column:
    kind: Kind
    value: Cell


_original = aliased(Transaction)

# Every column a file can have, by its name and in its order.
COLUMNS: Mapping[str, Column] = {
    "reference": Column(Kind.REFERENCE, Transaction.our_transaction_id.expression),
    "submitted_at": Column(Kind.MOMENT, Transaction.created_at.expression),
    "biller": Column(Kind.WORD, Transaction.biller_type.expression),
    "biller_name": Column(Kind.TEXT, Transaction.biller_name.expression),
    "type": Column(Kind.WORD, Transaction.transaction_type.expression),
    "account_number": Column(Kind.IDENTIFIER, Transaction.account_number.expression),
    "account_type": Column(Kind.TEXT, Transaction.account_type.expression),
    "customer_name": Column(Kind.TEXT, Transaction.customer_account_name.expression),
    "amount": Column(Kind.AMOUNT, Transaction.amount.expression),
    "currency": Column(Kind.WORD, Transaction.currency.expression),
    "status": Column(Kind.WORD, Transaction.status.expression),
    "stage": Column(Kind.WORD, Transaction.stage.expression),
    "biller_reference": Column(Kind.IDENTIFIER, Transaction.external_transaction_id.expression),
    "invoice_number": Column(Kind.IDENTIFIER, Transaction.invoice_number.expression),
    "bundle_id": Column(Kind.IDENTIFIER, Transaction.bundle_id.expression),
    "meter_number": Column(Kind.IDENTIFIER, Transaction.meter_number.expression),
    "debit_account": Column(Kind.IDENTIFIER, Transaction.debit_account.expression),
    "error_code": Column(Kind.TEXT, Transaction.error_code.expression),
    "error_message": Column(Kind.TEXT, Transaction.error_message.expression),
    "submitted_by": Column(Kind.PERSON, Transaction.initiated_by.expression),
    "settled_at": Column(Kind.MOMENT, Transaction.completed_at.expression),
    "retry_of": Column(
        Kind.REFERENCE,
        case(
            (Transaction.retry_of.is_not(None), select(_original.our_transaction_id).where(_original.id == Transaction.retry_of).scalar_subquery()),
        ),
    ),
    "demonstration": Column(Kind.WORD, as_type(Transaction.demo, String)),
}


@dataclass(frozen=True, slots=True)
class Sum:
    """What a snapshot holds: the rows, and per currency the value paid."""

    rows: int
    value: Mapping[str, Decimal]


class TransactionSnapshot(Snapshot):
    """The transactions as they are at one moment."""

    def sum(self, wanted: TransactionFilter) -> Sum:
        """Counted row by row: a file is compared with what was counted, and sums that are kept elsewhere are compared with files."""
        query = (
            select(Transaction.currency, func.count().label("rows"), func.sum(Transaction.amount).filter(IS_PAID).label("value"))
            .where(*wanted.conditions())
            .group_by(Transaction.currency)
            .order_by(Transaction.currency)
        )
        found = self.fetched(query)
        return Sum(sum(row["rows"] for row in found), {row["currency"]: row["value"] for row in found if row["value"]})

    def blocks(
        self, wanted: TransactionFilter, held: Sum, profile: Profile, columns: Sequence[str] = (), sort: Sort = Sort.NEWEST
    ) -> Generator[bytes, None, None]:
        """The CSV as it comes, header first, in whole rows: of `held` so many. Once for each snapshot. Raises what `copied` raises."""
        query = rows(wanted, profile, columns, sort, self._zone)
        between = (Transaction.created_at >= bindparam(SINCE, NEVER, MOMENT), Transaction.created_at < bindparam(UNTIL, FOREVER, MOMENT))
        # In the order of amounts there is no moment before which one half of the file lies.
        count = 1 if sort.by_amount else held.rows // PIECE_ROWS
        cuts = cut(self.fetched(summed_by_hour(wanted)), count) if count > 1 else []
        pieces = [{SINCE: since, UNTIL: until} for since, until in pairwise([NEVER, *cuts, FOREVER])]
        return self.copied(query.where(*between), pieces[::-1] if sort.descending else pieces)


def cut(hours: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """The hours at which about as much has come as each of so many pieces has to have."""
    whole, so_far, cuts = sum(one["count"] for one in hours), 0, list[str]()
    for one in hours:
        if so_far * count >= whole * (len(cuts) + 1):
            cuts.append(one["hour"].isoformat())
        so_far += one["count"]
    return cuts


def rows(wanted: TransactionFilter, profile: Profile, columns: Sequence[str] = (), sort: Sort = Sort.NEWEST, zone: ZoneInfo = UTC) -> Select[Any]:
    """The file's rows, in the order of the list, with all columns where none is named. The filter is the one of everywhere; the profile is how cells look."""
    cells = [CELLS[profile][COLUMNS[name].kind](COLUMNS[name].value, zone).label(_title(name, profile, zone)) for name in columns or COLUMNS]
    return select(*cells).select_from(Transaction).where(*wanted.conditions()).order_by(*sort.order())


def _title(name: str, profile: Profile, zone: ZoneInfo) -> str:
    """A date in a workbook has no offset beside it: the zone stands over it."""
    return f"{name} ({zone.key})" if profile is Profile.WORKBOOK and COLUMNS[name].kind is Kind.MOMENT else name


# ---- Cells


def _as_it_is(value: Cell, _zone: ZoneInfo) -> Cell:
    return value


def _reference(value: Cell, _zone: ZoneInfo) -> Cell:
    """`="00123"`: the one form in which a spreadsheet keeps leading zeros, more than 15 digits and `1E5` as they are, and shows them without an addition."""
    return literal('="', String).concat(value).concat('"')


def _identifier(value: Cell, zone: ZoneInfo) -> Cell:
    """The same for what others made, and may have made so that it breaks out."""
    needs_no_care = and_(func.octet_length(value) <= LONGEST_LITERAL, ~value.regexp_match('["[:cntrl:]]'))
    fits_in_no_literal = or_(func.length(value) > LONGEST_LITERAL, value.regexp_match("[[:cntrl:]]"))
    return case(
        (value.is_(None), None),
        (needs_no_care, _reference(value, zone)),
        (fits_in_no_literal, func.concat("'", value)),
        else_=_reference(func.replace(value, '"', '""'), zone),
    )


def _text(value: Cell, _zone: ZoneInfo) -> Cell:
    """What would be a formula gets an apostrophe in front, as people who type it themselves do. It stays to be seen: a formula in a name is worth seeing."""
    # Nearly all, and told by comparing bytes: it begins with a letter.
    is_harmless = and_(value.collate("C") >= "A", value.collate("C") <= "~")
    begins = func.left(func.ltrim(value, BLANKS), 1)
    would_be_formula = or_(begins.in_(list(FORMULA_SIGNS)), func.left(value, 1).in_(["\t", "\r", "\n"]))
    return case((value.is_(None), None), (is_harmless, value), (would_be_formula, func.concat("'", value)), else_=value)


def _moment(value: Cell, zone: ZoneInfo) -> Cell:
    """ISO 8601 to the second, with the offset, in the snapshot's zone. By plain arithmetic: `date_trunc` would take each moment apart by the calendar first."""
    return _exact_moment(func.date_bin(SECOND, value, SOME_SECOND), zone)


def _exact_moment(value: Cell, zone: ZoneInfo) -> Cell:
    """To the microsecond. As the server writes it anyway, but with a T and the offset's minutes: half the work of a pattern."""
    if has_whole_hours(zone):
        return func.replace(as_type(value, String), " ", "T").concat(":00")
    return func.to_char(value, literal('YYYY-MM-DD"T"HH24:MI:SS.USTZH:TZM'))


def _local_moment(value: Cell, _zone: ZoneInfo) -> Cell:
    """To the second and without an offset, which a spreadsheet's dates do not have."""
    return func.left(as_type(value, String), LOCAL_LENGTH)


def _person(value: Cell, _zone: ZoneInfo) -> Cell:
    return _looked_up(value, User.username.expression)


def _safe_person(value: Cell, zone: ZoneInfo) -> Cell:
    return _looked_up(value, _text(User.username.expression, zone))


def _looked_up(value: Cell, name: Cell) -> Cell:
    """Names are read once for a whole file. Joined, people would be looked up for each of its rows, or cost the rows their order."""
    names = select(func.jsonb_object_agg(as_type(User.id, String), name)).scalar_subquery()
    return names.op("->>", return_type=String())(as_type(value, String))


_EXACTLY: Mapping[Kind, Callable[[Cell, ZoneInfo], Cell]] = {**dict.fromkeys(Kind, _as_it_is), Kind.PERSON: _person}

CELLS: Mapping[Profile, Mapping[Kind, Callable[[Cell, ZoneInfo], Cell]]] = {
    Profile.SPREADSHEET: {
        **_EXACTLY,
        Kind.REFERENCE: _reference,
        Kind.IDENTIFIER: _identifier,
        Kind.TEXT: _text,
        Kind.MOMENT: _moment,
        Kind.PERSON: _safe_person,
    },
    Profile.DATA: {**_EXACTLY, Kind.MOMENT: _exact_moment},
    Profile.WORKBOOK: {**_EXACTLY, Kind.MOMENT: _local_moment},
}


# ---- What is kept of each


# Seen each second while it lives: one that nobody has seen for so long is dead.
DEAD_AFTER = timedelta(seconds=30)


class State(StrEnum):
    RUNNING = "running"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    BROKEN_OFF = "broken off"  # It ended too early, or its process died and nobody wrote an end.


@dataclass(frozen=True, slots=True)
class Kept:
    """An export with the name of who asked for it, and how it stands."""

    export: Export
    by: str
    state: State


class Exports:
    def __init__(self, session: Session) -> None:
        self._session = session

    def by_id(self, export_id: uuid.UUID) -> Kept | None:
        found = self._session.execute(_kept().where(Export.id == export_id).execution_options(populate_existing=True)).one_or_none()
        return _read(*found) if found else None

    def latest(self, asked_by: uuid.UUID | None, most: int) -> list[Kept]:
        """The latest: one person's, or everybody's."""
        found = _kept().order_by(Export.begun_at.desc()).limit(most)
        return [_read(*row) for row in self._session.execute(found.where(Export.asked_by == asked_by) if asked_by else found)]

    def note(self, export_id: uuid.UUID, rows: int, size_bytes: int) -> bool:
        """Writes how far it is, and answers whether it is still wanted."""
        so_far = {"rows": rows, "size_bytes": size_bytes, "seen_at": func.clock_timestamp()}
        return self._session.scalar(update(Export).where(_is_open(export_id)).values(so_far).returning(Export.cancelled_at.is_(None))) is not False

    def cancel(self, export_id: uuid.UUID) -> bool:
        """Says that it is not wanted any more. False: it had ended, or was told so already."""
        told = update(Export).where(_is_open(export_id), Export.cancelled_at.is_(None)).values(cancelled_at=func.clock_timestamp())
        return self._session.scalar(told.returning(Export.id)) is not None

    def end(self, export_id: uuid.UUID, **result: object) -> None:
        now = func.clock_timestamp()
        self._session.execute(update(Export).where(_is_open(export_id)).values(ended_at=now, seen_at=now, **result))


def _is_open(export_id: uuid.UUID) -> ColumnElement[bool]:
    return and_(Export.id == export_id, Export.ended_at.is_(None))


def _kept() -> Select[Any]:
    is_dead = Export.seen_at < func.clock_timestamp() - DEAD_AFTER
    state = case(
        (Export.complete.is_(True), State.COMPLETE.value),
        (and_(Export.ended_at.is_not(None), Export.cancelled_at.is_not(None)), State.CANCELLED.value),
        (or_(Export.ended_at.is_not(None), is_dead), State.BROKEN_OFF.value),
        else_=State.RUNNING.value,
    )
    return select(Export, func.coalesce(User.display_name, "Billers"), state).outerjoin(User, User.id == Export.asked_by)


def _read(export: Export, by: str, state: str) -> Kept:
    return Kept(export, by, State(state))
