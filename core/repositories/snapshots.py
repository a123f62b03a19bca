"""The database as it is at one moment, read out as CSV: streamed by the server on connections of its own, so that a million rows take no more memory than one.

What writes the rows is one of the server's processes, and it is what takes the time. A long answer can be asked for piece by piece instead: two connections see
the same moment, and while the rows of one are handed on, the other's server process writes those that come next.
"""

import select
import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus
from psycopg.rows import dict_row
from sqlalchemy import ClauseElement, Select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core import clock, db
from core.errors import Unavailable

# A reading goes on for as long as its reader takes; this is when it is a defect.
LONGEST_SECONDS = 3_600

# What is handed on at once: large enough that a block costs next to nothing, small enough to be flat.
BLOCK_BYTES = 1024 * 1024

# So much is read ahead of its turn.
AHEAD_BYTES = 8 * 1024 * 1024

# How often a reading that waits for the database looks whether it is still wanted.
LOOK_SECONDS = 0.2

# So long a server process may take to end a question that nobody wants any more.
END_SECONDS = 5.0

# One reading at a time has two of the server's processes: payments want theirs.
_second = threading.BoundedSemaphore(1)


class Stopped(Exception):
    """The reading was told to stop."""


class Block(NamedTuple):
    """Whole rows. The line of names is not one of them."""

    rows: int
    csv: bytes


class Line:
    """A connection that one question after another is put to, each once the one before is over. Its rows come in while others are handed on."""

    def __init__(self, zone: ZoneInfo, moment: str | None = None) -> None:
        """`moment` is one that another line has told. Raises `Unavailable`."""
        self._blocks: deque[Block] = deque()
        self._ahead = self._rows = 0
        # Poured together at once: kept side by side, the collector of garbage would go through the rows again and again.
        self._block = bytearray()
        self._is_asked = self._is_copying = False
        try:
            borrowed = db.engine().raw_connection()
        except (InterfaceError, OperationalError, PoolTimeoutError) as error:
            raise Unavailable from error
        self.connection = cast("psycopg.Connection[Any]", borrowed.driver_connection)
        # Its own from here on: a slow reader keeps no connection that payments wait for.
        borrowed.detach()
        try:
            self._begin(zone, moment)
        except psycopg.Error as error:
            self.connection.close()
            raise Unavailable from error

    def _begin(self, zone: ZoneInfo, moment: str | None) -> None:
        self.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self.connection.read_only = True
        if moment is not None:
            self.connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(moment))
        settings = {
            "TimeZone": zone.key,
            "statement_timeout": f"{LONGEST_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{LONGEST_SECONDS}s",
            # Of a million rows a second process counts half, sooner than the first would count them all.
            "max_parallel_workers_per_gather": "1",
        }
        said = "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) AS said (name, value)"
        self.connection.execute(said, (list(settings), list(settings.values())))

    def moment(self) -> str:
        """What another line sees the same by, for as long as this one is open."""
        row = self.connection.execute("SELECT pg_export_snapshot()").fetchone()
        return str(row[0]) if row else ""

    def ask(self, statement: str, parameters: Mapping[str, Any], *, with_names: bool) -> None:
        """Does not wait for the answer."""
        # COPY takes no parameters of its own: psycopg quotes them by its own rules.
        copy = f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER {with_names}, ENCODING 'UTF8')"
        self.connection.pgconn.send_query(psycopg.ClientCursor(self.connection).mogrify(copy, parameters).encode())
        self._is_asked, self._rows = True, -1 if with_names else 0

    @property
    def is_over(self) -> bool:
        """Whether everything that was asked for is here."""
        return not self._is_asked

    @property
    def can_take(self) -> bool:
        return self._is_asked and self._ahead < AHEAD_BYTES

    def fileno(self) -> int:
        return self.connection.pgconn.socket

    def read(self) -> None:
        """Takes in what has come, and does not wait. Raises psycopg's own where the server does not go on.

        By psycopg's own way each row goes through several layers, which takes longer than the server does to make one.
        """
        server = self.connection.pgconn
        if not self.can_take:
            return
        server.consume_input()
        if not self._is_copying:
            if server.is_busy():
                return
            self._expect(server.get_result(), ExecStatus.COPY_OUT)
            self._is_copying = True
        # A million times over: whatever is looked up on the way counts.
        take, block, rows, most, length = server.get_copy_data, self._block, self._rows, BLOCK_BYTES, 0
        while self._ahead < AHEAD_BYTES:
            while len(block) < most:
                length, row = take(1)
                if length <= 0:
                    break
                block += row
                rows += 1
            self._rows = rows
            if length <= 0:
                break
            self._cut()
            block, rows = self._block, self._rows
        if length < 0:
            self._end()

    def _end(self) -> None:
        # Before the last rows are handed on: whoever leaves after them leaves a connection that is done.
        while result := self.connection.pgconn.get_result():
            self._expect(result, ExecStatus.COMMAND_OK)
        self._cut()
        self._is_asked = self._is_copying = False

    def _expect(self, result: Any, status: ExecStatus) -> None:
        if result is None or result.status != status:
            raise psycopg.errors.error_from_result(result) if result else psycopg.OperationalError("the server said nothing")

    def _cut(self) -> None:
        if self._block:
            self._blocks.append(Block(self._rows, bytes(self._block)))
            self._ahead += len(self._block)
            self._block, self._rows = bytearray(), 0

    def taken(self) -> Block | None:
        """The next of what is here."""
        if not self._blocks:
            return None
        block = self._blocks.popleft()
        self._ahead -= len(block.csv)
        return block

    def close(self) -> None:
        """Ends whatever it was doing, so that the server works for nobody."""
        try:
            if self._is_asked:
                self.connection.cancel_safe(timeout=END_SECONDS)
                self._forget_the_rest()
        except psycopg.Error:
            # The server has ended it first.
            pass
        finally:
            self.connection.close()

    def _forget_the_rest(self) -> None:
        until = clock.monotonic_seconds() + END_SECONDS
        while self._is_asked and clock.monotonic_seconds() < until:
            self._blocks.clear()
            self._ahead = 0
            wait_for([self])
            self.read()


def wait_for(lines: Sequence[Line]) -> None:
    """Until one of them has something, or a moment has gone."""
    line = select.poll()
    for each in lines:
        line.register(each, select.POLLIN)
    line.poll(LOOK_SECONDS * 1000)


class Snapshot:
    """The database as it is at one moment, for one reader. Whoever opens it closes it."""

    def __init__(self, zone: ZoneInfo) -> None:
        """`zone` is what times are written in. Raises `Unavailable`."""
        # So many rows have left.
        self.rows = 0
        self._zone = zone
        self._stopped = threading.Event()
        self._lines = [Line(zone)]
        self._has_second = False

    def fetched(self, query: ClauseElement) -> list[dict[str, Any]]:
        """A short answer, whole."""
        with self._lines[0].connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(*compiled(query)).fetchall()

    def copied(self, query: Select[Any], pieces: Sequence[Mapping[str, Any]] = ({},)) -> Generator[bytes, None, None]:
        """The query's rows as CSV with a line of names, in blocks of whole rows: one piece after another, each with its parameters. Once for each snapshot.

        Raises `Stopped`, and psycopg's own where the database does not go on.
        """
        if len(pieces) > 1:
            self._have_a_second()
        return self._copied(query, pieces)

    def _have_a_second(self) -> None:
        """A second line, if nobody has it, and if the server has a process left: one is enough, and two are quicker."""
        self._has_second = _second.acquire(blocking=False)
        if self._has_second:
            with suppress(Unavailable):
                self._lines.append(Line(self._zone, self._lines[0].moment()))

    def _copied(self, query: Select[Any], pieces: Sequence[Mapping[str, Any]]) -> Generator[bytes, None, None]:
        (statement, parameters), lines, next_piece = compiled(query), self._lines, 0
        for number in range(len(pieces)):
            while next_piece < len(pieces) and next_piece < number + len(lines):
                lines[next_piece % len(lines)].ask(statement, {**parameters, **pieces[next_piece]}, with_names=next_piece == 0)
                next_piece += 1
            for block in self._answer(lines[number % len(lines)]):
                self.rows += block.rows
                yield block.csv

    def _answer(self, line: Line) -> Iterator[Block]:
        """What was asked of one line; the others read ahead meanwhile."""
        while True:
            for each in self._lines:
                each.read()
            if block := line.taken():
                self.go_on()
                yield block
            elif line.is_over:
                return
            else:
                wait_for([each for each in self._lines if each.can_take])
                self.go_on()

    def go_on(self) -> None:
        """Raises `Stopped` once it was told to stop."""
        if self._stopped.is_set():
            raise Stopped

    def stop(self) -> None:
        """From any thread: a reading that is under way ends within a moment."""
        self._stopped.set()

    def close(self) -> None:
        try:
            for line in self._lines:
                line.close()
        finally:
            if self._has_second:
                self._has_second = False
                _second.release()


def compiled(query: ClauseElement) -> tuple[str, dict[str, Any]]:
    """SQL and its parameters, apart, as psycopg takes them."""
    made = query.compile(dialect=db.engine().dialect, compile_kwargs={"render_postcompile": True})
    return made.string, dict(made.params)
