"""The record as a file, from the real server: who gets it, what stands in it, and that it was taken is on the record itself."""

import csv
import hashlib
import io
from collections.abc import Callable

import pytest
from sqlalchemy import URL

from core.access import SYSTEM
from core.db import unit_of_work
from core.ids import new_id
from core.security import audit
from tests.front_door.conftest import Console
from tests.world import connect

PATH = "/export/audit.csv"

TokenOf = Callable[[str], str]


def write(kind: str, which: str, **details: object) -> None:
    with unit_of_work() as session:
        audit.record(session, SYSTEM, "thing.done", kind, which, **details)


def taken(database: URL) -> list[tuple[str, dict[str, object]]]:
    with connect(database) as connection:
        rows = connection.execute("SELECT action, details FROM audit_entries WHERE action LIKE 'audit.export%' ORDER BY seq").fetchall()
    return [(action, details) for action, details in rows]


def test_a_manager_gets_everything_that_was_searched_for_and_the_record_says_so(console: Console, console_database: URL, token_of: TokenOf) -> None:
    kind = f"thing-{new_id().hex[:8]}"
    for which in ("=1+1", "plain", "@SUM(A1)"):
        write(kind, which, note="two\nlines")
    with console.client(token_of("manager")) as browser:
        answer = browser.get(PATH, params={"q": f"about:{kind}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="audit-20')
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["subject_id"] for row in rows] == ["'@SUM(A1)", "plain", "'=1+1"]
    assert {row["who"] for row in rows} == {"system"}
    begun, ended = taken(console_database)[-2:]
    assert (begun[0], ended[0]) == ("audit.export_begun", "audit.exported")
    assert ended[1]["sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert (ended[1]["rows"], ended[1]["complete"], ended[1]["search"]) == (3, True, f"about:{kind}")


@pytest.mark.parametrize(
    ("role", "params", "status", "told"),
    [
        (None, {}, 401, "Sign in"),
        ("operator", {}, 403, "see who did what"),
        ("analyst", {}, 403, "see who did what"),
        ("manager", {"q": "wo:grace"}, 400, "Did you mean “who:”?"),
        ("administrator", {"q": "since:soon"}, 400, "since:soon"),
    ],
)
def test_everybody_else_gets_a_sentence(
    console: Console, console_database: URL, token_of: TokenOf, role: str | None, params: dict[str, str], status: int, told: str
) -> None:
    before = len(taken(console_database))
    with console.client(token_of(role) if role else None) as browser:
        answer = browser.get(PATH, params=params)
    assert answer.status_code == status
    assert told in answer.text
    assert len(taken(console_database)) == before


def test_another_page_cannot_have_it_thrown_at_somebody(console: Console, token_of: TokenOf) -> None:
    with console.client(token_of("manager")) as browser:
        assert browser.get(PATH, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
