"""The restore gate on the screen: everybody is told that nothing is sent, and a manager signs it off."""

import pytest
from streamlit.testing.v1 import AppTest

from core.services.gate import NOTICE
from tests.pages.conftest import Till
from tests.world import AddPerson, Database

CLOSE = (
    "INSERT INTO gates (id, because, noticed_by, mirrored_seq, mirrored_at, found_seq, found_at)"
    " VALUES (1, '2 events are not in this database.', 'till-1', 1234, now(), 1200, now() - interval '1 hour')"
)
WORKER = "INSERT INTO workers (id, name) VALUES (gen_random_uuid(), 'w')"


def close(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(CLOSE)
        connection.execute(WORKER)


def alerts(window: AppTest) -> list[str]:
    return [str(one.value) for one in window.error]


def test_everybody_is_told_that_nothing_is_sent(database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> None:
    till = Till(add_person("operator"), monkeypatch)
    assert NOTICE not in alerts(till.open("lookup"))
    close(database)
    assert NOTICE in alerts(till.open("lookup"))


def test_a_manager_says_what_was_compared_and_opens_it(database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> None:
    close(database)
    till = Till(add_person("manager", display_name="Chikondi Phiri"), monkeypatch)
    window = till.open("gate")
    assert any("2 events are not in this database" in words for words in alerts(window))
    window.text_area[0].set_value("Fine.")
    next(one for one in window.button if one.label.startswith("Sign off")).click().run()
    assert any("what was compared, and what came of it" in words for words in alerts(window))
    window.text_area[0].set_value("Compared the statements of all billers: nothing else was paid.")
    next(one for one in window.button if one.label.startswith("Sign off")).click().run()
    assert not window.exception
    assert any("The gate is open." in str(one.value) for one in window.success)
    assert NOTICE not in alerts(till.open("gate"))
    with database.connect() as connection:
        assert connection.execute("SELECT reopened_because FROM gates").fetchone() == ("Compared the statements of all billers: nothing else was paid.",)
        assert connection.execute("SELECT actor_name FROM audit_entries WHERE action = 'gate.signed_off'").fetchone() == (till.actor.username,)
