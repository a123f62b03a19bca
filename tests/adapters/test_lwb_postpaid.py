"""What only Lilongwe Water Board's adapter can be asked, and recordings cannot show."""

from decimal import Decimal

import pytest

from core.adapters import adapter_for
from core.money import Money
from core.wire.contract import Outcome, Payment, Query, Receipt, Reply, Terms, Verb
from core.wire.soap import SOAP_11

PAYMENT = Payment("7K3MZQ9RT2WX5B1C", "1020304050", Money(Decimal("5475.50")))
LWB = adapter_for("LWB_POSTPAID")


def lwb(**facts: object) -> object:
    return LWB(Terms("https://biller.test", {}, {"username": "console", "password": "geheim"}, **facts))  # type: ignore[arg-type]


def answered(verb: str = "pay", http: int = 200, biller: object = None, **fields: str) -> Receipt:
    said = {"Status": "SUCCESS", "OurTransactionId": PAYMENT.reference, **fields}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
    body = f'<s:Envelope xmlns:s="{SOAP_11}"><s:Body><Answer>{inner}</Answer></s:Body></s:Envelope>'
    receipt = getattr(biller or lwb(), verb)(PAYMENT).read(Reply(http, {}, body.encode()))
    assert isinstance(receipt, Receipt)
    return receipt


def test_it_looks_up_pays_tells_and_gives_back() -> None:
    assert LWB.verbs() == {Verb.LOOKUP, Verb.PAY, Verb.STATUS, Verb.REVERSE}


def test_a_call_names_its_operation_and_who_asks() -> None:
    request = lwb().pay(PAYMENT).request  # type: ignore[attr-defined]
    assert (request.method, request.path) == ("POST", "/soap")
    assert request.headers == {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": '"PostTransaction"',
        "Authorization": "Basic Y29uc29sZTpnZWhlaW0=",
    }


def test_each_verb_may_have_an_endpoint_of_its_own() -> None:
    biller = LWB(Terms("https://biller.test", {"account_details": "/a", "payment": "/p", "status": "/s", "reverse": "/r"}))
    exchanges = [biller.lookup(Query("1")), *(getattr(biller, verb)(PAYMENT) for verb in ("pay", "status", "reverse"))]  # type: ignore[attr-defined]
    assert [exchange.request.path for exchange in exchanges] == ["/a", "/p", "/s", "/r"]
    assert "Authorization" not in exchanges[0].request.headers, "no credentials, no header"


def test_no_account_of_the_bank_is_named_unless_the_payment_carries_it() -> None:
    body = lwb().pay(PAYMENT).request.body  # type: ignore[attr-defined]
    assert b"DebitAccount" not in body
    assert b"CreditAccount" not in body


@pytest.mark.parametrize("amount", ["5475.50", "5475.5", "05475.500", " 5475.50 ", "5.4755E3"])
def test_an_amount_is_compared_as_a_number(amount: str) -> None:
    assert answered(Amount=amount).outcome is Outcome.CONFIRMED


@pytest.mark.parametrize("amount", ["5475.51", "547550", "5,475.50", "MWK 5475.50", "NaN", "-5475.50", "٥٤٧٥.٥٠", "5475.500000000000001"])
@pytest.mark.parametrize("verb", ["pay", "status", "reverse"])
def test_any_other_amount_is_a_mismatch_and_the_code_is_kept(amount: str, verb: str) -> None:
    assert answered(verb, Amount=amount) == Receipt(Outcome.UNKNOWN, code="SUCCESS", mismatch="amount")


@pytest.mark.parametrize("reference", ["", "7K3MZQ9RT2WX5B1D", "7k3mzq9rt2wx5b1c"])
def test_an_answer_must_name_our_reference(reference: str) -> None:
    assert answered(OurTransactionId=reference).mismatch == "reference"


def test_another_currency_is_a_mismatch() -> None:
    assert answered(Currency="USD").mismatch == "currency"


@pytest.mark.parametrize("code", ["success", "Success", "OK", "0", "", "SUCCESS.", "REJECTED", "DUPLICATE", "NOT_FOUND"])
def test_a_code_is_listed_or_it_is_unknown(code: str) -> None:
    assert answered(Status=code).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("http", [201, 204, 400, 404, 409, 500, 503])
@pytest.mark.parametrize("code", ["SUCCESS", "PENDING", "ACCOUNT_BLOCKED", "NOT_FOUND"])
def test_a_status_element_is_believed_on_200_and_202_only(code: str, http: int) -> None:
    assert answered("status", http, Status=code).outcome is Outcome.UNKNOWN


def test_a_configuration_may_take_a_code_off_the_list() -> None:
    assert answered(biller=lwb(removed_codes=frozenset({"SUCCESS"}))).outcome is Outcome.UNKNOWN
