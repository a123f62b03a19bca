"""Knows what a healthy installation looks like: a table of checks, each with a sentence on what to do.

A finding is good, bad, or worth a look: what only somebody who knows the set-up can tell, as that no worker is there yet. Bad ones alone make the command fail.
"""

import shutil
import socket
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import psycopg

from core import clock
from core.durability import DURABILITY
from core.errors import BillersError
from core.launch import database, roles
from core.launch.children import answered_ok
from core.launch.ports import complaint_about
from core.launch.programs import HEALTH, ports
from core.settings import PROGRAM_ROLES, Part, Settings, forwarded_allow_ips

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRESQL = 15
LEAST_FREE_BYTES = 1 << 30

# Leases and expiries go by the database's clock, signatures and one-time codes by this machine's: codes are good for half a minute.
MOST_APART_SECONDS = 5.0

# A worker says that it is alive every 5 s; three of them missed is an absence.
WORKER_SILENCE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. The sentence says what to do if it is bad, or worth a look."""

    is_ok: bool
    sentence: str
    # Nothing is broken, and it may be meant: somebody who knows the set-up looks at it.
    is_hint: bool = False

    @property
    def mark(self) -> str:
        return "see" if self.is_hint else "ok " if self.is_ok else "BAD"


def hint(sentence: str) -> Finding:
    return Finding(True, sentence, is_hint=True)


@dataclass(frozen=True, slots=True)
class Examined:
    """What the checks look at. `connection` is None when the database cannot be reached."""

    settings: Settings
    connection: psycopg.Connection | None


Check = Callable[[Examined], Finding]


def python_version(_examined: Examined) -> Finding:
    found, oldest = tuple(sys.version_info[:3]), _version(OLDEST_PYTHON)
    if found < OLDEST_PYTHON:
        return Finding(False, f"This is Python {_version(found)}, and {oldest} or later is needed. Install one, and make the environment anew with it.")
    return Finding(True, f"Python {_version(found)}; {oldest} or later is needed.")


def _version(parts: tuple[int, ...]) -> str:
    return ".".join(map(str, parts))


def database_reachable(examined: Examined) -> Finding:
    which = "embedded" if examined.settings.embedded else "DATABASE_URL"
    if examined.connection is not None:
        return Finding(True, f"It answers ({which}).")
    database.check(examined.settings)
    return Finding(False, f"It did not answer a moment ago ({which}), and does now. Run this again.")


def database_version(examined: Examined) -> Finding:
    found = _connection(examined).info.server_version
    told = f"PostgreSQL {found // 10_000}.{found % 10_000}"
    if found < OLDEST_POSTGRESQL * 10_000:
        return Finding(False, f"This is {told}, and {OLDEST_POSTGRESQL} or later is needed. Have a DBA upgrade the server.")
    return Finding(True, f"{told}; {OLDEST_POSTGRESQL} or later is needed.")


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


def missing_roles(examined: Examined) -> Finding:
    rows = _connection(examined).execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", [list(PROGRAM_ROLES)]).fetchall()
    missing = [role for role in PROGRAM_ROLES if role not in {name for (name,) in rows}]
    if missing:
        return Finding(False, f"{', '.join(missing)} are not there. Run `billers roles`.")
    for part in Part:
        if complaint := _cannot_sign_in(examined.settings, part):
            return Finding(False, complaint)
    return Finding(True, f"{', '.join(PROGRAM_ROLES)} are there, and the programs' own can sign in.")


def _cannot_sign_in(chosen: Settings, part: Part) -> str | None:
    """Why the console, or a worker, would not come in, though this command does."""
    try:
        psycopg.connect(database.plain(chosen.dsn_of(part)), connect_timeout=10).close()
    except psycopg.Error as error:
        reason, variable = " ".join(str(error).split()), roles.VARIABLES[part]
        return f"By {variable} the {'console' if part is Part.WEB else 'worker'} cannot sign in. {database.remedy(reason, variable) or reason}"
    return None


def clocks(examined: Examined) -> Finding:
    row = _connection(examined).execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    apart = clock.now().timestamp() - float(row[0] if row else 0)
    if abs(apart) > MOST_APART_SECONDS:
        which = "ahead of" if apart > 0 else "behind"
        return Finding(False, f"This machine's clock is {abs(apart):,.0f} s {which} the database's. Have both follow NTP: timedatectl set-ntp true")
    return Finding(True, "This machine's clock and the database's agree.")


def workers_at_work(examined: Examined) -> Finding:
    connection = _connection(examined)
    seen = connection.execute(
        "SELECT count(*) FROM workers WHERE stopped_at IS NULL AND seen_at > clock_timestamp() - %s * interval '1 second'", [WORKER_SILENCE_SECONDS]
    ).fetchone()
    waiting = connection.execute("SELECT count(*) FROM transactions WHERE next_action_at <= now() - interval '15 seconds'").fetchone()
    if seen and seen[0]:
        return Finding(True, f"{seen[0]} at work.")
    if waiting and waiting[0]:
        return Finding(False, f"Nobody is at work, and {waiting[0]:,} payments and look-ups wait. Start one: billers worker")
    return hint("Nobody is at work: payments would stay QUEUED. Start one: billers worker")


def restore_gate(examined: Examined) -> Finding:
    row = _connection(examined).execute("SELECT id, because FROM gates WHERE reopened_at IS NULL").fetchone()
    if row is None:
        return Finding(True, "It is open: the database has everything that was written down of it.")
    return Finding(False, f"Gate {row[0]} is closed, nothing is sent. {row[1]} Run `billers gate`: it says what to do.")


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


def shared_keys(examined: Examined) -> Finding:
    """Every process opens what any of them sealed, and takes the visits that any of them gave: so all of them hold the same keys."""
    from core.security.vault import load_ring

    ours = load_ring().told
    rows = _connection(examined).execute(
        "SELECT name, vault_keys FROM workers WHERE stopped_at IS NULL AND seen_at > clock_timestamp() - %s * interval '1 second'", [WORKER_SILENCE_SECONDS]
    )
    others = [name for name, told in rows.fetchall() if told != ours]
    if others:
        return Finding(False, f"{', '.join(others)} hold other keys than this machine. Give every machine the same ring: copy vault-keys.json, mode 600.")
    return Finding(True, "Every worker that is at work holds the same keys as this machine.")


def stored_credentials(examined: Examined) -> Finding:
    from core.security import vault

    rows = _connection(examined).execute("SELECT id, biller_name, authentication FROM biller_configs WHERE authentication IS NOT NULL").fetchall()
    shut = []
    for config_id, name, envelope in rows:
        try:
            vault.open_secret(envelope, "biller_configs", config_id, "authentication")
        except vault.CannotOpen:
            shut.append(name)
    if shut:
        return Finding(
            False, f"The credentials of {', '.join(sorted(shut))} do not open: the ring has another key of that name, or they were changed. Put the ring back."
        )
    return Finding(True, "Stored credentials open.")


def biller_addresses(examined: Examined) -> Finding:
    from core.services.deployment import line_policy
    from core.wire.destination import Refused, destination

    policy = line_policy()

    def may_be_called(url: str) -> bool:
        try:
            destination(url, "/", policy)
        except Refused:
            return False
        return True

    rows = _connection(examined).execute("SELECT biller_name, base_url FROM biller_configs WHERE is_active").fetchall()
    strays = sorted(f"{urlsplit(url).hostname or 'no host'} ({name})" for name, url in rows if not may_be_called(url))
    if strays:
        return Finding(False, f"Nothing is sent to {', '.join(strays)}: BILLERS_ALLOWED_HOSTS does not name it. Add it, or correct the biller's address.")
    return (
        Finding(True, "Every biller that is on lives where BILLERS_ALLOWED_HOSTS allows.")
        if rows
        else hint("No biller is on yet. Set one up under Configurations.")
    )


def certificates(examined: Examined) -> Finding:
    from core.services.deployment import line_policy
    from core.wire.line import Line

    Line(line_policy())
    bundle = examined.settings.billers_ca_bundle
    return Finding(True, f"{bundle} is read." if bundle else "Billers prove themselves by public certificates.")


def core_banking(examined: Examined) -> Finding:
    chosen = examined.settings
    if not chosen.t24_api_url and not chosen.t24_api_key:
        return Finding(True, "Core banking is off.")
    if not chosen.t24_api_url:
        return Finding(False, "T24_API_KEY is set and T24_API_URL is not: core banking is off. Set both, or neither.")
    if not chosen.t24_api_key:
        return Finding(False, "T24_API_URL is set and T24_API_KEY is not: core banking would refuse every call. Set both, or neither.")
    if urlsplit(chosen.t24_api_url).scheme != "https" and not chosen.billers_sandbox:
        return Finding(False, "T24_API_URL is not https: the key and the customers' accounts would travel in the clear. Correct it.")
    return Finding(True, f"Core banking is at {urlsplit(chosen.t24_api_url).hostname}.")


def people(examined: Examined) -> Finding:
    row = (
        _connection(examined)
        .execute("SELECT count(*) FROM users WHERE disabled_at IS NULL AND (NOT sandbox OR %s)", [examined.settings.billers_sandbox])
        .fetchone()
    )
    if row and row[0]:
        return Finding(True, f"{row[0]:,} may sign in.")
    return hint("Nobody can sign in yet. Add somebody: billers user add NAME --role administrator")


def front_door(examined: Examined) -> Finding:
    """What a proxy in front needs of us, and what must not be without one."""
    chosen, reachable = examined.settings, not _is_loopback(examined.settings.billers_bind)
    if not chosen.billers_secure_cookies and (reachable or chosen.billers_public_hosts or not chosen.billers_sandbox):
        return Finding(
            False, "BILLERS_SECURE_COOKIES=false lets sessions travel in the clear: it is for the sandbox on loopback. Remove it, and put HTTPS in front."
        )
    if forwarded_allow_ips() == "*":
        return Finding(False, "FORWARDED_ALLOW_IPS=* lets anybody say where they come from, and so get around every limit. Name the proxy's address.")
    if reachable and not forwarded_allow_ips():
        return Finding(
            False,
            f"The console listens on {chosen.billers_bind} and FORWARDED_ALLOW_IPS is not set: behind the proxy everybody counts as one address."
            " Set it to the proxy's address.",
        )
    if chosen.billers_secure_cookies and not chosen.billers_public_hosts:
        return hint("BILLERS_PUBLIC_HOSTS names no host: browsers get in under this machine's own name only. Set the name that people type.")
    return Finding(
        True, f"It answers as {', '.join(chosen.billers_public_hosts)}." if chosen.billers_public_hosts else "On loopback, without HTTPS: the sandbox."
    )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def time_zone(examined: Examined) -> Finding:
    name = examined.settings.billers_timezone
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # A zone that is not found is a KeyError.
        return Finding(False, f"BILLERS_TIMEZONE={name} is no time zone here. Write one as Africa/Blantyre, or install the system's package tzdata.")
    return Finding(True, f"Business days are days in {name}.")


def data_directory(examined: Examined) -> Finding:
    """Logs, the audit chain's heads and what is remembered of the database are written there for as long as it runs."""
    chosen = examined.settings
    for directory in (chosen.billers_data_dir, chosen.billers_data_dir / "logs", chosen.billers_data_dir / "history", _heads_directory(chosen)):
        nearest = _nearest(directory)
        try:
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            who = "Run this as the user that runs the console, have that user own it, or choose another place"
            return Finding(False, f"{nearest} cannot be written ({error.strerror}). {who}.")
    return Finding(True, f"{chosen.billers_data_dir} can be written.")


def _heads_directory(chosen: Settings) -> Path:
    return chosen.billers_audit_heads.parent if chosen.billers_audit_heads else chosen.billers_data_dir


def _nearest(directory: Path) -> Path:
    return next(path for path in (directory, *directory.parents) if path.exists())


def sandbox(examined: Examined) -> Finding:
    chosen = examined.settings
    if not chosen.billers_sandbox:
        return Finding(True, "Not in sandbox mode.")
    if chosen.billers_public_hosts or not _is_loopback(chosen.billers_bind):
        return Finding(False, "Sandbox mode is on where others can reach it: its sign-ins are generated, and its money is not real. Remove BILLERS_SANDBOX.")
    for port in ports(chosen)[1:]:
        if not _listens(port.number):
            return Finding(False, f"Nothing answers on port {port.number}, for {port.purpose}. Start it with `billers up` or `billers sandbox`.")
    return Finding(True, "It answers.")


def disk_space(examined: Examined) -> Finding:
    data = examined.settings.billers_data_dir
    # Logs, and the audit chain's heads, may lie on disks of their own.
    for directory in dict.fromkeys(map(_nearest, (data, data / "logs", _heads_directory(examined.settings)))):
        free = shutil.disk_usage(directory).free
        if free < LEAST_FREE_BYTES:
            return Finding(False, f"{free / (1 << 30):.1f} GiB free in {directory}; 1 GiB is the least. Make room, or move it to a larger disk.")
    return Finding(True, f"{shutil.disk_usage(_nearest(data)).free / (1 << 30):.1f} GiB free in {_nearest(data)}.")


def console_port(examined: Examined) -> Finding:
    port, *_ = ports(examined.settings)
    complaint = complaint_about(port)
    if complaint is None:
        return Finding(True, f"Port {port.number} is free.")
    if answered_ok(port.number, HEALTH):
        return Finding(True, f"Port {port.number} is the console's already.")
    return Finding(False, complaint)


def search_index(examined: Examined) -> Finding:
    row = (
        _connection(examined)
        .execute("SELECT to_regclass('ix_known_accounts_numbers') IS NOT NULL AND to_regclass('ix_known_names_words') IS NOT NULL")
        .fetchone()
    )
    if row is not None and row[0]:
        return Finding(True, "Parts of numbers and names are found by an index (pg_trgm).")
    return Finding(
        False,
        "Without the extension pg_trgm a search for a part of a number or a name reads every known account, and is slower."
        " Have a DBA install it, then: CREATE EXTENSION pg_trgm; CREATE INDEX ix_known_accounts_numbers ON known_accounts USING gin (numbers gin_trgm_ops);"
        " CREATE INDEX ix_known_names_words ON known_names USING gin (customer_name gin_trgm_ops);",
    )


CHECKS: tuple[tuple[str, Check], ...] = (
    ("Python", python_version),
    ("time zone", time_zone),
    ("database", database_reachable),
    ("database version", database_version),
    ("migrations", migrations),
    ("durability", durability),
    ("program roles", missing_roles),
    ("database roles", database_roles),
    ("clocks", clocks),
    ("restore gate", restore_gate),
    ("workers", workers_at_work),
    ("search", search_index),
    ("vault", key_ring),
    ("shared keys", shared_keys),
    ("sealed secrets", sealed_secrets),
    ("credentials", stored_credentials),
    ("billers", biller_addresses),
    ("certificates", certificates),
    ("core banking", core_banking),
    ("people", people),
    ("front door", front_door),
    ("sandbox", sandbox),
    ("data directory", data_directory),
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
            except psycopg.errors.UndefinedTable:
                yield name, Finding(False, "Not checked: the tables are not there yet. Run `billers migrate`.")
            except psycopg.Error as error:
                yield name, Finding(False, f"The database refused: {str(error).strip()}. Correct what it names, or pass it on to a DBA.")


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
        raise BillersError("Not checked: the database cannot be reached. Correct that first.")
    return examined.connection


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
