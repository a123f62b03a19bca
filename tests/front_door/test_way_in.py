"""The routes that set and drop the cookie, against the real server."""

from collections.abc import Callable

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from core.api.routes import ROUTES
from core.api.session import safe_path
from core.security.sessions import cookie_name
from core.services import people
from tests.world import PASSWORD


def ticket(username: str) -> str:
    return people.sign_in(username, PASSWORD, None)


def location(answer: httpx.Response) -> str:
    assert answer.status_code == 303
    return answer.headers["location"]


def test_a_ticket_becomes_a_cookie_that_no_script_can_read(console, add_somebody) -> None:  # type: ignore[no-untyped-def]
    with console.client() as browser:
        answer = browser.get("/session/enter", params={"ticket": ticket(add_somebody("operator")), "next": "/transactions?id=7&retry=1"})
    assert location(answer) == "/transactions?id=7&retry=1"
    cookie = answer.headers["set-cookie"]
    name, _, attributes = cookie.partition(";")
    assert name.startswith("billers=")
    assert {part.strip().lower() for part in attributes.split(";")} == {"httponly", "samesite=lax", "path=/", "max-age=43200"}
    actor = people.actor_of(name.removeprefix("billers="))
    assert actor is not None
    assert actor.address == "127.0.0.1"
    assert answer.headers["cache-control"] == "no-store"


def test_over_https_the_cookie_travels_over_nothing_else(monkeypatch: pytest.MonkeyPatch, database, add_person, set_environment) -> None:  # type: ignore[no-untyped-def]
    set_environment(billers_secure_cookies="true")
    add_person("operator", username="grace")

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=ROUTES)), base_url="https://pay.example.mw") as browser:
            return await browser.get("/session/enter", params={"ticket": ticket("grace")}, headers={"Sec-Fetch-Site": "same-origin"})

    answer = anyio.run(ask)
    assert answer.headers["set-cookie"].startswith("__Host-billers=")
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_ticket_works_once(console, add_somebody) -> None:  # type: ignore[no-untyped-def]
    with console.client() as browser:
        way = {"ticket": ticket(add_somebody("operator")), "next": "/payment?draft=1"}
        browser.get("/session/enter", params=way)
        again = browser.get("/session/enter", params=way)
    assert location(again) == "/payment?draft=1&notice=ticket"
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize("wrong", ["", "x", "a" * 3000, "\0", "' OR 1=1 --"])
def test_a_made_up_ticket_leads_back_to_the_sign_in(console, wrong: str) -> None:  # type: ignore[no-untyped-def]
    with console.client() as browser:
        assert location(browser.get("/session/enter", params={"ticket": wrong})) == "/?notice=ticket"


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}, {}, {"Referer": "http://evil.example/"}]
)
def test_a_link_from_elsewhere_signs_nobody_in_as_somebody_else(console, add_somebody, headers: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    mine = ticket(add_somebody("operator"))
    with console.client() as browser:
        del browser.headers["Sec-Fetch-Site"]
        answer = browser.get("/session/enter", params={"ticket": mine}, headers=headers)
        assert location(answer) == "/?notice=elsewhere"
        assert "set-cookie" not in answer.headers
        # The ticket was not even looked at.
        assert location(browser.get("/session/enter", params={"ticket": mine}, headers={"Referer": f"{console.url}/payment"})) == "/"


ELSEWHERE = [
    *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "http:/evil.example", "javascript:alert(1)"),
    *(
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/%0d%0aSet-Cookie:x=y\r\nX: y",
        "evil.example",
        "",
        "/session/enter?ticket=x",
    ),
    *("/./\\evil.example", "/a\\..\\evil", "data:text/html,x", "@evil.example", "/\u2028/evil", "/é"),
]


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_the_way_in_leads_nowhere_else(wanted: str) -> None:
    assert safe_path(wanted) == "/"


@pytest.mark.parametrize(
    "wanted", ["/", "/payment", "/transactions?id=0190&retry=1", "/lookup?account=1%2F2", "/?x=//evil.example", "/a?next=https://evil.example"]
)
def test_the_way_in_leads_to_the_page_that_was_asked_for(wanted: str) -> None:
    assert safe_path(wanted) == wanted


def test_the_server_itself_leads_nowhere_else(console, add_somebody) -> None:  # type: ignore[no-untyped-def]
    with console.client() as browser:
        for wanted in ELSEWHERE:
            assert location(browser.get("/session/enter", params={"ticket": ticket(add_somebody("operator")), "next": wanted})) == "/"


def test_signing_in_again_ends_the_session_before(console, add_somebody, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    old = token_of("operator")
    with console.client(old) as browser:
        answer = browser.get("/session/enter", params={"ticket": ticket(add_somebody("manager"))})
    assert "set-cookie" in answer.headers
    assert people.actor_of(old) is None


def test_a_picture_on_another_page_signs_nobody_out(console, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    token = token_of("operator")
    with console.client(token) as browser:
        assert location(browser.get("/session/leave")) == "/"
        for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
            assert browser.post("/session/leave", headers=headers).status_code == 403
    assert people.actor_of(token) is not None


def test_leaving_ends_the_session_and_drops_the_cookie(console, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    token = token_of("operator")
    with console.client(token) as browser:
        answer = browser.post("/session/leave", headers={"Origin": console.url})
    assert location(answer) == "/"
    assert answer.headers["set-cookie"].startswith(f'{cookie_name()}="";')
    assert people.actor_of(token) is None


def test_the_cookie_of_a_session_that_is_over_is_dropped(console, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    token = token_of("operator")
    people.sign_out(token)
    with console.client(token) as browser:
        answer = browser.get("/session/leave")
    assert location(answer) == "/?notice=left"
    assert "set-cookie" in answer.headers
