"""The rows of a filter as a file: one snapshot on a connection of its own, streamed by the database, so that a million rows take no more memory than one."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import ClauseElement, ColumnElement, Select, String, case, func, literal, or_, select
from sqlalchemy import cast as as_type
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import aliased

from core import db
from core.errors import Unavailable
from core.models import Transaction, User
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import IS_PAID

# An export goes on for as long as its reader takes; this is when it is a defect.
LONGEST_SECONDS = 3_600

# A spreadsheet that meets one of these at the start of a cell takes what follows for a formula; the wide forms are those of East Asian keyboards.
FORMULA_SIGNS = "=+-@＝＋－＠"
# Spreadsheets look past these for the sign.
BLANKS = " \t\r\n\v\f\u00a0\u3000\ufeff"

# Longer texts cannot stand in a formula, and neither can a new line: such an identifier gets an apostrophe.
LONGEST_LITERAL = 255

Cell = ColumnElement[Any]


class Profile(StrEnum):
    """For whom the file is."""

    SPREADSHEET = "spreadsheet"  # For people: opens in a spreadsheet as it is meant.
    DATA = "data"  # For programs: every value exactly as it is kept.


@dataclass(frozen=True, slots=True)
class Sum:
    """What a snapshot holds: the rows, and per currency the value paid."""

    rows: int
    value: Mapping[str, Decimal]


class Snapshot:
    """The database as it is at one moment, for one reader. Whoever opens it closes it."""

    def __init__(self, zone: ZoneInfo) -> None:
        """`zone` is what times are written in. Raises `Unavailable`."""
        try:
            borrowed = db.engine().raw_connection()
            self._connection = cast("psycopg.Connection[Any]", borrowed.driver_connection)
            # Its own from here on: a slow reader keeps no connection that payments wait for.
            borrowed.detach()
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
            self._lines: Generator[bytes, None, None] | None = None
            self._set("TimeZone", zone.key)
            self._set("statement_timeout", f"{LONGEST_SECONDS}s")
            self._set("idle_in_transaction_session_timeout", f"{LONGEST_SECONDS}s")
        except (InterfaceError, OperationalError, PoolTimeoutError, psycopg.OperationalError) as error:
            raise Unavailable from error

    def _set(self, name: str, value: str) -> None:
        self._connection.execute("SELECT set_config(%s, %s, true)", (name, value))

    def sum(self, wanted: TransactionFilter) -> Sum:
        query = (
            select(Transaction.currency, func.count().label("rows"), func.sum(Transaction.amount).filter(IS_PAID).label("value"))
            .where(*wanted.conditions())
            .group_by(Transaction.currency)
            .order_by(Transaction.currency)
        )
        with self._connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(*_compiled(query)).fetchall()
        return Sum(sum(row["rows"] for row in found), {row["currency"]: row["value"] for row in found if row["value"]})

    def lines(self, wanted: TransactionFilter, profile: Profile) -> Iterator[bytes]:
        """The CSV as it comes, header first: each piece is one row. Once for each snapshot."""
        self._lines = self._copy(wanted, profile)
        return self._lines

    def _copy(self, wanted: TransactionFilter, profile: Profile) -> Generator[bytes, None, None]:
        query, parameters = _compiled(rows(wanted, profile))
        with self._connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')", parameters) as copy:
            yield from cast("Iterator[bytes]", copy)

    def close(self) -> None:
        """Ends whatever it was doing: psycopg cancels a copy that is left in the middle."""
        try:
            if self._lines is not None:
                self._lines.close()
        except psycopg.Error:
            # The server has ended it first.
            pass
        finally:
            self._connection.close()


def rows(wanted: TransactionFilter, profile: Profile) -> Select[Any]:
    """The file's rows, in the order of the list. The same filter as everywhere; what a cell looks like is the profile's."""
    original = aliased(Transaction)
    one = Transaction
    identifier, text, moment = (_identifier, _text, _moment) if profile is Profile.SPREADSHEET else (_as_it_is, _as_it_is, _exact_moment)
    cells: Mapping[str, Cell] = {
        "reference": identifier(one.our_transaction_id),
        "submitted_at": moment(one.created_at),
        "biller": one.biller_type.expression,
        "biller_name": text(one.biller_name),
        "type": one.transaction_type.expression,
        "account_number": identifier(one.account_number),
        "account_type": text(one.account_type),
        "customer_name": text(one.customer_account_name),
        "amount": one.amount.expression,
        "currency": one.currency.expression,
        "status": one.status.expression,
        "stage": one.stage.expression,
        "biller_reference": identifier(one.external_transaction_id),
        "invoice_number": identifier(one.invoice_number),
        "bundle_id": identifier(one.bundle_id),
        "meter_number": identifier(one.meter_number),
        "debit_account": identifier(one.debit_account),
        "error_code": text(one.error_code),
        "error_message": text(one.error_message),
        "submitted_by": text(User.username),
        "settled_at": moment(one.completed_at),
        "retry_of": identifier(original.our_transaction_id),
        "demonstration": as_type(one.demo, String),
    }
    return (
        select(*(cell.label(name) for name, cell in cells.items()))
        .select_from(one)
        .outerjoin(User, User.id == one.initiated_by)
        .outerjoin(original, original.id == one.retry_of)
        .where(*wanted.conditions())
        .order_by(one.created_at.desc(), one.id.desc())
    )


# ---- Cells


def _as_it_is(value: Any) -> Cell:
    return cast("Cell", value.expression)


def _identifier(value: Any) -> Cell:
    """`="00123"`: the one form in which a spreadsheet keeps leading zeros, more than 15 digits and `1E5` as they are, and shows them without an addition."""
    quoted = func.concat('="', func.replace(value, '"', '""'), '"')
    return case((value.is_(None), None), (or_(func.length(value) > LONGEST_LITERAL, value.regexp_match("[[:cntrl:]]")), func.concat("'", value)), else_=quoted)


def _text(value: Any) -> Cell:
    """What would be a formula gets an apostrophe in front, as people who type it themselves do. It stays to be seen: a formula in a name is worth seeing."""
    begins = func.left(func.ltrim(value, BLANKS), 1)
    would_be_formula = or_(begins.in_(list(FORMULA_SIGNS)), func.left(value, 1).in_(["\t", "\r", "\n"]))
    return case((would_be_formula, func.concat("'", value)), else_=value)


def _moment(value: Any) -> Cell:
    """ISO 8601 to the second, with the offset, in the snapshot's zone."""
    return cast("Cell", func.to_char(value, literal('YYYY-MM-DD"T"HH24:MI:SSTZH:TZM')))


def _exact_moment(value: Any) -> Cell:
    return cast("Cell", func.to_char(value, literal('YYYY-MM-DD"T"HH24:MI:SS.USTZH:TZM')))


def _compiled(query: ClauseElement) -> tuple[str, dict[str, Any]]:
    """SQL and its parameters, apart, as psycopg takes them: COPY has none of its own, so psycopg quotes them by its own rules."""
    compiled = query.compile(dialect=db.engine().dialect, compile_kwargs={"render_postcompile": True})
    return compiled.string, dict(compiled.params)
