"""The client speaks what Temenos publishes; and the judge that says so would notice if it did not."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from core.banking.contract import Transfer
from core.banking.rooms import ROOM
from core.banking.t24 import OUTCOMES, REVERSAL_OUTCOMES, T24
from core.money import Money
from core.wire.contract import Exchange, Outcome, Terms

from .published import HOLDINGS, PAYMENT_ORDERS, TRANSFERS, answer_problems, published, request_problems
from .words import BODY, CUSTOMER, REFERENCE, SUSPENSE, TERMS, TRANSFER, failure, listing, success

LONGEST = Transfer(
    "X" * 16, "1" * 16, "M" * 16, Money(Decimal("999999999999999.99")), credit_reference="C" * 27, details=("D" * 35, "E" * 35)
)  # 15 digits, a point and two decimals: 18 characters
BASIC = Terms("https://t24.bank.example", {}, {"username": "console", "password": "geheim", "credentials": "BILLERS/geheim"})

EXCHANGES: dict[str, Exchange[Any]] = {
    "balance": T24(TERMS).balance(CUSTOMER),
    "debit": T24(TERMS, company_id="MW0010001").debit(TRANSFER),
    "debit in the least words": T24(BASIC).debit(Transfer(REFERENCE, CUSTOMER, SUSPENSE, TRANSFER.amount)),
    "debit in the most": T24(BASIC, transaction_type="ACBP").debit(LONGEST),
    "validate": T24(TERMS).validate(TRANSFER),
    "inquire": T24(BASIC, company_id="MW0010001").inquire(TRANSFER),
    "reverse": T24(TERMS).reverse("FT0000000001"),
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_what_is_said_is_what_is_published(name: str) -> None:
    request = EXCHANGES[name].request
    assert request_problems(request.method, request.path, request.headers, request.body) == []


def test_the_room_for_each_text_is_the_published_one() -> None:
    properties = published(TRANSFERS)["definitions"]["AccountTransferBody"]["properties"]
    lengths = {name: told["maxLength"] for name, told in properties.items() if name in ROOM and "maxLength" in told}
    lengths["paymentDetail"] = properties["paymentDetails"]["items"]["properties"]["paymentDetail"]["maxLength"]
    lengths["debitAmount"] = properties["debitAmount"]["maximum"]
    assert lengths == dict(ROOM)


def test_the_record_statuses_are_the_published_ones() -> None:
    told = published(PAYMENT_ORDERS)["definitions"]
    [said] = {one["properties"]["recordStatus"]["description"] for one in told.values() if "recordStatus" in one.get("properties", {})}
    words = set(re.findall(r"\b(?:I|R)[A-Z]{2}[A-Z0-9]\b", said))
    waiting = {code for table in (OUTCOMES, REVERSAL_OUTCOMES) for code, outcome in table.items() if outcome is Outcome.ACCEPTED}
    assert words == waiting


def test_the_published_list_has_no_place_for_what_an_inquiry_needs() -> None:
    """Should it get one, this test tells: then the inquiry may be certified as it is published."""
    assert not {"debitReference", "id", "recordStatus"} & set(published(TRANSFERS)["definitions"]["AccountTransfersResponseBody"]["items"]["properties"])


def test_the_files_write_an_amounts_length_as_its_size() -> None:
    """The judge reads it as characters. Should a file be corrected, it must read it as what it says."""
    amount = published(TRANSFERS)["definitions"]["AccountTransferBody"]["properties"]["debitAmount"]
    assert (amount["type"], amount["minimum"], amount["maximum"]) == ("number", 1, 18)


POSTING = {"transactionType": "AC", "debitAccountId": "1", "debitCurrency": "MWK", "debitAmount": 5475.5, "creditAccountId": "2"}

WRONG_REQUESTS: dict[str, tuple[str, str, dict[str, str], Any, str]] = {
    "a body without an amount": ("POST", "/order/transfers", {}, {"body": {**POSTING, "debitAmount": None}}, "debitAmount"),
    "an amount as a text": ("POST", "/order/transfers", {}, {"body": {**POSTING, "debitAmount": "5475.50"}}, "debitAmount"),
    "an amount of 19 characters": ("POST", "/order/transfers", {}, {"body": {**POSTING, "debitAmount": 10**18}}, "more than 18"),
    "a negative amount": ("POST", "/order/transfers", {}, {"body": {**POSTING, "debitAmount": -5}}, "negative"),
    "an account too long": ("POST", "/order/transfers", {}, {"body": {**POSTING, "debitAccountId": "1" * 17}}, "debitAccountId"),
    "an empty account": ("POST", "/order/transfers", {}, {"body": {**POSTING, "creditAccountId": ""}}, "creditAccountId"),
    "a reference too long": ("POST", "/order/transfers", {}, {"body": {**POSTING, "debitReference": "1" * 17}}, "debitReference"),
    "a line too long": ("POST", "/order/transfers", {}, {"body": {**POSTING, "paymentDetails": [{"paymentDetail": "x" * 36}]}}, "paymentDetail"),
    "lines that are no list": ("POST", "/order/transfers", {}, {"body": {**POSTING, "paymentDetails": {"paymentDetail": "x"}}}, "paymentDetails"),
    "a name that is misspelt": ("POST", "/order/transfers", {}, {"body": {**POSTING, "debitRefrence": "x"}}, "body.debitRefrence: unknown"),
    "a name beside the body": ("POST", "/order/transfers", {}, {"body": POSTING, "payload": {}}, "payload: unknown"),
    "no body": ("POST", "/order/transfers", {}, None, "body: missing"),
    "a body where none is": ("GET", "/order/transfers/1/2", {}, {"body": {}}, "none is published"),
    "an unknown query": ("GET", "/order/transfers/1/2?debitReference=x", {}, None, "query debitReference: unknown"),
    "a dry run that is none": ("POST", "/order/transfers?validate_only=yes", {}, {"body": POSTING}, "no boolean"),
    "an unknown header": ("GET", "/order/transfers/1/2", {"X-Company": "MW0010001"}, None, "header X-Company: unknown"),
}


@pytest.mark.parametrize("name", WRONG_REQUESTS)
def test_the_judge_refuses_a_request_that_is_not_published(name: str) -> None:
    method, target, headers, document, complaint = WRONG_REQUESTS[name]
    body = b"" if document is None else json.dumps(document).encode()
    assert any(complaint in problem for problem in request_problems(method, target, headers, body))


def test_the_judge_knows_no_operation_that_is_not_published() -> None:
    published(HOLDINGS)
    for method, target in (("PATCH", "/order/transfers/FT1"), ("GET", "/order/transfer/1/2"), ("POST", "/holdings/accounts/balances")):
        with pytest.raises(AssertionError, match="published nowhere"):
            request_problems(method, target, {}, b"")


WRONG_ANSWERS: dict[str, tuple[str, str, int, Any, str]] = {
    "a balance as a number": ("GET", "/holdings/accounts/balances", 200, listing({"accountId": "1", "useableBalance": 5.5}), "useableBalance|5.5"),
    "a balance too long": ("GET", "/holdings/accounts/balances", 200, listing({"workingBalance": "1" * 20}), "workingBalance"),
    "a misspelt balance": ("GET", "/holdings/accounts/balances", 200, listing({"usableBalance": "1"}), "body\\[\\].usableBalance: unknown"),
    "one object for a list": ("GET", "/holdings/accounts/balances", 200, {"header": {"status": "success"}, "body": {}}, "body"),
    "a count as a text": ("GET", "/holdings/accounts/balances", 200, listing(total_size="1"), "total_size"),
    "an amount as a text": ("POST", "/order/transfers", 200, success(body={**BODY, "debitAmount": "5475.50"}), "debitAmount"),
    "errors without a list": ("POST", "/order/transfers", 400, {"header": {"status": "failed"}, "error": {"errorDetails": {"code": "x"}}}, "errorDetails"),
    "a success where a failure stands": ("POST", "/order/transfers", 400, success(), "body: unknown"),
    "a failure where a success stands": ("POST", "/order/transfers", 200, failure("x"), "error: unknown"),
    "a list's error in details": ("GET", "/order/transfers/1/2", 404, failure("x"), "error.errorDetails: unknown"),
}


@pytest.mark.parametrize("name", WRONG_ANSWERS)
def test_the_judge_refuses_an_answer_that_is_not_published(name: str) -> None:
    method, path, status, document, complaint = WRONG_ANSWERS[name]
    problems = answer_problems(method, path, status, json.dumps(document).encode())
    assert any(re.search(complaint, problem) for problem in problems), problems


def test_the_answers_that_the_tests_read_are_published_ones() -> None:
    assert answer_problems("POST", "/order/transfers", 200, json.dumps(success()).encode()) == []
    assert answer_problems("DELETE", "/order/transfers/FT1", 200, json.dumps(success()).encode()) == []
    assert answer_problems("POST", "/order/transfers", 400, json.dumps(failure("AC-INSUFFICIENT.FUNDS")).encode()) == []
    assert answer_problems("GET", "/order/transfers/1/2", 200, json.dumps(listing({"debitAmount": 5475.5}, total_size=1)).encode()) == []
