"""The eight billers, each through every dialect it answers in: questions, payments, inquiries, and what is refused."""

import base64
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from running_sandbox import Answered, Sandbox, new_reference, payment
from speaking import CREDENTIALS, ESB_BILLERS, PAYERS, SEEDS, SOAP_BILLERS, Payer, esb, esb_pay, http, named, number_of, recharge, said, signed, soap, telecom

PREPAID = (Payer("SRWB_PREPAID", "soap"), Payer("SRWB_PREPAID", "esb"))
FEES = Payer("REGISTER_GENERAL", "esb")
INVOICING = (*PREPAID, FEES)
TNM = Payer("TNM_BUNDLES", "erecharge")
BUNDLES = {"D1", "D7", "D30", "SOCIAL7", "NIGHT", "MEGA30"}

EIGHT = ["LWB_POSTPAID", "BWB_POSTPAID", "SRWB_POSTPAID", "SRWB_PREPAID", "MASM", "REGISTER_GENERAL", "TNM_BUNDLES", "AIRTEL_VALIDATION"]

every_payer = pytest.mark.parametrize("payer", PAYERS, ids=named)
every_inquirer = pytest.mark.parametrize("payer", [payer for payer in PAYERS if payer is not PAYERS[-1]], ids=named)
every_prepaid = pytest.mark.parametrize("payer", PREPAID, ids=named)
every_invoicer = pytest.mark.parametrize("payer", INVOICING, ids=named)


def paid(sandbox: Sandbox, payer: Payer, reference: str, account: str = "") -> Answered:
    return sandbox.exchange(payer.payment(sandbox, reference, account))


def invoice_number(told: dict[str, str]) -> str:
    return told.get("InvoiceNumber") or told["invoiceNumber"]


def confirm(sandbox: Sandbox, payer: Payer, reference: str, number: str, account: str, amount: str) -> Answered:
    if payer.dialect == "esb":
        return sandbox.exchange(esb_pay(payer.code, reference, account, amount, **{"invoice-number": number}))
    fields = {"OurTransactionId": reference, "InvoiceNumber": number, "AccountNumber": account, "Amount": amount, "Currency": "MWK"}
    return sandbox.exchange(soap(payer.code, "ConfirmInvoice", **fields))


def luhn_sum(number: str) -> int:
    """Every second digit from the right doubled, the digits of that added up."""
    return sum(sum(map(int, str(int(digit) * (1 + place % 2)))) for place, digit in enumerate(reversed(number)))


def test_eight_billers_are_served() -> None:
    assert [row["code"] for row in SEEDS["biller"]] == EIGHT


def test_health_names_all_eight(sandbox: Sandbox) -> None:
    # Whoever is replayed from recordings comes after them.
    assert sandbox.control("GET", "/health")[1]["billers"][:8] == EIGHT


# ---- Looking up


@pytest.mark.parametrize("code", SOAP_BILLERS)
def test_a_water_board_is_looked_up_in_soap(sandbox: Sandbox, code: str) -> None:
    account = number_of(code, "pays")
    told = said(sandbox.exchange(soap(code, "GetAccountDetails", AccountNumber=account)))
    balance = "0.00" if code == "SRWB_PREPAID" else "5475.50"
    assert told == {"AccountNumber": account, "CustomerName": "Grace Banda", "Balance": balance, "Currency": "MWK", "Status": "ACTIVE"}


@pytest.mark.parametrize(
    ("code", "balance"), [*((code, "5475.50") for code in (*SOAP_BILLERS[:3], "MASM")), ("SRWB_PREPAID", "0.00"), ("REGISTER_GENERAL", "1000.00")]
)
def test_the_esb_looks_up_in_json(sandbox: Sandbox, code: str, balance: str) -> None:
    account = number_of(code, "pays")
    answered = sandbox.exchange(esb(code, "accounts", account))
    assert answered.header("Content-Type") == "application/json; charset=utf-8"
    assert said(answered) == {"accountNumber": account, "customerName": "Grace Banda", "balance": balance, "currency": "MWK", "status": "active"}


@pytest.mark.parametrize("code", ESB_BILLERS)
def test_the_esb_refuses_a_number_nobody_knows(sandbox: Sandbox, code: str) -> None:
    for account in ("999999", number_of(code, "unknown_account")):
        answered = sandbox.exchange(esb(code, "accounts", account))
        assert (answered.status, said(answered)["status"]) == (404, "invalid-account")
    sandbox.set(code, fault_status=200)
    answered = sandbox.exchange(esb(code, "accounts", "999999"))
    assert (answered.status, said(answered)["status"]) == (200, "invalid-account")


@pytest.mark.parametrize("code", ESB_BILLERS)
def test_the_esb_shows_a_blocked_account(sandbox: Sandbox, code: str) -> None:
    assert said(sandbox.exchange(esb(code, "accounts", number_of(code, "blocked"))))["status"] == "blocked"


@pytest.mark.parametrize("kind", ["M", "MEMBER", "GROUP", ""])
def test_masm_knows_its_kinds_of_account(sandbox: Sandbox, kind: str) -> None:
    asked = {"type": kind} if kind else {}
    assert said(sandbox.exchange(esb("MASM", "accounts", "100001", **asked)))["status"] == "active"
    reference = new_reference()
    assert sandbox.exchange(esb_pay("MASM", reference, "100001", "10.00", **asked)).said["status"] == "success"
    [entry] = sandbox.ledger(reference, "MASM")
    assert entry.get("account_type", "") == kind


def test_masm_has_no_account_of_another_kind(sandbox: Sandbox) -> None:
    reference = new_reference()
    assert said(sandbox.exchange(esb("MASM", "accounts", "100001", type="FAMILY")))["status"] == "invalid-account"
    assert sandbox.exchange(esb_pay("MASM", reference, "100001", "10.00", type="FAMILY")).said["status"] == "invalid-account"
    assert sandbox.ledger(reference, "MASM") == []


AIRTEL = [
    ("0991000001", 200, "active"),
    ("0981234567", 200, "active"),
    ("0991000002", 404, "not-found"),
    ("0991000003", 200, "barred"),
    ("0881000001", 404, "not-found"),
]


@pytest.mark.parametrize(("number", "status", "word"), AIRTEL)
def test_airtel_checks_a_number(sandbox: Sandbox, number: str, status: int, word: str) -> None:
    answered = sandbox.exchange(telecom("AIRTEL_VALIDATION", "validation", number))
    assert (answered.status, said(answered)["status"]) == (status, word)
    assert said(answered).get("msisdn") == (number if status == 200 else None)


def test_airtel_may_not_answer_and_takes_no_payment(sandbox: Sandbox) -> None:
    assert sandbox.exchange(telecom("AIRTEL_VALIDATION", "validation", "0991000004")).data == b""
    for path in ("/v1/transactions", "/v1/bundles/0991000001", "/soap", "/erecharge"):
        assert sandbox.exchange(http("POST", f"/airtel_validation{path}?apikey=sandbox-airtel", b"<x/>")).status == 404
    assert sandbox.lines("ledger", "AIRTEL_VALIDATION") == []


# ---- Paying


@every_payer
def test_a_payment_is_in_the_ledger_when_the_reply_is_there(sandbox: Sandbox, payer: Payer) -> None:
    reference = new_reference()
    answered = paid(sandbox, payer, reference)
    assert (answered.status, payer.code_in(answered)) == (200, payer.word("SUCCESS"))
    told = said(answered)
    names = {"soap": ("OurTransactionId", "TransactionId"), "esb": ("our-transaction-id", "transaction-id"), "erecharge": ("ExternalTxnId", "TransactionID")}
    echo, its_id = names[payer.dialect]
    assert told[echo] == reference
    [entry] = sandbox.ledger(reference, payer.code)
    expected = {"kind": "PAY", "account": payer.account, "amount": payer.amount, "currency": "MWK", "external_id": told[its_id]}
    assert {name: entry[name] for name in expected} == expected


@every_inquirer
def test_a_payment_is_told_to_whoever_asks_by_reference(sandbox: Sandbox, payer: Payer) -> None:
    reference = new_reference()
    first = said(paid(sandbox, payer, reference))
    assert said(sandbox.exchange(payer.inquiry(reference))) == first


@pytest.mark.parametrize("code", ESB_BILLERS)
def test_the_esb_denies_a_reference_with_a_body_that_names_it(sandbox: Sandbox, code: str) -> None:
    reference = new_reference()
    answered = sandbox.exchange(esb(code, "transactions", reference))
    assert (answered.status, answered.said) == (404, {"status": "not-found", "our-transaction-id": reference})


@pytest.mark.parametrize("code", SOAP_BILLERS[:3])
def test_what_was_paid_in_one_dialect_is_known_in_the_other(sandbox: Sandbox, code: str) -> None:
    reference = new_reference()
    paid(sandbox, Payer(code, "esb"), reference)
    assert sandbox.exchange(Payer(code, "soap").inquiry(reference)).said["Status"] == "SUCCESS"
    assert sandbox.exchange(soap(code, "ReverseTransaction", OurTransactionId=reference)).said["Status"] == "SUCCESS"
    assert [entry["kind"] for entry in sandbox.ledger(reference, code)] == ["PAY", "REVERSAL"]


def test_a_token_cannot_be_taken_back(sandbox: Sandbox) -> None:
    reference = new_reference()
    paid(sandbox, PREPAID[0], reference)
    answered = sandbox.exchange(soap("SRWB_PREPAID", "ReverseTransaction", OurTransactionId=reference))
    assert (answered.status, answered.said["Code"]) == (400, "UNKNOWN_OPERATION")
    assert [entry["kind"] for entry in sandbox.ledger(reference, "SRWB_PREPAID")] == ["PAY"]


# behaviour → the code of the refusal, as SOAP calls it; in an invoice flow the first two are refused before there is an invoice to pay.
REFUSALS = [
    ("unknown_account", "ACCOUNT_NOT_FOUND"),
    ("blocked", "ACCOUNT_BLOCKED"),
    ("fault_known", "LIMIT_EXCEEDED"),
    ("rejected", "INVALID_AMOUNT"),
    ("fault_unknown", "E-9047"),
]


@every_payer
@pytest.mark.parametrize(("behaviour", "code"), REFUSALS)
def test_a_refused_payment_moves_nothing(sandbox: Sandbox, payer: Payer, behaviour: str, code: str) -> None:
    reference, account = new_reference(), number_of(payer.code, behaviour)
    if payer in INVOICING and behaviour in ("unknown_account", "blocked"):
        refused = payer.invoice(sandbox, account)
        assert payer.word(code) in refused.values()
        answered = confirm(sandbox, payer, reference, "INV0000000001", account, payer.amount)
    else:
        answered = paid(sandbox, payer, reference, account)
    assert payer.code_in(answered) == payer.word(code)
    assert sandbox.ledger(reference, payer.code) == []


@every_inquirer
def test_a_refusal_is_told_again_by_reference(sandbox: Sandbox, payer: Payer) -> None:
    reference = new_reference()
    paid(sandbox, payer, reference, number_of(payer.code, "rejected"))
    assert payer.code_in(sandbox.exchange(payer.inquiry(reference))) == payer.word("INVALID_AMOUNT")


@every_inquirer
def test_an_accepted_payment_is_done_after_two_inquiries(sandbox: Sandbox, payer: Payer) -> None:
    reference = new_reference()
    answered = paid(sandbox, payer, reference, number_of(payer.code, "accepted_then_done"))
    assert answered.status == (202 if payer.dialect == "esb" else 200)
    assert payer.code_in(answered) == payer.word("PENDING")
    assert sandbox.ledger(reference, payer.code) == []
    told = [payer.code_in(sandbox.exchange(payer.inquiry(reference))) for _ in range(3)]
    assert told == [payer.word("PENDING")] * 2 + [payer.word("SUCCESS")]
    assert len(sandbox.ledger(reference, payer.code)) == 1


@every_payer
@pytest.mark.parametrize(("setting", "effects", "second"), [("no", 2, "SUCCESS"), ("answers_original", 1, "SUCCESS"), ("answers_duplicate", 1, "DUPLICATE")])
def test_the_same_reference_again_is_as_the_biller_is_set(sandbox: Sandbox, payer: Payer, setting: str, effects: int, second: str) -> None:
    sandbox.set(payer.code, deduplicates=setting)
    reference = new_reference()
    sent = payer.payment(sandbox, reference)
    first, again = sandbox.exchange(sent), sandbox.exchange(sent)
    assert [payer.code_in(first), payer.code_in(again)] == [payer.word("SUCCESS"), payer.word(second)]
    assert len(sandbox.ledger(reference, payer.code)) == effects
    assert (said(first) == said(again)) == (setting == "answers_original")


@pytest.mark.parametrize("code", ["MASM", "LWB_POSTPAID"])
@pytest.mark.parametrize("amount", ["0", "-5", "10.005", "1,000", "NaN"])
def test_the_esb_refuses_an_amount_that_is_none(sandbox: Sandbox, code: str, amount: str) -> None:
    reference = new_reference()
    assert sandbox.exchange(esb_pay(code, reference, "100001", amount)).said["status"] == "amount-not-allowed"
    assert sandbox.ledger(reference, code) == []


def test_bank_accounts_named_to_the_esb_are_on_record(sandbox: Sandbox) -> None:
    reference = new_reference()
    named_accounts = {"debit_account": "1001", "debit_account_type": "CASA", "credit_account": "2002", "credit_account_type": "CASA"}
    sandbox.exchange(esb_pay("MASM", reference, "100001", "10.00", **named_accounts, type="M"))
    assert named_accounts.items() <= sandbox.ledger(reference, "MASM")[0].items()


# ---- Invoices and tokens


@every_invoicer
def test_an_invoice_says_what_is_due(sandbox: Sandbox, payer: Payer) -> None:
    told = payer.invoice(sandbox, payer.account)
    due = told.get("AmountDue") or told["amountDue"]
    assert (due, told.get("CustomerName") or told["customerName"], told.get("Status") or told["status"]) == (
        payer.amount,
        "Grace Banda",
        "UNPAID" if payer.dialect == "soap" else "unpaid",
    )
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", told.get("DueDate") or told["dueDate"])
    assert (told.get("Charges") or told.get("charges")) == ("273.78" if payer.code == "SRWB_PREPAID" else None)


@pytest.mark.parametrize(
    ("account", "fee"), [("100001", "1000.00"), ("10010002", "10000.00"), ("10010003", "50000.00"), ("1001000004", "1000.00"), ("70000000", "50000.00")]
)
def test_the_registrar_asks_one_of_three_fees(sandbox: Sandbox, account: str, fee: str) -> None:
    assert FEES.invoice(sandbox, account)["amountDue"] == fee


def test_the_registrar_gives_the_same_invoice_until_it_is_paid(sandbox: Sandbox) -> None:
    first, second = FEES.invoice(sandbox, "71000001"), FEES.invoice(sandbox, "71000001")
    assert first == second
    confirm(sandbox, FEES, new_reference(), invoice_number(first), "71000001", "1000.00")
    assert invoice_number(FEES.invoice(sandbox, "71000001")) != invoice_number(first)


@pytest.mark.parametrize(("account", "word"), [("10060001", "invoice-paid"), ("10060002", "invoice-expired"), ("10020001", "invalid-account")])
def test_the_registrar_may_have_no_invoice_to_pay(sandbox: Sandbox, account: str, word: str) -> None:
    answered = sandbox.exchange(esb("REGISTER_GENERAL", "invoices", account))
    assert (answered.status, said(answered)["status"]) == (404, word)
    sandbox.set("REGISTER_GENERAL", fault_status=200)
    answered = sandbox.exchange(esb("REGISTER_GENERAL", "invoices", account))
    assert (answered.status, said(answered)["status"]) == (200, word)


def test_an_invoice_may_be_paid_by_somebody_else_before_it_is_confirmed(sandbox: Sandbox) -> None:
    reference = new_reference()
    number = invoice_number(FEES.invoice(sandbox, "10060003"))
    assert confirm(sandbox, FEES, reference, number, "10060003", "50000.00").said["status"] == "invoice-paid"
    assert sandbox.ledger(reference, "REGISTER_GENERAL") == []


@every_prepaid
def test_each_asking_for_a_prepaid_invoice_makes_a_new_one(sandbox: Sandbox, payer: Payer) -> None:
    assert len({invoice_number(payer.invoice(sandbox, payer.account)) for _ in range(3)}) == 3


@every_prepaid
def test_a_prepaid_invoice_needs_an_amount(sandbox: Sandbox, payer: Payer) -> None:
    for amount in ("", "0", "12.345", "much"):
        asked = {"Amount": amount, "Currency": "MWK"} if payer.dialect == "soap" else {"amount": amount}
        asked = {name: text for name, text in asked.items() if text}
        soap_or_esb = (
            soap(payer.code, "GetInvoice", AccountNumber=payer.account, **asked)
            if payer.dialect == "soap"
            else esb(payer.code, "invoices", payer.account, **asked)
        )
        assert payer.code_in(sandbox.exchange(soap_or_esb)) == payer.word("INVALID_AMOUNT")


@every_invoicer
def test_a_confirm_for_another_amount_is_refused(sandbox: Sandbox, payer: Payer) -> None:
    reference = new_reference()
    number = invoice_number(payer.invoice(sandbox, payer.account))
    answered = confirm(sandbox, payer, reference, number, payer.account, f"{Decimal(payer.amount) - Decimal('0.01')}")
    assert payer.code_in(answered) == payer.word("INVALID_AMOUNT")
    assert sandbox.ledger(reference, payer.code) == []


@every_invoicer
def test_a_paid_invoice_is_not_paid_again_under_another_reference(sandbox: Sandbox, payer: Payer) -> None:
    first, second = new_reference(), new_reference()
    number = invoice_number(payer.invoice(sandbox, payer.account))
    assert payer.code_in(confirm(sandbox, payer, first, number, payer.account, payer.amount)) == payer.word("SUCCESS")
    answered = confirm(sandbox, payer, second, number, payer.account, payer.amount)
    assert payer.code_in(answered) == ("INVOICE_PAID" if payer.dialect == "soap" else "invoice-paid")
    assert sandbox.ledger(second, payer.code) == []
    assert sandbox.ledger(first, payer.code)[0]["invoice_number"] == number


@every_invoicer
def test_an_invoice_that_was_accepted_is_not_open_for_another_reference(sandbox: Sandbox, payer: Payer) -> None:
    account, first, second = number_of(payer.code, "accepted_forever"), new_reference(), new_reference()
    told = payer.invoice(sandbox, account)
    due = told.get("AmountDue") or told["amountDue"]
    assert payer.code_in(confirm(sandbox, payer, first, invoice_number(told), account, due)) == payer.word("PENDING")
    answered = confirm(sandbox, payer, second, invoice_number(told), account, due)
    assert payer.code_in(answered) == ("INVOICE_PAID" if payer.dialect == "soap" else "invoice-paid")


@every_invoicer
def test_an_invoice_that_was_never_made_or_is_of_another_account_is_refused(sandbox: Sandbox, payer: Payer) -> None:
    other = "37000000019" if payer.code == "SRWB_PREPAID" else "10010002"
    number = invoice_number(payer.invoice(sandbox, payer.account))
    for asked_number, account in (("INV9999999999", payer.account), (number, other)):
        reference = new_reference()
        answered = confirm(sandbox, payer, reference, asked_number, account, payer.amount)
        assert payer.code_in(answered) in {"INVOICE_EXPIRED", "invoice-expired", "ACCOUNT_NOT_FOUND", "invalid-account"}
        assert sandbox.ledger(reference, payer.code) == []


@every_prepaid
def test_a_token_is_twenty_digits_of_sixty_six_bits_and_told_again(sandbox: Sandbox, payer: Payer) -> None:
    tokens = set()
    for _ in range(20):
        reference = new_reference()
        told = said(paid(sandbox, payer, reference))
        again = said(sandbox.exchange(payer.inquiry(reference)))
        token, units, charges = (told.get(name) or told[name.lower()] for name in ("Token", "Units", "Charges"))
        assert re.fullmatch(r"[0-9]{20}", token)
        assert int(token) < 2**66
        # 5 % of 5,475.50, and the rest at 350 a unit.
        assert (units, charges) == ("14.86", "273.78")
        assert again == told
        [entry] = sandbox.ledger(reference, "SRWB_PREPAID")
        assert (entry["token"], entry["units"], entry["charges"]) == (token, units, charges)
        tokens.add(token)
    assert len(tokens) == 20


@every_prepaid
def test_a_token_is_made_for_each_effect_and_not_told_before_it(sandbox: Sandbox, payer: Payer) -> None:
    reference = new_reference()
    pending = said(paid(sandbox, payer, reference, number_of("SRWB_PREPAID", "accepted_then_done")))
    assert not {"Token", "token", "Units", "units"} & set(pending)
    told = [said(sandbox.exchange(payer.inquiry(reference))) for _ in range(4)]
    assert [("Token" in each or "token" in each) for each in told] == [False, False, True, True]
    assert told[2] == told[3]
    twice = new_reference()
    sent = payer.payment(sandbox, twice)
    first, second = said(sandbox.exchange(sent)), said(sandbox.exchange(sent))
    assert (first.get("Token") or first["token"]) != (second.get("Token") or second["token"])


def test_every_meter_has_its_check_digit(sandbox: Sandbox) -> None:
    meters = [row["number"] for row in SEEDS["account"] if row.get("biller") == "SRWB_PREPAID"]
    assert len(meters) >= 18
    for meter in meters:
        assert re.fullmatch(r"0410\d{7}", meter)
        assert luhn_sum(meter) % 10 == 0


@pytest.mark.parametrize("length", [11, 13])
def test_any_meter_that_begins_with_37_and_checks_is_one(sandbox: Sandbox, length: int) -> None:
    found = {}
    for last in "0123456789":
        meter = "37".ljust(length - 1, "4") + last
        found[meter] = sandbox.exchange(soap("SRWB_PREPAID", "GetAccountDetails", AccountNumber=meter)).status
    assert [meter for meter, status in found.items() if status == 200] == [meter for meter in found if luhn_sum(meter) % 10 == 0]
    assert sorted(found.values()) == [200] + [500] * 9


# ---- Bundles


def test_the_same_six_bundles_are_offered_to_everybody(sandbox: Sandbox) -> None:
    told = said(sandbox.exchange(telecom("TNM_BUNDLES", "bundles", "0881000001")))
    assert (told["msisdn"], told["currency"]) == ("0881000001", "MWK")
    assert {bundle["id"] for bundle in told["bundles"]} == BUNDLES
    prices = [Decimal(bundle["price"]) for bundle in told["bundles"] if isinstance(bundle["price"], str)]
    assert (len(prices), min(prices), max(prices)) == (6, 350, 25_000)
    assert all(set(bundle) == {"id", "name", "price", "data", "validity"} for bundle in told["bundles"])
    assert said(sandbox.exchange(telecom("TNM_BUNDLES", "bundles", "0317654321")))["bundles"] == told["bundles"]


def test_every_bundle_is_sold_at_its_price_and_the_ledger_says_which(sandbox: Sandbox) -> None:
    for bundle in said(sandbox.exchange(telecom("TNM_BUNDLES", "bundles", "0881000001")))["bundles"]:
        reference = new_reference()
        assert sandbox.exchange(recharge(reference, "0881000001", bundle["price"], bundle["id"])).said["CommandStatus"] == "0"
        [entry] = sandbox.ledger(reference, "TNM_BUNDLES")
        assert (entry["bundle_id"], entry["amount"], entry["account"]) == (bundle["id"], bundle["price"], "0881000001")


SALES_REFUSED = [
    ("0881000001", "2500.01", "D7", "13"),
    ("0881000001", "2500.00", "D8", "11"),
    ("0881000001", "2500.00", "", "11"),
    ("0881000090", "2500.00", "D7", "12"),
    ("0991000001", "2500.00", "D7", "10"),
    ("0881000002", "2500.00", "D7", "10"),
]


@pytest.mark.parametrize(("number", "amount", "bundle", "status"), SALES_REFUSED)
def test_a_sale_that_cannot_be_is_refused_by_number(sandbox: Sandbox, number: str, amount: str, bundle: str, status: str) -> None:
    reference = new_reference()
    answered = sandbox.exchange(recharge(reference, number, amount, bundle))
    assert (answered.status, answered.said["CommandStatus"], answered.said["ExternalTxnId"]) == (200, status, reference)
    assert sandbox.ledger(reference, "TNM_BUNDLES") == []


@pytest.mark.parametrize(
    ("number", "asked", "status", "word"),
    [
        ("0881000001", {}, 200, "active"),
        ("0881000001", {"bundleId": "D7"}, 200, "active"),
        ("0881000001", {"bundleId": "D8"}, 404, "11"),
        ("0881000002", {}, 404, "10"),
        ("0881000003", {}, 200, "blocked"),
    ],
)
def test_tnm_checks_a_number(sandbox: Sandbox, number: str, asked: dict[str, str], status: int, word: str) -> None:
    answered = sandbox.exchange(telecom("TNM_BUNDLES", "validation", number, **asked))
    assert (answered.status, said(answered)["status"]) == (status, word)


def test_nobody_unknown_is_offered_bundles(sandbox: Sandbox) -> None:
    answered = sandbox.exchange(telecom("TNM_BUNDLES", "bundles", number_of("TNM_BUNDLES", "unknown_account")))
    assert (answered.status, said(answered)["status"]) == (404, "10")


# ---- Who asks, and what cannot be understood


def questions(code: str) -> list[bytes]:
    account = number_of(code, "pays")
    asked = [soap(code, "GetAccountDetails", AccountNumber=account)] if code in SOAP_BILLERS else []
    asked += [esb(code, "accounts", account), esb_pay(code, new_reference(), account, "1000.00", **{"invoice-number": "INV1"})] if code in ESB_BILLERS else []
    asked += [telecom(code, "validation", account)] if code in ("TNM_BUNDLES", "AIRTEL_VALIDATION") else []
    return asked + ([recharge(new_reference(), account, "350.00", "D1")] if code == "TNM_BUNDLES" else [])


def spoilt(code: str, sent: bytes) -> list[bytes]:
    """The message with each credential that it carries made wrong in turn."""
    mine = CREDENTIALS[code]
    if b"Authorization: Basic" in sent:
        right = signed(code)["Authorization"].encode()
        wrong = [f"{mine['username']}:guess", f"guess:{mine['password']}", "", mine["username"]]
        return [sent.replace(right, b"Basic " + base64.b64encode(text.encode())) for text in wrong]
    return [sent.replace(value.encode(), value[::-1].encode()) for value in mine.values() if value.encode() in sent]


@pytest.mark.parametrize("code", EIGHT)
def test_each_credential_is_asked_for(sandbox: Sandbox, code: str) -> None:
    for sent in questions(code):
        assert sandbox.exchange(sent).status != 401
        before = sandbox.lines("ledger", code)
        assert spoilt(code, sent)
        for wrong in spoilt(code, sent):
            assert sandbox.exchange(wrong).status == 401
        assert sandbox.lines("ledger", code) == before


def test_an_api_key_stands_in_both_headers(sandbox: Sandbox) -> None:
    key = CREDENTIALS["REGISTER_GENERAL"]["api_key"]
    for headers in ({"apikey": key}, {"X-API-Key": key}, {}):
        assert sandbox.exchange(http("GET", "/register_general/v1/accounts/100001", **headers)).status == 401


def test_no_credential_is_in_a_request_log(sandbox: Sandbox) -> None:
    for code in EIGHT:
        for sent in questions(code):
            sandbox.exchange(sent)
        log = (sandbox.directory / f"{code}.requests.jsonl").read_text()
        assert not [value for name, value in CREDENTIALS[code].items() if name in ("password", "token", "api_key", "pin") and f'"{value}"' in log]


MISUNDERSTOOD = [
    ("MASM", http("POST", "/masm/v1/transactions", b"pay please", **signed("MASM")), 400),
    ("MASM", http("POST", "/masm/v1/transactions", b"<post-payment-response/>", **signed("MASM")), 400),
    ("MASM", http("POST", "/masm/v1/transactions", b"<post-payment-request/>", **signed("MASM")), 400),
    ("MASM", http("POST", "/masm/v1/transactions", b"<!DOCTYPE x><post-payment-request/>", **signed("MASM")), 400),
    ("MASM", http("DELETE", "/masm/v1/transactions/REF1", **signed("MASM")), 404),
    ("MASM", esb("MASM", "invoices", "100001"), 404),
    ("MASM", esb("MASM", "accounts", ""), 404),
    ("MASM", http("POST", "/masm/soap", b"<x/>", **signed("MASM")), 404),
    ("REGISTER_GENERAL", esb_pay("REGISTER_GENERAL", "REF1", "100001", "1000.00"), 400),
    ("TNM_BUNDLES", http("POST", "/tnm_bundles/erecharge", b"<x/>"), 400),
    ("TNM_BUNDLES", http("GET", "/tnm_bundles/erecharge"), 405),
    ("TNM_BUNDLES", recharge("", "0881000001", "350.00", "D1"), 400),
    ("TNM_BUNDLES", recharge("a b", "0881000001", "350.00", "D1"), 400),
]


@pytest.mark.parametrize(("code", "sent", "status"), MISUNDERSTOOD, ids=[f"{code} {number}" for number, (code, _, _) in enumerate(MISUNDERSTOOD)])
def test_what_cannot_be_understood_moves_nothing(sandbox: Sandbox, code: str, sent: bytes, status: int) -> None:
    before = sandbox.lines("ledger", code)
    assert sandbox.exchange(sent).status == status
    assert sandbox.lines("ledger", code) == before


# ---- What outlives a kill


@every_invoicer
def test_open_invoices_and_tokens_outlive_a_kill(own_sandbox: Sandbox, payer: Payer) -> None:
    done, accepted, later, other = (new_reference() for _ in range(4))
    told = said(paid(own_sandbox, payer, done))
    waits = number_of(payer.code, "accepted_then_done")
    paid(own_sandbox, payer, accepted, waits)
    taken, still_open = (
        sorted(line["invoice_number"] for line in own_sandbox.lines("pending", payer.code) if line["event"] == "INVOICE")[1],
        payer.invoice(own_sandbox, payer.account),
    )
    own_sandbox.stop(signal.SIGKILL)
    own_sandbox.start()
    assert said(own_sandbox.exchange(payer.inquiry(done))) == told
    if payer is FEES:
        assert payer.invoice(own_sandbox, payer.account) == still_open
    assert payer.code_in(confirm(own_sandbox, payer, other, taken, waits, "1000.00")) in {"INVOICE_PAID", "invoice-paid"}
    assert payer.code_in(confirm(own_sandbox, payer, later, invoice_number(still_open), payer.account, payer.amount)) == payer.word("SUCCESS")
    assert invoice_number(payer.invoice(own_sandbox, payer.account)) not in {invoice_number(still_open), taken}
    for _ in range(3):
        finished = said(own_sandbox.exchange(payer.inquiry(accepted)))
    [entry] = own_sandbox.ledger(accepted, payer.code)
    assert entry["invoice_number"] == taken
    assert entry.get("token") == (finished.get("Token") or finished.get("token"))
    assert ("token" in entry) == (payer is not FEES)


def test_many_invoices_at_once_have_numbers_of_their_own(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(10) as pool:
        numbers = list(pool.map(lambda _: invoice_number(PREPAID[0].invoice(sandbox, PREPAID[0].account)), range(50)))
    assert len(set(numbers)) == 50


def test_one_biller_that_is_down_leaves_the_others_alone(sandbox: Sandbox) -> None:
    sandbox.set("MASM", down=True)
    assert sandbox.exchange(esb("MASM", "accounts", "100001")).data == b""
    assert sandbox.exchange(esb("REGISTER_GENERAL", "accounts", "100001")).status == 200
    assert sandbox.exchange(payment("100001", new_reference())).status == 200
