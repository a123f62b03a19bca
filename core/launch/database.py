"""Knows which database a command uses, and sees to it that it answers for as long as the command runs."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import dict_row

from core import durability
from core.errors import BillersError
from core.launch.embedded import EmbeddedPostgres
from core.settings import Settings


class DatabaseUnreachable(BillersError):
    """The database that DATABASE_URL names cannot be reached. Start it or correct DATABASE_URL; unset it to use the embedded one."""


def embedded(chosen: Settings) -> EmbeddedPostgres | None:
    return EmbeddedPostgres(chosen.billers_data_dir, chosen.socket_dir) if chosen.embedded else None


def plain_dsn(chosen: Settings) -> str:
    """The tables' owner's URL, as libpq understands it."""
    return plain(chosen.dsn)


def plain(dsn: str) -> str:
    """A URL without SQLAlchemy's driver."""
    return dsn.replace("postgresql+psycopg://", "postgresql://", 1)


class DatabaseNotDurable(BillersError):
    """The database does not promise to keep what it confirms."""


def weakness(connection: psycopg.Connection) -> str | None:
    """What must be set otherwise for a confirmed payment to be kept, as a sentence."""
    with connection.cursor(row_factory=dict_row) as cursor:
        values = cursor.execute(durability.QUESTION).fetchone()
    return durability.weakness(values or {})


def check(chosen: Settings) -> None:
    """Raise DatabaseUnreachable unless the database answers, DatabaseNotDurable unless it keeps what it confirms; the password stays out of the sentence."""
    try:
        with psycopg.connect(plain_dsn(chosen), connect_timeout=10) as connection:
            complaint = weakness(connection)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseUnreachable(f"{DatabaseUnreachable.__doc__} The reason given: {reason}") from error
    if complaint:
        raise DatabaseNotDurable(complaint)


@contextmanager
def in_use(chosen: Settings) -> Iterator[None]:
    """Attach to the embedded database, starting it if need be; an external one is somebody else's to run."""
    server = embedded(chosen)
    if server is None:
        yield
        return
    # By default SIGTERM ends Python at once, and the server would run on with nobody attached.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with server:
        yield
