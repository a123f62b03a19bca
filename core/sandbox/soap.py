"""SOAP 1.1 on one endpoint: the local name of the body's first element decides what is asked."""

import re
from collections.abc import Mapping

from lxml import etree

from core.sandbox.documents import Malformed, Names, elements, fields_of, first_in_body, soap_fault, soap_reply
from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.sign_in import Credentials, by_header
from core.sandbox.words import Answer, Ask, Verb

ENDPOINT = "/soap"

REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,64}")

# What each verb cannot do without.
NEEDS: Mapping[Verb, tuple[str, ...]] = {
    Verb.LOOKUP: ("AccountNumber",),
    Verb.PAY: ("OurTransactionId", "AccountNumber", "Amount", "Currency"),
    Verb.GET_INVOICE: ("AccountNumber",),
    Verb.CONFIRM_INVOICE: ("OurTransactionId", "InvoiceNumber", "AccountNumber", "Amount", "Currency"),
    Verb.STATUS: ("OurTransactionId",),
    Verb.REVERSE: ("OurTransactionId",),
}

DETAILS: Mapping[str, str] = {
    "DebitAccount": "debit_account",
    "DebitAccountType": "debit_account_type",
    "CreditAccount": "credit_account",
    "CreditAccountType": "credit_account_type",
    "InvoiceNumber": "invoice_number",
}

_RECEIPT: Names = (
    ("Status", "status"),
    ("TransactionId", "external_id"),
    ("OurTransactionId", "reference"),
    ("AccountNumber", "account"),
    ("Amount", "amount"),
    ("Message", "message"),
    ("InvoiceNumber", "invoice_number"),
    ("Token", "token"),
    ("Units", "units"),
    ("Charges", "charges"),
)

# Element names of an answer, in the order of the wire, each with the neutral name it is filled from.
ANSWERS: Mapping[Verb, Names] = {
    Verb.LOOKUP: (("AccountNumber", "account"), ("CustomerName", "name"), ("Balance", "balance"), ("Currency", "currency"), ("Status", "status")),
    Verb.GET_INVOICE: (
        ("InvoiceNumber", "invoice_number"),
        ("AccountNumber", "account"),
        ("CustomerName", "name"),
        ("AmountDue", "amount"),
        ("Currency", "currency"),
        ("DueDate", "due_date"),
        ("Charges", "charges"),
        ("Status", "status"),
    ),
    Verb.PAY: _RECEIPT,
    Verb.CONFIRM_INVOICE: _RECEIPT,
    Verb.STATUS: _RECEIPT,
    Verb.REVERSE: _RECEIPT,
}


class Soap:
    def __init__(self, namespace: str, operations: Mapping[str, Verb]) -> None:
        self.namespace = namespace
        self.operations = operations

    def serves(self, path: str) -> bool:
        return path == ENDPOINT

    def understand(self, request: Request, path: str, credentials: Credentials) -> Ask:
        by_header(request, credentials)
        if request.method != "POST":
            raise Refused(plain(405, "SOAP is sent by POST."))
        try:
            asked = first_in_body(request.body)
        except Malformed as malformed:
            raise not_understood("MALFORMED", str(malformed)) from None
        operation = etree.QName(asked).localname
        verb = self.operations.get(operation)
        if verb is None:
            raise not_understood("UNKNOWN_OPERATION", f"There is no operation {operation}.")
        fields = fields_of(asked)
        for name in NEEDS[verb]:
            if not fields.get(name):
                raise not_understood("MISSING_FIELD", f"{name} is missing.")
        reference = fields.get("OurTransactionId", "")
        if reference and not REFERENCE.fullmatch(reference):
            raise not_understood("INVALID_REFERENCE", "OurTransactionId is not a reference.")
        return Ask(
            verb,
            operation,
            reference=reference,
            account=fields.get("AccountNumber", ""),
            amount=fields.get("Amount", ""),
            currency=fields.get("Currency", ""),
            details={neutral: fields[name] for name, neutral in DETAILS.items() if fields.get(name)},
        )

    def say(self, answer: Answer, fault_status: int) -> Reply:
        if answer.fault:
            return soap_reply(fault_status, soap_fault("soap:Server", answer.fault, answer.message) * answer.copies)
        ask = answer.ask
        inner = elements(ANSWERS[ask.verb], answer.said)
        return soap_reply(200, f'<{ask.operation}Response xmlns="{self.namespace}">{inner}</{ask.operation}Response>' * answer.copies)


def not_understood(code: str, message: str) -> Refused:
    return Refused(soap_reply(400, soap_fault("soap:Client", code, message)))
