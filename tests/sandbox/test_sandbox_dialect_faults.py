"""The faults that change what is said, in each dialect's own notation; and that every fault acts in each as it does in SOAP."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest
from lxml import etree
from running_sandbox import Answered, Sandbox, new_reference, wait_until
from speaking import PAYERS, Payer, esb, named, number_of, said, soap, telecom
from test_sandbox_faults import SEEN

from core.sandbox.faults import FAULTS


@dataclass(frozen=True)
class Call:
    """One operation of one biller, with the names its answer has for what faults change. `money` is empty where it says nothing of money."""

    biller: str
    operation: str
    sends: Callable[[Sandbox, str], bytes]
    echo: str
    money: str
    code: str
    good: str
    unlisted: tuple[str, str] = ("status", "E-9047")
    pending: str = ""
    duplicate: tuple[str, str] = ("status", "duplicate")


def question(sent: bytes) -> Callable[[Sandbox, str], bytes]:
    return lambda _sandbox, _reference: sent


def paying(code: str, dialect: str) -> Callable[[Sandbox, str], bytes]:
    return Payer(code, dialect).payment


METER = number_of("SRWB_PREPAID", "pays")
FAULT = {"unlisted": ("Code", "E-9047"), "duplicate": ("Code", "DUPLICATE")}

CALLS = (
    Call(
        "SRWB_PREPAID",
        "GetInvoice",
        question(soap("SRWB_PREPAID", "GetInvoice", AccountNumber=METER, Amount="5000.00", Currency="MWK")),
        "AccountNumber",
        "AmountDue",
        "Status",
        "UNPAID",
        **FAULT,
    ),
    Call("SRWB_PREPAID", "ConfirmInvoice", paying("SRWB_PREPAID", "soap"), "OurTransactionId", "Amount", "Status", "SUCCESS", pending="PENDING", **FAULT),
    Call("MASM", "GET accounts", question(esb("MASM", "accounts", "100001")), "accountNumber", "balance", "status", "active"),
    Call("MASM", "post-payment", paying("MASM", "esb"), "our-transaction-id", "amount", "status", "success", pending="pending"),
    Call("LWB_POSTPAID", "post-payment", paying("LWB_POSTPAID", "esb"), "our-transaction-id", "amount", "status", "success", pending="pending"),
    Call("SRWB_PREPAID", "post-payment", paying("SRWB_PREPAID", "esb"), "our-transaction-id", "amount", "status", "success", pending="pending"),
    Call("REGISTER_GENERAL", "GET invoices", question(esb("REGISTER_GENERAL", "invoices", "100001")), "accountNumber", "amountDue", "status", "unpaid"),
    Call("REGISTER_GENERAL", "post-payment", paying("REGISTER_GENERAL", "esb"), "our-transaction-id", "amount", "status", "success", pending="pending"),
    Call(
        "TNM_BUNDLES",
        "GET validation",
        question(telecom("TNM_BUNDLES", "validation", "0881000001")),
        "msisdn",
        "",
        "status",
        "active",
        ("status", "99"),
        "",
        ("status", "90"),
    ),
    Call(
        "TNM_BUNDLES",
        "recharge",
        paying("TNM_BUNDLES", "erecharge"),
        "ExternalTxnId",
        "",
        "CommandStatus",
        "0",
        ("CommandStatus", "99"),
        "1",
        ("CommandStatus", "90"),
    ),
    Call(
        "AIRTEL_VALIDATION",
        "GET validation",
        question(telecom("AIRTEL_VALIDATION", "validation", "0991000001")),
        "msisdn",
        "",
        "status",
        "active",
        duplicate=("status", "DUPLICATE"),
    ),
)

every_call = pytest.mark.parametrize("call", CALLS, ids=[f"{call.biller} {call.operation}" for call in CALLS])


def met(sandbox: Sandbox, call: Call, fault: str, reference: str) -> Answered:
    """The answer to the call when it meets the fault."""
    sent = call.sends(sandbox, reference)
    sandbox.next(fault, call.operation, biller=call.biller)
    return sandbox.exchange(sent)


def is_readable(answered: Answered) -> bool:
    try:
        said(answered)
    except (json.JSONDecodeError, UnicodeDecodeError, etree.XMLSyntaxError):
        return False
    return True


@every_call
def test_a_code_that_no_list_has(sandbox: Sandbox, call: Call) -> None:
    reference = new_reference()
    name, word = call.unlisted
    assert said(met(sandbox, call, "fault_unknown_code", reference))[name] == word
    assert sandbox.ledger(reference, call.biller) == []


@every_call
def test_another_reference_or_account_and_the_rest_right(sandbox: Sandbox, call: Call) -> None:
    reference = new_reference()
    right = said(sandbox.exchange(call.sends(sandbox, reference)))
    wrong = said(met(sandbox, call, "wrong_reference", reference))
    assert right[call.code] == wrong[call.code] == call.good
    assert wrong[call.echo] != right[call.echo]
    assert len(wrong[call.echo]) == len(right[call.echo])


@every_call
def test_another_amount_where_one_is_said(sandbox: Sandbox, call: Call) -> None:
    reference = new_reference()
    right = said(sandbox.exchange(call.sends(sandbox, reference)))
    wrong = said(met(sandbox, call, "wrong_amount", reference))
    assert (right[call.code], wrong[call.echo]) == (call.good, right[call.echo])
    if call.money:
        assert Decimal(wrong[call.money]) == Decimal(right[call.money]) + 1


def test_another_price_for_each_bundle(sandbox: Sandbox) -> None:
    sent = telecom("TNM_BUNDLES", "bundles", "0881000001")
    right = said(sandbox.exchange(sent))["bundles"]
    sandbox.next("wrong_amount", "GET bundles", biller="TNM_BUNDLES")
    wrong = said(sandbox.exchange(sent))["bundles"]
    assert [Decimal(bundle["price"]) for bundle in wrong] == [Decimal(bundle["price"]) + 1 for bundle in right]


@every_call
def test_an_answer_that_is_said_twice_is_one_document(sandbox: Sandbox, call: Call) -> None:
    answered = met(sandbox, call, "success_twice", new_reference())
    name = f'"{call.code}":'.encode() if answered.body.startswith(b"{") else f"<{call.code}>".encode()
    assert answered.body.count(name) == 2
    assert is_readable(answered)


def test_another_reference_is_not_found_where_ours_was_asked_about(sandbox: Sandbox) -> None:
    reference = new_reference()
    sandbox.next("wrong_reference", "GET transactions", biller="MASM")
    answered = sandbox.exchange(esb("MASM", "transactions", reference))
    assert (answered.status, answered.said["status"]) == (404, "not-found")
    assert answered.said["our-transaction-id"] != reference


@every_call
@pytest.mark.parametrize("fault", ["accepted_then_done", "accepted_forever"])
def test_only_a_payment_is_accepted_first(sandbox: Sandbox, call: Call, fault: str) -> None:
    reference = new_reference()
    answered = met(sandbox, call, fault, reference)
    assert said(answered)[call.code] == (call.pending or call.good)
    assert answered.status == (202 if call.pending == "pending" else 200)
    assert sandbox.ledger(reference, call.biller) == []


@every_call
def test_a_duplicate_is_said_of_what_was_done(sandbox: Sandbox, call: Call) -> None:
    reference = new_reference()
    name, word = call.duplicate
    answered = met(sandbox, call, "act_then_duplicate", reference)
    assert said(answered)[name] == word
    assert len(sandbox.ledger(reference, call.biller)) == bool(call.pending)
    assert b"oken" not in answered.body


@every_call
@pytest.mark.parametrize("fault", ["wrong_charset", "nul_bytes", "short_body"])
def test_an_answer_that_cannot_be_read(sandbox: Sandbox, call: Call, fault: str) -> None:
    reference = new_reference()
    answered = met(sandbox, call, fault, reference)
    assert (answered.status, is_readable(answered)) == (200, False)
    assert ("us-ascii" in answered.header("Content-Type")) == (fault == "wrong_charset")
    assert (answered.header("Content-Type").split(";")[0] == "application/json") == answered.body.startswith(b"{")
    assert len(sandbox.ledger(reference, call.biller)) == bool(call.pending)


@every_call
def test_an_answer_that_is_compressed_is_the_same(sandbox: Sandbox, call: Call) -> None:
    answered = met(sandbox, call, "gzip_valid", new_reference())
    assert call.good in said(Answered(b"\r\n\r\n" + gzip.decompress(answered.body))).values()


# SOAP's table says of each fault whether it acts. What the bytes of the largest are has been seen there.
ELSEWHERE = [fault for fault in FAULTS if fault not in ("endless_chunks", "oversized", "gzip_bomb")]


@pytest.mark.parametrize("payer", [payer for payer in PAYERS if payer.code in ("SRWB_PREPAID", "REGISTER_GENERAL", "TNM_BUNDLES")], ids=named)
@pytest.mark.parametrize("fault", ELSEWHERE)
def test_a_fault_acts_or_not_in_every_dialect_alike(sandbox: Sandbox, payer: Payer, fault: str) -> None:
    acts, reference = SEEN[fault][0], new_reference()
    sent = payer.payment(sandbox, reference)
    sandbox.pace(hang_seconds=0.05, slow_seconds=0.05, late_seconds=0.05)
    sandbox.next(fault, payer.operation, biller=payer.code)
    answered = sandbox.exchange(sent)
    if fault == "act_late":
        wait_until(lambda: sandbox.ledger(reference, payer.code))
    assert len(sandbox.ledger(reference, payer.code)) == acts
    [line] = sandbox.requests(payer.code, reference=reference, operation=payer.operation)
    assert (line["fault"], line["status"]) == (fault, None if FAULTS[fault].silent else answered.status)
    if acts and payer.code != "TNM_BUNDLES":
        # Whatever the answer was, what was done can be asked about; a lost token is had again.
        told = said(sandbox.exchange(payer.inquiry(reference)))
        assert payer.word("SUCCESS") in told.values()
        assert (told.get("Token") or told.get("token")) == sandbox.ledger(reference, payer.code)[0].get("token")
