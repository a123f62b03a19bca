"""How long a million entries take to seal and to verify, beside reading and hashing them without us; and whether each edit of a superuser is found at its row.

`python -m bench.audit`: a server and a database of its own, half of the rows stories of payments, half entries of the record.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.alone import measure

# What the issue promises of a million entries.
MOST_SECONDS = 60.0

# Rows of one database transaction, at most: a million that one wrote would be a chain of another kind. And of how many transactions at least.
ROWS_AT_ONCE, TRANSACTIONS = 20_000, 50

EVENTS = """
    INSERT INTO events (transaction_id, version, from_stage, to_stage, actor_name, reason, facts)
    SELECT '00000000-0000-7000-8000-000000000001', n, 'PAY_SENDING', 'COMPLETED', 'worker', 'The biller confirmed it.', jsonb_build_object('n', n, 'code', '0')
    FROM generate_series(1, %s) n
"""
ENTRIES = """
    INSERT INTO audit_entries (actor_name, address, action, subject_type, subject_id, details)
    SELECT 'clerk-' || n %% 50, '10.0.0.' || n %% 200, 'transaction.submitted', 'transaction', gen_random_uuid()::text,
        jsonb_build_object('biller', 'LWB_POSTPAID', 'account', n::text, 'amount', '5475.50', 'currency', 'MWK', 'reason', NULL)
    FROM generate_series(1, %s) n
"""
TRANSACTION = """
    INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, account_number, stage, status, demo)
    SELECT '00000000-0000-7000-8000-000000000001', code, name, 'BENCH00000000001', 'ACCOUNT_DETAILS', '1', 'COMPLETED', 'COMPLETED', true
    FROM biller_types LIMIT 1
"""

# The columns of both tables that a row needs to be put back as it was.
COLUMNS = "seq, at, actor_id, actor_name, address, action, subject_type, subject_id, details, xid"


@dataclass(frozen=True)
class Edit:
    """What somebody with all rights does to the record, and how it is undone for the next one. `seq` is the entry's, `number` its seal's."""

    name: str
    does: Sequence[str]
    undoes: Sequence[str]
    # Only who noted the head elsewhere can tell.
    needs_published: bool = False
    # Chains what is left over as if nothing had been: by the sealer itself.
    seals_again: bool = False


KEEP = (
    "CREATE TABLE kept_entries AS SELECT * FROM audit_entries WHERE seq >= %(tail_seq)s",
    "CREATE TABLE kept_seals AS SELECT * FROM seals WHERE number >= %(tail_number)s",
)
CUT = ("DELETE FROM seals WHERE number >= %(tail_number)s", "DELETE FROM audit_entries WHERE seq >= %(tail_seq)s")
RESTORE = (
    "DELETE FROM seals WHERE number >= %(tail_number)s",
    "DELETE FROM audit_entries WHERE seq >= %(tail_seq)s",
    f"INSERT INTO audit_entries ({COLUMNS}) OVERRIDING SYSTEM VALUE SELECT {COLUMNS} FROM kept_entries",  # noqa: S608 - constants of this module
    "INSERT INTO seals SELECT * FROM kept_seals",
    "DROP TABLE kept_entries, kept_seals",
)
SLIP_IN = (
    "INSERT INTO audit_entries (actor_name, action, subject_type, subject_id, xid)"
    " SELECT actor_name, action, subject_type, 'slipped in', xid FROM audit_entries WHERE seq = %(seq)s"
)
SWAP = "UPDATE audit_entries SET subject_id = CASE seq WHEN %(seq)s THEN %(second)s ELSE %(first)s END WHERE seq IN (%(seq)s, %(seq)s + 1)"
SWAP_BACK = "UPDATE audit_entries SET subject_id = CASE seq WHEN %(seq)s THEN %(first)s ELSE %(second)s END WHERE seq IN (%(seq)s, %(seq)s + 1)"

EDITS = (
    Edit(
        "one word of one entry",
        ("UPDATE audit_entries SET actor_name = 'nobody' WHERE seq = %(seq)s",),
        ("UPDATE audit_entries SET actor_name = %(actor_name)s WHERE seq = %(seq)s",),
    ),
    Edit(
        "an entry deleted",
        ("CREATE TABLE kept AS SELECT * FROM audit_entries WHERE seq = %(seq)s", "DELETE FROM audit_entries WHERE seq = %(seq)s"),
        (f"INSERT INTO audit_entries ({COLUMNS}) OVERRIDING SYSTEM VALUE SELECT {COLUMNS} FROM kept", "DROP TABLE kept"),  # noqa: S608 - constants
    ),
    Edit(
        "an entry slipped in",
        (SLIP_IN,),
        ("DELETE FROM audit_entries WHERE subject_id = 'slipped in'",),
    ),
    Edit("two entries changed places", (SWAP,), (SWAP_BACK,)),
    Edit("the tail cut off", (*KEEP, *CUT), RESTORE, needs_published=True),
    Edit(
        "the tail written anew",
        (
            *KEEP,
            "UPDATE audit_entries SET actor_name = 'nobody' WHERE seq >= %(tail_seq)s",
            "DELETE FROM seals WHERE number >= %(tail_number)s",
        ),
        RESTORE,
        needs_published=True,
        seals_again=True,
    ),
)


def main() -> int:
    told = argparse.ArgumentParser(prog="bench.audit", description="How long a million entries take to verify, and that an edit is found at its row.")
    told.add_argument("--rows", type=int, default=1_000_000)
    return measure(told, lambda asked, data_dir: _run(asked.rows, data_dir), _text_of)


def _run(rows: int, data_dir: Path) -> dict[str, Any]:
    from core import clock, db
    from core.launch.embedded import EmbeddedPostgres
    from core.security.audit import Head
    from core.services import audit, seeds
    from core.settings import settings

    with EmbeddedPostgres(data_dir, settings().socket_dir):
        db.migrate()
        seeds.load()
        with _connected() as connection:
            ((there,),) = connection.execute("SELECT count(*) FROM seals").fetchall()
            if there < rows:
                _load(connection, rows - there)
        sealing, sealed = _timed(audit.seal_all)
        with _connected() as connection:
            connection.execute("VACUUM (ANALYZE) audit_entries, events, seals")
        verifying, verdict = _timed(audit.verify)
        reading, _ = _timed(_read_and_hash)
        edits = [_tried(edit, verdict.sealed, Head(verdict.sealed, verdict.head_hash, clock.now())) for edit in EDITS]
        whole = audit.verify()
    missed = [one["name"] for one in edits if not one["found_there"] or one["seconds"] > MOST_SECONDS]
    missed += [] if verdict.ok and whole.ok else ["the chain as it was written"]
    return {
        "rows": verdict.sealed,
        "sealed_now": sealed,
        "sealing_seconds": sealing,
        "verifying_seconds": verifying,
        "reading_seconds": reading,
        "ratio": verifying / reading,
        "edits": edits,
        "missed": missed,
    }


def _load(connection: psycopg.Connection, rows: int) -> None:
    if connection.execute("SELECT FROM transactions LIMIT 1").fetchone() is None:
        connection.execute(TRANSACTION)
    at_once = max(min(ROWS_AT_ONCE, rows // TRANSACTIONS), 2)
    for done in range(0, rows, at_once):
        half = (min(at_once, rows - done) + 1) // 2
        with connection.transaction():
            connection.execute(EVENTS, (half,))
        with connection.transaction():
            connection.execute(ENTRIES, (half,))


def _read_and_hash() -> str:
    """What anybody would do without us: read every row in the chain's order, and hash one after the other."""
    from core.repositories.audit import SOURCES

    parts = " UNION ALL ".join(
        f"SELECT s.number, {source.canonical} AS canonical FROM seals s JOIN {source.table} r ON s.source = {source.number} AND r.seq = s.source_seq"  # noqa: S608 - constants
        for source in SOURCES.values()
    )
    digest = bytes(32)
    with _connected() as connection, connection.transaction(), connection.cursor("rows") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        for _, canonical in cursor.execute(f"{parts} ORDER BY number"):
            digest = hashlib.sha256(digest + canonical.encode()).digest()
    return digest.hex()


def _tried(edit: Edit, sealed: int, published: Any) -> dict[str, Any]:
    """Does it near the end of the chain, which is read up to there, verifies, and undoes it."""
    from core.services import audit

    place = _place(sealed)
    with _with_power(place) as run:
        run(edit.does)
        if edit.seals_again:
            audit.seal_all()
        seconds, verdict = _timed(lambda: audit.verify([published] if edit.needs_published else []))
        run(edit.undoes)
    bad = verdict.first_bad
    there = bad is not None and _is_there(edit, place, (bad.table, bad.seq, bad.number), published)
    return {"name": edit.name, "seconds": seconds, "found_there": not verdict.ok and there, "sentence": verdict.sentence}


def _is_there(edit: Edit, place: Mapping[str, Any], found: tuple[str, int | None, int | None], published: Any) -> bool:
    table, seq, number = found
    if edit.needs_published:
        return table == "seals" and number in (place["tail_number"], published.number)
    return table == "audit_entries" and (seq == place["seq"] or edit.name == "an entry slipped in")


def _place(sealed: int) -> Mapping[str, Any]:
    """An entry nine tenths along the chain, and where its last thousandth begins."""
    with _connected() as connection:
        number, seq, name, first = connection.execute(
            "SELECT s.number, e.seq, e.actor_name, e.subject_id FROM seals s JOIN audit_entries e ON s.source = 2 AND e.seq = s.source_seq"
            " JOIN audit_entries n ON n.seq = e.seq + 1 WHERE s.number >= %s ORDER BY s.number LIMIT 1",
            (sealed * 9 // 10,),
        ).fetchall()[0]
        ((second,),) = connection.execute("SELECT subject_id FROM audit_entries WHERE seq = %s", (seq + 1,)).fetchall()
        # Where the last of the record's entries begin, and nothing but those.
        ((last,),) = connection.execute("SELECT max(number) FROM seals WHERE source <> 2").fetchall()
        tail_number, tail_seq = connection.execute(
            "SELECT number, source_seq FROM seals WHERE number > %s ORDER BY number LIMIT 1", (max(last, sealed - max(sealed // 1000, 10)),)
        ).fetchall()[0]
    return {"seq": seq, "number": number, "actor_name": name, "first": first, "second": second, "tail_number": tail_number, "tail_seq": tail_seq}


@contextmanager
def _with_power(place: Mapping[str, Any]) -> Iterator[Callable[[Sequence[str]], None]]:
    """As the tables' owner with the guards switched off."""
    with _connected() as connection:
        for table in ("audit_entries", "seals"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")

        def run(statements: Sequence[str]) -> None:
            for statement in statements:
                connection.execute(psycopg.ClientCursor(connection).mogrify(statement, place))

        yield run
        for table in ("audit_entries", "seals"):
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _connected() -> psycopg.Connection:
    from bench.stage import connect

    return connect()


def _timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    found = act()
    return time.monotonic() - began, found


def _text_of(found: Mapping[str, Any]) -> str:
    rows = found["rows"]
    lines = [
        f"{rows:,} entries, half of them stories of payments",
        *([f"  sealed    {found['sealing_seconds']:>8.1f} s   {found['sealed_now'] / found['sealing_seconds']:>10,.0f}/s"] if found["sealed_now"] else []),
        f"  verified  {found['verifying_seconds']:>8.1f} s   {rows / found['verifying_seconds']:>10,.0f}/s",
        f"  read and hashed without us, in Python: {found['reading_seconds']:.1f} s; verifying takes {found['ratio']:.2f} of it",
        "",
        "edited by somebody with all rights, the guards switched off",
        *(f"  {'ok ' if one['found_there'] else 'BAD'}  {one['seconds']:>6.1f} s  {one['name']:<28}{one['sentence']}" for one in found["edits"]),
    ]
    return "\n".join([*lines, *(f"MISSED: {name}" for name in found["missed"])])


if __name__ == "__main__":
    sys.exit(main())
