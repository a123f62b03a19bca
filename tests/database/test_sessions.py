"""How the console holds its connections: what one sees, what one may do, and that one that died in its sleep is noticed before it is used."""

import uuid

import pytest
from sqlalchemy import URL, text
from sqlalchemy.exc import OperationalError

import core.db
from core.settings import Part, settings
from tests.sandbox.running_sandbox import wait_until
from tests.world import Database, connect, console_uses, create_database, drop_database

NOW, MINE = text("SELECT now()"), text("SELECT pg_backend_pid()")


def test_a_glance_sees_each_statement_at_its_own_moment_and_a_unit_of_work_all_at_one(database: Database) -> None:
    with core.db.glance() as session:
        assert session.scalar(NOW) < session.scalar(NOW)
    with core.db.unit_of_work() as session:
        assert session.scalar(NOW) == session.scalar(NOW)


def test_after_a_glance_the_same_connection_keeps_all_of_a_unit_of_work_or_none(database: Database) -> None:
    with core.db.glance() as session:
        glancing = session.scalar(MINE)

    def try_to_keep() -> None:
        with core.db.unit_of_work() as session:
            assert session.scalar(MINE) == glancing
            session.execute(text("CREATE TABLE kept AS SELECT 1"))
            raise LookupError

    with pytest.raises(LookupError):
        try_to_keep()
    with core.db.glance() as session:
        assert session.scalar(text("SELECT to_regclass('kept')")) is None


def test_a_connection_that_died_while_it_rested_is_not_handed_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.db, "UNSEEN_SECONDS", -1.0)
    with core.db.unit_of_work() as session:
        resting = session.scalar(MINE)
    with database.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [resting])
        while connection.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [resting]).fetchone():
            pass
    with core.db.unit_of_work() as session:
        assert session.scalar(MINE) != resting


def test_neither_a_programs_role_nor_its_connections_outlive_the_test_that_took_it(server_url: URL, template: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    url = create_database(server_url, f"left_{uuid.uuid4().hex[:12]}", template=template.database)
    monkeypatch.setenv("DATABASE_URL_WORKER", url.set(username=Part.WORKER.role).render_as_string(hide_password=False))
    with console_uses(url, monkeypatch):
        assert core.db.engine().url.username == url.username
        core.db.act_as(Part.WORKER)
        with core.db.glance() as session:
            assert session.scalar(NOW)
        assert core.db.engine().url.username == Part.WORKER.role
    assert core.db.engine().url.username == url.username
    with connect(server_url) as connection:
        # The server sees a connection's end when it next looks; one that nobody closed would stay.
        wait_until(lambda: connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [url.database]).fetchone() == (0,))
    settings.cache_clear()
    drop_database(server_url, url)


def test_what_the_server_can_never_keep_is_not_taken_for_an_outage(database: Database) -> None:
    """A worker tries again for as long as the database is away: what it brought would be tried for ever."""
    with pytest.raises(OperationalError, match="index row"), core.db.unit_of_work() as session:
        session.execute(text("CREATE TEMPORARY TABLE kept (word text PRIMARY KEY)"))
        session.execute(text("INSERT INTO kept SELECT string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 400)"))
