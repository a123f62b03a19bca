"""Migrations run up and down on data, and what they make is what the models say."""

import os
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import core.db
from core.access import Actor
from core.models import Base
from core.services import lookups, seeds
from core.settings import CHECKOUT
from tests.conftest import Database, SetEnvironment

BASE, HEAD = "base", "head"


def _tables(database: Database) -> set[str]:
    with database.connect() as connection:
        return {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_the_models_and_the_migrations_say_the_same(database: Database) -> None:
    parts = ("_default", "_20")
    options = {"compare_type": True, "include_object": lambda _o, name, kind, _r, _c: not (kind == "table" and any(part in str(name) for part in parts))}
    with core.db.engine().connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def test_up_down_and_up_again_on_data(empty_database: Database, set_environment: SetEnvironment) -> None:
    set_environment(billers_sandbox="true")
    core.db.migrate()
    seeds.load()
    with empty_database.connect() as connection:
        person = connection.execute("SELECT id FROM users WHERE role = 'operator'").fetchone()
    assert person is not None
    lookups.ask(Actor(person[0], "grace", "Grace", "operator", frozenset({"accounts:lookup"})), "LWB_POSTPAID", "100001")
    full = _tables(empty_database)
    core.db.downgrade(BASE)
    assert _tables(empty_database) == {"alembic_version"}
    core.db.migrate()
    assert _tables(empty_database) == full
    seeds.load()
    assert core.db.revision_gap() is None


def test_a_database_that_is_behind_is_told_of_in_a_sentence(empty_database: Database) -> None:
    gap = core.db.revision_gap()
    assert gap is not None
    assert "billers migrate" in gap


def test_several_that_migrate_at_once_wait_for_each_other(empty_database: Database) -> None:
    # Processes, as it happens: an upgrade started on two machines.
    command = [sys.executable, "-m", "core.cli", "migrate"]
    environment = {**os.environ, "DATABASE_URL": empty_database.dsn}  # noqa: TID251 - what a child process gets
    running = [subprocess.Popen(command, cwd=CHECKOUT, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], told
    assert core.db.revision_gap() is None


def test_months_are_made_ahead_once_each_and_hold_their_rows(database: Database, add_person: Callable[..., Actor]) -> None:
    with database.connect() as connection:
        assert connection.execute("SELECT ensure_partitions('2031-01-31 23:30+00', 2)").fetchone() == (6,)
        assert connection.execute("SELECT ensure_partitions('2031-02-01 00:30+00', 1)").fetchone() == (0,)
        connection.execute(
            "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, account_number, stage, status, next_action_at)"
            " SELECT gen_random_uuid(), code, name, 'REFERENCE0000001', 'ACCOUNT_DETAILS', '1', 'CREATED', 'PENDING', now() FROM biller_types LIMIT 1"
        )
        insert = (
            "INSERT INTO attempts (id, at, transaction_id, verb, reference, lease_epoch, worker)"
            " SELECT gen_random_uuid(), %s, id, 'lookup', '1', 0, 'w' FROM transactions RETURNING tableoid::regclass::text"
        )
        assert connection.execute(insert, ("2031-02-28 23:59:59+00",)).fetchone() == ("attempts_2031_02",)
        # A month nobody foresaw is kept all the same.
        assert connection.execute(insert, ("2044-05-01 00:00+00",)).fetchone() == ("attempts_default",)


@pytest.mark.parametrize("second", ["INSERT", "UPDATE"])
def test_of_a_biller_at_most_one_configuration_is_active(database: Database, second: str) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE biller_configs SET is_active = true")
        copy = (
            "INSERT INTO biller_configs (id, biller_type, biller_name, display_name, base_url, endpoints, is_active)"
            " SELECT gen_random_uuid(), biller_type, biller_name, 'second', base_url, endpoints, %s FROM biller_configs LIMIT 1"
        )
        with pytest.raises(psycopg.errors.UniqueViolation, match="uq_biller_configs_active"):
            if second == "INSERT":
                connection.execute(copy, (True,))
            else:
                connection.execute(copy, (False,))
                connection.execute("UPDATE biller_configs SET is_active = true")
