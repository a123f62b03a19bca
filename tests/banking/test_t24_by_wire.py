"""The client and the sandbox's core banking, by the line and real sockets: what is understood, and what the bank's own ledger says happened."""

import asyncio
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from core.banking.contract import Transfer
from core.banking.t24 import T24
from core.ids import new_reference
from core.money import Money
from core.sandbox.faults import DRAWN
from core.wire.accidents import OutcomeClass
from core.wire.contract import Exchange, Outcome, Receipt, Reply, Request, Terms
from core.wire.line import Answer, Line, LinePolicy
from tests.banking.published import added_to, answer_problems, request_problems
from tests.sandbox.running_sandbox import CHECKOUT, Sandbox, wait_until

CONFIRMED, ACCEPTED, REJECTED, UNKNOWN, NOT_FOUND = Outcome.CONFIRMED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNKNOWN, Outcome.NOT_FOUND

SEEDS = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text(encoding="utf-8"))["core_banking"]
NUMBERS = {row["behaviour"]: row["number"] for row in reversed(SEEDS["account"])}
SUSPENSE = "MWK1280600010001"
KEY = {"api_key": SEEDS["api_key"]}
QUICK = {"hang_seconds": 5, "slow_seconds": 0.1, "drip_seconds": 0.0005, "late_seconds": 0.3, "asks_until_done": 2}
AS_DEFAULT = {"deduplicates": "no", "inquiry_lag_seconds": 0, "inquiry_lies": False, "down": False, "fault_status": 500}

_line = Line(LinePolicy(["127.0.0.1"], ["127.0.0.0/8"]))
_numbers = count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    sandbox.start()
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def bank(running: Sandbox) -> Sandbox:
    running.control("DELETE", "/faults")
    running.pace(**QUICK)
    running.set("T24", **AS_DEFAULT)
    return running


def client(bank: Sandbox, credentials: dict[str, str] | None = None, deadline_seconds: float = 5.0, **more: str) -> T24:
    terms = Terms(f"http://127.0.0.1:{bank.port}/t24", {}, KEY if credentials is None else credentials, deadline_seconds=deadline_seconds)
    return T24(terms, **more)


def call(t24: T24, exchange: Exchange[Any]) -> Answer[Any]:
    return asyncio.run(_line.perform(t24.terms, exchange, T24.masked))


def transfer(account: str = "", amount: str = "5475.50") -> Transfer:
    return Transfer(new_reference(), account or f"29{next(_numbers):08d}", SUSPENSE, Money(Decimal(amount)), "LWB 100001", ("Lilongwe Water Board",))


def effects(bank: Sandbox, of: Transfer) -> list[str]:
    """What the bank's ledger has under a reference: the file itself."""
    lines = bank.ledger(of.reference, "T24")
    assert {(line["debit_account"], line["credit_account"], line["amount"]) for line in lines} <= {(of.debit_account, of.credit_account, of.amount.text)}
    return [line["kind"] for line in lines]


def test_a_debit_is_posted_found_and_given_back_as_often_as_it_is_asked(bank: Sandbox) -> None:
    t24, one = client(bank), transfer()
    posted = call(t24, t24.debit(one)).value
    assert (posted.outcome, posted.code) == (CONFIRMED, "Live")
    assert posted.external_id == bank.ledger(one.reference, "T24")[0]["id"]
    assert call(t24, t24.inquire(one)).value == Receipt(CONFIRMED, code="Live", external_id=posted.external_id)
    for _ in range(3):
        assert call(t24, t24.reverse(posted.external_id, one)).value.outcome is CONFIRMED
    assert call(t24, t24.inquire(one)).value.outcome is NOT_FOUND
    assert effects(bank, one) == ["DEBIT", "REVERSAL"]


def test_a_dry_run_would_post_and_does_not(bank: Sandbox) -> None:
    t24, one = client(bank), transfer()
    assert call(t24, t24.validate(one)).value.outcome is CONFIRMED
    assert call(t24, t24.inquire(one)).value.outcome is NOT_FOUND
    assert effects(bank, one) == []


def test_a_balance_is_what_is_left(bank: Sandbox) -> None:
    t24, one = client(bank), transfer(amount="1000000.01")
    before = call(t24, t24.balance(one.debit_account)).value
    assert (before.outcome, str(before.useable), before.name) == (CONFIRMED, "MWK 5,000,000.00", "TADALA KACHALE")
    call(t24, t24.debit(one))
    assert str(call(t24, t24.balance(one.debit_account)).value.useable) == "MWK 3,999,999.99"
    assert call(t24, t24.balance("999")).value.outcome is REJECTED


# What debiting a test account is understood as, what its ledger has, and what an inquiry says afterwards.
ACCOUNTS: dict[str, tuple[Outcome, bool, Outcome]] = {
    "posts": (CONFIRMED, True, CONFIRMED),
    "keeps": (CONFIRMED, True, CONFIRMED),
    "slow": (CONFIRMED, True, CONFIRMED),
    "balance_hangs": (CONFIRMED, True, CONFIRMED),
    "unknown_account": (REJECTED, False, NOT_FOUND),
    "insufficient_funds": (REJECTED, False, NOT_FOUND),
    "failed_in_200": (REJECTED, False, NOT_FOUND),
    "blocked": (REJECTED, False, NOT_FOUND),
    "closed": (REJECTED, False, NOT_FOUND),
    "error_unlisted": (UNKNOWN, False, NOT_FOUND),
    "overrides": (UNKNOWN, False, NOT_FOUND),
    "held": (ACCEPTED, False, ACCEPTED),
    "unauthorised_then_posted": (ACCEPTED, False, ACCEPTED),
    "acts_then_hangs": (UNKNOWN, True, CONFIRMED),
    "acts_then_500": (UNKNOWN, True, CONFIRMED),
    "hangs": (UNKNOWN, False, NOT_FOUND),
    "html_page": (UNKNOWN, False, NOT_FOUND),
    "wrong_echo": (UNKNOWN, True, CONFIRMED),
    "down": (UNKNOWN, False, NOT_FOUND),
}


def test_every_test_account_is_debited_here() -> None:
    assert set(ACCOUNTS) == set(NUMBERS)


@pytest.mark.parametrize("behaviour", ACCOUNTS)
def test_a_test_account_is_understood_as_what_its_number_means(bank: Sandbox, behaviour: str) -> None:
    outcome, acts, found = ACCOUNTS[behaviour]
    t24, one = client(bank, deadline_seconds=1.0), transfer(NUMBERS[behaviour], "10.00")
    assert outcome_of(call(t24, t24.debit(one))) is outcome
    assert effects(bank, one) == ["DEBIT"] * acts
    assert call(t24, t24.inquire(one)).value.outcome is found


def outcome_of(answer: Answer[Any]) -> Outcome:
    return answer.value.outcome if answer.value is not None else UNKNOWN


def test_what_was_accepted_is_posted_once_it_was_asked_about_often_enough(bank: Sandbox) -> None:
    t24, one = client(bank), transfer(NUMBERS["unauthorised_then_posted"], "10.00")
    assert call(t24, t24.debit(one)).value.code == "INAU"
    assert [call(t24, t24.inquire(one)).value.code for _ in range(3)] == ["INAU", "INAU", "Live"]
    assert effects(bank, one) == ["DEBIT"]


@pytest.mark.parametrize("fault", DRAWN)
def test_no_fault_makes_a_debit_look_like_what_it_is_not(bank: Sandbox, fault: str) -> None:
    """The one promise: CONFIRMED is in the ledger, REJECTED and NOT_SENT are not. Whatever is unknown can be asked about."""
    t24, one = client(bank, deadline_seconds=1.0), transfer()
    bank.next(fault, "POST transfers", biller="T24")
    answer = call(t24, t24.debit(one))
    assert answer.outcome_class is not OutcomeClass.NOT_SENT
    outcome = outcome_of(answer)
    if outcome is CONFIRMED:
        assert effects(bank, one) == ["DEBIT"]
    assert outcome is not REJECTED
    if fault == "act_late":
        wait_until(lambda: effects(bank, one))
    found = call(t24, t24.inquire(one)).value.outcome
    assert found is {(): NOT_FOUND, ("DEBIT",): CONFIRMED}[tuple(effects(bank, one))] or (fault, found) == ("accepted_then_done", ACCEPTED)


@pytest.mark.parametrize("fault", DRAWN)
def test_no_fault_makes_an_inquiry_miss_what_was_debited(bank: Sandbox, fault: str) -> None:
    """But for a list that has the transfer under another reference: a lie, and one NOT_FOUND is never enough."""
    t24, one = client(bank, deadline_seconds=1.0), transfer()
    call(t24, t24.debit(one))
    bank.next(fault, "GET transfers", biller="T24")
    assert outcome_of(call(t24, t24.inquire(one))) in ((CONFIRMED, UNKNOWN, NOT_FOUND) if fault == "wrong_reference" else (CONFIRMED, ACCEPTED, UNKNOWN))
    assert effects(bank, one) == ["DEBIT"]


@pytest.mark.parametrize("fault", DRAWN)
def test_a_reversal_that_was_lost_is_asked_for_again_until_it_is_confirmed(bank: Sandbox, fault: str) -> None:
    t24, one = client(bank, deadline_seconds=1.0), transfer()
    number = call(t24, t24.debit(one)).value.external_id
    bank.next(fault, "DELETE transfers", biller="T24")
    if outcome_of(call(t24, t24.reverse(number, one))) is CONFIRMED:
        assert effects(bank, one) == ["DEBIT", "REVERSAL"]
    assert call(t24, t24.reverse(number, one)).value.outcome is CONFIRMED
    assert effects(bank, one) == ["DEBIT", "REVERSAL"]


def test_a_reversal_that_is_refused_says_so(bank: Sandbox) -> None:
    t24, one = client(bank), transfer(NUMBERS["keeps"], "10.00")
    number = call(t24, t24.debit(one)).value.external_id
    assert call(t24, t24.reverse(number, one)).value == Receipt(REJECTED, code="FT-REVERSAL.NOT.ALLOWED", message="REVERSAL NOT ALLOWED", external_id=number)
    assert effects(bank, one) == ["DEBIT"]


def test_two_debits_under_one_reference_are_for_people(bank: Sandbox) -> None:
    t24, one = client(bank), transfer()
    for _ in range(2):
        call(t24, t24.debit(one))
    found = call(t24, t24.inquire(one)).value
    assert (found.outcome, found.mismatch) == (UNKNOWN, "amount")
    assert "2 transfers under our reference" in found.message


def test_a_duplicate_is_a_reason_to_ask(bank: Sandbox) -> None:
    bank.set("T24", deduplicates="answers_duplicate")
    t24, one = client(bank), transfer()
    first = call(t24, t24.debit(one)).value
    again = call(t24, t24.debit(one)).value
    assert (again.outcome, again.code) == (UNKNOWN, "FT-DUPLICATE.REFERENCE")
    assert call(t24, t24.inquire(one)).value.external_id == first.external_id
    bank.set("T24", deduplicates="answers_original")
    assert call(t24, t24.debit(one)).value == first
    assert effects(bank, one) == ["DEBIT"]


def test_a_list_that_lags_or_lies_says_that_there_is_nothing(bank: Sandbox) -> None:
    t24, one = client(bank), transfer()
    call(t24, t24.debit(one))
    bank.set("T24", inquiry_lies=True)
    assert call(t24, t24.inquire(one)).value == Receipt(NOT_FOUND, code="TGVCP-007", message="No records were found that matched the selection criteria")


def test_a_bank_that_is_down_cannot_be_asked_anything(bank: Sandbox) -> None:
    bank.set("T24", down=True)
    t24, one = client(bank), transfer()
    for exchange in (t24.balance(one.debit_account), t24.debit(one), t24.inquire(one), t24.reverse("FT0000000001")):
        assert call(t24, exchange).outcome_class is OutcomeClass.UNKNOWN
    assert effects(bank, one) == []


def test_who_is_not_known_is_refused_by_the_line_and_named(bank: Sandbox) -> None:
    for credentials in ({}, {"api_key": "wrong"}, {"username": SEEDS["username"], "password": "wrong"}):
        t24 = client(bank, credentials)
        assert call(t24, t24.balance("2010000001")).failure == "refused_credentials"
    for credentials in (KEY, {"username": SEEDS["username"], "password": SEEDS["password"]}):
        t24 = client(bank, credentials, company_id=SEEDS["company_id"])
        assert call(t24, t24.balance("2010000001")).value.outcome is CONFIRMED


def test_no_secret_is_in_the_transcript_and_the_reference_is(bank: Sandbox) -> None:
    for credentials in (KEY, {"username": SEEDS["username"], "password": SEEDS["password"], "credentials": "BILLERS/sehr-geheim"}):
        t24, one = client(bank, credentials), transfer()
        kept = str(call(t24, t24.debit(one)).transcript)
        assert one.reference in kept
        assert not [secret for secret in (SEEDS["api_key"], SEEDS["password"], "sehr-geheim") if secret in kept]


def test_a_refusal_in_http_400_reaches_only_a_reader_that_asks_for_it(bank: Sandbox) -> None:
    t24, one = client(bank), transfer(NUMBERS["blocked"])
    exchange = t24.debit(one)
    deaf = Exchange(exchange.request, exchange.read)
    assert call(t24, exchange).value.outcome is REJECTED
    answer = call(t24, deaf)
    assert (answer.outcome_class, answer.failure, answer.value) == (OutcomeClass.UNKNOWN, "http_400", None)


def test_what_goes_over_the_wire_is_published_both_ways(bank: Sandbox) -> None:
    """The client's own requests and the sandbox's own answers, as they travelled."""
    t24 = client(bank, company_id=SEEDS["company_id"])
    one, poor = transfer(), transfer(NUMBERS["insufficient_funds"])
    number = call(t24, t24.debit(one)).value.external_id
    asked: list[Exchange[Any]] = [
        *(t24.balance(one.debit_account), t24.balance("999"), t24.debit(transfer()), t24.debit(poor), t24.validate(transfer()), t24.validate(poor)),
        *(t24.inquire(one), t24.inquire(transfer()), t24.reverse(number, one), t24.reverse(number, one), t24.reverse("FT9999999999")),
    ]
    for exchange in asked:
        request, reply = overheard(t24, exchange)
        assert request_problems(request.method, request.path, request.headers, request.body) == []
        path = request.path.partition("?")[0]
        assert answer_problems(request.method, path, reply.status, reply.body, added_to(request.method, path, reply.status)) == []


def overheard(t24: T24, exchange: Exchange[Any]) -> tuple[Request, Reply]:
    answer = call(t24, Exchange(exchange.request, lambda reply: reply, exchange.also_reads))
    assert isinstance(answer.value, Reply)
    return exchange.request, answer.value
