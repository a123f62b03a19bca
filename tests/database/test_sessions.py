"""How the console holds its connections: what one sees, what one may do, and that one that died in its sleep is noticed before it is used."""

import pytest
from sqlalchemy import text

import core.db
from tests.world import Database

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
