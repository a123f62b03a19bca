"""A biller's statement comes in: looked at, read with the biller's map of columns, loaded and matched, all of it or nothing, and nothing twice."""

import csv
import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from io import TextIOWrapper
from itertools import islice
from pathlib import PurePath
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs
from core.documents.statement_lines import HEADER_WITHIN, Columns, Line, Reading, check, find_header, guessed, names_of, text_of
from core.documents.statement_rows import BLOCK, Table, opened
from core.errors import BadInput, NotAllowed, NotFound, NotLegalNow
from core.ids import new_id
from core.models import BillerConfig, Statement, StatementColumns
from core.repositories.billers import Billers
from core.repositories.reconciliation import Reconciliation
from core.security import audit
from core.services.day_figures import count_days
from core.settings import settings

# A quarter: more of one biller at once is a mistake in its days.
MOST_DAYS = 92

# What is shown of a file before it is imported.
ROWS_SHOWN = 8

LONGEST_NAME = 120

# Lines on their way to the database lie on the disk beyond this.
MOST_HELD = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """A file before it is imported: its columns, its first rows as text, and the map it would be read with."""

    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    columns: Columns
    # The map is the one that this biller's files were read with before, and its columns are all there.
    is_kept: bool
    # When this very file was imported, and by nobody else's doing: nothing would be changed.
    imported_before: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import. Without new lines nothing was changed."""

    lines: int
    new_lines: int
    matched: int
    passed_over: int
    # Rows that have an amount and were passed over all the same: totals, most likely.
    with_amount: Sequence[int]
    days: Sequence[date]
    statement_id: uuid.UUID | None = None


@needs("reconciliation:import")
def look(actor: Actor, /, biller_type: str, file: BinaryIO) -> Look:
    """Reads the first rows and nothing else. Raises `BadInput` for what is no table, with what to do about it."""
    with db.unit_of_work() as session:
        biller = served(actor, session, biller_type)
        kept = Reconciliation(session).columns(biller.biller_type)
        before = Reconciliation(session).with_hash(biller_type, _hash(file))
    table = opened(file)
    columns = Columns.from_json(kept.columns) if kept else None
    with closing(table.rows()) as rows:
        first = list(islice(rows, HEADER_WITHIN + ROWS_SHOWN))
    header = (find_header(first, columns) if columns else None) or find_header(first)
    if header is None:
        raise BadInput(f"No row among the first {HEADER_WITHIN} reads like names of columns. Ask the biller for a statement that names its columns.")
    names = names_of(header)
    is_kept = columns is not None and find_header([header], columns) is not None
    return Look(
        names=[name for name in names if name],
        rows=[[text_of(cell) for cell in row.cells] for row in first if row.number > header.number and any(text_of(cell) for cell in row.cells)][:ROWS_SHOWN],
        columns=columns if columns is not None and is_kept else guessed(header),
        is_kept=is_kept,
        imported_before=before is not None,
    )


@needs("reconciliation:import")
def load(actor: Actor, /, biller_type: str, file_name: str, file: BinaryIO, columns: Columns) -> Imported:
    """Imports the file and matches its lines. The same file, and a file with nothing but lines that are there, change nothing.

    Raises `BadInput` with the first rows that cannot be read, and `NotLegalNow` where a line is of a day that is signed off; then nothing was kept.
    """
    _person(actor)
    check(columns)
    digest = _hash(file)
    with db.unit_of_work() as session:
        served(actor, session, biller_type)
        if Reconciliation(session).with_hash(biller_type, digest):
            return Imported(0, 0, 0, 0, (), ())
    table, size = opened(file), file.seek(0, 2)
    zone = ZoneInfo(settings().billers_timezone)
    reading = Reading(columns, zone, clock.business_day(clock.now(), zone))
    with SpooledTemporaryFile(MOST_HELD) as spool, TextIOWrapper(cast("BinaryIO", spool), "utf-8", newline="") as text:
        # Read to the end before the database is asked for anything: a slow file holds no connection, and nobody's lock.
        csv.writer(text).writerows(_within_reason(reading, table))
        text.seek(0)
        return _load(actor, biller_type, _File(file_name, table.format, size, digest, cast("BinaryIO", spool)), columns, reading)


@dataclass(frozen=True, slots=True)
class _File:
    """What came in, and its lines as the database takes them."""

    name: str
    format: str
    size_bytes: int
    sha256: bytes
    lines: BinaryIO


def _load(actor: Actor, biller_type: str, file: _File, columns: Columns, reading: Reading) -> Imported:
    with db.unit_of_work() as session:
        biller, found = served(actor, session, biller_type), Reconciliation(session)
        found.hold(biller_type)
        if found.with_hash(biller_type, file.sha256):
            return Imported(0, 0, 0, 0, (), ())
        found.stage(file.lines, biller_type, biller.default_currency)
        lines, fresh, first, last = found.staged()
        if first is None or last is None:
            raise BadInput("There is no payment in this file: no row has an amount, a day, and a reference or an account. Compare the columns that are chosen.")
        if not fresh:
            return Imported(lines, 0, 0, reading.passed_over, tuple(reading.with_amount), ())
        _refuse_closed(found, biller_type)
        statement = Statement(
            id=new_id(),
            biller_type=biller_type,
            file_name=_name(file.name),
            format=file.format,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            columns=columns.as_json(),
            first_day=first,
            last_day=last,
            lines=lines,
            new_lines=fresh,
            passed_over=reading.passed_over,
            imported_by=_person(actor),
        )
        found.keep_staged(statement, biller.default_currency)
        matched = found.match(biller_type, first, last)
        days = count_days(session, biller_type, first, last)
        _keep_columns(session, actor, biller_type, columns)
        told = {"biller": biller_type, "file": statement.file_name, "sha256": file.sha256.hex(), "lines": lines, "new": fresh, "matched": matched}
        audit.record(session, actor, "statement.imported", "statement", statement.id, **told, passed_over=reading.passed_over)
    return Imported(lines, fresh, matched, reading.passed_over, tuple(reading.with_amount), tuple(sorted(days)), statement.id)


def served(by: Actor, session: Session, biller_type: str) -> BillerConfig:
    """The biller, for whoever sees it. A biller that is switched off still sends statements."""
    biller = Billers(session).any_of(biller_type) if by.serves(biller_type) else None
    if biller is None:
        raise NotFound("There is no such biller. Choose one from the list.")
    return biller


def _person(actor: Actor) -> uuid.UUID:
    if actor.id is None:
        raise NotAllowed("A person imports a statement: whoever signs the day off is somebody else.")
    return actor.id


def _within_reason(reading: Reading, table: Table) -> Iterator[Line]:
    first = last = None
    for line in reading.lines(table.rows):
        first, last = min(first or line.day, line.day), max(last or line.day, line.day)
        if last - first > timedelta(days=MOST_DAYS):
            raise BadInput(
                f"The days of this file lie more than {MOST_DAYS} days apart: {first:%d %b %Y} and {last:%d %b %Y}. Import it in parts, if they are right."
            )
        yield line


def _refuse_closed(found: Reconciliation, biller_type: str) -> None:
    if closed := found.closed_among_new(biller_type):
        days = ", ".join(f"{day:%d %b %Y} ({count:,} line{'' if count == 1 else 's'})" for day, count in closed[:3])
        raise NotLegalNow(f"This file has new lines of days that are signed off: {days}. A manager reopens such a day first; nothing was imported.")


def _keep_columns(session: Session, actor: Actor, biller_type: str, columns: Columns) -> None:
    kept, found = columns.as_json(), Reconciliation(session).columns(biller_type)
    before = found.columns if found else None
    if before == kept:
        return
    if found is None:
        session.add(StatementColumns(biller_type=biller_type, columns=kept, changed_by=actor.id))
    else:
        found.columns, found.changed_by, found.changed_at = kept, actor.id, func.clock_timestamp()
    session.flush()
    audit.record(session, actor, "statement.columns_changed", "biller", biller_type, before=before, after=kept)


def _hash(file: BinaryIO) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.digest()


def _name(said: str) -> str:
    """The file's own name, without its folders and without signs that cannot be seen."""
    name = "".join(letter for letter in PurePath(said.replace("\\", "/")).name if letter.isprintable())
    return re.sub(r"\s+", " ", name).strip()[:LONGEST_NAME] or "statement"
