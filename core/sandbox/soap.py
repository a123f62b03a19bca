"""SOAP 1.1 on one endpoint: the local name of the body's first element decides what is asked."""

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from lxml import etree

from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.words import Answer, Ask, Verb

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
ENDPOINT = "/soap"
CONTENT_TYPE = "text/xml; charset=utf-8"

_REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,64}")

# What each verb cannot do without.
NEEDS: Mapping[Verb, tuple[str, ...]] = {
    Verb.LOOKUP: ("AccountNumber",),
    Verb.PAY: ("OurTransactionId", "AccountNumber", "Amount", "Currency"),
    Verb.STATUS: ("OurTransactionId",),
    Verb.REVERSE: ("OurTransactionId",),
}

BANK_ACCOUNTS: Mapping[str, str] = {
    "DebitAccount": "debit_account",
    "DebitAccountType": "debit_account_type",
    "CreditAccount": "credit_account",
    "CreditAccountType": "credit_account_type",
}

_RECEIPT = (
    ("Status", "status"),
    ("TransactionId", "external_id"),
    ("OurTransactionId", "reference"),
    ("AccountNumber", "account"),
    ("Amount", "amount"),
    ("Message", "message"),
)

# Element names of an answer, in the order of the wire, each with the neutral name it is filled from.
ANSWERS: Mapping[Verb, tuple[tuple[str, str], ...]] = {
    Verb.LOOKUP: (("AccountNumber", "account"), ("CustomerName", "name"), ("Balance", "balance"), ("Currency", "currency"), ("Status", "status")),
    Verb.PAY: _RECEIPT,
    Verb.STATUS: _RECEIPT,
    Verb.REVERSE: _RECEIPT,
}

# No entity is expanded, nothing is fetched; a document type is refused after parsing, whatever the encoding hid it in.
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_comments=True, remove_pis=True)


class Soap:
    def __init__(self, namespace: str, operations: Mapping[str, Verb]) -> None:
        self.namespace = namespace
        self.operations = operations

    def understand(self, request: Request, path: str) -> Ask:
        if path != ENDPOINT:
            raise Refused(plain(404, f"The only endpoint is {ENDPOINT}."))
        if request.method != "POST":
            raise Refused(plain(405, "SOAP is sent by POST."))
        asked = _first_in_body(request.body)
        operation = etree.QName(asked).localname
        verb = self.operations.get(operation)
        if verb is None:
            raise _not_understood("UNKNOWN_OPERATION", f"There is no operation {operation}.")
        fields = {etree.QName(child).localname: (child.text or "").strip() for child in asked if isinstance(child.tag, str)}
        for name in NEEDS[verb]:
            if not fields.get(name):
                raise _not_understood("MISSING_FIELD", f"{name} is missing.")
        reference = fields.get("OurTransactionId", "")
        if reference and not _REFERENCE.fullmatch(reference):
            raise _not_understood("INVALID_REFERENCE", "OurTransactionId is not a reference.")
        return Ask(
            verb,
            operation,
            reference=reference,
            account=fields.get("AccountNumber", ""),
            amount=fields.get("Amount", ""),
            currency=fields.get("Currency", ""),
            bank_accounts={neutral: fields[name] for name, neutral in BANK_ACCOUNTS.items() if fields.get(name)},
        )

    def say(self, answer: Answer, fault_status: int) -> Reply:
        if answer.fault:
            return _envelope(fault_status, _fault("soap:Server", answer.fault, answer.message) * answer.copies)
        ask = answer.ask
        inner = "".join(f"<{name}>{escape(answer.said[neutral])}</{name}>" for name, neutral in ANSWERS[ask.verb] if neutral in answer.said)
        return _envelope(200, f'<{ask.operation}Response xmlns="{self.namespace}">{inner}</{ask.operation}Response>' * answer.copies)


def _first_in_body(document: bytes) -> etree._Element:
    try:
        root = etree.fromstring(document, _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        raise _not_understood("MALFORMED", "The request is not XML.") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _not_understood("MALFORMED", "A document type is not welcome here.")
    body = root.find(f"{{{ENVELOPE}}}Body")
    if root.tag != f"{{{ENVELOPE}}}Envelope" or body is None or len(body) != 1 or not isinstance(body[0].tag, str):
        raise _not_understood("MALFORMED", "The request is not a SOAP 1.1 envelope with one element in its body.")
    return body[0]


def _not_understood(code: str, message: str) -> Refused:
    return Refused(_envelope(400, _fault("soap:Client", code, message)))


def _fault(who: str, code: str, message: str) -> str:
    return f"<soap:Fault><faultcode>{who}</faultcode><faultstring>{escape(message)}</faultstring><detail><Code>{escape(code)}</Code></detail></soap:Fault>"


def _envelope(status: int, inner: str) -> Reply:
    document = f'<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body>{inner}</soap:Body></soap:Envelope>\n'
    return Reply(status, document.encode(), CONTENT_TYPE)
