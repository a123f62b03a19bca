"""An ESB's answer to a payment: one bare document, or none."""

import pytest

from core.wire.contract import Reply
from core.wire.esb_biller import E, payment_response
from core.wire.letters import Unreadable
from core.wire.soap import document, text

from .samples import sample
from .test_soap import HOSTILE, REFUSED, soap

RESPONSE = "<post-payment-response><status>success</status></post-payment-response>"

# The harmless ones of that collection are documents, and not this one.
SAMPLES = {name: reason.replace("no SOAP envelope", "no <post-payment-response>") for name, reason in REFUSED.items() if name.startswith("xml-hostile/")}


def response(body: bytes, content_type: str = "text/xml") -> object:
    return payment_response(Reply(200, {"content-type": content_type}, body))


def test_a_request_is_a_bare_document() -> None:
    said = document(E.post_payment_request(E.our_transaction_id("7K3M"), E.type.given(None), E.customer_account_name('A & B <"c">')))
    assert said == (
        b"<?xml version='1.0' encoding='utf-8'?>\n"
        b"<post-payment-request><our-transaction-id>7K3M</our-transaction-id>"
        b'<customer-account-name>A &amp; B &lt;"c"&gt;</customer-account-name></post-payment-request>'
    )


@pytest.mark.parametrize(
    "body",
    [
        RESPONSE.encode(),
        RESPONSE.encode("utf-8-sig"),
        RESPONSE.encode("utf-16"),
        f'<?xml version="1.0" encoding="ISO-8859-1"?>{RESPONSE}'.encode("latin-1"),
        RESPONSE.replace("<post-payment-response>", '<post-payment-response xmlns="urn:esb">').encode(),
        RESPONSE.replace("post-payment-response>", "e:post-payment-response>").replace("response>", "response xmlns:e='urn:esb'>", 1).encode(),
    ],
)
def test_an_answer_is_read_in_whatever_dress(body: bytes) -> None:
    assert text(response(body), "status") == "success"  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_hostile_sample_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(Unreadable, match=SAMPLES[name]):
        response(sample(name), "")


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_envelope_for_soap_is_no_answer_for_an_esb(name: str) -> None:
    body, content_type, _ = HOSTILE[name]
    with pytest.raises(Unreadable):
        response(body, content_type)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (soap(RESPONSE), "a <Envelope> and no <post-payment-response>"),
        (RESPONSE.replace("response", "request"), "a <post-payment-request> and no"),
        ("<status>success</status>", "a <status> and no"),
        (RESPONSE * 2, "not well-formed"),
    ],
)
def test_another_document_is_none(body: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        response(body.encode())
