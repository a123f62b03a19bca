"""What the real server answers to strangers, and what every answer carries."""

import ast
import base64
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import streamlit
from sqlalchemy import URL
from websockets.exceptions import InvalidStatus

from core.api import hardening
from core.api.assets import NOT_PAGES
from core.security.sessions import hash_of
from core.services import people
from core.settings import CHECKOUT
from tests.world import connect

PAGES = sorted(path.stem for path in (CHECKOUT / "pages").glob("*.py"))


def test_every_answer_carries_the_headers(console) -> None:  # type: ignore[no-untyped-def]
    with console.client() as browser:
        for path in ("/", "/payment", "/healthz", "/session/enter", "/_stcore/health", "/_stcore/metrics", "/nothing/here.txt"):
            headers = browser.get(path).headers
            assert headers["x-frame-options"] == "DENY", path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "unsafe-eval" not in headers["content-security-policy"]
            # Promised over HTTPS only.
            assert "strict-transport-security" not in headers


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_the_policy_names_each_script_of_the_page_and_no_other(console, encoding: str) -> None:  # type: ignore[no-untyped-def]
    with console.client() as browser:
        answer = browser.get("/", headers={"Accept-Encoding": encoding})
    scripts = re.findall(rb"<script>(.*?)</script>", answer.content, re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts}
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert set(policy["script-src"].split()) == {"'self'", "blob:", *hashes}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/_stcore/metrics", "/_stcore/script-health-check", "/_stcore/message", "/_stcore/agent", "/_stcore/agent/openapi.json")),
        *(("POST", path) for path in ("/_stcore/agent/interact", "/_stcore/agent/mcp", "/_stcore/agent/x/y")),
    ],
)
def test_doors_that_nobody_needs_are_shut(console, token_of: Callable[[str], str], method: str, path: str) -> None:  # type: ignore[no-untyped-def]
    for token in (None, token_of("administrator")):
        with console.client(token) as browser:
            answer = browser.request(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.text) == (404, "There is nothing here.")


# Streamlit's own doors, all of them, and what becomes of each here. One that a later version adds stands in neither list, and fails the test.
OPEN_DOORS = {
    "/_stcore/health",
    "/_stcore/host-config",
    "/_stcore/stream",
    "/_stcore/upload_file/{session_id}/{file_id}",
    "/_stcore/bidi-components/{path:path}",
    "/media/{file_id:path}",
    # The front end's files, and its page for every other path.
    "",
}
SHUT_DOORS = {
    *("/_stcore/metrics", "/_stcore/agent/interact", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp"),
    *("/auth/login", "/auth/logout", "/oauth2callback", "/component/{path:path}"),
}

WALK = """
import streamlit as st
from streamlit import config
config.get_config_options(force_reparse=True)
from streamlit.web.server.starlette.starlette_app import create_streamlit_routes
for route in create_streamlit_routes(st.App("Home.py")._create_runtime()):
    print(repr(route.path))
"""


def test_each_door_of_streamlits_is_known_and_open_or_shut_on_purpose(console) -> None:  # type: ignore[no-untyped-def]
    # In a process of its own: there is one runtime in each.
    walked = subprocess.run([sys.executable, "-c", WALK], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    assert {ast.literal_eval(line) for line in walked.splitlines()} == OPEN_DOORS | SHUT_DOORS
    for door in OPEN_DOORS | SHUT_DOORS:
        assert hardening._is_shut(re.sub(r"{.*?}", "x", door)) is (door in SHUT_DOORS), door
    with console.client() as browser:
        for door in SHUT_DOORS:
            answer = browser.get(re.sub(r"{.*?}", "x", door))
            assert (answer.status_code, answer.text) == (404, "There is nothing here."), door


def test_what_a_later_version_adds_is_shut_until_somebody_opens_it() -> None:
    assert hardening._is_shut("/_stcore/anything-new")
    assert hardening._is_shut("/_stcore")
    assert not hardening._is_shut("/transactions")


def test_a_person_who_called_the_console_by_another_name_is_told_what_to_do(console) -> None:  # type: ignore[no-untyped-def]
    answer = httpx.get(console.url, headers={"Host": "pay.example.mw"}, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (421, "text/plain; charset=utf-8")
    assert "BILLERS_PUBLIC_HOSTS" in answer.text
    assert "pay.example.mw" not in answer.text


def test_the_front_ends_settings_tell_a_stranger_nothing(console) -> None:  # type: ignore[no-untyped-def]
    # It cannot be refused: without it the front end does not even show the sign-in.
    with console.client() as browser:
        told = browser.get("/_stcore/host-config").json()
    assert told["allowedOrigins"] == []
    assert not any(value for value in told.values())


def test_health_and_readiness_answer_machines(console) -> None:  # type: ignore[no-untyped-def]
    with console.client() as browser:
        assert browser.get("/healthz").json() == {"status": "ok"}
        assert browser.get("/readyz").json() == {"status": "ok"}


def test_the_page_is_ours_and_packed(console) -> None:  # type: ignore[no-untyped-def]
    with console.client() as browser:
        answer = browser.get("/transactions")
        assert "<title>Billers</title>" in answer.text
        assert "agent" not in answer.text
        assert answer.headers["content-encoding"] == "gzip"
        script = re.search(r'src="\.(/static/js/index\.[^"]+)"', answer.text)
        assert script
        packed = browser.get(script[1])
        plain = browser.get(script[1], headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == (Path(streamlit.__file__).parent / script[1].replace("/static", "static/static", 1)).read_bytes()
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert packed.num_bytes_downloaded < plain.num_bytes_downloaded / 2


def test_no_page_has_the_name_of_a_route() -> None:
    assert not {f"/{page}" for page in PAGES} & NOT_PAGES


def test_nothing_outside_the_front_end_is_served_as_a_file(console) -> None:  # type: ignore[no-untyped-def]
    for path in (
        "/static/../../Home.py",
        "/static/%2e%2e/%2e%2e/core/settings.py",
        "/app/static/Home.py",
        "/Home.py",
        "/.streamlit/config.toml",
        "/pages/dashboard.py",
    ):
        answer = httpx.get(console.url + path, trust_env=False)
        assert "import" not in answer.text, path
        assert "[server]" not in answer.text, path


# The window. What a browser gets to see comes through the websocket, and nowhere else.


def test_a_page_of_another_site_opens_no_window(console, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    for origin in ("http://evil.example", "http://localhost:1", f"http://127.0.0.1:{console.port}", "null", f"{console.url}.evil.example"):
        with pytest.raises(InvalidStatus):
            console.open(token=token_of("operator"), origin=origin)


@pytest.mark.parametrize("page", ["", *PAGES, "nothing", "Home", "pages/dashboard"])
def test_a_stranger_sees_the_sign_in_and_nothing_else(console, page: str) -> None:  # type: ignore[no-untyped-def]
    for token in (None, "made-up"):
        seen = console.open(page, token=token)
        assert '"Sign in"' in seen
        for title in ("Dashboard", "Look up", "Transactions", "Pay a bill"):
            assert title not in seen, page
        assert "SANDBOX" not in seen
        assert "Traceback" not in seen


def test_somebody_signed_in_sees_their_pages(console, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    seen = console.open(token=token_of("operator"))
    assert "Payments today" in seen
    assert r"Grace \\*operator\\* Banda" in seen, "a name is text, not markdown"
    assert '"Sign in"' not in seen


def test_a_page_not_for_ones_role_says_so_under_its_address(console, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    seen = console.open("lookup", token=token_of("analyst"))
    assert "Not for your role" in seen
    assert "look accounts up" in seen


def test_an_open_window_has_the_pages_of_the_rights_of_this_moment(console, console_database: URL, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    token = token_of("operator")

    def menu() -> set[str]:
        told = next(one.navigation for one in console.run(window) if one.WhichOneof("type") == "navigation")
        return {page.page_name for page in told.app_pages if not page.is_hidden}

    def become(role: str) -> None:
        with connect(console_database) as connection:
            connection.execute("UPDATE users SET role = %s WHERE id = (SELECT user_id FROM user_sessions WHERE token_hash = %s)", [role, hash_of(token)])

    with console.window(token) as window:
        as_operator = menu()
        assert {"Dashboard", "Look up", "Pay"} <= as_operator
        assert menu() == as_operator
        become("analyst")
        assert not {"Look up", "Pay"} & menu()
        become("operator")
        assert menu() == as_operator


def test_somebody_whose_session_was_ended_sees_the_sign_in(console, token_of: Callable[[str], str]) -> None:  # type: ignore[no-untyped-def]
    token = token_of("operator")
    assert "Payments today" in console.open(token=token)
    people.sign_out(token)
    seen = console.open(token=token)
    assert "Payments today" not in seen
    assert '"Sign in"' in seen


def test_a_notice_is_one_of_ours_whatever_the_address_says(console) -> None:  # type: ignore[no-untyped-def]
    assert "longer than a minute" in console.open(query="notice=ticket")
    assert "call this number" not in console.open(query="notice=call+this+number")


# Pages.


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_its_guard(page: str) -> None:
    source = (CHECKOUT / "pages" / f"{page}.py").read_text(encoding="utf-8")
    statements = re.sub(r'\A""".*?"""\s*', "", source, flags=re.DOTALL).split("\n\n")
    assert statements[0].strip() == "from core.ui.session import guard"
    assert re.fullmatch(r'(actor = )?guard\("[a-z_]+:[a-z_]+"\)', statements[1].strip())


def test_streamlit_is_set_up_as_the_measurements_ask() -> None:
    with (CHECKOUT / ".streamlit" / "config.toml").open("rb") as file:
        config = tomllib.load(file)
    assert config["runner"]["postScriptGC"] is False
    assert config["client"]["showErrorDetails"] == "none"
    assert config["client"]["toolbarMode"] == "minimal"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["enableXsrfProtection"] is config["server"]["enableCORS"] is True
    assert "showSidebarNavigation" not in config["client"], "it would hide the menu"
    for scheme in ("light", "dark"):
        assert len(config["theme"][scheme]["chartCategoricalColors"]) == 10
    assert "http" not in (CHECKOUT / ".streamlit" / "config.toml").read_text(), "fonts come from the wheel"


def luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_against_what_it_stands_on(scheme: str) -> None:
    with (CHECKOUT / ".streamlit" / "config.toml").open("rb") as file:
        theme = tomllib.load(file)["theme"][scheme]
    sidebar = theme["sidebar"]
    pairs = {
        "text": (theme["textColor"], theme["backgroundColor"]),
        "text on panels": (theme["textColor"], theme["secondaryBackgroundColor"]),
        "links": (theme["linkColor"], theme["backgroundColor"]),
        "button": ("#ffffff", theme["primaryColor"]),
        "sidebar": (sidebar["textColor"], sidebar["backgroundColor"]),
        "table heads": (theme["dataframeHeaderTextColor"], theme["dataframeHeaderBackgroundColor"]),
        "code": (theme["codeTextColor"], theme["codeBackgroundColor"]),
    }
    for colour in ("green", "red", "orange", "yellow", "blue", "violet", "gray"):
        pairs[f"{colour} badge"] = (theme[f"{colour}TextColor"], theme[f"{colour}BackgroundColor"])
        pairs[f"{colour} text"] = (theme[f"{colour}TextColor"], theme["backgroundColor"])
    # WCAG AA for text.
    assert {name: round(contrast(*pair), 2) for name, pair in pairs.items() if contrast(*pair) < 4.5} == {}
