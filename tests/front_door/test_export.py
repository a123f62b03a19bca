"""The list as a file, from the real server: who gets it, who does not, and what becomes of a reader who goes away."""

import csv
import hashlib
import io
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openpyxl
import pytest
from sqlalchemy import URL

from core.security.sessions import cookie_name
from core.services import exports, people
from tests.front_door.conftest import Console
from tests.world import connect

PATH = "/export/transactions.csv"

TokenOf = Callable[[str], str]

# More than the sockets and buffers between us hold.
WIDE = 30_000


@pytest.fixture
def rows(console: Console, console_database: URL) -> Iterator[int]:
    """Look-ups in the console's database, some of them wide; gone again afterwards."""
    count = 400
    with connect(console_database) as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        connection.execute(
            "INSERT INTO transactions"
            " (id, biller_type, biller_name, our_transaction_id, transaction_type, account_number, error_message, stage, status, created_at)"
            " SELECT gen_random_uuid(), 'LWB_POSTPAID', 'Lilongwe Water Board', 'EXPORT' || n, 'ACCOUNT_DETAILS', lpad(n::text, 8, '0'),"
            f"  repeat('x', {WIDE}), 'FAILED', 'FAILED', now() - n * interval '1 minute' FROM generate_series(1, %s) n",
            (count,),
        )
        yield count
        connection.execute("DELETE FROM transactions WHERE our_transaction_id LIKE 'EXPORT%'")
        connection.execute("ALTER TABLE transactions ENABLE TRIGGER USER")


def last_entry(database: URL) -> tuple[str, dict[str, Any]]:
    with connect(database) as connection:
        found = connection.execute("SELECT action, details FROM audit_entries WHERE subject_type = 'export' ORDER BY seq DESC LIMIT 1").fetchone()
    return found or ("nothing", {})


def entries(database: URL) -> int:
    with connect(database) as connection:
        found = connection.execute("SELECT count(*) FROM audit_entries WHERE subject_type = 'export'").fetchone()
    assert found
    return int(found[0])


def copying(database: URL) -> int:
    with connect(database) as connection:
        found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY (%' AND datname = current_database()").fetchone()
    assert found
    return int(found[0])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "It did not come about."


def test_an_analyst_gets_exactly_what_was_asked_for(console: Console, console_database: URL, token_of: TokenOf, rows: int) -> None:
    with console.client(token_of("analyst")) as browser:
        answer = browser.get(PATH, params={"q": "0000001", "status": "FAILED", "profile": "data", "size": "50", "every": "15"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="transactions-20')
    assert answer.headers["cache-control"] == "no-store"
    found = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["account_number"] for row in found] == [f"{number:08}" for number in (1, *range(10, 20))]
    action, details = last_entry(console_database)
    assert (action, details["complete"], details["rows"]) == ("transactions.exported", True, 11)
    assert details["sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert details["filter"] == "“0000001”, failed"


def test_a_spreadsheet_is_what_one_gets_who_does_not_say(console: Console, token_of: TokenOf, rows: int) -> None:
    with console.client(token_of("manager")) as browser:
        content = browser.get(PATH, params={"account": "00000001"}).content
    assert content.startswith(b"\xef\xbb\xbfreference,")
    assert b'"=""00000001"""' in content


@pytest.mark.parametrize(
    ("role", "params", "status", "told"),
    [
        (None, {}, 401, "Sign in"),
        ("operator", {}, 403, "export transactions"),
        ("administrator", {}, 403, "export transactions"),
        ("analyst", {"profile": "pdf"}, 400, "no such profile"),
        ("analyst", {"biller": "NOBODY"}, 400, "cannot be understood (biller)"),
        ("analyst", {"min": "lots"}, 400, "cannot be understood (min)"),
        ("analyst", {"from": "2025-11-02", "to": "2025-11-01"}, 400, "first day is after"),
        ("analyst", {"q": "\0"}, 400, "cannot be understood (q)"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_everybody_else_gets_a_sentence(
    console: Console, console_database: URL, token_of: TokenOf, method: str, role: str | None, params: dict[str, str], status: int, told: str
) -> None:
    before = entries(console_database)
    with console.client(token_of(role) if role else None) as browser:
        answer = browser.request(method, PATH, params=params)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert told in answer.text or method == "HEAD"
    assert "Traceback" not in answer.text
    assert entries(console_database) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none", "Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "none", "Referer": "http://evil.example/page"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    ],
)
def test_a_page_of_another_site_gets_nothing(console: Console, console_database: URL, token_of: TokenOf, headers: dict[str, str]) -> None:
    before = entries(console_database)
    with console.client(token_of("analyst")) as browser:
        answer = browser.get(PATH, headers=headers)
    assert (answer.status_code, "in the console itself" in answer.text) == (403, True)
    assert entries(console_database) == before


def test_somebody_whose_session_was_ended_gets_nothing(console: Console, token_of: TokenOf) -> None:
    token = token_of("analyst")
    people.sign_out(token)
    with console.client(token) as browser:
        assert browser.get(PATH).status_code == 401


def test_it_is_only_asked_for_never_told(console: Console, token_of: TokenOf) -> None:
    with console.client(token_of("analyst")) as browser:
        assert browser.post(PATH).status_code == 405


def test_asking_whether_one_could_takes_nothing(console: Console, console_database: URL, token_of: TokenOf) -> None:
    before = entries(console_database)
    with console.client(token_of("analyst")) as browser:
        assert browser.head(PATH).status_code == 200
    assert entries(console_database) == before


def test_a_reader_who_goes_away_ends_it_and_is_written_down(console: Console, console_database: URL, token_of: TokenOf, rows: int) -> None:
    cookie = f"{cookie_name()}={token_of('analyst')}"
    with socket.create_connection(("localhost", console.port)) as line:
        # A small window, so that the server notices that nobody reads.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(f"GET {PATH}?profile=data HTTP/1.1\r\nHost: localhost:{console.port}\r\nCookie: {cookie}\r\n\r\n".encode())
        assert b" 200 " in line.recv(1024)
        assert copying(console_database) == 1
    until(lambda: last_entry(console_database)[1].get("complete") is False)
    action, details = last_entry(console_database)
    assert (action, details["because"]) == ("transactions.exported", "the reader went away")
    assert details["size_bytes"] < rows * WIDE
    until(lambda: copying(console_database) == 0)


def test_a_database_that_stops_in_the_middle_leaves_a_download_that_failed(console: Console, console_database: URL, token_of: TokenOf, rows: int) -> None:
    with (
        console.client(token_of("analyst")) as browser,
        pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
        browser.stream("GET", PATH, params={"profile": "data"}) as answer,
    ):
        assert answer.status_code == 200
        blocks = answer.iter_raw(1024)
        next(blocks)
        with connect(console_database) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY (%' AND datname = current_database()")
        for _ in blocks:
            pass
    assert last_entry(console_database)[1]["complete"] is False


def last_export(database: URL) -> str:
    with connect(database) as connection:
        found = connection.execute("SELECT id::text FROM exports ORDER BY begun_at DESC LIMIT 1").fetchone()
    assert found
    return str(found[0])


def test_the_same_rows_as_a_workbook_and_the_manifest_beside_it(console: Console, console_database: URL, token_of: TokenOf, rows: int) -> None:
    token = token_of("analyst")
    with console.client(token) as browser:
        answer = browser.get("/export/transactions.xlsx", params={"q": "0000001", "columns": "account_number,currency,submitted_at", "zone": "UTC"})
        told = browser.get(f"/export/{last_export(console_database)}.json")
    assert answer.headers["content-type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert answer.headers["content-disposition"].endswith('.xlsx"')
    names, *cells = openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[0].iter_rows(values_only=True)
    assert names == ("account_number", "currency", "submitted_at (UTC)")
    assert [row[0] for row in cells] == [f"{number:08}" for number in (1, *range(10, 20))]
    manifest = told.json()
    assert (manifest["sha256"], manifest["rows"], manifest["state"]) == (hashlib.sha256(answer.content).hexdigest(), 11, "complete")
    with console.client(token_of("analyst")) as colleague:
        assert colleague.get(f"/export/{last_export(console_database)}.json").status_code == 404


@pytest.mark.parametrize(("params", "told"), [({"columns": "metadata"}, "no column metadata"), ({"zone": "Europe/Oslo"}, "or in UTC")])
def test_a_form_that_there_is_not_is_a_sentence(console: Console, console_database: URL, token_of: TokenOf, params: dict[str, str], told: str) -> None:
    before = entries(console_database)
    with console.client(token_of("analyst")) as browser:
        for path in (PATH, "/export/transactions.xlsx"):
            answer = browser.get(path, params=params)
            assert (answer.status_code, told in answer.text) == (400, True)
    assert entries(console_database) == before


def test_one_that_is_cancelled_in_another_window_is_a_download_that_failed(console: Console, console_database: URL, token_of: TokenOf, rows: int) -> None:
    token = token_of("analyst")
    owner = people.actor_of(token)
    assert owner
    cookie = f"{cookie_name()}={token}"
    with socket.create_connection(("localhost", console.port)) as line:
        # A small window: it stands still while this reader takes nothing, and is ended all the same.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(f"GET {PATH}?profile=data HTTP/1.1\r\nHost: localhost:{console.port}\r\nCookie: {cookie}\r\n\r\n".encode())
        assert b" 200 " in line.recv(1024)
        assert exports.cancel(owner, uuid.UUID(last_export(console_database)))
        until(lambda: last_entry(console_database)[0] == "transactions.exported")
        line.settimeout(20)
        rest = b"".join(iter(lambda: line.recv(65_536), b""))
    # Cut off: the end of the body, by which a browser knows a whole file, never came.
    assert not rest.endswith(b"0\r\n\r\n")
    details = last_entry(console_database)[1]
    assert (details["complete"], details["because"]) == (False, "it was cancelled")
    assert copying(console_database) == 0
