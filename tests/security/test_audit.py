"""The audit chain: what it covers, when a row is ready for it, and what it notices."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core import clock
from core.access import SYSTEM
from core.db import unit_of_work
from core.repositories.audit import SOURCES
from core.security import audit
from core.services.audit import seal_all, verify
from tests.world import AddPerson, Database

INSERT_ENTRY = "INSERT INTO audit_entries (actor_name, action, subject_type, subject_id) VALUES ('somebody', 'did.something', 'thing', %s)"

SEALED_TABLES = ("audit_entries", "events", "seals")


def write(*subjects: object, **details: object) -> None:
    with unit_of_work() as session:
        for subject in subjects:
            audit.record(session, SYSTEM, "thing.done", "thing", subject, **details)


def seal(limit: int = audit.SEAL_ROWS) -> int:
    with unit_of_work() as session:
        return audit.seal(session, limit)


def chained(database: Database, *subjects: object) -> list[int]:
    """Writes and seals one entry after the other; returns their numbers."""
    seal_all()
    for subject in subjects:
        write(subject)
        assert seal() == 1
    with database.connect() as connection:
        rows = connection.execute("SELECT seq FROM audit_entries WHERE subject_type = 'thing' ORDER BY seq").fetchall()
    return [seq for (seq,) in rows]


@contextmanager
def as_somebody_with_power(database: Database) -> Iterator[psycopg.Connection]:
    """The tables' owner with the guards switched off, as a database administrator could have them for a minute."""
    with database.connect() as connection:
        for table in SEALED_TABLES:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield connection
        for table in SEALED_TABLES:
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def insert_transaction(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO biller_types (code, name) VALUES ('T', 'T') ON CONFLICT DO NOTHING")
    connection.execute(
        "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, account_number, stage, status, demo)"
        " VALUES ('00000000-0000-7000-8000-000000000001', 'T', 'T', 'T1', 'ACCOUNT_DETAILS', '1', 'COMPLETED', 'COMPLETED', true)"
    )


def insert_events(connection: psycopg.Connection, count: int) -> None:
    connection.execute(
        "INSERT INTO events (transaction_id, version, to_stage, actor_name, reason, facts)"
        " SELECT '00000000-0000-7000-8000-000000000001', 1, 'COMPLETED', 'demo', 'because', jsonb_build_object('n', n) FROM generate_series(1, %s) n",
        [count],
    )


# Writing.


def test_an_entry_is_kept_with_its_act_or_not_at_all(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work() as session:
        audit.record(session, SYSTEM, "thing.done", "thing", 1)
        session.flush()
        raise ZeroDivisionError
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM audit_entries WHERE action = 'thing.done'").fetchone() == (0,)


def test_an_entry_says_who_from_where_and_what(database: Database, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace")
    with unit_of_work() as session:
        audit.record(session, grace, "payment.cancelled", "transaction", "ABC", amount=Decimal("5475.50"), reasons=("one", "two"))
    with database.connect() as connection:
        row = connection.execute("SELECT actor_id, actor_name, address, details FROM audit_entries WHERE action = 'payment.cancelled'").fetchone()
    assert row == (grace.id, "grace", "127.0.0.1", {"amount": "5475.50", "reasons": ["one", "two"]})


def test_a_detail_that_looks_like_a_secret_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="secret"), unit_of_work() as session:
        audit.record(session, SYSTEM, "user.added", "user", 1, password="granite")


def test_the_guards_refuse_to_change_history(database: Database) -> None:
    chained(database, "a")
    with database.connect() as connection:
        for table in SEALED_TABLES[::2]:
            with pytest.raises(psycopg.Error, match="append-only"):
                connection.execute(f"DELETE FROM {table}")


# Sealing.


def test_every_column_has_a_say_in_the_seal(database: Database) -> None:
    with database.connect() as connection:
        for source in SOURCES.values():
            query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
            assert set(source.columns) == {name for (name,) in connection.execute(query, [source.table])}


def test_a_fresh_chain_is_whole_and_names_its_unsealed_tail(database: Database) -> None:
    seal_all()
    before = verify()
    write("a", "b", "c")
    verdict = verify()
    assert (verdict.ok, verdict.sealed, verdict.unsealed) == (True, before.sealed, 3)
    assert "3 more wait" in verdict.sentence
    assert seal() == 3
    assert verify().unsealed == 0
    assert verify().head_hash != before.head_hash


def test_rows_are_sealed_in_batches_even_within_one_transaction(database: Database) -> None:
    seal_all()
    write(*range(25))
    assert [seal(limit=10) for _ in range(4)] == [10, 10, 5, 0]
    assert verify().ok


def test_nothing_is_sealed_twice_and_nothing_is_left(database: Database) -> None:
    with database.connect() as connection:
        insert_transaction(connection)
        for number in range(30):
            insert_events(connection, number % 4)
            connection.execute(INSERT_ENTRY, [number])
    while seal(limit=7):
        pass
    verdict = verify()
    assert (verdict.ok, verdict.unsealed) == (True, 0)


def test_a_row_waits_while_a_transaction_with_a_lower_number_is_open(database: Database) -> None:
    seal_all()
    with database.connect() as early, database.connect() as late:
        early.execute("BEGIN")
        early.execute(INSERT_ENTRY, ["early"])
        late.execute(INSERT_ENTRY, ["late"])
        assert seal() == 0, "early could still be kept, and belongs before late"
        assert verify().unsealed == 1
        early.execute("COMMIT")
        assert seal() == 2
        rows = late.execute("SELECT e.subject_id FROM seals s JOIN audit_entries e ON s.source = 2 AND e.seq = s.source_seq ORDER BY s.number DESC LIMIT 2")
        assert [subject for (subject,) in rows] == ["late", "early"]
    assert verify().ok


def test_a_transaction_that_is_given_up_holds_nothing_back(database: Database) -> None:
    seal_all()
    with database.connect() as early:
        early.execute("BEGIN")
        early.execute(INSERT_ENTRY, ["early"])
        write("late")
        early.execute("ROLLBACK")
    assert seal() == 1
    assert verify().ok


def test_only_one_seals_at_a_time(database: Database) -> None:
    write("a")
    with unit_of_work() as first:
        assert audit.seal(first) > 0
        assert seal() == 0
    assert verify().ok


def test_the_chain_holds_while_many_write_and_two_seal(database: Database) -> None:
    seal_all()
    writing = threading.Event()

    def writer(name: int) -> None:
        with database.connect() as connection:
            for number in range(60):
                connection.execute("BEGIN")
                connection.execute(INSERT_ENTRY, [f"{name}.{number}"])
                connection.execute("SELECT pg_sleep(%s)", [0.001 * (number % 5)])
                connection.execute("ROLLBACK" if number % 7 == 0 else "COMMIT")

    def sealer() -> None:
        while not writing.is_set():
            seal(limit=11)

    writers = [threading.Thread(target=writer, args=(name,)) for name in range(4)]
    sealers = [threading.Thread(target=sealer) for _ in range(2)]
    for thread in (*writers, *sealers):
        thread.start()
    for thread in writers:
        thread.join()
    writing.set()
    for thread in sealers:
        thread.join()
    seal_all()
    verdict = verify()
    assert (verdict.ok, verdict.unsealed) == (True, 0), verdict.sentence


def test_a_restored_dump_whose_counter_began_anew_goes_on(database: Database) -> None:
    chained(database, "a", "b")
    with as_somebody_with_power(database) as connection:
        # As if all of it had been written, and sealed but for the last, by a server that was ten million transactions older.
        connection.execute("UPDATE seals SET xid = xid + 10000000")
        connection.execute("UPDATE audit_entries SET xid = xid + 10000000")
        connection.execute("UPDATE events SET xid = xid + 10000000")
        connection.execute("DELETE FROM seals")
    write("the tail of the old server")
    with as_somebody_with_power(database) as connection:
        connection.execute("UPDATE audit_entries SET xid = xid + 10000000 WHERE subject_id LIKE 'the tail%'")
    assert seal(limit=2) == 2
    write("new")
    while seal(limit=2):
        pass
    write("newer")
    assert seal() == 1
    verdict = verify()
    assert (verdict.ok, verdict.unsealed) == (True, 0), verdict.sentence


def test_thousands_of_rows_are_sealed_at_once(database: Database, statements: list[tuple[str, Any]]) -> None:
    """How quickly, `python -m bench.audit` measures; row by row it could not be quick."""
    seal_all()
    with database.connect() as connection:
        insert_transaction(connection)
        insert_events(connection, 40_000)
    statements.clear()
    assert seal_all() == 40_000
    assert len(statements) < 40_000 / 500
    assert verify().ok


# Verifying: each way to change history, and where it shows.


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_entries SET actor_name = 'nobody' WHERE seq = %s",
        "UPDATE audit_entries SET actor_id = '00000000-0000-7000-8000-000000000001' WHERE seq = %s",
        "UPDATE audit_entries SET address = '' WHERE seq = %s",
        "UPDATE audit_entries SET action = 'thing.undone' WHERE seq = %s",
        "UPDATE audit_entries SET subject_id = 'B' WHERE seq = %s",
        """UPDATE audit_entries SET details = '{"a": 1}' WHERE seq = %s""",
        "UPDATE audit_entries SET at = at + interval '1 microsecond' WHERE seq = %s",
        "UPDATE audit_entries SET at = 'infinity' WHERE seq = %s",
        "UPDATE audit_entries SET xid = xid - 1 WHERE seq = %s",
        "UPDATE seals SET hash = sha256('') WHERE source_seq = %s",
        "UPDATE seals SET xid = xid + 1 WHERE source_seq = %s",
        "UPDATE seals SET source = 7 WHERE source_seq = %s",
    ],
)
def test_an_edited_row_or_seal_shows_at_its_place(database: Database, change: str) -> None:
    seqs = chained(database, "a", "b", "c", "d")
    with as_somebody_with_power(database) as connection:
        connection.execute(change, [seqs[1]])
        number = connection.execute("SELECT number FROM seals WHERE source_seq = %s", [seqs[1]]).fetchone()
    verdict = verify()
    assert not verdict.ok
    assert verdict.first_bad is not None
    assert number is not None
    assert (verdict.first_bad.seq, verdict.first_bad.number) == (seqs[1], number[0])
    assert verdict.sealed == number[0] - 1


def test_an_edited_event_shows(database: Database) -> None:
    with database.connect() as connection:
        insert_transaction(connection)
        insert_events(connection, 3)
    seal_all()
    with as_somebody_with_power(database) as connection:
        connection.execute("UPDATE events SET facts = jsonb_set(facts, '{n}', '2.0') WHERE facts->>'n' = '2'")
    verdict = verify()
    assert not verdict.ok
    assert verdict.first_bad is not None
    assert verdict.first_bad.table == "events"


def test_a_deleted_row_shows_at_its_place(database: Database) -> None:
    seqs = chained(database, "a", "b", "c")
    with as_somebody_with_power(database) as connection:
        connection.execute("DELETE FROM audit_entries WHERE seq = %s", [seqs[1]])
    verdict = verify()
    assert not verdict.ok
    assert verdict.first_bad is not None
    assert verdict.first_bad.seq == seqs[1]
    assert "deleted" in verdict.sentence


def test_a_deleted_seal_shows_at_its_number(database: Database) -> None:
    seqs = chained(database, "a", "b", "c")
    with as_somebody_with_power(database) as connection:
        row = connection.execute("DELETE FROM seals WHERE source_seq = %s RETURNING number", [seqs[1]]).fetchone()
    verdict = verify()
    assert not verdict.ok
    assert verdict.first_bad is not None
    assert row is not None
    assert verdict.first_bad.number == row[0]
    assert "removed" in verdict.sentence


def test_two_entries_that_changed_places_show_at_the_first(database: Database) -> None:
    seqs = chained(database, "a", "b", "c", "d")
    with as_somebody_with_power(database) as connection:
        first, second = (connection.execute("SELECT number, xid FROM seals WHERE source_seq = %s", [seq]).fetchone() for seq in seqs[1:3])
        assert first is not None
        assert second is not None
        connection.execute("UPDATE seals SET source_seq = -1 WHERE number = %s", [first[0]])
        connection.execute("UPDATE seals SET source_seq = %s, xid = %s WHERE number = %s", [seqs[1], first[1], second[0]])
        connection.execute("UPDATE seals SET source_seq = %s, xid = %s WHERE number = %s", [seqs[2], second[1], first[0]])
    verdict = verify()
    assert not verdict.ok
    assert verdict.first_bad is not None
    assert (verdict.first_bad.number, verdict.first_bad.seq) == (first[0], seqs[2])


def test_an_entry_slipped_in_with_an_old_date_shows(database: Database) -> None:
    seqs = chained(database, "a", "b")
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO audit_entries (actor_name, action, subject_type, subject_id, xid)"
            " SELECT actor_name, action, subject_type, 'forged', xid FROM audit_entries WHERE seq = %s",
            [seqs[0]],
        )
    assert seal() == 0
    verdict = verify()
    assert not verdict.ok
    assert verdict.first_bad is not None
    assert verdict.first_bad.seq == seqs[-1] + 1
    assert "slipped in" in verdict.sentence


def test_an_entry_from_a_transaction_that_never_was_shows(database: Database) -> None:
    chained(database, "a")
    with database.connect() as connection:
        connection.execute("INSERT INTO audit_entries (actor_name, action, subject_type, subject_id, xid) VALUES ('x', 'x', 'x', 'x', 1000000000)")
    assert not verify().ok


def test_an_event_under_a_sealed_number_shows(database: Database) -> None:
    with database.connect() as connection:
        insert_transaction(connection)
        insert_events(connection, 1)
        seal_all()
        connection.execute(
            "INSERT INTO events (seq, at, transaction_id, version, to_stage, actor_name, reason, xid) OVERRIDING SYSTEM VALUE"
            " SELECT seq, at + interval '1 day', transaction_id, version, to_stage, actor_name, 'forged', xid FROM events"
        )
    verdict = verify()
    assert not verdict.ok
    assert "2 times" in verdict.sentence


def test_a_tail_cut_off_shows_to_whoever_noted_the_head(database: Database) -> None:
    seqs = chained(database, "a", "b", "c")
    noted = verify()
    published = [audit.Head(noted.sealed, noted.head_hash, clock.now())]
    write("d")
    seal_all()
    assert verify(published).ok
    with as_somebody_with_power(database) as connection:
        connection.execute("DELETE FROM seals WHERE source_seq >= %s AND source = 2", [seqs[2]])
        connection.execute("DELETE FROM audit_entries WHERE seq >= %s", [seqs[2]])
    assert verify().ok, "without a published head nobody can tell"
    assert "cut off" in verify(published).sentence
    write("e", "f")
    seal_all()
    verdict = verify(published)
    assert not verdict.ok
    assert "written anew" in verdict.sentence


def test_the_walk_takes_the_chain_in_pieces(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "VERIFY_ROWS", 4)
    seal_all()
    write(*range(10))
    assert seal() == 10
    assert verify().ok


def test_a_text_that_imitates_the_form_of_two_fields_is_not_two_fields(database: Database) -> None:
    write('x", "y', "x", note=json.dumps(["a", None]))
    seal_all()
    with as_somebody_with_power(database) as connection:
        connection.execute("UPDATE audit_entries SET subject_type = 'thing\", \"x', subject_id = 'y' WHERE subject_id LIKE 'x\"%%'")
    assert not verify().ok
