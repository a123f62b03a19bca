"""Looking through a record of millions: along an index, in bounded steps, and with nothing left out on the way."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

import core.db
from core import clock
from core.access import Actor
from core.services import audit
from core.services.audit import PAGE_SIZE, Asked, Page
from tests.world import AddPerson, Database

MANY = 30_000

# Many of one kind, few of another, one that stands alone near the beginning; a minute apart, the newest now.
FILL = """
    INSERT INTO audit_entries (at, actor_name, address, action, subject_type, subject_id, details)
    SELECT now() - make_interval(mins => %(many)s - n), CASE WHEN n %% 100 = 0 THEN 'grace' ELSE 'clerk-' || n %% 20 END, '10.0.0.' || n %% 50,
        CASE WHEN n %% 500 = 0 THEN 'token.revealed' ELSE 'transaction.submitted' END, 'transaction', 'T' || n,
        jsonb_build_object('n', n, 'note', CASE WHEN n = 40 THEN 'zebra "Ünique" 50%% off' ELSE 'usual' END)
    FROM generate_series(1, %(many)s) n
"""


@pytest.fixture
def manager(database: Database, add_person: AddPerson) -> Actor:
    return add_person("manager", username="mphatso")


@pytest.fixture
def filled(database: Database, manager: Actor) -> Actor:
    with database.connect() as connection:
        connection.execute(psycopg.ClientCursor(connection).mogrify(FILL, {"many": MANY}))
        connection.execute("VACUUM (ANALYZE) audit_entries")
    return manager


def subjects(page: Page) -> list[str]:
    assert not page.complaints, page.complaints
    return [entry.subject_id for entry in page.entries]


def walked(manager: Actor, line: str) -> list[str]:
    """Every page from the newest to the end."""
    found, place = [], None
    while True:
        page = audit.look(manager, Asked(line, place=place))
        found += subjects(page)
        if page.older is None:
            return found
        place = page.older


def test_pages_hold_every_entry_once_in_order(filled: Actor) -> None:
    assert walked(filled, "action:token") == [f"T{n}" for n in range(MANY, 0, -500)]
    assert walked(filled, "who:grace from:10.0.0.0") == [f"T{n}" for n in range(MANY, 0, -100)]


@pytest.mark.parametrize("line", ["zebra", "ZEBRA", '"zebra \\"Ünique\\""', "50%", "zebra off", "about:transaction:T40", "zebra about:transaction"])
def test_what_is_rare_is_found_however_far_back(filled: Actor, line: str) -> None:
    assert walked(filled, line) == ["T40"]


def test_a_look_that_takes_too_long_says_how_far_it_came_and_goes_on_from_there(filled: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LOOK_SECONDS", 0.0)
    page = audit.look(filled, Asked("zebra"))
    assert not page.entries
    assert page.looked_back_to is not None
    assert page.looked_back_to < clock.now() - timedelta(minutes=audit.STEP - 1_000)
    assert page.older is not None
    assert subjects(audit.look(filled, Asked("zebra", place=page.older))) == ["T40"]


def test_days_are_business_days_and_hold_what_was_written_in_them(filled: Actor, database: Database) -> None:
    found = walked(filled, "action:token since:3d")
    with database.connect() as connection:
        ((expected,),) = connection.execute(
            "SELECT count(*) FROM audit_entries WHERE action = 'token.revealed'"
            " AND at >= (date_trunc('day', now() AT TIME ZONE 'Africa/Blantyre') - interval '2 days') AT TIME ZONE 'Africa/Blantyre'"
        ).fetchall()
    assert len(found) == expected > 0
    assert walked(filled, "since:2020-01-01 until:2020-01-02") == []


def test_so_many_are_counted_and_beyond_it_is_more(filled: Actor) -> None:
    assert audit.look(filled, Asked("action:token")).count == MANY // 500
    assert audit.look(filled, Asked("action:transaction")).count == audit.MOST_COUNTED
    assert audit.look(filled, Asked("zebra")).count == 1


def test_back_at_the_beginning_there_is_a_whole_page(filled: Actor) -> None:
    first = audit.look(filled, Asked())
    assert first.newer is None
    assert first.older is not None
    second = audit.look(filled, Asked(place=first.older))
    assert second.newer is not None
    back = audit.look(filled, Asked(place=second.newer))
    assert subjects(back) == subjects(first)
    assert len(back.entries) == PAGE_SIZE


@pytest.mark.parametrize(
    "line",
    ["", "who:clerk-7", "action:token", "action:transaction who:grace", "about:transaction:T77", "from:10.0.0.9", "since:3d until:2d", "zebra", "who:nobody"],
)
def test_no_question_of_the_page_reads_the_whole_record(filled: Actor, statements: list[tuple[str, Any]], line: str) -> None:
    audit.look(filled, Asked(line))
    asked = [(statement, parameters) for statement, parameters in statements if "audit_entries" in statement]
    assert asked
    with core.db.unit_of_work() as session:
        for statement, parameters in asked:
            plan = session.connection().exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
            assert not [step for step in plan if "Seq Scan on audit_entries" in step], (statement, plan)
        assert session.execute(text("SELECT count(*) FROM audit_entries")).scalar_one() > MANY


@pytest.mark.parametrize("line", ["about::x", "who:,", "action: ,", "from:", "since:today since:yesterday", "who:grace until:", "zebra" * 30, "x " * 9])
def test_what_would_find_more_than_was_meant_is_told_instead(manager: Actor, line: str) -> None:
    page = audit.look(manager, Asked(line))
    assert page.complaints
    assert not page.entries


@pytest.mark.parametrize("subject", ["user", ":x", "user:", ":"])
def test_an_address_of_no_object_shows_nothing(manager: Actor, subject: str) -> None:
    page = audit.look(manager, Asked(subject=subject))
    assert page.complaints
    assert not page.entries


@pytest.mark.parametrize("line", ["about:user:not-a-uuid", "about:thing:a:b", 'about:"a b:c d"', "from:::1", "who:nobody", "zebra"])
def test_what_nobody_has_is_found_nowhere_and_is_no_error(manager: Actor, line: str) -> None:
    page = audit.look(manager, Asked(line))
    assert (list(page.entries), page.complaints, page.count) == ([], (), 0)
