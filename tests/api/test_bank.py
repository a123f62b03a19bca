"""The customer's account at the bank: balance, a dry run, and the debit of a payment that stands still. No free transfers."""

import uuid

import pytest

from tests.api.conftest import API, Bank, Program

RICH, POOR = "2010000001", "2910000002"


def test_a_balance_is_told_and_that_it_was_asked_is_on_the_record(bank: Bank, program: Program) -> None:
    told = program.get("/t24/balance", account=RICH)
    assert told.status_code == 200, told.text
    assert told.json()["useable"]["currency"] == "MWK"
    with bank.connect() as connection:
        assert connection.execute("SELECT 1 FROM audit_entries WHERE action = 'balance.asked' AND actor_id = %s", (program.owner.id,)).fetchone()
    unknown = program.get("/t24/balance", account="1000000000")
    assert unknown.status_code == 404


def test_a_transfer_is_a_dry_run_and_moves_nothing(bank: Bank, program: Program) -> None:
    before = program.get("/t24/balance", account=POOR).json()["useable"]
    tried = program.post("/t24/transfer", {"biller": "LWB_POSTPAID", "debit_account": POOR, "amount": "5475.50"})
    assert tried.status_code == 200, tried.text
    assert (tried.json()["would_be"], tried.json()["credit_account"]) == ("posted", "MWK1280600010001")
    assert program.get("/t24/balance", account=POOR).json()["useable"] == before
    assert [line for line in bank.sandbox.lines("ledger", "T24") if POOR in str(line)] == []


def test_nobody_names_the_account_that_is_credited(program: Program) -> None:
    named = program.post("/t24/transfer", {"biller": "LWB_POSTPAID", "debit_account": POOR, "amount": "5475.50", "credit_account": RICH})
    assert named.status_code == 400


def test_what_has_no_open_debit_is_not_resumed(program: Program) -> None:
    paid = program.pay(program.bill(), uuid.uuid4().hex).json()
    refused = program.post("/t24/transfer", {"payment": paid["id"]})
    assert (refused.status_code, refused.json()["type"]) == (409, f"{API}/docs#not-now")


@pytest.fixture
def out_of_an_account(bank: Bank) -> None:
    """Blantyre's bills are paid out of an account at the bank from here on."""
    with bank.connect() as connection:
        connection.execute("UPDATE biller_configs SET topology = 'SEPARATE', version = version + 1 WHERE biller_type = 'BWB_POSTPAID'")
        connection.execute(
            "INSERT INTO biller_config_versions (config_id, version, snapshot, authentication)"
            ' SELECT c.id, c.version, v.snapshot || \'{"topology": "SEPARATE"}\', c.authentication'
            " FROM biller_configs c JOIN biller_config_versions v ON v.config_id = c.id AND v.version = c.version - 1 WHERE c.biller_type = 'BWB_POSTPAID'"
        )
        connection.execute("NOTIFY billers_config")


def test_the_debit_of_a_payment_that_waits_is_resumed_under_its_own_reference(bank: Bank, program: Program, out_of_an_account: None) -> None:
    bill = {**program.bill(biller="BWB_POSTPAID"), "debit_account": "2910000003"}
    bank.sandbox.next("act_then_close", "POST transfers", biller="T24")
    made = program.post("/payment", bill, key=uuid.uuid4().hex)
    assert made.status_code in (201, 202), made.text
    resumed = program.post("/t24/transfer", {"payment": made.json()["id"]})
    assert resumed.status_code in (200, 409), resumed.text
    ended = program.until_settled(f"{API}/transactions/{made.json()['id']}")
    assert ended["status"] == "COMPLETED"
    debits = [line for line in bank.sandbox.lines("ledger", "T24") if "2910000003" in str(line)]
    assert len(debits) == 1
