"""Who may ask what: each operation takes the rights that it says it takes, and a token opens no biller that its owner does not serve."""

import uuid

import pytest

from core.api.programs.app import ROUTERS
from core.api.programs.way_in import RIGHTS
from core.services import api_tokens
from tests.api.conftest import API, EVERYTHING, FOR_PROGRAMS, Bank, Program

OPERATIONS = {(next(iter(route.methods)), route.path): tuple(route.openapi_extra[RIGHTS]) for router in ROUTERS for route in router.routes}


@pytest.mark.parametrize(("operation", "right"), [(operation, right) for operation, rights in OPERATIONS.items() for right in rights], ids=str)
def test_an_operation_is_refused_without_each_of_its_rights_and_the_refusal_is_on_the_record(bank: Bank, operation: tuple[str, str], right: str) -> None:
    method, path = operation
    lacking = bank.program(scopes=[one for one in FOR_PROGRAMS if one != right])
    refused = lacking.http.request(method, API + path.replace("{transaction_id}", str(uuid.uuid4())).replace("{config_id}", str(uuid.uuid4())))
    assert (refused.status_code, refused.json()["type"], refused.json()["right"]) == (403, f"{API}/docs#not-allowed", right)
    assert f'error="insufficient_scope", scope="{right}"' in refused.headers["www-authenticate"]
    with bank.connect() as connection:
        assert connection.execute("SELECT 1 FROM audit_entries WHERE action = 'access.denied' AND actor_id = %s", (lacking.owner.id,)).fetchone()


def test_the_rights_an_operation_names_are_enough_for_it(bank: Bank, program: Program) -> None:
    """What is described is what is asked for: with exactly these rights nothing is refused for want of one."""
    for (method, path), rights in OPERATIONS.items():
        if path == "/stream":
            continue
        exact = bank.program(scopes=list(rights))
        answer = exact.http.request(method, API + path.replace("{transaction_id}", str(uuid.uuid4())).replace("{config_id}", str(uuid.uuid4())))
        assert answer.status_code != 403, (method, path, answer.text)
    reads = {"accounts:lookup", "transactions:read"}
    teller = bank.program(scopes=sorted(reads))
    refused = teller.post("/transactions", {"type": "POST_TRANSACTION", **program.bill()}, key=uuid.uuid4().hex)
    assert (refused.status_code, refused.json()["type"]) == (403, f"{API}/docs#not-allowed")


def test_of_a_biller_that_its_owner_does_not_serve_a_token_is_told_nothing(bank: Bank, program: Program) -> None:
    paid = program.pay(program.bill(), uuid.uuid4().hex).json()
    limited = bank.program(EVERYTHING, billers=["MASM"])
    assert limited.get(f"/transactions/{paid['id']}").status_code == 404
    assert limited.get("/stream", transaction=paid["id"]).status_code == 404
    assert limited.get("/transactions", ref=paid["reference"]).json()["items"] == []
    assert limited.get("/transactions", biller="LWB_POSTPAID").json()["items"] == []
    assert paid["reference"] not in limited.get("/transactions/export").text
    assert "LWB_POSTPAID" not in limited.get("/transactions/stats").json()["by_biller"]
    assert limited.post("/account-lookup", {"biller": "LWB_POSTPAID", "account": "100001"}).status_code == 404
    assert limited.post(f"/transactions/{paid['id']}/retry", key=uuid.uuid4().hex).status_code == 404
    assert limited.post("/t24/transfer", {"payment": paid["id"]}).status_code == 404
    # Rights over all billers at once lapse for them.
    assert limited.get("/configs").status_code == 403


def test_a_token_that_is_revoked_opens_nothing_from_that_moment(bank: Bank) -> None:
    program = bank.program()
    assert program.get("/transactions").status_code == 200
    api_tokens.revoke(program.owner, program.token_id)
    assert program.get("/transactions").status_code == 401
