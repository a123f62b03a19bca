"""The engine and the unit of work. A service opens one, does its acts, and all of them are kept or none."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import alembic.command
import alembic.config
import alembic.runtime.migration
import alembic.script
import orjson
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled, SerializationFailure
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from core import clock
from core.errors import BillersError, Busy, Unavailable
from core.settings import CHECKOUT, Part, settings

# The oldest PostgreSQL whose features the schema uses.
OLDEST_SERVER = 15

# A statement of the console that runs longer than this is a defect, and would hold locks that payments wait for.
STATEMENT_TIMEOUT_MS = 15_000
LOCK_TIMEOUT_MS = 5_000

# How often a migration asks for tables that payments hold, and how long it lets them go first. How long it waits each time says migrations/env.py.
LOCK_TRIES = 20
LOCK_PAUSE_SECONDS = 0.5

# A connection that rested longer than this is asked first whether it still lives: a page makes a dozen units of work, one right after the other.
UNSEEN_SECONDS = 1.0
RESTS_SINCE = "rests since"

# The server's word that somebody else held what was wanted, or that it took too long. It is there, and nothing of the unit of work was kept.
IN_THE_WAY = (LockNotAvailable, DeadlockDetected, SerializationFailure, QueryCanceled)
# Its class of errors for more than it holds in one place.
PROGRAM_LIMIT_EXCEEDED = "54"


def make_engine(dsn: str, *, pool_size: int = 10, max_overflow: int = 20) -> Engine:
    """An engine whose connections speak UTC and never wait for ever."""
    made = create_engine(
        dsn,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=5,
        # The connection that was used last: its server process has the plans, and has touched the pages, that the next one asks for.
        pool_use_lifo=True,
        # A statement that fails is logged without what was in it.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value, default=str).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "connect_timeout": 5,
            "application_name": "billers",
            "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
            # Compiling a statement takes longer than most of ours run, and so does calling for others to help with it; where a server can, it would.
            " -c jit=off -c max_parallel_workers_per_gather=0 -c idle_in_transaction_session_timeout=30000",
        },
    )

    @event.listens_for(made, "checkin")
    def _note_rest(_connection, record) -> None:  # type: ignore[no-untyped-def]
        record.info[RESTS_SINCE] = clock.monotonic_seconds()

    @event.listens_for(made, "checkout")
    def _see_that_it_lives(connection, record, _fairy) -> None:  # type: ignore[no-untyped-def]
        since = record.info.get(RESTS_SINCE)
        if since is not None and clock.monotonic_seconds() - since > UNSEEN_SECONDS:
            try:
                made.dialect.do_ping(connection)
            except Exception as error:
                # The pool takes another one, and looks at that, too.
                raise DisconnectionError from error

    @event.listens_for(made, "handle_error")
    def _name_the_outage(context) -> None:  # type: ignore[no-untyped-def]
        if context.is_disconnect:
            context.invalidate_pool_on_disconnect = True

    return made


# This process' engines, by where they lead. Another program's role or another database is another one.
_engines: dict[str, Engine] = {}


# Which program this process is, once it has said so: none is the tables' owner, at a command.
_acting: list[Part] = []


def act_as(part: Part) -> None:
    """From here on this process asks as that program's role, which can do what the program does and nothing else."""
    _acting[:] = [part]


def act_as_owner() -> None:
    """Back to what commands are."""
    _acting.clear()


def engine() -> Engine:
    dsn = settings().dsn_of(_acting[0] if _acting else None)
    if dsn not in _engines:
        # Of two threads that make one at once the first's is kept: the other's has no connection yet.
        _engines.setdefault(dsn, make_engine(dsn))
    return _engines[dsn]


def let_go() -> None:
    """Closes what rests in this process' pools, whichever role it asked as; whoever asks again is connected anew."""
    while _engines:
        _dsn, engine = _engines.popitem()
        engine.dispose()
    _glancing.cache_clear()


# In `Session.info`: everything that this session reads is of one moment.
ONE_MOMENT = "one moment"


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """One database transaction: committed when the block ends, rolled back when it raises.

    Raises `Unavailable` where the database cannot be reached, `Busy` where it answers that others stood in the way for too long. After a failure *of the
    commit itself* nobody knows whether it was kept (rule 10): whoever needs to know reads again by key.
    """
    with _transaction(Session(engine(), expire_on_commit=False)) as session:
        yield session


@contextmanager
def glance() -> Iterator[Session]:
    """Reads of which each sees its own moment, in no transaction: one round trip for one statement. What every page asks at each run is asked so.

    For reads alone: nothing would take back what is written here. Raises what `unit_of_work` does.
    """
    with _transaction(Session(_glancing(engine()), expire_on_commit=False, autoflush=False)) as session:
        yield session


@lru_cache(maxsize=4)
def _glancing(whole: Engine) -> Engine:
    return whole.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def snapshot() -> Iterator[Session]:
    """Reads that see one moment, however many they are: figures of a page agree with each other. Nothing can be written. Raises what `unit_of_work` does."""
    with _transaction(Session(engine(), expire_on_commit=False, info={ONE_MOMENT: True})) as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
        yield session


@contextmanager
def _transaction(session: Session) -> Iterator[Session]:
    try:
        with session.begin():
            yield session
    except PoolTimeoutError as error:
        raise Unavailable from error
    except DBAPIError as error:
        if isinstance(error.orig, IN_THE_WAY):
            raise Busy from error
        if error.connection_invalidated or (isinstance(error, InterfaceError | OperationalError) and not _is_too_much(error)):
            raise Unavailable from error
        raise
    finally:
        session.close()


def _is_too_much(error: DBAPIError) -> bool:
    """What the server can never keep is no outage: to try it again would be to try it for ever."""
    return (getattr(error.orig, "sqlstate", None) or "").startswith(PROGRAM_LIMIT_EXCEEDED)


def alembic_config(dsn: str | None = None) -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(CHECKOUT / "migrations"))
    config.attributes["dsn"] = dsn or settings().dsn
    return config


class TablesHeld(BillersError):
    """Somebody holds a table that is to be changed: a long query of a report tool, or a session that was left open. Nothing was changed. Find it in
    pg_stat_activity, end it, and run `billers migrate` again; payments go on meanwhile.
    """


def migrate(revision: str = "head", dsn: str | None = None) -> None:
    """Brings the schema to `revision`. Two at once wait for each other.

    While a migration waits for a lock, whoever comes after it waits as well: so it waits for a moment only, gives way to payments, and tries again. Raises
    `TablesHeld`.
    """
    for _ in range(LOCK_TRIES):
        try:
            alembic.command.upgrade(alembic_config(dsn), revision)
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            threading.Event().wait(LOCK_PAUSE_SECONDS)
        else:
            return
    raise TablesHeld(" ".join((TablesHeld.__doc__ or "").split()))


def downgrade(revision: str, dsn: str | None = None) -> None:
    alembic.command.downgrade(alembic_config(dsn), revision)


def revision_gap(*, may_be_ahead: bool = False) -> str | None:
    """What is wrong with the schema's version, as a sentence, or None.

    `may_be_ahead`: in the midst of an upgrade the tables come first, and each version runs on those of the next one, too (tests/processes/test_upgrade.py).
    """
    scripts = alembic.script.ScriptDirectory.from_config(alembic_config())
    head = scripts.get_current_head()
    try:
        with engine().connect() as connection:
            current = alembic.runtime.migration.MigrationContext.configure(connection).get_current_revision()
    except ProgrammingError:
        # The tables are from before the programs' roles, or from before there were any.
        current = None
    if current == head:
        return None
    if current is not None and not _knows(scripts, current):
        if may_be_ahead:
            return None
        return f"The database is at version {current}, which this console is too old for: it knows up to {head}. Install the console that upgraded it."
    return f"The database is at version {current or 'none'}, this console needs {head}. Run `billers migrate`."


def _knows(scripts: alembic.script.ScriptDirectory, revision: str) -> bool:
    return any(script.revision == revision for script in scripts.walk_revisions())


def server_version() -> int:
    """The server's major version."""
    with engine().connect() as connection:
        return int(connection.execute(text("SELECT current_setting('server_version_num')")).scalar_one()) // 10_000
