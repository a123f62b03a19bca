"""Refusals on the record: each is there, once, and nobody fills the record by asking again."""

import threading
from collections.abc import Iterator

import pytest

from core import clock
from core.access import PERMISSIONS, Actor, require
from core.db import unit_of_work
from core.errors import NotAllowed
from core.security import audit as record
from core.services import audit, exports
from core.services.denials import APART_SECONDS, DENIALS
from tests.world import AddPerson, Database


@pytest.fixture(autouse=True)
def just_begun() -> Iterator[None]:
    """As in a process that has refused nobody yet."""
    DENIALS.forget()
    yield
    DENIALS.forget()


def denials(database: Database) -> list[tuple[str, str, dict[str, object]]]:
    with database.connect() as connection:
        rows = connection.execute("SELECT actor_name, subject_id, details FROM audit_entries WHERE action = 'access.denied' ORDER BY seq")
        return [(name, permission, details) for name, permission, details in rows]


def refused(actor: Actor, permission: str) -> None:
    with pytest.raises(NotAllowed):
        require(actor, permission)


def test_a_service_that_refuses_leaves_an_entry_with_who_and_which_right(database: Database, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace")
    with pytest.raises(NotAllowed):
        audit.look(grace, audit.Asked())
    with pytest.raises(NotAllowed):
        exports.lately(grace)
    assert denials(database) == [("grace", "audit:read", {"role": "operator"}), ("grace", "transactions:export", {"role": "operator"})]


def test_every_right_that_is_refused_is_on_the_record(database: Database, add_person: AddPerson) -> None:
    grace = add_person("operator")
    lacking = sorted(set(PERMISSIONS) - grace.permissions)
    for permission in lacking:
        refused(grace, permission)
    assert [permission for _, permission, _ in denials(database)] == lacking


def test_what_is_allowed_leaves_none(database: Database, add_person: AddPerson) -> None:
    manager = add_person("manager")
    audit.look(manager, audit.Asked())
    assert denials(database) == []


def test_asking_again_and_again_is_one_entry_a_minute_which_tells_how_often(database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> None:
    grace, chikondi = add_person("operator", username="grace"), add_person("operator", username="chikondi")
    for _ in range(500):
        refused(grace, "audit:read")
    refused(chikondi, "audit:read")
    assert [(name, details.get("refused_since_the_last_entry")) for name, _, details in denials(database)] == [("grace", None), ("chikondi", None)]
    later = clock.monotonic_seconds() + APART_SECONDS
    monkeypatch.setattr(clock, "monotonic_seconds", lambda: later)
    refused(grace, "audit:read")
    assert [(name, details.get("refused_since_the_last_entry")) for name, _, details in denials(database)][2:] == [("grace", 499)]


def test_many_at_once_are_one_entry(database: Database, add_person: AddPerson) -> None:
    grace = add_person("operator")
    threads = [threading.Thread(target=refused, args=(grace, "audit:read")) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(denials(database)) == 1


def test_a_database_that_is_away_takes_nothing_from_the_refusal(add_person: AddPerson, database: Database) -> None:
    grace = add_person("operator")
    with database.connect() as connection:
        connection.execute("ALTER TABLE audit_entries RENAME TO away")
    refused(grace, "audit:read")


def test_a_refusal_inside_a_unit_of_work_is_kept_though_the_unit_is_not(database: Database, add_person: AddPerson) -> None:
    """An act that was begun and then refused is rolled back; that it was refused is not."""
    grace = add_person("operator", username="grace")
    with pytest.raises(NotAllowed), unit_of_work() as session:
        record.record(session, grace, "thing.begun", "thing", 1)
        session.flush()
        require(grace, "audit:read")
    assert [name for name, _, _ in denials(database)] == ["grace"]
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM audit_entries WHERE action = 'thing.begun'").fetchone() == (0,)
