"""Taking transactions away: exactly the rows of a filter, from one snapshot, written down before the first byte leaves and again when it is over.

A beginning in the audit without an end is an export whose process was stopped under it; the history tells of such a one by itself.
"""

import hashlib
import threading
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import insert
from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs
from core.documents.workbook import AMOUNT, MOMENT, MOST_ROWS, TEXT
from core.errors import BadInput, BillersError, Busy, NotFound, Unavailable
from core.ids import new_id
from core.models import Export
from core.repositories.billers import Billers
from core.repositories.exports import COLUMNS, Exports, Kept, Kind, Profile, State, Sum, TransactionSnapshot
from core.repositories.snapshots import Stopped
from core.repositories.statistics import Statistics
from core.security import audit
from core.services import workbooks
from core.services.asked import Asked, business_today, in_words
from core.services.scope import narrowed
from core.services.statistics import business_zone
from core.services.workbooks import NotWritten

# Exports at once in this process. Each holds a connection for as long as its reader takes, and payments need theirs.
AT_ONCE = 4

# A spreadsheet takes a file without it for one in the code page of its own country.
BOM = b"\xef\xbb\xbf"

UTC = "UTC"

# How often one that runs writes how far it is, and looks whether it is still wanted.
LOOK_SECONDS = 1.0

# Whoever answers for the work of others sees what others took.
SEES_ALL = "exports:read"

# Lines of the history.
MOST_SHOWN = 50

# Why a file is not whole.
GONE, STUCK, CANCELLED, UNWRITTEN = "the reader went away", "the database did not go on", "it was cancelled", "the workbook could not be written"
DEAD = "its process ended under it"

# What a workbook's cells are, by what stands in the column.
CELLS: Mapping[Kind, str] = {**dict.fromkeys(Kind, TEXT), Kind.AMOUNT: AMOUNT, Kind.MOMENT: MOMENT}

_free = threading.BoundedSemaphore(AT_ONCE)


class TooManyExports(BillersError):
    """Several exports are under way already. Wait until one of them has ended, and try again."""


class TooManyRows(BadInput):
    """These are {rows:,} rows, and an Excel workbook holds {most:,}. Take them as CSV, or narrow the filter, by its days for example."""


class BrokenOff(BillersError):
    """The export broke off, and the file is not whole. Start it again."""


class Cancelled(BrokenOff):
    """This export was cancelled, and the file is not whole. Start it again if you need it after all."""


SUFFIXES: Mapping[Profile, str] = {Profile.SPREADSHEET: ".csv", Profile.DATA: ".csv", Profile.WORKBOOK: ".xlsx"}


@dataclass(eq=False)
class Running:
    """One export under way. `next_block` until it is empty, then `end`; `end` alone whenever the reader is gone."""

    actor: Actor
    words: str
    profile: Profile
    file_name: str
    sum: Sum
    _snapshot: TransactionSnapshot
    _blocks: Generator[bytes, None, None]
    id: uuid.UUID = field(default_factory=new_id)
    size_bytes: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _over: bool = False
    _ended: bool = False
    _because: str = GONE
    _looked_at: float = field(default_factory=clock.monotonic_seconds)
    # One reads, another looks, and an end waits for both.
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _looking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def rows(self) -> int:
        """So many have left."""
        return self._snapshot.rows

    def next_block(self) -> bytes:
        """The next bytes of the file, empty after the last. Raises `BrokenOff` where the database does not go on, `Cancelled`, `NotWritten`."""
        self.look()
        with self._reading:
            if self._ended:
                return b""
            try:
                block = next(self._blocks, b"")
            except (Stopped, psycopg.Error, NotWritten) as error:
                failed = self._failed(error)
            else:
                self._over = not block
                self.size_bytes += len(block)
                self._hash.update(block)
                return block
        self.end()
        raise failed

    def _failed(self, error: Exception) -> BillersError:
        if isinstance(error, Stopped):
            return Cancelled() if self._because == CANCELLED else BrokenOff()
        self._because = UNWRITTEN if isinstance(error, NotWritten) else STUCK
        return error if isinstance(error, BillersError) else BrokenOff()

    def look(self) -> bool:
        """Writes down how far it is, at most once a second, and answers whether it is still wanted. Where not, it ends within a moment. From any thread."""
        with self._looking:
            if not self._ended and clock.monotonic_seconds() - self._looked_at >= LOOK_SECONDS:
                self._looked_at = clock.monotonic_seconds()
                if not self._noted():
                    self._because = CANCELLED
                    self._snapshot.stop()
            return self._because != CANCELLED

    def _noted(self) -> bool:
        try:
            with db.unit_of_work() as session:
                return Exports(session).note(self.id, self.rows, self.size_bytes)
        except (Busy, Unavailable):
            # The file goes on, whether or not anybody can see how far it is.
            return True

    def end(self) -> None:
        """Lets go of the database and writes down what left the house. A second call does nothing."""
        self._snapshot.stop()
        with self._reading, self._looking:
            if self._ended:
                return
            self._ended = True
            try:
                self._blocks.close()
                self._snapshot.close()
            finally:
                _free.release()
            self._write_the_end()

    def _write_the_end(self) -> None:
        whole = self._over and self.rows == self.sum.rows
        if self._over and not whole:
            self._because = f"it has {self.rows:,} rows, and {self.sum.rows:,} were counted"
        left = {"rows": self.rows, "size_bytes": self.size_bytes, "sha256": self._hash.hexdigest(), "complete": whole}
        if not whole:
            left["because"] = self._because
        with db.unit_of_work() as session:
            Exports(session).end(self.id, **left)
            self.record(session, "transactions.exported", **left)

    def record(self, session: Session, action: str, **details: object) -> None:
        audit.record(session, self.actor, action, "export", self.id, filter=self.words, profile=self.profile.value, value=self.sum.value, **details)


@needs("transactions:export")
def begin(actor: Actor, /, asked: Asked, profile: Profile, zone: str | None = None) -> Running:
    """An export of these rows as they are now: in the list's order, with the columns it names, or with all.

    It is written down before anything of it can be read; the caller has to `end` it. `zone` is what times are written in: by default UTC for programs, and the
    bank's own for people. Raises `BadInput`, `TooManyExports`, `TooManyRows`, `Unavailable`.
    """
    # A day that has a name is another one tomorrow: what is kept of this says which it was.
    asked = narrowed(actor, asked.filter_only).settled(business_today())
    wanted, columns, times = asked.wanted(business_zone(), actor.id), _columns(asked), _zone(zone, profile)
    with db.unit_of_work() as session:
        words = in_words(asked, Billers(session).names())
    _take_a_place()
    try:
        snapshot = TransactionSnapshot(times)
        try:
            held = snapshot.sum(wanted)
            if profile is Profile.WORKBOOK and held.rows > MOST_ROWS:
                raise TooManyRows(rows=held.rows, most=MOST_ROWS)
            blocks = _file_of(snapshot, snapshot.blocks(wanted, held, profile, columns, asked.sort), profile, columns)
            running = Running(actor, words, profile, file_name(profile), held, snapshot, blocks)
            _write_the_beginning(running, asked, columns, times)
        except BaseException:
            snapshot.close()
            raise
    except BaseException:
        _free.release()
        raise
    return running


def file_name(profile: Profile) -> str:
    """By the second at which it is asked for."""
    return f"transactions-{clock.now().astimezone(business_zone()):%Y-%m-%d-%H%M%S}{SUFFIXES[profile]}"


def _take_a_place() -> None:
    if not _free.acquire(blocking=False):
        raise TooManyExports


def _file_of(snapshot: TransactionSnapshot, csv: Generator[bytes, None, None], profile: Profile, columns: Sequence[str]) -> Generator[bytes, None, None]:
    if profile is Profile.WORKBOOK:
        return workbooks.made_of(csv, [CELLS[COLUMNS[name].kind] for name in columns], snapshot.go_on)
    return _marked(csv) if profile is Profile.SPREADSHEET else csv


def _marked(csv: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    yield BOM + next(csv, b"")
    yield from csv


def _write_the_beginning(running: Running, asked: Asked, columns: Sequence[str], zone: ZoneInfo) -> None:
    form = {"profile": running.profile.value, "columns": list(columns), "zone": zone.key, "sort": asked.sort.value}
    which = {"filter": running.words, "address": urlencode(asked.address(), doseq=True)}
    value = {currency: str(amount) for currency, amount in running.sum.value.items()}
    with db.unit_of_work() as session:
        session.execute(
            insert(Export).values(
                id=running.id, asked_by=running.actor.id, file_name=running.file_name, expected_rows=running.sum.rows, value=value, **form, **which
            )
        )
        running.record(session, "transactions.export_begun", rows=running.sum.rows)


def _columns(asked: Asked) -> Sequence[str]:
    if unknown := [name for name in asked.columns if name not in COLUMNS]:
        raise BadInput(f"There is no column {unknown[0]}. Choose the columns again.")
    return asked.columns or tuple(COLUMNS)


def _zone(name: str | None, profile: Profile) -> ZoneInfo:
    """The bank's, or UTC: another would be one that nobody here lives in."""
    ours = business_zone()
    if name not in (None, UTC, ours.key):
        raise BadInput(f"Times can be in {ours.key} or in UTC. Choose one of them.")
    return ZoneInfo(UTC) if name == UTC or (name is None and profile is Profile.DATA) else ours


# ---- Told before


@dataclass(frozen=True, slots=True)
class Announced:
    """What a file would hold: so many rows, or more; the value paid, where all of them were counted."""

    rows: int
    is_exact: bool
    value: Mapping[str, Decimal]
    as_of: datetime


@needs("transactions:export")
def announced(actor: Actor, /, asked: Asked) -> Announced:
    """What is known without going through the rows, or through no more of them than a page may."""
    wanted = narrowed(actor, asked.filter_only).wanted(business_zone(), actor.id)
    with db.snapshot() as session:
        found = Statistics(session)
        known = found.count(wanted)
        return Announced(known.rows, known.is_exact, found.figures(wanted).values if known.is_exact else {}, found.now())


@needs("transactions:export")
def counted(actor: Actor, /, asked: Asked) -> Announced:
    """Exactly, however many there are: it takes as long as it takes, and one of the places that exports have. Raises `TooManyExports`, `Unavailable`."""
    wanted = narrowed(actor, asked.filter_only).wanted(business_zone(), actor.id)
    _take_a_place()
    try:
        snapshot = TransactionSnapshot(business_zone())
        try:
            held = snapshot.sum(wanted)
        finally:
            snapshot.close()
    finally:
        _free.release()
    return Announced(held.rows, True, held.value, clock.now())


# ---- What was taken


@needs("transactions:export")
def lately(actor: Actor, /, most: int = MOST_SHOWN) -> list[Kept]:
    """The latest, newest first: one's own, or everybody's for a manager."""
    with db.unit_of_work() as session:
        return Exports(session).latest(None if actor.may(SEES_ALL) else actor.id, min(most, MOST_SHOWN))


@needs("transactions:export")
def kept(actor: Actor, /, export_id: uuid.UUID) -> Kept:
    """What is kept of one. Raises `NotFound` for somebody else's, unless one manages."""
    with db.unit_of_work() as session:
        return _own(session, actor, export_id, actor.may(SEES_ALL))


@needs("transactions:export")
def cancel(actor: Actor, /, export_id: uuid.UUID) -> bool:
    """One's own ends within a moment, whichever window it runs in. False: it had ended already."""
    with db.unit_of_work() as session:
        _own(session, actor, export_id)
        if told := Exports(session).cancel(export_id):
            audit.record(session, actor, "transactions.export_cancelled", "export", export_id)
        return told


def _own(session: Session, actor: Actor, export_id: uuid.UUID, sees_all: bool = False) -> Kept:
    found = Exports(session).by_id(export_id)
    if found is None or (found.export.asked_by != actor.id and not sees_all):
        raise NotFound("There is no such export, or it is somebody else's. Check the address.")
    return found


def why_not_whole(found: Kept) -> str | None:
    return DEAD if found.state is State.BROKEN_OFF and found.export.because is None else found.export.because


def manifest(found: Kept) -> Mapping[str, object]:
    """What goes along with the file: what it was asked to hold, what it holds, and the hash by which it is known."""
    export, zone = found.export, ZoneInfo(found.export.zone)
    return {
        "export": str(export.id),
        "file": export.file_name,
        "state": found.state.value,
        "why_not_complete": why_not_whole(found),
        "exported_by": found.by,
        "begun_at": export.begun_at.astimezone(zone).isoformat(timespec="seconds"),
        "ended_at": export.ended_at.astimezone(zone).isoformat(timespec="seconds") if export.ended_at else None,
        "filter": export.filter,
        "list": f"/transactions?{export.address}" if export.address else "/transactions",
        "order": export.sort,
        "profile": export.profile,
        "columns": export.columns,
        "zone": export.zone,
        "rows": export.rows,
        "rows_counted_before": export.expected_rows,
        "value_paid": export.value,
        "size_bytes": export.size_bytes,
        "sha256": export.sha256,
    }
