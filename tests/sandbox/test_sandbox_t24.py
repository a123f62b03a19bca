"""The sandbox's core banking: what it answers is what Temenos publishes, and what it did stands in a ledger of its own."""

import base64
import json
import signal
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from running_sandbox import CHECKOUT, Answered, Sandbox, new_reference, wait_until
from speaking import http

from core.sandbox.faults import DRAWN, FAULTS
from core.sandbox.t24_accounts import BEHAVIOURS, read
from tests.banking.published import ADDED_TO_FAILURES, added_to, answer_problems, request_problems

T24 = "T24"
SEEDS = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text(encoding="utf-8"))["core_banking"]
KEY = {"Authorization": SEEDS["api_key"]}
SUSPENSE = "MWK1280600010001"
BALANCES, POST, DELETE, LIST = "GET balances", "POST transfers", "DELETE transfers", "GET transfers"

AS_DEFAULT = {"deduplicates": "no", "inquiry_lag_seconds": 0, "inquiry_lies": False, "down": False, "fault_status": 500}

_numbers = count(1)


@pytest.fixture
def bank(sandbox: Sandbox) -> Iterator[Sandbox]:
    sandbox.set(T24, **AS_DEFAULT)
    yield sandbox
    sandbox.set(T24, **AS_DEFAULT)


def customer() -> str:
    """An account with five million in it that no other test uses."""
    return f"29{next(_numbers):08d}"


def behaving(behaviour: str) -> str:
    return next(row["number"] for row in SEEDS["account"] if row["behaviour"] == behaviour)


def ask(bank: Sandbox, method: str, target: str, document: object = None, headers: dict[str, str] | None = None) -> Answered:
    body = b"" if document is None else json.dumps(document).encode()
    return bank.exchange(http(method, f"/t24{target}", body, **(KEY if headers is None else headers)))


def posting(account: str, reference: str, amount: float | str = 5475.50, **more: Any) -> dict[str, Any]:
    said = {"transactionType": "AC", "debitAccountId": account, "debitCurrency": "MWK", "debitAmount": amount, "creditAccountId": SUSPENSE}
    return {"body": {**said, "debitReference": reference, **more}}


def debit(bank: Sandbox, account: str, reference: str, amount: float = 5475.50, **more: Any) -> Answered:
    return ask(bank, "POST", "/order/transfers", posting(account, reference, amount, **more))


def listed(bank: Sandbox, account: str, credited: str = SUSPENSE) -> Answered:
    return ask(bank, "GET", f"/order/transfers/{account}/{credited}")


def take_back(bank: Sandbox, number: str) -> Answered:
    return ask(bank, "DELETE", f"/order/transfers/{number}")


def told(answered: Answered) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answered.body)
    return found


def number_of(answered: Answered) -> str:
    return str(told(answered)["header"]["id"])


def balances(bank: Sandbox, account: str) -> dict[str, str]:
    [row] = told(ask(bank, "GET", f"/holdings/accounts/balances?accountId={account}"))["body"]
    return {name.removesuffix("Balance").removesuffix("Amount"): text for name, text in row.items() if name.endswith(("Balance", "Amount"))}


def error_of(answered: Answered) -> str:
    error = told(answered)["error"]
    return str(error.get("code") or error["errorDetails"][0]["code"])


def kinds(bank: Sandbox, reference: str) -> list[str]:
    return [line["kind"] for line in bank.ledger(reference, T24)]


# ---- The table of accounts


def test_every_behaviour_has_an_account_and_names_faults_that_exist() -> None:
    assert {row["behaviour"] for row in SEEDS["account"]} == set(BEHAVIOURS)
    assert {fault for one in BEHAVIOURS.values() for fault in (one.paying, one.looking_up)} - {None} <= set(FAULTS)
    assert all(row["what"].endswith(".") for row in (*SEEDS["account"], *SEEDS["pattern"]))


def test_core_banking_is_served_beside_the_billers_and_is_none_of_them(bank: Sandbox) -> None:
    health = bank.control("GET", "/health")[1]
    assert health["core_banking"] is True
    assert T24 not in health["billers"]


def test_a_sandbox_without_core_banking_in_its_accounts_serves_none(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text((CHECKOUT / "seeds" / "sandbox.toml").read_text().partition("[core_banking]\n")[0])
    assert read(accounts) is None
    alone = Sandbox(tmp_path / "sandbox", "--accounts", str(accounts))
    alone.start()
    try:
        assert alone.control("GET", "/health")[1]["core_banking"] is False
        assert debit(alone, customer(), new_reference()).status == 404
    finally:
        alone.stop()


# ---- Posting


def test_a_debit_is_in_the_ledger_when_the_reply_is_there(bank: Sandbox) -> None:
    account, reference = customer(), new_reference()
    answered = debit(bank, account, reference, creditReference="LWB 100001")
    assert answered.status == 200
    assert told(answered)["header"] | {"audit": None} == {"id": number_of(answered), "transactionStatus": "Live", "status": "success", "audit": None}
    body = told(answered)["body"]
    assert body == posting(account, reference, creditReference="LWB 100001")["body"]
    [line] = bank.ledger(reference, T24)
    assert line.pop("at")
    assert line == {
        "kind": "DEBIT",
        "id": number_of(answered),
        "reference": reference,
        "debit_account": account,
        "credit_account": SUSPENSE,
        "amount": "5475.50",
        "currency": "MWK",
        "credit_reference": "LWB 100001",
        "transaction_type": "AC",
    }


def test_an_amount_is_echoed_digit_by_digit(bank: Sandbox) -> None:
    assert b'"debitAmount":5475.50,' in debit(bank, customer(), new_reference()).body


def test_balances_move_with_the_ledger(bank: Sandbox) -> None:
    account, credited = behaving("posts"), f"MWK12806{next(_numbers):08d}"
    locked = next(row for row in SEEDS["account"] if "locked" in row)
    assert balances(bank, locked["number"]) == {
        "working": locked["balance"],
        "ledger": locked["balance"],
        "cleared": locked["balance"],
        "locked": locked["locked"],
        "useable": f"{Decimal(locked['balance']) - Decimal(locked['locked']):.2f}",
    }
    before = Decimal(balances(bank, account)["useable"])
    number = number_of(debit(bank, account, new_reference(), 1000.25, creditAccountId=credited))
    assert Decimal(balances(bank, account)["useable"]) == before - Decimal("1000.25")
    assert balances(bank, credited)["ledger"] == "1000.25"
    take_back(bank, number)
    assert Decimal(balances(bank, account)["ledger"]) == before
    assert balances(bank, credited)["ledger"] == "0.00"


def test_nothing_is_debited_beyond_what_is_there(bank: Sandbox) -> None:
    account = next(row for row in SEEDS["account"] if row["balance"] == "1500.00")["number"]
    first, second = new_reference(), new_reference()
    assert debit(bank, account, first, 1000).status == 200
    refused = debit(bank, account, second, 500.01)
    assert (refused.status, error_of(refused)) == (400, "AC-INSUFFICIENT.FUNDS")
    take_back(bank, bank.ledger(first, T24)[0]["id"])
    assert debit(bank, account, second, 500.01).status == 200


REFUSED = {
    "unknown_account": (400, "AC-INVALID.ACCOUNT"),
    "insufficient_funds": (400, "AC-INSUFFICIENT.FUNDS"),
    "failed_in_200": (200, "AC-INSUFFICIENT.FUNDS"),
    "blocked": (400, "AC-ACCOUNT.BLOCKED"),
    "closed": (400, "AC-ACCOUNT.CLOSED"),
    "error_unlisted": (400, "E-9047"),
}


@pytest.mark.parametrize("behaviour", REFUSED)
def test_an_account_that_is_refused_is_so_in_a_dry_run_too_and_nothing_moves(bank: Sandbox, behaviour: str) -> None:
    reference = new_reference()
    for target in ("/order/transfers", "/order/transfers?validate_only=true"):
        answered = ask(bank, "POST", target, posting(behaving(behaviour), reference))
        assert (answered.status, error_of(answered)) == REFUSED[behaviour]
        assert told(answered)["header"]["status"] == "failed"
    assert kinds(bank, reference) == []


def test_an_override_is_neither_an_error_nor_a_success(bank: Sandbox) -> None:
    reference = new_reference()
    answered = debit(bank, behaving("overrides"), reference)
    assert told(answered)["header"]["status"] == "failed"
    assert "error" not in told(answered)
    assert told(answered)["override"]["overrideDetails"][0]["code"] == "ACCT.UNAUTH.OD"
    assert kinds(bank, reference) == []


def test_a_dry_run_moves_nothing(bank: Sandbox) -> None:
    account, reference = customer(), new_reference()
    answered = ask(bank, "POST", "/order/transfers?validate_only=true", posting(account, reference))
    assert (answered.status, told(answered)["body"]["debitReference"]) == (200, reference)
    assert "id" not in told(answered)["header"]
    assert kinds(bank, reference) == []
    assert listed(bank, account).status == 404


def test_what_is_held_is_listed_and_never_posted(bank: Sandbox) -> None:
    account, reference = behaving("held"), new_reference()
    before = balances(bank, account)
    assert told(debit(bank, account, reference))["header"]["transactionStatus"] == "IHLD"
    for _ in range(4):
        assert told(listed(bank, account))["body"][-1]["recordStatus"] == "IHLD"
    assert kinds(bank, reference) == []
    assert balances(bank, account) == before


def test_what_is_not_authorised_is_posted_after_so_many_inquiries(bank: Sandbox) -> None:
    account, reference = behaving("unauthorised_then_posted"), new_reference()
    before = balances(bank, account)
    assert told(debit(bank, account, reference, 100))["header"]["transactionStatus"] == "INAU"
    waiting = balances(bank, account)
    # The working balance has an unauthorised debit off already; the ledger's has not.
    assert Decimal(before["working"]) - Decimal(waiting["working"]) == Decimal(before["useable"]) - Decimal(waiting["useable"]) == 100
    assert waiting["ledger"] == before["ledger"]
    assert [told(listed(bank, account))["body"][-1]["recordStatus"] for _ in range(3)] == ["INAU", "INAU", "Live"]
    assert kinds(bank, reference) == ["DEBIT"]
    assert Decimal(before["ledger"]) - Decimal(balances(bank, account)["ledger"]) == 100
    assert balances(bank, account)["working"] == waiting["working"]


def test_what_is_held_can_be_dropped_and_moves_nothing(bank: Sandbox) -> None:
    account, reference = behaving("unauthorised_then_posted"), new_reference()
    before = balances(bank, account)
    number = number_of(debit(bank, account, reference))
    assert [take_back(bank, number).status for _ in range(2)] == [200, 200]
    for _ in range(3):
        listed(bank, account)
    assert kinds(bank, reference) == []
    assert balances(bank, account) == before


# ---- The list


def test_the_list_is_of_two_accounts_and_has_what_is_there(bank: Sandbox) -> None:
    account, references = customer(), [new_reference() for _ in range(3)]
    numbers = [number_of(debit(bank, account, reference)) for reference in references]
    take_back(bank, numbers[1])
    rows = told(listed(bank, account))["body"]
    assert [(row["id"], row["debitReference"]) for row in rows] == [(numbers[0], references[0]), (numbers[2], references[2])]
    assert told(listed(bank, account))["header"]["total_size"] == 2
    assert error_of(listed(bank, account, "MWK1280600019999")) == "TGVCP-007"


def test_the_list_can_be_asked_by_reference(bank: Sandbox) -> None:
    account, reference = customer(), new_reference()
    debit(bank, account, new_reference())
    target = f"/order/transfers/{account}/{SUSPENSE}?debitReference={reference}"
    assert ask(bank, "GET", target).status == 404
    debit(bank, account, reference)
    assert [row["debitReference"] for row in told(ask(bank, "GET", target))["body"]] == [reference]


def test_the_list_may_lag_and_lie(bank: Sandbox) -> None:
    account, reference = customer(), new_reference()
    debit(bank, account, reference)
    bank.set(T24, inquiry_lag_seconds=3600)
    assert error_of(listed(bank, account)) == "TGVCP-007"
    bank.set(T24, inquiry_lag_seconds=0, inquiry_lies=True)
    assert error_of(listed(bank, account)) == "TGVCP-007"
    bank.set(T24, inquiry_lies=False)
    assert listed(bank, account).status == 200


# ---- Giving back


def test_giving_back_is_repeatable_and_happens_once(bank: Sandbox) -> None:
    account, reference = customer(), new_reference()
    number = number_of(debit(bank, account, reference))
    for _ in range(3):
        answered = take_back(bank, number)
        assert (answered.status, told(answered)["header"]["status"], number_of(answered)) == (200, "success", number)
    assert kinds(bank, reference) == ["DEBIT", "REVERSAL"]
    assert {line["id"] for line in bank.ledger(reference, T24)} == {number}


def test_what_is_kept_is_refused_and_what_is_unknown_is_said_so(bank: Sandbox) -> None:
    reference = new_reference()
    number = number_of(debit(bank, behaving("keeps"), reference))
    assert (error_of(take_back(bank, number)), number_of(take_back(bank, number))) == ("FT-REVERSAL.NOT.ALLOWED", number)
    assert error_of(take_back(bank, "FT9999999999")) == "FT-RECORD.MISSING"
    assert kinds(bank, reference) == ["DEBIT"]


def test_a_reversal_can_act_and_lose_its_answer(bank: Sandbox) -> None:
    account, reference = customer(), new_reference()
    number = number_of(debit(bank, account, reference))
    bank.next("act_then_reset", DELETE, biller=T24, account=account)
    assert take_back(bank, number).reset
    assert take_back(bank, number).status == 200
    assert kinds(bank, reference) == ["DEBIT", "REVERSAL"]


# ---- The same reference again


def test_a_bank_that_does_not_deduplicate_debits_again(bank: Sandbox) -> None:
    account, reference = customer(), new_reference()
    assert number_of(debit(bank, account, reference)) != number_of(debit(bank, account, reference))
    assert kinds(bank, reference) == ["DEBIT", "DEBIT"]


def test_a_bank_may_answer_that_a_reference_was_used_and_for_what(bank: Sandbox) -> None:
    bank.set(T24, deduplicates="answers_duplicate")
    account, reference = customer(), new_reference()
    number = number_of(debit(bank, account, reference))
    again = debit(bank, account, reference, 99)
    assert (again.status, error_of(again), number_of(again)) == (400, "FT-DUPLICATE.REFERENCE", number)
    assert kinds(bank, reference) == ["DEBIT"]


def test_a_bank_may_answer_as_it_did_the_first_time(bank: Sandbox) -> None:
    bank.set(T24, deduplicates="answers_original")
    account, reference = customer(), new_reference()
    assert told(debit(bank, account, reference)) == told(debit(bank, account, reference, 99))
    assert kinds(bank, reference) == ["DEBIT"]


# ---- Faults and settings


# Whether money moves is the same question here as at a biller.
ACTS = {name: fault.acts.name in ("AT_ONCE", "LATER") for name, fault in FAULTS.items()}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_does_to_a_debit_what_its_name_says(bank: Sandbox, fault: str) -> None:
    account, reference = customer(), new_reference()
    bank.pace(late_seconds=0.5)
    bank.next(fault, POST, biller=T24)
    answered = debit(bank, account, reference)
    if fault == "act_late":
        wait_until(lambda: bank.ledger(reference, T24))
    assert kinds(bank, reference) == ["DEBIT"] * ACTS[fault]
    [line] = bank.requests(T24, reference=reference)
    assert (line["operation"], line["fault"], line["status"]) == (POST, fault, None if FAULTS[fault].silent else answered.status)
    if fault in ("accepted_then_done", "accepted_forever"):
        assert told(answered)["header"]["transactionStatus"] == ("INAU" if fault == "accepted_then_done" else "IHLD")
    if fault == "wrong_reference":
        assert told(answered)["body"]["debitReference"] != reference
    if fault == "wrong_amount":
        assert told(answered)["body"]["debitAmount"] == 5476.5
    if fault == "success_twice":
        assert answered.body.count(b'"header":') == 2
    assert number_of(debit(bank, customer(), new_reference()))


@pytest.mark.parametrize("operation", [BALANCES, LIST, DELETE])
@pytest.mark.parametrize("fault", DRAWN)
def test_a_fault_breaks_every_other_operation_too_and_invents_nothing(bank: Sandbox, operation: str, fault: str) -> None:
    account, reference = customer(), new_reference()
    number = number_of(debit(bank, account, reference))
    bank.pace(hang_seconds=0.05, slow_seconds=0.05, late_seconds=0)
    bank.next(fault, operation, biller=T24, account=account)
    say = {
        BALANCES: lambda: ask(bank, "GET", f"/holdings/accounts/balances?accountId={account}"),
        LIST: lambda: listed(bank, account),
        DELETE: lambda: take_back(bank, number),
    }
    say[operation]()
    assert bank.requests(T24, account=account, operation=operation, fault=fault)
    if operation != DELETE:
        assert kinds(bank, reference) == ["DEBIT"]
    assert kinds(bank, reference)[:1] == ["DEBIT"]
    assert len(kinds(bank, reference)) <= 2


def test_an_answer_of_the_list_can_be_wrong_about_the_newest(bank: Sandbox) -> None:
    account, references = customer(), [new_reference(), new_reference()]
    for reference in references:
        debit(bank, account, reference)
    bank.next("wrong_amount", LIST, biller=T24)
    bank.next("wrong_reference", LIST, biller=T24)
    assert [row["debitAmount"] for row in told(listed(bank, account))["body"]] == [5475.5, 5476.5]
    first, last = told(listed(bank, account))["body"]
    assert (first["debitReference"], last["debitReference"] != references[1]) == (references[0], True)


ACTING = {"acts_then_hangs": True, "acts_then_500": True, "hangs": False, "html_page": False, "wrong_echo": True, "down": False, "slow": True}


@pytest.mark.parametrize("behaviour", ACTING)
def test_an_accounts_number_chooses_its_accident(bank: Sandbox, behaviour: str) -> None:
    reference = new_reference()
    debit(bank, behaving(behaviour), reference)
    assert kinds(bank, reference) == ["DEBIT"] * ACTING[behaviour]


def test_a_bank_that_is_down_closes_every_connection_and_moves_nothing(bank: Sandbox) -> None:
    bank.set(T24, down=True)
    reference = new_reference()
    assert debit(bank, customer(), reference).data == b""
    assert ask(bank, "GET", f"/holdings/accounts/balances?accountId={customer()}").data == b""
    bank.set(T24, down=False)
    assert kinds(bank, reference) == []


def test_failures_may_all_come_with_200(bank: Sandbox) -> None:
    bank.set(T24, fault_status=200)
    answered = [debit(bank, behaving("blocked"), new_reference()), listed(bank, customer()), ask(bank, "GET", "/holdings/accounts/balances?accountId=1")]
    assert [(one.status, told(one)["header"]["status"]) for one in answered] == [(200, "failed")] * 3


def test_the_ledger_is_shown_as_the_file_has_it(bank: Sandbox) -> None:
    debit(bank, customer(), new_reference())
    assert bank.control("GET", f"/ledger/{T24}") == (200, {"biller": T24, "entries": bank.lines("ledger", T24)})


# ---- Who asks, and for what


def test_a_client_signs_in_by_key_or_by_password(bank: Sandbox) -> None:
    account = customer()

    def status(**headers: str) -> int:
        return ask(bank, "GET", f"/holdings/accounts/balances?accountId={account}", headers=headers).status

    right = base64.b64encode(f"{SEEDS['username']}:{SEEDS['password']}".encode()).decode()
    wrong = base64.b64encode(f"{SEEDS['username']}:x".encode()).decode()
    assert status(**KEY) == status(Authorization=f"Basic {right}") == 200
    assert status() == status(Authorization=f"Basic {wrong}") == status(Authorization="x") == status(apikey=SEEDS["api_key"]) == 401
    assert status(Authorization=f"{SEEDS['username']}:{SEEDS['password']}") == 401
    assert status(**KEY, companyId=SEEDS["company_id"]) == 200
    assert status(**KEY, companyId="XX0010001") == 400


MISSPOKEN: dict[str, tuple[str, str, Any, int]] = {
    "no such path": ("GET", "/order/transfer/1/2", None, 404),
    "no such method": ("PUT", "/order/transfers", None, 404),
    "no id": ("DELETE", "/order/transfers", None, 404),
    "no JSON": ("POST", "/order/transfers", "x", 400),
    "no body in it": ("POST", "/order/transfers", {}, 400),
    "an amount as a text": ("POST", "/order/transfers", posting("1", "R", "5475.50"), 400),
    "an amount too long": ("POST", "/order/transfers", posting("1", "R", 10**18), 400),
    "an account too long": ("POST", "/order/transfers", posting("1" * 17, "R"), 400),
    "a reference too long": ("POST", "/order/transfers", posting("1", "R" * 17), 400),
    "a line too long": ("POST", "/order/transfers", posting("1", "R", paymentDetails=[{"paymentDetail": "x" * 36}]), 400),
    "a misspelt name": ("POST", "/order/transfers", posting("1", "R", debitRefrence="R"), 400),
    "no type": ("POST", "/order/transfers", {"body": {name: value for name, value in posting("1", "R")["body"].items() if name != "transactionType"}}, 400),
}


@pytest.mark.parametrize("name", MISSPOKEN)
def test_what_is_not_published_is_not_understood(bank: Sandbox, name: str) -> None:
    method, target, document, status = MISSPOKEN[name]
    before = bank.lines("ledger", T24)
    assert ask(bank, method, target, document).status == status
    assert bank.lines("ledger", T24) == before


# ---- What it answers is what is published

ANSWERS: dict[str, tuple[str, str, Any]] = {
    "a balance": ("GET", "/holdings/accounts/balances?accountId=2010000002", None),
    "no balance": ("GET", "/holdings/accounts/balances?accountId=1", None),
    "a debit": ("POST", "/order/transfers", posting("2900099999", "PUBLISHED0000001", creditReference="LWB")),
    "a dry run": ("POST", "/order/transfers?validate_only=true", posting("2900099999", "PUBLISHED0000002")),
    **{
        f"a debit that is {behaviour}": ("POST", "/order/transfers", posting(behaving(behaviour), f"PUBLISHED{number:07d}"))
        for number, behaviour in enumerate(("held", "unauthorised_then_posted", "unknown_account", "blocked", "overrides", "error_unlisted"), 10)
    },
    "what is not understood": ("POST", "/order/transfers", {}),
    "a list": ("GET", f"/order/transfers/2030000001/{SUSPENSE}", None),
    "an empty list": ("GET", "/order/transfers/1/2", None),
    "no record to give back": ("DELETE", "/order/transfers/FT9999999999", None),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_a_published_one(bank: Sandbox, name: str) -> None:
    method, target, document = ANSWERS[name]
    if document != {}:
        assert request_problems(method, target, KEY, b"" if document is None else json.dumps(document).encode()) == []
    debit(bank, behaving("held"), new_reference())
    answered = ask(bank, method, target, document)
    path = target.partition("?")[0]
    assert answer_problems(method, path, answered.status, answered.body, added_to(method, path, answered.status)) == []


def test_a_reversals_answer_is_a_published_one(bank: Sandbox) -> None:
    number = number_of(debit(bank, customer(), new_reference()))
    for _ in range(2):
        answered = take_back(bank, number)
        assert answer_problems("DELETE", f"/order/transfers/{number}", answered.status, answered.body) == []
    bank.set(T24, deduplicates="answers_duplicate")
    account, reference = customer(), new_reference()
    debit(bank, account, reference)
    again = debit(bank, account, reference)
    assert answer_problems("POST", "/order/transfers", again.status, again.body, ADDED_TO_FAILURES) == []
    assert answer_problems("POST", "/order/transfers", again.status, again.body) == ["header.id: unknown"]


# ---- What outlives the process


def test_everything_is_known_again_after_a_kill(own_sandbox: Sandbox) -> None:
    own_sandbox.pace(asks_until_done=2)
    account, waiting = customer(), behaving("unauthorised_then_posted")
    posted, back, kept, dropped = (new_reference() for _ in range(4))
    debit(own_sandbox, account, posted, 100)
    number = number_of(debit(own_sandbox, account, back, 50))
    take_back(own_sandbox, number)
    debit(own_sandbox, waiting, kept, 70)
    listed(own_sandbox, waiting)
    take_back(own_sandbox, number_of(debit(own_sandbox, waiting, dropped, 30)))
    before = [balances(own_sandbox, account), balances(own_sandbox, waiting), balances(own_sandbox, SUSPENSE)]
    rows = told(listed(own_sandbox, account))["body"]
    own_sandbox.stop(signal.SIGKILL)
    own_sandbox.start()
    assert [balances(own_sandbox, account), balances(own_sandbox, waiting), balances(own_sandbox, SUSPENSE)] == before
    assert told(listed(own_sandbox, account))["body"] == rows
    # One inquiry was counted before the kill: with this one it is posted.
    assert [row["recordStatus"] for row in told(listed(own_sandbox, waiting))["body"]] == ["INAU"]
    assert (kinds(own_sandbox, kept), kinds(own_sandbox, dropped)) == (["DEBIT"], [])
    assert take_back(own_sandbox, number).status == 200
    assert kinds(own_sandbox, back) == ["DEBIT", "REVERSAL"]
    # Numbers go on where they ended: an id is never given twice.
    new = number_of(debit(own_sandbox, account, new_reference()))
    assert new not in {line["id"] for line in own_sandbox.lines("ledger", T24)[:-1]} | {line["id"] for line in own_sandbox.lines("pending", T24)}


BAD_BANKS = {
    "a behaviour that is none": ('behaviour = "closed"', 'behaviour = "shut"', "there is no behaviour 'shut'"),
    "a balance that is no text": ('balance = "1500.00"', "balance = 1500.00", "is not an amount"),
    "an account twice": ('number = "2010000002"', 'number = "2010000001"', "stands there twice"),
    "a number that is none": ('number = "2010000002"', 'number = "20-1"', "is not a text of 1 to 16"),
    "an account without a name": ('name = "UPILE MASEKO"\nbalance = "250000.00"', 'balance = "250000.00"', "lacks 'name'"),
    "a pattern that is none": ('match = "^29[0-9]{8}$"', 'match = "^29[0-9"', "is not a regular expression"),
}


@pytest.mark.parametrize("name", BAD_BANKS)
def test_accounts_that_cannot_be_used_are_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    right, wrong, sentence = BAD_BANKS[name]
    head, bank, tail = (CHECKOUT / "seeds" / "sandbox.toml").read_text().partition("[core_banking]\n")
    assert right in tail
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(head + bank + tail.replace(right, wrong))
    spoilt = Sandbox(tmp_path / "sandbox", "--accounts", str(accounts))
    with pytest.raises(ValueError):
        spoilt.start()
    assert spoilt.process.wait(20) == 2
    assert spoilt.process.stdout is not None
    spoilt.process.stdout.close()
    assert sentence in spoilt.complaints.read_text()
