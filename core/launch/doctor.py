"""Knows what a healthy installation looks like: a table of checks, each with a sentence on what to do."""

import shutil
import socket
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg

from core.durability import DURABILITY
from core.errors import BillersError
from core.launch import database, roles
from core.launch.children import answered_ok
from core.launch.ports import complaint_about
from core.launch.programs import HEALTH, ports
from core.settings import Settings

OLDEST_POSTGRESQL = 15
LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. The sentence says what to do if it is bad."""

    is_ok: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What the checks look at. `connection` is None when the database cannot be reached."""

    settings: Settings
    connection: psycopg.Connection | None


Check = Callable[[Examined], Finding]


def python_version(_examined: Examined) -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding(sys.version_info >= (3, 11), f"Python {found}; 3.11 or later is needed.")


def database_reachable(examined: Examined) -> Finding:
    which = "embedded" if examined.settings.embedded else "DATABASE_URL"
    if examined.connection is not None:
        return Finding(True, f"It answers ({which}).")
    database.check(examined.settings)
    return Finding(False, f"It does not answer ({which}).")


def database_version(examined: Examined) -> Finding:
    found = _connection(examined).info.server_version
    return Finding(found >= OLDEST_POSTGRESQL * 10_000, f"PostgreSQL {found // 10_000}.{found % 10_000}; {OLDEST_POSTGRESQL} or later is needed.")


def migrations(examined: Examined) -> Finding:
    from core.db import revision_gap

    _connection(examined)
    gap = revision_gap()
    return Finding(gap is None, gap or "The database is up to date.")


def durability(examined: Examined) -> Finding:
    complaint = database.weakness(_connection(examined))
    return Finding(complaint is None, complaint or f"{', '.join(DURABILITY)} are on.")


def database_roles(examined: Examined) -> Finding:
    _connection(examined)
    complaint = roles.weakness(examined.settings)
    return Finding(complaint is None, complaint or "Neither the console nor a worker can change what is on the record.")


def restore_gate(examined: Examined) -> Finding:
    row = _connection(examined).execute("SELECT id, because FROM gates WHERE reopened_at IS NULL").fetchone()
    if row is None:
        return Finding(True, "It is open: the database has everything that was written down of it.")
    return Finding(False, f"Gate {row[0]} is closed, nothing is sent. {row[1]} `billers gate` says what to do.")


def key_ring(examined: Examined) -> Finding:
    from core.security.vault import load_ring

    load_ring()
    if examined.settings.billers_vault_keys:
        return Finding(True, "The vault's keys come from BILLERS_VAULT_KEYS.")
    path = examined.settings.billers_data_dir / "vault-keys.json"
    if not path.exists():
        return Finding(False, f"{path} is missing. Restore it from your backup; credentials cannot be read without it.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode != 0o600:
        return Finding(False, f"{path} is open to others (mode {mode:o}). Close it with: chmod 600 {path}")
    return Finding(True, f"{path} is there and closed to others.")


def sealed_secrets(examined: Examined) -> Finding:
    from core.models.vault import PLACES
    from core.security.vault import load_ring

    connection, held, shut = _connection(examined), load_ring().keys, Counter[str]()
    for place in PLACES:
        counted = f"SELECT split_part({place.column}, '.', 2), count(*) FROM {place.table} WHERE {place.column} IS NOT NULL GROUP BY 1"  # noqa: S608
        shut.update({key: count for key, count in connection.execute(counted).fetchall() if key not in held})
    if not shut:
        return Finding(True, "Every key that something is sealed with is in the ring.")
    told = ", ".join(f"{key} ({count:,} sealed)" for key, count in shut.items())
    return Finding(False, f"The ring lacks {told}. Put the key back from a backup of the ring; until then none of that can be opened.")


def sandbox(examined: Examined) -> Finding:
    chosen = examined.settings
    if not chosen.billers_sandbox:
        return Finding(True, "Not in sandbox mode.")
    for port in ports(chosen)[1:]:
        if not _listens(port.number):
            return Finding(False, f"Nothing answers on port {port.number}, for {port.purpose}. Start it with `billers up` or `billers sandbox`.")
    return Finding(True, "It answers.")


def disk_space(examined: Examined) -> Finding:
    directory = examined.settings.billers_data_dir
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    return Finding(free >= LEAST_FREE_BYTES, f"{free / (1 << 30):.1f} GiB free in {nearest}; 1 GiB is the least to start with.")


def console_port(examined: Examined) -> Finding:
    port, *_ = ports(examined.settings)
    complaint = complaint_about(port)
    if complaint is None:
        return Finding(True, f"Port {port.number} is free.")
    if answered_ok(port.number, HEALTH):
        return Finding(True, f"Port {port.number} is the console's already.")
    return Finding(False, complaint)


def search_index(examined: Examined) -> Finding:
    row = _connection(examined).execute("SELECT to_regclass('ix_known_accounts_words') IS NOT NULL").fetchone()
    if row is not None and row[0]:
        return Finding(True, "Parts of numbers and names are found by an index (pg_trgm).")
    return Finding(
        False,
        "Without the extension pg_trgm a search for a part of a number or a name reads every known account, and is slower."
        " Have a DBA install it, then: CREATE EXTENSION pg_trgm; CREATE INDEX ix_known_accounts_words ON known_accounts USING gin (words gin_trgm_ops);",
    )


CHECKS: tuple[tuple[str, Check], ...] = (
    ("Python", python_version),
    ("database", database_reachable),
    ("database version", database_version),
    ("migrations", migrations),
    ("durability", durability),
    ("database roles", database_roles),
    ("restore gate", restore_gate),
    ("search", search_index),
    ("vault", key_ring),
    ("sealed secrets", sealed_secrets),
    ("sandbox", sandbox),
    ("disk space", disk_space),
    ("port", console_port),
)


def examine(chosen: Settings) -> Iterator[tuple[str, Finding]]:
    """Each check's name and finding, in order. A check that fails in a way of its own is a bad finding, and the next goes on."""
    with _connected(chosen) as connection:
        examined = Examined(chosen, connection)
        for name, check in CHECKS:
            try:
                yield name, check(examined)
            except BillersError as error:
                yield name, Finding(False, error.sentence)
            except psycopg.Error as error:
                yield name, Finding(False, f"The database refused: {str(error).strip()}")


@contextmanager
def _connected(chosen: Settings) -> Iterator[psycopg.Connection | None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(database.in_use(chosen))
            connection = stack.enter_context(psycopg.connect(database.plain_dsn(chosen), connect_timeout=10, autocommit=True))
        except (BillersError, psycopg.Error):
            connection = None
        yield connection


def _connection(examined: Examined) -> psycopg.Connection:
    if examined.connection is None:
        raise BillersError("Not checked: the database cannot be reached.")
    return examined.connection


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
