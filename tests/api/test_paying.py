"""A program asks and pays: the answers, and that a bill is paid once."""

from tests.api.conftest import API, Bank, Program, new_account


def test_a_bill_is_looked_up_and_paid(bank: Bank, program: Program) -> None:
    account = new_account()
    told = program.post("/account-lookup", {"biller": "LWB_POSTPAID", "account": account})
    assert told.status_code == 200, told.text
    assert told.json()["account"]["name"]
    lookup = told.json()["transaction"]["id"]
    paid = program.post("/payment", {"biller": "LWB_POSTPAID", "account": account, "amount": "5475.50", "lookup": lookup}, key="a-bill-is-paid")
    assert paid.status_code == 201, paid.text
    assert (paid.json()["status"], paid.json()["amount"], paid.json()["currency"]) == ("COMPLETED", "5475.50", "MWK")
    assert paid.headers["location"] == f"{API}/transactions/{paid.json()['id']}"
    assert [entry["amount"] for entry in bank.ledger(account)] == ["5475.50"]
