"""What only the adapters beside the water boards can be asked, and recordings cannot show."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.adapters import adapter_for
from core.money import Money
from core.wire.contract import Flow, Payment, Query, Terms, Verb, flow_of

PAYMENT = Payment("7K3MZQ9RT2WX5B1C", "88120045", Money(Decimal("1500.00")), account_type="GROUP", invoice_number="INV-1", bundle_id="D7")


def biller(code: str, **facts: object) -> object:
    return adapter_for(code)(Terms("https://biller.test", facts.pop("endpoints", {}), facts.pop("credentials", {}), **facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "verbs", "flow"),
    [
        ("MASM", {Verb.LOOKUP, Verb.PAY, Verb.STATUS}, Flow.PLAIN),
        ("REGISTER_GENERAL", {Verb.LOOKUP, Verb.GET_INVOICE, Verb.CONFIRM_INVOICE, Verb.STATUS}, Flow.INVOICE),
        ("TNM_BUNDLES", {Verb.LOOKUP, Verb.BUNDLES, Verb.PURCHASE_BUNDLE}, Flow.BUNDLE),
        ("AIRTEL_VALIDATION", {Verb.LOOKUP}, Flow.NONE),
    ],
)
def test_a_biller_is_paid_in_the_way_its_verbs_allow(code: str, verbs: set[Verb], flow: Flow) -> None:
    assert adapter_for(code).verbs() == verbs
    assert flow_of(verbs) is flow
    assert not adapter_for(code).invoice_asks_amount


@pytest.mark.parametrize(
    ("code", "verb", "key"),
    [
        ("MASM", Verb.LOOKUP, "account_details"),
        ("MASM", Verb.PAY, "payment"),
        ("MASM", Verb.STATUS, "status"),
        ("REGISTER_GENERAL", Verb.GET_INVOICE, "invoice"),
        ("REGISTER_GENERAL", Verb.CONFIRM_INVOICE, "confirm_invoice"),
        ("TNM_BUNDLES", Verb.LOOKUP, "account_details"),
        ("TNM_BUNDLES", Verb.BUNDLES, "bundles"),
        ("TNM_BUNDLES", Verb.PURCHASE_BUNDLE, "purchase_bundle"),
        ("AIRTEL_VALIDATION", Verb.LOOKUP, "account_details"),
    ],
)
def test_each_verb_may_have_an_endpoint_of_its_own(code: str, verb: Verb, key: str) -> None:
    question = Query(PAYMENT.account) if verb in (Verb.LOOKUP, Verb.GET_INVOICE, Verb.BUNDLES) else PAYMENT
    request = getattr(biller(code, endpoints={key: "/own"}), verb)(question).request
    assert request.path.partition("?")[0] == "/own"
    assert request.headers.keys() <= {"Content-Type", "SOAPAction"}, "no credentials, no header"
    assert "apikey" not in request.path


def test_an_account_cannot_choose_another_path() -> None:
    path = biller("MASM").lookup(Query("../transactions?x=1", account_type="M&type=GROUP")).request.path  # type: ignore[attr-defined]
    assert path == "/v1/accounts/..%2Ftransactions%3Fx%3D1?type=M%26type%3DGROUP"


def test_the_kind_of_account_is_said_as_the_configuration_has_it() -> None:
    assert b"<currency>MWK</currency><type>GROUP</type></post-payment-request>" in biller("MASM").pay(PAYMENT).request.body  # type: ignore[attr-defined]


def test_the_registrar_is_never_told_whom_to_credit() -> None:
    composite = Payment(**{name: getattr(PAYMENT, name) for name in ("reference", "account", "amount")}, debit_account="1", credit_account="2")
    body = biller("REGISTER_GENERAL").confirm_invoice(composite).request.body  # type: ignore[attr-defined]
    assert b"<debit-account>1</debit-account>" in body
    assert b"credit" not in body


def test_tnms_key_is_the_last_thing_in_the_address() -> None:
    tnm = biller("TNM_BUNDLES", credentials={"api_key": "k"})
    assert tnm.lookup(Query("0881234567", bundle_id="D7")).request.path == "/v1/validation/0881234567?bundleId=D7&apikey=k"  # type: ignore[attr-defined]
    assert tnm.bundles(Query("0881234567")).request.path == "/v1/bundles/0881234567?apikey=k"  # type: ignore[attr-defined]


def test_tnm_is_told_who_asks_in_the_body_alone() -> None:
    request = biller("TNM_BUNDLES", credentials={"username": "console", "password": "geheim"}).purchase_bundle(PAYMENT).request  # type: ignore[attr-defined]
    assert b"<WSUsername>console</WSUsername><WSPassword>geheim</WSPassword>" in request.body
    assert request.headers == {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"recharge"'}


def test_a_purchase_says_the_same_time_in_each_attempt() -> None:
    bought = Payment("7K3M", "0881234567", PAYMENT.amount, requested_at=datetime(2026, 11, 25, 23, 59, 58, 999_999, tzinfo=UTC))
    assert b"<RequestTime>2026-11-25T23:59:58</RequestTime>" in biller("TNM_BUNDLES").purchase_bundle(bought).request.body  # type: ignore[attr-defined]
