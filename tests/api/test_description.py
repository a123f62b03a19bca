"""The description is of this version, whole, and readable without a network."""

import re

from core.api.programs.app import make_app
from core.api.programs.description import describe
from tests.api.conftest import API, Bank, Program

# The plan's, under `/api/billers`.
PLANNED = {
    *("GET /configs", "POST /configs", "GET /configs/{config_id}", "PATCH /configs/{config_id}", "DELETE /configs/{config_id}"),
    *("POST /configs/{config_id}/test", "GET /transactions", "POST /transactions", "GET /transactions/{transaction_id}"),
    *("POST /transactions/{transaction_id}/retry", "GET /transactions/stats", "GET /transactions/export", "POST /account-lookup", "POST /payment"),
    *("GET /invoice", "POST /invoice/confirm", "GET /bundles", "POST /bundles/purchase", "GET /stream", "GET /t24/balance", "POST /t24/transfer"),
}


def test_every_route_of_the_plan_is_described_and_no_other() -> None:
    made = describe(make_app())
    assert made["openapi"].startswith("3.1")
    assert {f"{method.upper()} {path}" for path, methods in made["paths"].items() for method in methods} == PLANNED


def test_every_operation_says_what_it_takes_and_how_it_refuses() -> None:
    made = describe(make_app())
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            assert operation["security"][0]["token"], (method, path)
            refused = {status for status in operation["responses"] if int(status) >= 400}
            assert {"400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "429", "500", "503"} <= refused
            assert all(list(operation["responses"][status]["content"]) == ["application/problem+json"] for status in refused)
            assert operation["summary"]
            assert operation["description"]


def test_the_page_shows_all_of_it_without_a_script_and_without_a_network(bank: Bank, program: Program) -> None:
    answer = program.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    page = answer.text
    assert "<script" not in page
    assert re.findall(r"(?:src|href)=['\"](?!#|/api/)([^'\"]+)", page) == []
    targets = set(re.findall(r"id='([^']+)'", page))
    assert set(re.findall(r"href='#([^']+)'", page)) <= targets
    for planned in PLANNED:
        assert f">{planned.partition(' ')[2]}<" in page
    assert program.http.get(f"{API}/openapi.json").headers["content-type"] == "application/json"
