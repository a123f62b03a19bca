"""What T24 is told, and what is understood of its answers. The body decides; whatever is not listed is asked about again."""

import base64
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.banking.contract import Balance, DryRun, Transfer
from core.banking.t24 import OUTCOMES, REVERSAL_OUTCOMES, T24
from core.errors import BadInput, Misconfigured
from core.money import Money
from core.wire.contract import Exchange, Outcome, Receipt
from core.wire.transcript import Masker

from .words import BODY, CUSTOMER, REFERENCE, ROW, SUSPENSE, TERMS, TRANSFER, failure, listing, no_records, override, reply, success

CONFIRMED, ACCEPTED, REJECTED, UNKNOWN, NOT_FOUND = Outcome.CONFIRMED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNKNOWN, Outcome.NOT_FOUND
ID = "FT0000000001"
POOR = "AC-INSUFFICIENT.FUNDS"

bank = T24(TERMS)


# ---- What is said


def test_a_debit_says_each_thing_once_and_its_amount_digit_by_digit() -> None:
    request = bank.debit(replace(TRANSFER, amount=Money(Decimal("9007199254740.93")))).request
    assert (request.method, request.path) == ("POST", "/order/transfers")
    # A float would have lost the last digits of a larger one; here the digits themselves are looked at.
    assert b'"debitAmount":9007199254740.93,' in request.body
    assert json.loads(request.body)["body"] == {
        **BODY,
        "debitAmount": 9007199254740.93,
        "creditReference": "LWB 100001",
        "paymentDetails": [{"paymentDetail": "Lilongwe Water Board"}, {"paymentDetail": "Account 100001"}],
    }


def test_a_dry_run_is_the_same_request_and_says_that_it_is_one() -> None:
    real, dry = bank.debit(TRANSFER).request, bank.validate(TRANSFER).request
    assert dry == replace(real, path="/order/transfers?validate_only=true")


def test_the_other_verbs_name_accounts_and_ids_in_their_paths() -> None:
    told = [bank.balance("12/4 &x").request, bank.inquire(TRANSFER).request, bank.reverse("FT21123ABCDE;1").request]
    assert [(one.method, one.path, one.body) for one in told] == [
        ("GET", "/holdings/accounts/balances?accountId=12%2F4%20%26x", b""),
        ("GET", f"/order/transfers/{CUSTOMER}/{SUSPENSE}", b""),
        ("DELETE", "/order/transfers/FT21123ABCDE%3B1", b""),
    ]
    assert told[1].headers["disablePagination"] == "true"


def test_an_endpoint_may_lie_elsewhere() -> None:
    own = {
        "balances": "/v4.3.0/holdings/accounts/balances",
        "transfers": "/v1.0.1/order/transfers",
        "transfer": "/v1.0.1/order/transfers/{id}",
        "transfers_between": "/v1.0.1/order/transfers/{debit_account}/{credit_account}?debitReference={reference}",
    }
    elsewhere = T24(replace(TERMS, endpoints=own))
    asked: list[Exchange[Any]] = [elsewhere.balance("1"), elsewhere.validate(TRANSFER), elsewhere.reverse(ID), elsewhere.inquire(TRANSFER)]
    assert [one.request.path for one in asked] == [
        "/v4.3.0/holdings/accounts/balances?accountId=1",
        "/v1.0.1/order/transfers?validate_only=true",
        f"/v1.0.1/order/transfers/{ID}",
        f"/v1.0.1/order/transfers/{CUSTOMER}/{SUSPENSE}?debitReference={REFERENCE}",
    ]


@pytest.mark.parametrize(
    ("credentials", "headers"),
    [
        ({}, {}),
        ({"username": "console", "password": "geheim"}, {"Authorization": "Basic Y29uc29sZTpnZWhlaW0="}),
        # As published, and as gateways want it.
        ({"api_key": "k"}, {"Authorization": "k", "apikey": "k", "X-API-Key": "k"}),
        ({"username": "console", "password": "geheim", "api_key": "k"}, {"Authorization": "Basic Y29uc29sZTpnZWhlaW0="}),
        ({"api_key": "k", "credentials": "BILLERS/pw"}, {"Authorization": "k", "apikey": "k", "X-API-Key": "k", "credentials": "BILLERS/pw"}),
    ],
)
def test_who_asks_is_said_in_the_way_the_credentials_hold(credentials: dict[str, str], headers: dict[str, str]) -> None:
    held = T24(replace(TERMS, credentials=credentials))
    asked: list[Exchange[Any]] = [held.balance("1"), held.debit(TRANSFER), held.validate(TRANSFER), held.inquire(TRANSFER), held.reverse(ID)]
    for one in asked:
        assert {name: text for name, text in one.request.headers.items() if name not in ("Content-Type", "disablePagination")} == headers
    assert T24(TERMS, company_id="MW0010001").balance("1").request.headers["companyId"] == "MW0010001"


def test_no_secret_is_left_in_what_is_kept_of_a_call() -> None:
    credentials = {"username": "console", "password": "sehr-geheim", "credentials": "BILLERS/auch-geheim"}
    for held in (credentials, {"api_key": "ein-schluessel", "credentials": "BILLERS/auch-geheim"}):
        terms = replace(TERMS, credentials=held)
        request = T24(terms, company_id="MW0010001").debit(TRANSFER).request
        kept = Masker(terms, T24.masked).message(f"{request.method} {request.path}", request.headers.items(), request.body)
        spelt = base64.b64encode(b"console:sehr-geheim").decode()
        assert not [secret for secret in ("sehr-geheim", "auch-geheim", "ein-schluessel", spelt) if secret in kept]
        assert REFERENCE in kept
        assert "MW0010001" in kept


TOO_MUCH: dict[str, tuple[Transfer, type[Exception], str]] = {
    "the account to debit": (replace(TRANSFER, debit_account="1" * 17), BadInput, "room for 16 characters of the account to debit, and it has 17"),
    "no account to debit": (replace(TRANSFER, debit_account=""), BadInput, "account to debit is written in letters and digits"),
    "an account that leads elsewhere": (replace(TRANSFER, debit_account="../FT1"), BadInput, "account to debit is written in letters and digits"),
    "an account in other digits": (replace(TRANSFER, debit_account="٢٠١٠"), BadInput, "account to debit is written in letters and digits"),
    "the biller's account": (replace(TRANSFER, credit_account="M" * 17), Misconfigured, "room for 16 characters of the biller's account"),
    "no biller's account": (replace(TRANSFER, credit_account=""), Misconfigured, "An administrator must correct it"),
    "the reference": (replace(TRANSFER, reference="R" * 17), Misconfigured, "room for 16 characters of the reference"),
    "the reference there": (replace(TRANSFER, credit_reference="C" * 28), Misconfigured, "room for 27 characters"),
    "an empty reference there": (replace(TRANSFER, credit_reference=" "), Misconfigured, "is empty"),
    "a line": (replace(TRANSFER, details=("good", "D" * 36)), Misconfigured, "room for 35 characters of the line for the statement"),
    "a line that breaks": (replace(TRANSFER, details=("a\nb",)), Misconfigured, "a character that cannot be sent"),
    "the amount": (replace(TRANSFER, amount=Money(Decimal("9999999999999999.99"))), BadInput, "room for 18 characters of the amount"),
    "no amount": (replace(TRANSFER, amount=Money(Decimal("0.00"))), BadInput, "more than zero"),
    "less than nothing": (replace(TRANSFER, amount=Money(Decimal("-5.00"))), BadInput, "more than zero"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_t24_has_no_room_for_is_refused_in_a_sentence_before_anything_is_sent(name: str) -> None:
    transfer, error, sentence = TOO_MUCH[name]
    for say in (bank.debit, bank.validate, bank.inquire):
        with pytest.raises(error, match=sentence):
            say(transfer)


def test_a_transaction_type_has_four_characters_at_most() -> None:
    with pytest.raises(Misconfigured, match="room for 4 characters of the transaction type"):
        T24(TERMS, transaction_type="ACBPX").debit(TRANSFER)


@pytest.mark.parametrize("number", ["", "FT1/FT2", "..", ".", "FT 1", "FT1?x", "FT1\n", "F" * 36, "٢٠١٠"])
def test_only_an_id_is_given_back(number: str) -> None:
    with pytest.raises(BadInput, match="no id of a core-banking transfer"):
        bank.reverse(number)


@pytest.mark.parametrize("account", ["", " "])
def test_a_balance_is_of_an_account(account: str) -> None:
    with pytest.raises(BadInput, match="Enter the number"):
        bank.balance(account)


# ---- What is understood of a debit's answer: HTTP status, body → the receipt

Read = tuple[int, Any, Receipt]

WITHOUT_ID = "Core banking's answer has no id of the transfer."
DUPLICATE = "FT-DUPLICATE.REFERENCE"

DEBITS: dict[str, Read] = {
    "posted": (200, success(), Receipt(CONFIRMED, code="Live", external_id=ID)),
    "posted, and says no more than that": (200, success(record=None), Receipt(CONFIRMED, code="success", external_id=ID)),
    "on hold": (200, success("IHLD"), Receipt(ACCEPTED, code="IHLD", external_id=ID)),
    "W29 not authorised": (200, success("INAU"), Receipt(ACCEPTED, code="INAU", external_id=ID)),
    "authorised once of twice": (200, success("INA2"), Receipt(ACCEPTED, code="INA2", external_id=ID)),
    "blocked by overrides": (200, success("INAO"), Receipt(ACCEPTED, code="INAO", external_id=ID)),
    "on hold, as the body says": (200, success(None, body={**BODY, "recordStatus": "IHLD"}), Receipt(ACCEPTED, code="IHLD", external_id=ID)),
    "live in the header, on hold in the body": (200, success("Live", body={**BODY, "recordStatus": "IHLD"}), Receipt(ACCEPTED, code="IHLD", external_id=ID)),
    "two record statuses": (200, success("INAU", body={**BODY, "recordStatus": "IHLD"}), Receipt(UNKNOWN, message="The answer states two record statuses.")),
    "a status nobody lists": (200, success("HNAU"), Receipt(UNKNOWN, code="HNAU", external_id=ID)),
    "a listed error as a status": (200, success(POOR), Receipt(UNKNOWN, code=POOR, external_id=ID)),
    "a status of a reversal": (200, success("RNAU"), Receipt(UNKNOWN, code="RNAU", external_id=ID)),
    "accepted by a gateway, on hold": (202, success("IHLD"), Receipt(ACCEPTED, code="IHLD", external_id=ID)),
    "accepted by a gateway, posted": (202, success(), Receipt(UNKNOWN, code="Live", external_id=ID)),
    "posted, on an error's page": (500, success(), Receipt(UNKNOWN, code="Live", external_id=ID)),
    "on hold, on a refusal's page": (400, success("IHLD"), Receipt(UNKNOWN, code="IHLD", external_id=ID)),
    "posted, without an id": (200, success(number=None), Receipt(UNKNOWN, code="Live", message=WITHOUT_ID)),
    "posted, under an id that is none": (200, success(number="FT/1"), Receipt(UNKNOWN, code="Live", message=WITHOUT_ID)),
    # Overrides: questions, neither a yes nor a no.
    "an override and nothing else": (400, failure(override=override()), Receipt(UNKNOWN, code="ACCT.UNAUTH.OD", message="Unauthorised overdraft.")),
    "an override in 200": (200, failure(override=override()), Receipt(UNKNOWN, code="ACCT.UNAUTH.OD", message="Unauthorised overdraft.")),
    "an override of a listed error's name": (400, failure(override=override(POOR)), Receipt(UNKNOWN, code=POOR, message="Unauthorised overdraft.")),
    "success with an override and no status": (
        *(200, success(None, override=override())),
        Receipt(UNKNOWN, code="ACCT.UNAUTH.OD", message="Unauthorised overdraft.", external_id=ID),
    ),
    "posted, and an override was accepted": (
        *(200, success(override=override())),
        Receipt(CONFIRMED, code="Live", message="Unauthorised overdraft.", external_id=ID),
    ),
    "on hold with an override": (
        *(200, success("IHLD", override=override())),
        Receipt(ACCEPTED, code="IHLD", message="Unauthorised overdraft.", external_id=ID),
    ),
    "refused, and an override besides": (
        *(400, failure(POOR, override=override())),
        Receipt(REJECTED, code=POOR, message=f"It says {POOR}. Unauthorised overdraft."),
    ),
    # Failures.
    "W31 insufficient funds": (400, failure(POOR), Receipt(REJECTED, code=POOR, message=f"It says {POOR}.")),
    "insufficient funds in HTTP 200": (200, failure(POOR), Receipt(REJECTED, code=POOR, message=f"It says {POOR}.")),
    "insufficient funds in HTTP 500": (500, failure(POOR), Receipt(REJECTED, code=POOR, message=f"It says {POOR}.")),
    "refused, with an id": (400, failure(POOR, number=ID), Receipt(REJECTED, code=POOR, message=f"It says {POOR}.", external_id=ID)),
    "refused for two reasons": (
        *(400, failure(POOR, "AC-ACCOUNT.CLOSED")),
        Receipt(REJECTED, code=POOR, message=f"It says {POOR}. It says AC-ACCOUNT.CLOSED."),
    ),
    "refused for one reason that is listed and one that is not": (
        *(400, failure(POOR, "E-119293")),
        Receipt(UNKNOWN, code="E-119293", message=f"It says {POOR}. It says E-119293."),
    ),
    "refused, and on hold all the same": (
        *(200, {**failure(POOR), "header": {"status": "failed", "transactionStatus": "IHLD"}}),
        Receipt(UNKNOWN, code=POOR, message=f"It says {POOR}."),
    ),
    "an error nobody lists": (400, failure("E-119293"), Receipt(UNKNOWN, code="E-119293", message="It says E-119293.")),
    "a duplicate": (400, failure(DUPLICATE, number=ID), Receipt(UNKNOWN, code=DUPLICATE, message=f"It says {DUPLICATE}.", external_id=ID)),
    "a record status as an error": (400, failure("Live"), Receipt(UNKNOWN, code="Live", message="It says Live.")),
    "success as an error": (400, failure("success"), Receipt(UNKNOWN, code="success", message="It says success.")),
    "no records, which only a list can say": (404, failure("TGVCP-007"), Receipt(UNKNOWN, code="TGVCP-007", message="It says TGVCP-007.")),
    "no records, as lists say it": (404, no_records(), Receipt(UNKNOWN, code="TGVCP-007", message="No records were found")),
    "failed, and nothing else": (400, failure(), Receipt(UNKNOWN, code="")),
    "success and an error": (200, success(error={"errorDetails": [{"code": POOR}]}), Receipt(UNKNOWN, code=POOR, external_id=ID)),
    # Somebody else's.
    "another reference": (200, success(body={**BODY, "debitReference": "X"}), Receipt(UNKNOWN, code="Live", mismatch="reference")),
    "no reference": (200, success(body={k: v for k, v in BODY.items() if k != "debitReference"}), Receipt(UNKNOWN, code="Live", mismatch="reference")),
    "no body": (200, {"header": {"status": "success", "id": ID}}, Receipt(UNKNOWN, code="success", mismatch="reference")),
    "a list for a body": (200, {"header": {"status": "success", "id": ID}, "body": [BODY]}, Receipt(UNKNOWN, message="body is no object.")),
    "W18 another amount": (200, success(body={**BODY, "debitAmount": 5475.51}), Receipt(UNKNOWN, code="Live", mismatch="amount")),
    "another amount, on hold": (200, success("IHLD", body={**BODY, "debitAmount": 1}), Receipt(UNKNOWN, code="IHLD", mismatch="amount")),
    "another account": (200, success(body={**BODY, "debitAccountId": "1"}), Receipt(UNKNOWN, code="Live", mismatch="account")),
    "another account credited": (200, success(body={**BODY, "creditAccountId": "1"}), Receipt(UNKNOWN, code="Live", mismatch="credit account")),
    "another currency": (200, success(body={**BODY, "debitCurrency": "USD"}), Receipt(UNKNOWN, code="Live", mismatch="currency")),
    "somebody else's refusal": (
        *(400, failure(POOR, body={"debitReference": "X"})),
        Receipt(UNKNOWN, code=POOR, message=f"It says {POOR}.", mismatch="reference"),
    ),
    "our own refusal": (400, failure(POOR, body={"debitReference": REFERENCE}), Receipt(REJECTED, code=POOR, message=f"It says {POOR}.")),
    "the amount as a text": (200, success(body={**BODY, "debitAmount": "5475.50"}), Receipt(CONFIRMED, code="Live", external_id=ID)),
}  # fmt: skip


@pytest.mark.parametrize("name", DEBITS)
def test_a_debits_answer_is_understood_by_its_body(name: str) -> None:
    status, document, receipt = DEBITS[name]
    assert bank.debit(TRANSFER).read(reply(status, document)) == receipt


@pytest.mark.parametrize("name", DEBITS)
def test_a_dry_run_says_what_would_become_of_it_and_is_no_receipt(name: str) -> None:
    status, document, receipt = DEBITS[name]
    told = bank.validate(TRANSFER).read(reply(status, document))
    assert isinstance(told, DryRun)
    if receipt.message != WITHOUT_ID:
        assert (told.outcome, told.code, told.mismatch) == (receipt.outcome, receipt.code, receipt.mismatch)


def test_a_dry_run_gives_nothing_an_id() -> None:
    assert bank.validate(TRANSFER).read(reply(200, success(None, number=None))) == DryRun(CONFIRMED, code="success")


@pytest.mark.parametrize("code", [code for code, outcome in OUTCOMES.items() if outcome is REJECTED])
def test_every_listed_refusal_is_one_and_a_bank_can_take_it_off(code: str) -> None:
    assert bank.debit(TRANSFER).read(reply(400, failure(code))).outcome is REJECTED
    narrowed = T24(replace(TERMS, removed_codes=frozenset({code})))
    assert narrowed.debit(TRANSFER).read(reply(400, failure(code))).outcome is UNKNOWN


# ---- What is understood of a list

FOUND = Receipt(CONFIRMED, code="success", external_id=ID)
SILENT = "Core banking's list cannot tell whether our transfer is in it: it is not whole, or does not show the debit reference."
ABSENT = Receipt(NOT_FOUND, code="success", message="Core banking lists no transfer between the two accounts under our reference.")
OTHER = {**ROW, "debitReference": "AAAA", "id": "FT0000000002"}
BARE = {name: value for name, value in ROW.items() if name not in ("id", "debitReference")}

LISTS: dict[str, Read] = {
    "ours alone": (200, listing(ROW), FOUND),
    "ours among others": (200, listing(OTHER, ROW, {**OTHER, "debitAmount": 1}), FOUND),
    "ours, live": (200, listing({**ROW, "recordStatus": "Live"}), replace(FOUND, code="Live")),
    "ours, not authorised": (200, listing({**ROW, "recordStatus": "INAU"}), Receipt(ACCEPTED, code="INAU", external_id=ID)),
    "ours, on hold": (200, listing({**ROW, "transactionStatus": "IHLD"}), Receipt(ACCEPTED, code="IHLD", external_id=ID)),
    "ours, taken back": (200, listing({**ROW, "recordStatus": "REVE"}), Receipt(UNKNOWN, code="REVE", external_id=ID)),
    "ours, under the id's other name": (200, listing({**BARE, "debitReference": REFERENCE, "fundsTransferId": ID}), FOUND),
    "ours, without an id": (200, listing({**BARE, "debitReference": REFERENCE}), replace(FOUND, external_id=None)),
    "ours, on a page of many": (200, listing(ROW, total_size=7, page_size=1), FOUND),
    "W27 ours, with another amount": (200, listing({**ROW, "debitAmount": 5000}), Receipt(UNKNOWN, code="success", mismatch="amount")),
    "ours, of another account": (200, listing({**ROW, "debitAccountId": "1"}), Receipt(UNKNOWN, code="success", mismatch="account")),
    "ours, to another account": (200, listing({**ROW, "creditAccountId": "1"}), Receipt(UNKNOWN, code="success", mismatch="credit account")),
    "ours, in another currency": (200, listing({**ROW, "debitCurrency": "USD"}), Receipt(UNKNOWN, code="success", mismatch="currency")),
    "ours twice": (
        *(200, listing(ROW, {**ROW, "id": "FT0000000009"})),
        Receipt(UNKNOWN, code="success", message="Core banking has 2 transfers under our reference: FT0000000001, FT0000000009.", mismatch="amount"),
    ),
    "ours twice, on hold once": (
        *(200, listing({**ROW, "recordStatus": "IHLD"}, ROW)),
        Receipt(UNKNOWN, code="success", message=f"Core banking has 2 transfers under our reference: {ID}, {ID}.", mismatch="amount"),
    ),
    "no records": (404, no_records(), Receipt(NOT_FOUND, code="TGVCP-007", message="No records were found")),
    "no records in HTTP 200": (200, no_records(), Receipt(NOT_FOUND, code="TGVCP-007", message="No records were found")),
    "no records in HTTP 400": (400, no_records(), Receipt(NOT_FOUND, code="TGVCP-007", message="No records were found")),
    "an empty list": (200, listing(total_size=0), ABSENT),
    "others only": (200, listing(OTHER), ABSENT),
    "others only, and it says how many": (200, listing(OTHER, total_size=1, page_start=1, page_size=1), ABSENT),
    "others only, with room left on the page": (200, listing(OTHER, page_size=99), ABSENT),
    "others only, of more": (200, listing(OTHER, total_size=2), Receipt(UNKNOWN, code="success", message=SILENT)),
    "others only, on a full page": (200, listing(OTHER, page_size=1), Receipt(UNKNOWN, code="success", message=SILENT)),
    "others only, from the second page": (200, listing(OTHER, page_start=2), Receipt(UNKNOWN, code="success", message=SILENT)),
    "an empty page of more": (200, listing(total_size=1), Receipt(UNKNOWN, code="success", message=SILENT)),
    # The list as it is published: nothing in it can be told apart.
    "transfers without references": (200, listing(BARE), Receipt(UNKNOWN, code="success", message=SILENT)),
    "one of them without": (200, listing(OTHER, BARE), Receipt(UNKNOWN, code="success", message=SILENT)),
    # A question that is refused says nothing of the transfer.
    "a listed refusal": (400, {"header": {"status": "failed"}, "error": {"code": POOR}}, Receipt(UNKNOWN, code=POOR)),
    "a listed refusal in details": (400, failure(POOR), Receipt(UNKNOWN, code=POOR, message=f"It says {POOR}.")),
    "failed, and nothing else": (400, failure(), Receipt(UNKNOWN, code="")),
    "success and an error": (200, {**listing(), "error": {"code": "TGVCP-007"}}, Receipt(UNKNOWN, message="The answer says success and has an error.")),
    "an empty list on an error's page": (500, listing(), Receipt(UNKNOWN, message=SILENT)),
    "ours on an error's page": (404, listing(ROW), Receipt(UNKNOWN, message=SILENT)),
    "no list": (200, {"header": {"status": "success"}}, Receipt(UNKNOWN, message="body is no list of objects.")),
    "one object": (200, {"header": {"status": "success"}, "body": ROW}, Receipt(UNKNOWN, message="body is no list of objects.")),
    "a count that is none": (200, listing(total_size="many"), Receipt(UNKNOWN, message="total_size is no count.")),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_understood_by_what_it_can_know(name: str) -> None:
    status, document, receipt = LISTS[name]
    assert bank.inquire(TRANSFER).read(reply(status, document)) == receipt


# ---- What is understood of a reversal

REVERSALS: dict[str, Read] = {
    "given back": (200, success(None), Receipt(CONFIRMED, code="success", external_id=ID)),
    "given back, as its record says": (200, success("REVE"), Receipt(CONFIRMED, code="REVE", external_id=ID)),
    "W33 given back before": (400, failure("FT-ALREADY.REVERSED"), Receipt(CONFIRMED, code="FT-ALREADY.REVERSED", message="It says FT-ALREADY.REVERSED.")),
    "given back before, and something else": (
        *(400, failure("FT-ALREADY.REVERSED", "E-1")),
        Receipt(UNKNOWN, code="FT-ALREADY.REVERSED", message="It says FT-ALREADY.REVERSED. It says E-1."),
    ),
    "not authorised": (200, success("RNAU"), Receipt(ACCEPTED, code="RNAU", external_id=ID)),
    "blocked by overrides": (200, success("RNAO"), Receipt(ACCEPTED, code="RNAO", external_id=ID)),
    "alive": (200, success("Live"), Receipt(UNKNOWN, code="Live", external_id=ID)),
    "refused": (400, failure("FT-REVERSAL.NOT.ALLOWED"), Receipt(REJECTED, code="FT-REVERSAL.NOT.ALLOWED", message="It says FT-REVERSAL.NOT.ALLOWED.")),
    "refused for a debit's reason": (400, failure(POOR), Receipt(UNKNOWN, code=POOR, message=f"It says {POOR}.")),
    "no such record": (404, failure("FT-RECORD.MISSING"), Receipt(UNKNOWN, code="FT-RECORD.MISSING", message="It says FT-RECORD.MISSING.")),
    "an override": (400, failure(override=override()), Receipt(UNKNOWN, code="ACCT.UNAUTH.OD", message="Unauthorised overdraft.")),
    "another one given back": (200, success(None, number="FT0000000002"), Receipt(UNKNOWN, code="success", mismatch="id")),
    "nobody knows which": (200, success(None, number=None), Receipt(UNKNOWN, code="success", mismatch="id")),
    "another one's refusal": (
        *(400, failure("FT-REVERSAL.NOT.ALLOWED", number="FT0000000002")),
        Receipt(UNKNOWN, code="FT-REVERSAL.NOT.ALLOWED", message="It says FT-REVERSAL.NOT.ALLOWED.", mismatch="id"),
    ),
    "of another amount": (200, success(None, body={**BODY, "debitAmount": 1}), Receipt(UNKNOWN, code="success", mismatch="amount")),
    "of another reference": (200, success(None, body={"debitReference": "X"}), Receipt(UNKNOWN, code="success", mismatch="reference")),
    "without a body": (200, {"header": {"status": "success", "id": ID}}, Receipt(CONFIRMED, code="success", external_id=ID)),
    "on an error's page": (500, success(None), Receipt(UNKNOWN, code="success", external_id=ID)),
}


@pytest.mark.parametrize("name", REVERSALS)
def test_a_reversals_answer_is_understood_by_its_body(name: str) -> None:
    status, document, receipt = REVERSALS[name]
    assert bank.reverse(ID, TRANSFER).read(reply(status, document)) == receipt


def test_a_reversal_that_knows_only_the_id_looks_at_nothing_else() -> None:
    assert bank.reverse(ID).read(reply(200, success(None, body={"debitReference": "X"}))).outcome is CONFIRMED


@pytest.mark.parametrize("code", [code for code in REVERSAL_OUTCOMES if code.startswith("FT-")])
def test_a_reversals_codes_can_be_taken_off(code: str) -> None:
    narrowed = T24(replace(TERMS, removed_codes=frozenset({code})))
    assert narrowed.reverse(ID).read(reply(400, failure(code))).outcome is UNKNOWN


# ---- What is understood of a balance

ACCOUNT = {
    "accountId": CUSTOMER,
    "accountName": "GRACE BANDA",
    "currencyId": "MWK",
    "workingBalance": "1,845,300.25",
    "ledgerBalance": "1845300.25",
    "clearedBalance": "1845300.2",
    "lockedAmount": "-45300",
    "useableBalance": "1800000.00",
}
TOLD = Balance(
    CONFIRMED,
    CUSTOMER,
    "GRACE BANDA",
    useable=Money(Decimal("1800000.00")),
    working=Money(Decimal("1845300.25")),
    ledger=Money(Decimal("1845300.25")),
    cleared=Money(Decimal("1845300.20")),
    locked=Money(Decimal("-45300.00")),
    code="success",
)

BALANCES: dict[str, tuple[int, Any, Balance]] = {
    "told": (200, listing(ACCOUNT, total_size=1), TOLD),
    "of which only the useable one": (
        *(200, listing({"accountId": CUSTOMER, "currencyId": "USD", "useableBalance": "-1,000.50", "lockedAmount": ""})),
        Balance(CONFIRMED, CUSTOMER, useable=Money(Decimal("-1000.50"), "USD"), code="success"),
    ),
    "no such account": (404, no_records(), Balance(REJECTED, CUSTOMER, code="TGVCP-007", message="No records were found")),
    "an empty list": (200, listing(), Balance(REJECTED, CUSTOMER, message="Core banking does not know this account.")),
    "an empty page of more": (200, listing(total_size=1), Balance(UNKNOWN, CUSTOMER, message="Core banking does not know this account.")),
    "closed": (
        *(400, {"header": {"status": "failed"}, "error": {"code": "AC-ACCOUNT.CLOSED", "message": "Closed."}}),
        Balance(REJECTED, CUSTOMER, code="AC-ACCOUNT.CLOSED", message="Closed."),
    ),
    "an error nobody lists": (400, {"header": {"status": "failed"}, "error": {"code": "E-1"}}, Balance(UNKNOWN, CUSTOMER, code="E-1")),
    "another account's": (200, listing({**ACCOUNT, "accountId": "1"}), Balance(UNKNOWN, CUSTOMER, code="success", mismatch="account")),
    "two accounts'": (200, listing(ACCOUNT, ACCOUNT), Balance(UNKNOWN, message="The answer is not about one account.")),
    "on an error's page": (500, listing(ACCOUNT), Balance(UNKNOWN, message="The answer is not about one account.")),
}
UNREADABLE_AMOUNTS = ["", "1,00.00", "1.005", "5475,50", "MWK 1", "1e3", "NaN", "٥", "1" * 40]


@pytest.mark.parametrize("name", BALANCES)
def test_a_balance_is_understood(name: str) -> None:
    status, document, balance = BALANCES[name]
    assert bank.balance(CUSTOMER).read(reply(status, document)) == balance


@pytest.mark.parametrize("said", UNREADABLE_AMOUNTS)
def test_a_balance_that_could_be_read_in_two_ways_is_not_shown(said: str) -> None:
    told = bank.balance(CUSTOMER).read(reply(200, listing({**ACCOUNT, "useableBalance": said})))
    assert (told.outcome, told.useable) == (UNKNOWN, None)


def test_a_balance_without_a_currency_is_none() -> None:
    assert bank.balance(CUSTOMER).read(reply(200, listing({**ACCOUNT, "currencyId": None}))).outcome is UNKNOWN


# ---- What is no answer at all

GOOD = json.dumps(success()).encode()
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "HTML": b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    "a list": b"[" + GOOD + b"]",
    "cut short": GOOD[:-1],
    "twice": GOOD + GOOD,
    "a status twice": GOOD.replace(b'"status": "success"', b'"status": "failed", "status": "success"'),
    "a header twice": GOOD[:-1] + b', "header": {"status": "success"}}',
    "no header": b'{"body": {}}',
    "a header that is a list": b'{"header": [{"status": "success"}]}',
    "a header that is a text": b'{"header": "success"}',
    "a status that is none": b'{"header": {"status": "SUCCESS", "id": "FT1"}}',
    "a status that is true": b'{"header": {"status": true}}',
    "a status that is an object": b'{"header": {"status": {"code": "success"}}}',
    "a reference that is an object": json.dumps(success(body={**BODY, "debitReference": {}})).encode(),
    "an amount that is true": json.dumps(success(body={**BODY, "debitAmount": True})).encode(),
    "an amount beyond all": GOOD.replace(b"5475.5", b"1e999999999"),
    "NaN": GOOD.replace(b"5475.5", b"NaN"),
    "errors that are an object": b'{"header": {"status": "failed"}, "error": {"errorDetails": {"code": "AC-INSUFFICIENT.FUNDS"}}}',
    "errors that are texts": b'{"header": {"status": "failed"}, "error": {"errorDetails": ["AC-INSUFFICIENT.FUNDS"]}}',
    "an error that is a text": b'{"header": {"status": "failed"}, "error": "AC-INSUFFICIENT.FUNDS"}',
    "NUL": GOOD.replace(b"Live", b"Li\\u0000ve"),
    "deep": b'{"header":' * 100_000,
    "UTF-7": '{"header": {"status": "success"}}'.encode("utf-7"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_read_is_unknown_to_every_verb(name: str) -> None:
    asked: list[Exchange[Any]] = [bank.debit(TRANSFER), bank.validate(TRANSFER), bank.inquire(TRANSFER), bank.reverse(ID, TRANSFER), bank.balance(CUSTOMER)]
    for one in asked:
        for status in (200, 202, 400, 404, 500):
            assert one.read(reply(status, HOSTILE[name])).outcome is UNKNOWN


WORDS = st.sampled_from(["success", "failed", "Live", "IHLD", "INAU", "REVE", POOR, "TGVCP-007", REFERENCE, ID, CUSTOMER, SUSPENSE, "MWK", "", "x"])
NAMES = [
    "header",
    "body",
    "error",
    "override",
    "status",
    "id",
    "transactionStatus",
    "recordStatus",
    "errorDetails",
    "overrideDetails",
    "code",
    "debitReference",
]
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.just(5475.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "debitAmount", "debitAccountId", "total_size"]), inner, max_size=5),
    max_leaves=25,
)


@given(document=st.dictionaries(st.sampled_from(NAMES[:4]), VALUES, max_size=4), status=st.sampled_from([200, 202, 400, 404, 500]))
def test_whatever_comes_no_reader_raises_and_money_moves_only_under_our_reference(document: dict[str, Any], status: int) -> None:
    said = reply(status, document)
    receipt = bank.debit(TRANSFER).read(said)
    bank.validate(TRANSFER).read(said)
    bank.inquire(TRANSFER).read(said)
    bank.reverse(ID, TRANSFER).read(said)
    bank.balance(CUSTOMER).read(said)
    if receipt.outcome in (CONFIRMED, ACCEPTED):
        assert (document["header"]["status"], document["body"]["debitReference"], status in (200, 202)) == ("success", REFERENCE, True)
    if receipt.outcome is REJECTED:
        assert document["header"]["status"] == "failed"
        assert {one["code"] for one in document["error"]["errorDetails"]} == {POOR}


@given(st.binary(max_size=200))
def test_bytes_are_no_answer(document: bytes) -> None:
    assert bank.debit(TRANSFER).read(reply(200, document)).outcome is UNKNOWN


def test_only_a_status_that_t24_refuses_with_is_read_beyond_the_usual() -> None:
    asked: list[Exchange[Any]] = [bank.debit(TRANSFER), bank.validate(TRANSFER), bank.inquire(TRANSFER), bank.reverse(ID), bank.balance("1")]
    assert {one.also_reads for one in asked} == {frozenset({400})}
