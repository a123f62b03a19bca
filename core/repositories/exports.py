"""The rows of a filter as a file: one snapshot on a connection of its own, streamed by the database, so that a million rows take no more memory than one.

And what is kept of each: who took which rows away, how far it came, and how it ended.
"""

import selectors
import threading
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import Any, cast
from zoneinfo import ZoneInfo

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn
from psycopg.rows import dict_row
from sqlalchemy import ClauseElement, ColumnElement, Select, String, and_, case, func, literal, or_, select, update
from sqlalchemy import cast as as_type
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, aliased

from core import db
from core.errors import Unavailable
from core.models import Export, Transaction, User
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import IS_PAID
from core.repositories.steps import has_whole_hours
from core.repositories.transactions import Sort

# An export goes on for as long as its reader takes; this is when it is a defect.
LONGEST_SECONDS = 3_600

# What is handed on at once: large enough that a block costs next to nothing, small enough to be flat.
BLOCK_BYTES = 256 * 1024

# How often a reading that waits for the database looks whether it is still wanted.
LOOK_SECONDS = 0.2

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


class Stopped(Exception):
    """The reading was told to stop."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What a snapshot holds: the rows, and per currency the value paid."""

    rows: int
    value: Mapping[str, Decimal]


class Snapshot:
    """The database as it is at one moment, for one reader. Whoever opens it closes it."""

    def __init__(self, zone: ZoneInfo) -> None:
        """`zone` is what times are written in. Raises `Unavailable`."""
        # So many rows have left.
        self.rows = 0
        self._zone = zone
        self._stopped = threading.Event()
        self._blocks: Generator[bytes, None, None] | None = None
        try:
            borrowed = db.engine().raw_connection()
            self._connection = cast("psycopg.Connection[Any]", borrowed.driver_connection)
            # Its own from here on: a slow reader keeps no connection that payments wait for.
            borrowed.detach()
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
            self._set("TimeZone", zone.key)
            self._set("statement_timeout", f"{LONGEST_SECONDS}s")
            self._set("idle_in_transaction_session_timeout", f"{LONGEST_SECONDS}s")
        except (InterfaceError, OperationalError, PoolTimeoutError, psycopg.OperationalError) as error:
            raise Unavailable from error

    def _set(self, name: str, value: str) -> None:
        self._connection.execute("SELECT set_config(%s, %s, true)", (name, value))

    def sum(self, wanted: TransactionFilter) -> Sum:
        """Counted row by row: a file is compared with what was counted, and sums that are kept elsewhere are compared with files."""
        query = (
            select(Transaction.currency, func.count().label("rows"), func.sum(Transaction.amount).filter(IS_PAID).label("value"))
            .where(*wanted.conditions())
            .group_by(Transaction.currency)
            .order_by(Transaction.currency)
        )
        with self._connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(*_compiled(query)).fetchall()
        return Sum(sum(row["rows"] for row in found), {row["currency"]: row["value"] for row in found if row["value"]})

    def blocks(self, wanted: TransactionFilter, profile: Profile, columns: Sequence[str] = (), sort: Sort = Sort.NEWEST) -> Generator[bytes, None, None]:
        """The CSV as it comes, header first, in whole rows. Once for each snapshot. Raises `Stopped`, and psycopg's own where the database does not go on."""
        return self.copied(rows(wanted, profile, columns, sort, self._zone))

    def copied(self, query: Select[Any]) -> Generator[bytes, None, None]:
        """The same of any question's rows."""
        self._blocks = self._copy(query)
        return self._blocks

    def _copy(self, query: Select[Any]) -> Generator[bytes, None, None]:
        statement, parameters = _compiled(query)
        with self._connection.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')", parameters):
            yield from self._read(self._connection.pgconn)

    def _read(self, server: PGconn) -> Iterator[bytes]:
        """Rows, many at once. Psycopg's own way goes through several layers for each of them, and takes longer than the server does to make one."""
        # Poured together at once: kept side by side, the collector of garbage would go through them again and again. The first is the line of names.
        block, rows, take = bytearray(), -1, server.get_copy_data
        with selectors.DefaultSelector() as line:
            line.register(server.socket, selectors.EVENT_READ)
            while True:
                length, row = take(1)
                if length > 0:
                    block += row
                    rows += 1
                    if len(block) >= BLOCK_BYTES:
                        self.go_on()
                        self.rows += rows
                        yield bytes(block)
                        block, rows = bytearray(), 0
                elif length == 0:
                    while not line.select(LOOK_SECONDS):
                        self.go_on()
                    server.consume_input()
                else:
                    break
        # Before the last ones are handed on: whoever leaves after them leaves a connection that is done.
        while result := server.get_result():
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)
        self.rows += rows
        if block:
            yield bytes(block)

    def go_on(self) -> None:
        """Raises `Stopped` once it was told to stop."""
        if self._stopped.is_set():
            raise Stopped

    def stop(self) -> None:
        """From any thread: a reading that is under way ends within a moment."""
        self._stopped.set()

    def close(self) -> None:
        """Ends whatever it was doing: psycopg cancels a copy that is left in the middle."""
        try:
            if self._blocks is not None:
                self._blocks.close()
        except psycopg.Error:
            # The server has ended it first.
            pass
        finally:
            self._connection.close()


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


def _compiled(query: ClauseElement) -> tuple[str, dict[str, Any]]:
    """SQL and its parameters, apart, as psycopg takes them: COPY has none of its own, so psycopg quotes them by its own rules."""
    compiled = query.compile(dialect=db.engine().dialect, compile_kwargs={"render_postcompile": True})
    return compiled.string, dict(compiled.params)


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
