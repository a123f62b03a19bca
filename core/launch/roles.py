"""The programs' roles in the database. It knows one thing: who owns the tables can rewrite the record, so none of the programs that run all day may be them."""

from collections.abc import Iterator

import psycopg
from psycopg.errors import InsufficientPrivilege

from core.errors import BillersError
from core.launch import database
from core.settings import CHECKOUT, PROGRAM_ROLES, REPORTS_ROLE, Part, Settings

# What each may do; run after each migration, too.
GRANTS = CHECKOUT / "migrations" / "sql" / "roles.sql"

# Could whoever is signed in change what is on the record, or switch its guards off?
COULD_REWRITE = """
    SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR coalesce(bool_or(
        pg_has_role(current_user, c.relowner, 'MEMBER') OR has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER')
    ), false)
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ('audit_entries', 'seals', 'events')
"""

VARIABLES = {Part.WEB: "DATABASE_URL_WEB", Part.WORKER: "DATABASE_URL_WORKER"}


class MayNotMakeRoles(BillersError):
    """The role in DATABASE_URL may not make others. Have a DBA run this, and call `billers roles` again: {statements}"""


def make(chosen: Settings) -> Iterator[str]:
    """Makes the roles that are not there, says what each may do, and tells line by line. Raises `MayNotMakeRoles`."""
    with psycopg.connect(database.plain_dsn(chosen), connect_timeout=10, autocommit=True) as connection:
        missing = _missing(connection)
        for role in missing:
            try:
                connection.execute(f"CREATE ROLE {role} LOGIN")
            except InsufficientPrivilege:
                statements = " ".join(f"CREATE ROLE {one} LOGIN;" for one in _missing(connection))
                raise MayNotMakeRoles(statements=statements) from None
            yield f"{role} was made."
        if REPORTS_ROLE in missing:
            connection.execute(f"ALTER ROLE {REPORTS_ROLE} SET default_transaction_read_only = on")
        connection.execute(GRANTS.read_text(encoding="utf-8"))
        yield f"{', '.join(PROGRAM_ROLES)} may do what the console, the workers and report tools do, and nothing else."
    if not chosen.embedded and any(chosen.dsn_of(part) == chosen.dsn for part in Part):
        yield "Give each a way in (\\password in psql, or your server's own), and set DATABASE_URL_WEB and DATABASE_URL_WORKER where they run."


def _missing(connection: psycopg.Connection) -> list[str]:
    there = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(PROGRAM_ROLES),))}
    return [role for role in PROGRAM_ROLES if role not in there]


def weakness(chosen: Settings) -> str | None:
    """Which program could rewrite the record, and what to do about it, as a sentence."""
    for part in Part:
        with psycopg.connect(database.plain(chosen.dsn_of(part)), connect_timeout=10, autocommit=True) as connection:
            role, could = connection.execute(COULD_REWRITE).fetchall()[0]
        if could:
            return (
                f"The {'console' if part is Part.WEB else 'worker'} signs in to the database as {role}, who could rewrite the record of who did what."
                f" Run `billers roles`, and set {VARIABLES[part]}."
            )
    return None
