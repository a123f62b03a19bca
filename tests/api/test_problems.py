"""What a program is told when it does not get what it asked for: one shape, whoever refuses it."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from core.api.bodies import MOST_BYTES
from core.api.problems import KINDS
from core.security.sessions import cookie_name
from core.services import people
from tests.api.conftest import API, Bank, Program
from tests.world import PASSWORD

MEMBERS = {"type", "title", "status", "detail", "instance"}


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The answer, which has to be this problem, whole."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    told: dict[str, Any] = answer.json()
    assert told.keys() >= MEMBERS
    assert (told["type"], told["title"], told["status"]) == (f"{API}/docs#{kind}", KINDS[kind].title, status)
    assert len(told["instance"]) == 8
    return told


def test_a_stranger_is_told_how_to_sign_in_and_nothing_else(bank: Bank, program: Program) -> None:
    for http in (
        httpx.Client(base_url=bank.console, trust_env=False),
        httpx.Client(base_url=bank.console, headers={"Authorization": "Bearer billers_x"}, trust_env=False),
    ):
        with http:
            refused = http.post(f"{API}/payment", content=b"no json at all")
            problem(refused, 401, "not-signed-in")
            assert refused.headers["www-authenticate"].startswith('Bearer realm="billers"')
            problem(http.get(f"{API}/openapi.json"), 401, "not-signed-in")


def test_the_cookie_of_a_session_opens_the_description_and_nothing_else(bank: Bank, program: Program) -> None:
    """Another site's page could have a browser send it along: what opens the API has to be put there by whoever asks."""
    cookie = people.redeem(people.sign_in(bank.person("manager").username, PASSWORD, None), None, None)
    with httpx.Client(base_url=bank.console, headers={"Cookie": f"{cookie_name()}={cookie}"}, trust_env=False) as browser:
        assert browser.get(f"{API}/docs").status_code == 200
        assert browser.get(f"{API}/openapi.json").status_code == 200
        problem(browser.get(f"{API}/transactions"), 401, "not-signed-in")
        problem(browser.post(f"{API}/payment", json=program.bill(), headers={"Idempotency-Key": uuid.uuid4().hex}), 401, "not-signed-in")
        problem(browser.post(f"{API}/payment", json={}, headers={"Origin": "http://evil.example"}), 403, "not-allowed")


def test_what_is_not_there_is_not_there_in_a_programs_words(program: Program) -> None:
    problem(program.get("/nothing"), 404, "not-there")
    problem(program.get(f"/transactions/{uuid.uuid4()}"), 404, "not-there")
    problem(program.get("/transactions/"), 404, "not-there")
    problem(program.get("/nothing%0Aof-the-kind"), 404, "not-there")
    problem(program.get("/transactions/%0A7"), 400, "does-not-fit")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/transactions", "GET, POST"), ("POST", "/docs", "GET, HEAD"), ("PUT", "/configs/x", "DELETE, GET, PATCH"), ("HEAD", "/configs", "GET, POST")],
)
def test_what_cannot_be_done_here_names_what_can(program: Program, method: str, path: str, allowed: str) -> None:
    refused = program.http.request(method, f"{API}{path}")
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        problem(refused, 405, "no-such-method")


def test_a_body_is_json_that_says_each_thing_once(program: Program) -> None:
    def sent(content: bytes, kind: str = "application/json") -> httpx.Response:
        return program.http.post(f"{API}/account-lookup", content=content, headers={"Content-Type": kind})

    problem(sent(b"biller=LWB", "application/x-www-form-urlencoded"), 415, "not-json")
    problem(sent(b"{}", "application/json; charset=utf-16"), 415, "not-json")
    twice = problem(sent(b'{"biller": "MASM", "account": "1", "biller": "LWB_POSTPAID"}'), 400, "does-not-fit")
    assert "'biller' stands twice" in twice["detail"]
    unknown = problem(sent(b'{"biller": "LWB_POSTPAID", "account": "100001", "acount_type": "M"}'), 400, "does-not-fit")
    assert unknown["errors"] == [{"pointer": "#/acount_type", "detail": "Extra inputs are not permitted."}]
    for nonsense in (b"{", b"[]", b"\xff", b'{"biller": NaN}', b'{"a":' * 5_000, b'{"a": ' + b"1" * 5_000 + b"}"):
        problem(sent(nonsense), 400, "does-not-fit")


def test_amounts_are_text_with_two_decimals(program: Program) -> None:
    for amount in (5475.5, "5475.5", "5,475.50", "5475.505", "-1.00", "1e3", "٥.00"):
        refused = program.post("/payment", {"biller": "LWB_POSTPAID", "account": "100001", "amount": amount}, key=uuid.uuid4().hex)
        assert problem(refused, 400, "does-not-fit")["errors"][0]["pointer"] == "#/amount"


def test_a_parameter_is_known_and_stands_once(program: Program) -> None:
    assert problem(program.get("/transactions", colour="red"), 400, "does-not-fit")["errors"] == [
        {"parameter": "colour", "detail": "Extra inputs are not permitted."}
    ]
    problem(program.http.get(f"{API}/transactions?limit=25&limit=50"), 400, "does-not-fit")
    assert program.http.get(f"{API}/transactions?status=FAILED&status=COMPLETED").status_code == 200


def test_an_answer_that_nobody_accepts_is_not_made(program: Program) -> None:
    problem(program.http.get(f"{API}/configs", headers={"Accept": "text/html"}), 406, "no-such-form")
    for accepted in ("*/*", "application/json;q=0.5, text/html", "application/*"):
        assert program.http.get(f"{API}/configs", headers={"Accept": accepted}).status_code == 200


def test_what_is_too_long_is_refused_before_it_is_read(program: Program) -> None:
    problem(program.http.post(f"{API}/account-lookup", content=b" " * (MOST_BYTES + 1)), 413, "too-long")

    def pieces() -> Any:
        for _ in range(20):
            yield b" " * 8_192

    problem(program.http.post(f"{API}/account-lookup", content=pieces(), headers={"Content-Type": "application/json"}), 413, "too-long")


def test_another_name_is_another_site(bank: Bank, program: Program) -> None:
    problem(program.http.get(f"{API}/configs", headers={"Host": "evil.example"}), 421, "wrong-host")


def test_whoever_asks_too_often_is_told_when_to_come_back(bank: Bank) -> None:
    eager = bank.program()
    with ThreadPoolExecutor(20) as pool:
        # Counted before it is looked at: what does not fit costs nobody anything.
        answers = list(pool.map(lambda _: eager.http.get(f"{API}/transactions/export", params={"colour": "red"}), range(300)))
    refused = [one for one in answers if one.status_code == 429]
    assert refused
    problem(refused[0], 429, "too-often")
    assert int(refused[0].headers["retry-after"]) >= 1
    # Another's is not affected.
    assert bank.program().http.get(f"{API}/transactions/export", params={"ref": "NOBODY"}).status_code == 200


def test_the_log_has_what_the_program_was_told(bank: Bank, program: Program) -> None:
    instance = program.get("/nothing").json()["instance"]
    assert instance in (bank.directory / "console.log").read_text()


def test_fields_of_a_configuration_are_named_that_need_correcting(program: Program) -> None:
    content = {"biller_type": "MASM", "biller_name": "M", "display_name": "MASM", "base_url": "ftp://nowhere", "timeout_ms": 1}
    told = problem(program.post("/configs", {"content": content}), 422, "cannot-be-done")
    assert {"#/biller_name", "#/base_url", "#/timeout_ms"} <= {error["pointer"] for error in told["errors"]}


def test_every_kind_is_told_of_on_the_page(program: Program) -> None:
    page = program.get("/docs").text
    assert all(f"id='{kind}'" in page for kind in KINDS)
