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


# What its driver says, and what is to be done about it: the first that fits.
REMEDIES: tuple[tuple[str, str], ...] = (
    ("password authentication failed", "The server is there, and the password is wrong. Correct the password in {variable}."),
    ("no password supplied", "The server asks for a password, and none was given. Write it into {variable}, or into a .pgpass file."),
    ("no pg_hba.conf entry", "The server lets nobody in from this machine under that name. Have a DBA add a line for it to pg_hba.conf."),
    ("Peer authentication failed", "The server lets that role in only for a system user of its name. Have a DBA allow a password for it in pg_hba.conf."),
    ("is not permitted to log in", "The role may not sign in. Have a DBA run: ALTER ROLE … LOGIN."),
    ("role ", "The role is not there. Have a DBA make it, or run `billers roles` where it is one of the programs' own."),
    ("database ", "The database is not there. Have a DBA make it: CREATE DATABASE … OWNER …; or correct the name in {variable}."),
    ("too many clients", "Every connection that the server takes is in use. Raise max_connections, or run fewer processes."),
    ("remaining connection slots", "Every connection that the server takes is in use. Raise max_connections, or run fewer processes."),
    ("resolve host", "There is no such host. Correct its name in {variable}."),
    ("translate host name", "There is no such host. Correct its name in {variable}."),
    ("Name or service not known", "There is no such host. Correct its name in {variable}."),
    ("Connection refused", "Nobody listens there. Start the server, or correct host and port in {variable}."),
    ("timeout", "Nobody answered. A firewall may be in between, or the server is down."),
    ("SSL", "The encrypted connection could not be made. Correct sslmode and sslrootcert in {variable}."),
)


def remedy(reason: str, variable: str = "DATABASE_URL") -> str | None:
    """What to do about a driver's complaint; None for one that nobody foresaw."""
    return next((told.format(variable=variable) for words, told in REMEDIES if words in reason), None)


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
        raise DatabaseUnreachable(f"{DatabaseUnreachable.__doc__} {remedy(reason) or ''} The reason given: {reason}".replace("  ", " ")) from error
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
