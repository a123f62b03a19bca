"""The routes of reports: who is answered, with what, and that no other page can have one made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from core.access import Actor
from core.api.routes import ROUTES
from core.ids import new_id
from core.security.sessions import cookie_name
from core.services import people, reports
from core.settings import settings
from tests.reports.conftest import Week
from tests.world import PASSWORD, PASSWORD_HASH, AddPerson, Database

FROM_US = {"Sec-Fetch-Site": "same-origin"}
WEEK = "/reports/weekly/2025-W47"


@dataclass
class Browser:
    """A browser without a screen, before the console's own routes."""

    cookies: Mapping[str, str]

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] = FROM_US) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(Starlette(routes=ROUTES))
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=dict(self.cookies)) as client:
                return await client.request(method, path, headers=dict(headers))

        return anyio.run(ask)


BrowserOf = Callable[[Actor | None], Browser]


@pytest.fixture
def browser(database: Database, monkeypatch: pytest.MonkeyPatch) -> BrowserOf:
    """`browser(analyst)`: a browser that this person signed in with."""
    monkeypatch.setenv("BILLERS_SECURE_COOKIES", "false")
    settings.cache_clear()

    def sign_in(actor: Actor | None) -> Browser:
        if actor is None:
            return Browser({})
        with database.connect() as connection:
            connection.execute("UPDATE users SET password_hash = %s WHERE id = %s", [PASSWORD_HASH, actor.id])
        return Browser({cookie_name(): people.redeem(people.sign_in(actor.username, PASSWORD, None), None, None)})

    return sign_in


def entries(database: Database) -> int:
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM audit_entries WHERE subject_type = 'report'").fetchone()
    assert row is not None
    return int(row[0])


def refused_in_words(answer: httpx.Response, status: int, words: str) -> None:
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    assert answer.headers["content-type"].startswith("text/plain")
    assert words in answer.text


@pytest.mark.parametrize(
    ("form", "media", "begins"),
    [
        ("pdf", "application/pdf", b"%PDF-"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
        ("csv", "text/csv; charset=utf-8", b"\xef\xbb\xbfsection,"),
    ],
)
def test_a_report_comes_as_a_file_that_nobody_keeps(week: Week, browser: BrowserOf, analyst: Actor, form: str, media: str, begins: bytes) -> None:
    answer = browser(analyst).ask(f"{WEEK}.{form}")
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (200, media, "no-store")
    assert answer.headers["content-disposition"] == f'attachment; filename="report-weekly-2025-W47.{form}"'
    assert answer.content.startswith(begins)


@pytest.mark.parametrize("path", ["/reports/daily/2025-11-20.csv", "/reports/weekly/2025-W47.csv", "/reports/monthly/2025-11.csv"])
def test_each_kind_has_its_address(week: Week, browser: BrowserOf, manager: Actor, path: str) -> None:
    assert browser(manager).ask(path).status_code == 200


def test_one_that_was_made_comes_as_it_was_made(week: Week, browser: BrowserOf, analyst: Actor) -> None:
    window = browser(analyst)
    made = window.ask(f"{WEEK}.pdf").content
    (kept,) = reports.latest(analyst, 10)
    assert window.ask(f"/reports/kept/{kept.id}.pdf").content == made


def test_a_person_may_type_the_address(week: Week, browser: BrowserOf, analyst: Actor) -> None:
    assert browser(analyst).ask(f"{WEEK}.csv", headers={"Sec-Fetch-Site": "none"}).status_code == 200
    assert browser(analyst).ask(f"{WEEK}.csv", headers={}).status_code == 200


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"Sec-Fetch-Site": "cross-site"}, "another site"),
    ({"Sec-Fetch-Site": "same-site"}, "a neighbour of ours"),
    ({"Referer": "http://elsewhere.example/"}, "another site, over plain HTTP"),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "http://elsewhere.example"}, "a form of another site"),
    ({"Sec-Fetch-Site": "same-origin", "Sec-Purpose": "prefetch;prerender"}, "nobody: the browser guesses"),
]


@pytest.mark.parametrize(("headers", "who"), REFUSED, ids=[who for _, who in REFUSED])
def test_no_other_page_can_have_a_report_made(week: Week, browser: BrowserOf, analyst: Actor, database: Database, headers: dict[str, str], who: str) -> None:
    refused_in_words(browser(analyst).ask(f"{WEEK}.pdf", headers=headers), 403, "in the console itself")
    assert entries(database) == 0


def test_asking_only_for_the_head_makes_nothing(week: Week, browser: BrowserOf, analyst: Actor, database: Database) -> None:
    assert browser(analyst).ask(f"{WEEK}.pdf", "HEAD").status_code == 405
    assert entries(database) == 0


def test_each_refusal_is_a_sentence(week: Week, browser: BrowserOf, analyst: Actor, add_person: AddPerson, database: Database) -> None:
    refused_in_words(browser(None).ask(f"{WEEK}.pdf"), 401, "You are signed out.")
    for role in ("operator", "administrator"):
        refused_in_words(browser(add_person(role)).ask(f"{WEEK}.pdf"), 403, "make reports and take them away")
    window = browser(analyst)
    refused_in_words(window.ask("/reports/yearly/2025.pdf"), 404, "Use one of daily, weekly, monthly")
    refused_in_words(window.ask(f"{WEEK}.docx"), 404, "Use one of pdf, xlsx, csv")
    refused_in_words(window.ask("/reports/daily/'; DROP TABLE--.csv"), 400, "written like 2026-11-24")
    refused_in_words(window.ask("/reports/daily/2199-01-01.csv"), 409, "has not begun")
    refused_in_words(window.ask("/reports/kept/7.pdf"), 404, "take it from the list")
    refused_in_words(window.ask(f"/reports/kept/{new_id()}.pdf"), 404, "There is no such report")
    assert entries(database) == 0


def test_somebody_whose_session_was_ended_gets_nothing(week: Week, browser: BrowserOf, analyst: Actor) -> None:
    window = browser(analyst)
    people.sign_out(window.cookies[cookie_name()])
    refused_in_words(window.ask(f"{WEEK}.pdf"), 401, "You are signed out.")


def test_what_nobody_foresaw_is_an_incident_and_shows_nothing(week: Week, browser: BrowserOf, analyst: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("at /srv/secret")

    monkeypatch.setattr(reports, "_draw", breaks)
    answer = browser(analyst).ask(f"{WEEK}.pdf")
    refused_in_words(answer, 500, "incident ")
    assert "/srv" not in answer.text
    # What could not be drawn is not kept.
    assert list(reports.latest(analyst, 10)) == []
