"""The four verbs, and what each account behaviour makes of them."""

import tomllib
from decimal import Decimal

import pytest
from running_sandbox import CHECKOUT, CODE, Sandbox, new_account, new_reference, payment, post, request, wait_until

from core.sandbox.behaviours import BEHAVIOURS
from core.sandbox.billers import BILLERS
from core.sandbox.faults import FAULTS

SEEDS = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text(encoding="utf-8"))
BY_NUMBER = {row["number"]: row for row in SEEDS["account"] if CODE in row.get("billers", ())}
ACCOUNTS = {row["behaviour"]: row["number"] for row in BY_NUMBER.values()}


def test_every_behaviour_has_an_account_and_names_faults_that_exist() -> None:
    assert {row["behaviour"] for row in SEEDS["account"]} == set(BEHAVIOURS)
    assert {code for row in SEEDS["account"] for code in row.get("billers", [row.get("biller")])} == {row["code"] for row in SEEDS["biller"]} == set(BILLERS)
    for behaviour in BEHAVIOURS.values():
        assert {behaviour.paying, behaviour.looking_up} <= {None, *FAULTS}


def test_at_least_five_accounts_pay_without_more_ado() -> None:
    assert sum(row["behaviour"] == "pays" for row in BY_NUMBER.values()) >= 5


@pytest.mark.parametrize("number", [number for number, row in BY_NUMBER.items() if row["behaviour"] not in {"unknown_account", "blocked", "lookup_hangs"}])
def test_an_account_looks_up_normally_however_it_pays(sandbox: Sandbox, number: str) -> None:
    said = sandbox.look_up(number).said
    row = BY_NUMBER[number]
    assert said == {"AccountNumber": number, "CustomerName": row["name"], "Balance": row["balance"], "Currency": "MWK", "Status": "ACTIVE"}


def test_an_account_that_pays_is_in_the_ledger_when_the_reply_is_there(sandbox: Sandbox) -> None:
    account, reference = new_account(), new_reference()
    said = sandbox.pay(account, reference).said
    assert said["Status"] == "SUCCESS"
    assert (said["OurTransactionId"], said["AccountNumber"], said["Amount"]) == (reference, account, "5475.50")
    [entry] = sandbox.ledger(reference)
    assert {name: entry[name] for name in ("kind", "reference", "account", "amount", "currency", "external_id")} == {
        "kind": "PAY",
        "reference": reference,
        "account": account,
        "amount": "5475.50",
        "currency": "MWK",
        "external_id": said["TransactionId"],
    }
    assert entry["at"].endswith("+00:00")


def test_any_eight_digits_that_begin_with_seven_are_an_account_that_keeps_its_name(sandbox: Sandbox) -> None:
    first, second = sandbox.look_up("71234567").said, sandbox.look_up("71234567").said
    assert first == second
    assert len(first["CustomerName"].split()) == 2
    assert Decimal(5000) <= Decimal(first["Balance"]) < Decimal(20000)


@pytest.mark.parametrize("number", ["812345678", "7123456", "71234567x", ACCOUNTS["unknown_account"]])
def test_a_number_nobody_knows_is_a_fault_both_ways(sandbox: Sandbox, number: str) -> None:
    reference = new_reference()
    for answered in (sandbox.look_up(number), sandbox.pay(number, reference)):
        assert (answered.status, answered.said["Code"]) == (500, "ACCOUNT_NOT_FOUND")
    assert sandbox.ledger(reference) == []


def test_faults_come_with_200_where_a_biller_is_set_so(sandbox: Sandbox) -> None:
    sandbox.set(fault_status=200)
    answered = sandbox.look_up("812345678")
    assert (answered.status, answered.said["Code"]) == (200, "ACCOUNT_NOT_FOUND")


def test_a_blocked_account_is_shown_and_not_paid(sandbox: Sandbox) -> None:
    reference = new_reference()
    assert sandbox.look_up(ACCOUNTS["blocked"]).said["Status"] == "BLOCKED"
    assert sandbox.pay(ACCOUNTS["blocked"], reference).said["Code"] == "ACCOUNT_BLOCKED"
    assert sandbox.ledger(reference) == []


# behaviour → how the refusal is said, its code, what an inquiry says of it afterwards.
REFUSALS = [
    ("blocked", "Code", "ACCOUNT_BLOCKED", ("Status", "ACCOUNT_BLOCKED")),
    ("unknown_account", "Code", "ACCOUNT_NOT_FOUND", ("Status", "ACCOUNT_NOT_FOUND")),
    ("fault_known", "Code", "LIMIT_EXCEEDED", ("Status", "LIMIT_EXCEEDED")),
    ("rejected", "Status", "INVALID_AMOUNT", ("Status", "INVALID_AMOUNT")),
    ("fault_unknown", "Code", "E-9047", ("Code", "NOT_FOUND")),
]


@pytest.mark.parametrize(("behaviour", "element", "code", "told"), REFUSALS)
def test_a_refused_payment_moves_nothing_and_is_told_again(sandbox: Sandbox, behaviour: str, element: str, code: str, told: tuple[str, str]) -> None:
    reference = new_reference()
    assert sandbox.pay(ACCOUNTS[behaviour], reference).said[element] == code
    assert sandbox.ledger(reference) == []
    assert sandbox.ask(reference).said[told[0]] == told[1]


@pytest.mark.parametrize("amount", ["0", "0.00", "-5", "10.005", "1,000", "NaN", "1e3", "٣"])
def test_an_amount_that_is_none_is_refused(sandbox: Sandbox, amount: str) -> None:
    reference = new_reference()
    assert sandbox.pay(new_account(), reference, amount).said["Status"] == "INVALID_AMOUNT"
    assert sandbox.ledger(reference) == []


# behaviour → does it act, and the fault that the log names.
MISBEHAVIOURS = [
    ("slow", True, "slow"),
    ("hangs", False, "hang_without_acting"),
    ("acts_then_hangs", True, "act_then_hang"),
    ("acts_then_500", True, "act_then_500"),
    ("errors_without_acting", False, "500_without_acting"),
    ("html_page", False, "html_page_200"),
    ("truncated", True, "short_body"),
    ("wrong_echo", True, "wrong_reference"),
    ("duplicate_reference", True, "act_then_duplicate"),
]


@pytest.mark.parametrize(("behaviour", "acts", "fault"), MISBEHAVIOURS)
def test_a_misbehaving_account_acts_or_not_as_its_name_says(sandbox: Sandbox, behaviour: str, acts: bool, fault: str) -> None:
    reference = new_reference()
    sandbox.pay(ACCOUNTS[behaviour], reference)
    assert len(sandbox.ledger(reference)) == acts
    assert sandbox.ask(reference).said.get("Status") == ("SUCCESS" if acts else None)
    [line] = sandbox.requests(reference=reference, operation="PostTransaction")
    assert (line["behaviour"], line["fault"]) == (behaviour, fault)


def test_a_slow_account_pays_first_and_answers_in_full(sandbox: Sandbox) -> None:
    sandbox.pace(slow_seconds=60)
    reference = new_reference()
    with sandbox.connected(payment(ACCOUNTS["slow"], reference)) as connection:
        wait_until(lambda: sandbox.ledger(reference))
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    sandbox.pace(slow_seconds=0.05)
    assert sandbox.pay(ACCOUNTS["slow"], new_reference()).said["Status"] == "SUCCESS"


def test_an_account_whose_look_up_hangs_still_pays(sandbox: Sandbox) -> None:
    assert sandbox.look_up(ACCOUNTS["lookup_hangs"]).data == b""
    assert sandbox.pay(ACCOUNTS["lookup_hangs"], new_reference()).said["Status"] == "SUCCESS"


def test_a_duplicate_reference_is_said_of_a_payment_that_was_made(sandbox: Sandbox) -> None:
    reference = new_reference()
    assert sandbox.pay(ACCOUNTS["duplicate_reference"], reference).said["Code"] == "DUPLICATE"
    assert sandbox.ask(reference).said["Status"] == "SUCCESS"


def test_an_accepted_payment_is_done_after_two_inquiries(sandbox: Sandbox) -> None:
    reference = new_reference()
    assert sandbox.pay(ACCOUNTS["accepted_then_done"], reference).said["Status"] == "PENDING"
    assert sandbox.ledger(reference) == []
    assert [sandbox.ask(reference).said["Status"] for _ in range(4)] == ["PENDING", "PENDING", "SUCCESS", "SUCCESS"]
    assert len(sandbox.ledger(reference)) == 1


def test_an_account_may_accept_and_never_finish(sandbox: Sandbox) -> None:
    reference = new_reference()
    assert sandbox.pay(ACCOUNTS["accepted_forever"], reference).said["Status"] == "PENDING"
    assert {sandbox.ask(reference).said["Status"] for _ in range(5)} == {"PENDING"}
    assert sandbox.ledger(reference) == []


def test_an_inquiry_about_nothing_finds_nothing(sandbox: Sandbox) -> None:
    answered = sandbox.ask(new_reference())
    assert (answered.status, answered.said["Code"]) == (500, "NOT_FOUND")


def test_a_reversal_happens_once_however_often_it_is_asked_for(sandbox: Sandbox) -> None:
    account, reference = new_account(), new_reference()
    sandbox.pay(account, reference, "120.25")
    first, second = sandbox.reverse(reference).said, sandbox.reverse(reference).said
    assert first == second
    assert (first["Status"], first["Amount"]) == ("SUCCESS", "120.25")
    assert [(entry["kind"], entry["amount"]) for entry in sandbox.ledger(reference)] == [("PAY", "120.25"), ("REVERSAL", "120.25")]
    assert sandbox.ask(reference).said["Status"] == "REVERSED"


def test_what_was_never_paid_cannot_be_reversed(sandbox: Sandbox) -> None:
    reference = new_reference()
    assert sandbox.reverse(reference).said["Code"] == "NOT_FOUND"
    sandbox.pay(ACCOUNTS["accepted_forever"], reference)
    assert sandbox.reverse(reference).said["Code"] == "NOT_FINAL"
    assert sandbox.ledger(reference) == []


def test_a_wrong_password_is_401_and_moves_nothing(sandbox: Sandbox) -> None:
    reference = new_reference()
    sent = post("PostTransaction", password="guess", OurTransactionId=reference, AccountNumber=new_account(), Amount="1.00", Currency="MWK")
    assert sandbox.exchange(sent).status == 401
    assert sandbox.ledger(reference) == []
    assert sandbox.lines("requests")[-1]["status"] == 401


def test_bank_accounts_named_in_a_payment_are_on_record(sandbox: Sandbox) -> None:
    plain, composite = new_reference(), new_reference()
    sandbox.pay(new_account(), plain)
    sandbox.pay(new_account(), composite, DebitAccount="1001", DebitAccountType="CASA", CreditAccount="2002", CreditAccountType="CASA")
    named = {"debit_account": "1001", "debit_account_type": "CASA", "credit_account": "2002", "credit_account_type": "CASA"}
    for where in (sandbox.ledger, lambda reference: sandbox.requests(reference=reference)):
        assert not named.keys() & where(plain)[0].keys()
        assert named.items() <= where(composite)[0].items()


def test_the_request_log_has_what_arrived_and_no_credentials(sandbox: Sandbox) -> None:
    account, reference = new_account(), new_reference()
    sandbox.pay(account, reference)
    sandbox.ask(reference)
    paid, asked = sandbox.requests(reference=reference)
    assert (paid["operation"], paid["account"], paid["status"], paid["fault"]) == ("PostTransaction", account, 200, None)
    assert (asked["operation"], asked["account"], asked["status"]) == ("GetTransactionStatus", account, 200)
    everything = (sandbox.directory / f"{CODE}.requests.jsonl").read_text()
    assert "sandbox-lwb" not in everything
    assert "Basic" not in everything


BAD_DOCUMENTS = {
    "not XML": b"pay please",
    "ill-formed": b"<a><b></a>",
    "empty": b"",
    "no envelope": b"<PostTransaction/>",
    "two in one body": b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><PostTransaction/><PostTransaction/></s:Body></s:Envelope>',
    "unknown operation": b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><PayTwice/></s:Body></s:Envelope>',
    "missing fields": b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><PostTransaction/></s:Body></s:Envelope>',
    "document type": (
        b'<!DOCTYPE x [<!ENTITY e "71111111">]><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        b"<GetAccountDetails><AccountNumber>&e;</AccountNumber></GetAccountDetails></s:Body></s:Envelope>"
    ),
    "document type in UTF-16": (
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x [<!ENTITY e "71111111">]><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        "<GetAccountDetails><AccountNumber>71111111</AccountNumber></GetAccountDetails></s:Body></s:Envelope>"
    ).encode("utf-16"),
}


@pytest.mark.parametrize("document", BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS)
def test_what_cannot_be_understood_is_400_and_moves_nothing(sandbox: Sandbox, document: bytes) -> None:
    before = sandbox.lines("ledger")
    answered = sandbox.exchange(request(document))
    assert answered.status == 400
    assert answered.said["Code"] in {"MALFORMED", "UNKNOWN_OPERATION", "MISSING_FIELD"}
    assert sandbox.lines("ledger") == before


BAD_REQUESTS = [
    (b"GET\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    (b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", 431),
    (b"GET /nobody/soap HTTP/1.1\r\n\r\n", 404),
]


@pytest.mark.parametrize(("sent", "status"), BAD_REQUESTS, ids=[f"{status} {sent[:20]!r}" for sent, status in BAD_REQUESTS])
def test_a_request_that_is_not_http_is_refused(sandbox: Sandbox, sent: bytes, status: int) -> None:
    assert sandbox.exchange(sent).data.startswith(f"HTTP/1.1 {status} ".encode())


def test_there_is_one_endpoint_and_it_takes_post(sandbox: Sandbox) -> None:
    assert sandbox.exchange(post("GetAccountDetails", path="/lwb_postpaid/rest", AccountNumber="71111111")).status == 404
    assert sandbox.exchange(post("GetAccountDetails", AccountNumber="71111111").replace(b"POST", b"PUT", 1)).status == 405
