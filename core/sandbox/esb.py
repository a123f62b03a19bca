"""The bank's ESB: questions by GET, answered in JSON; payments by POST and inquiries by GET, answered in a bare XML document."""

from collections.abc import Mapping

from lxml import etree

from core.sandbox.documents import Malformed, Names, elements, fields_of, json_reply, members, read, xml_reply
from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.sign_in import Credentials, by_header
from core.sandbox.soap import REFERENCE
from core.sandbox.words import (
    ACCOUNT_BLOCKED,
    ACCOUNT_NOT_FOUND,
    DUPLICATE,
    INVALID_AMOUNT,
    INVOICE_EXPIRED,
    INVOICE_PAID,
    LIMIT_EXCEEDED,
    NOT_FOUND,
    PENDING,
    SUCCESS,
    UNPAID,
    Answer,
    Ask,
    Verb,
)

BASE = "/v1/"
ACCOUNTS, INVOICES, TRANSACTIONS, PAYMENT = "GET accounts", "GET invoices", "GET transactions", "post-payment"
REQUEST, RESPONSE = "post-payment-request", "post-payment-response"

# A code that is not here is said as it is: nobody lists it.
CODES: Mapping[str, str] = {
    SUCCESS: "success",
    PENDING: "pending",
    NOT_FOUND: "not-found",
    DUPLICATE: "duplicate",
    ACCOUNT_NOT_FOUND: "invalid-account",
    ACCOUNT_BLOCKED: "rejected",
    LIMIT_EXCEEDED: "rejected",
    INVALID_AMOUNT: "amount-not-allowed",
    INVOICE_PAID: "invoice-paid",
    INVOICE_EXPIRED: "invoice-expired",
    UNPAID: "unpaid",
    "ACTIVE": "active",
    "BLOCKED": "blocked",
}

NEEDS = ("our-transaction-id", "account-number", "amount", "currency")

DETAILS: Mapping[str, str] = {
    "debit-account": "debit_account",
    "debit-account-type": "debit_account_type",
    "credit-account": "credit_account",
    "credit-account-type": "credit_account_type",
    "type": "account_type",
    "invoice-number": "invoice_number",
}

_ACCOUNT: Names = (("accountNumber", "account"), ("customerName", "name"), ("balance", "balance"), ("currency", "currency"), ("status", "status"))
_INVOICE: Names = (
    ("invoiceNumber", "invoice_number"),
    ("accountNumber", "account"),
    ("customerName", "name"),
    ("amountDue", "amount"),
    ("currency", "currency"),
    ("dueDate", "due_date"),
    ("charges", "charges"),
    ("status", "status"),
)
_REFUSAL: Names = (("status", "status"), ("message", "message"))
_RECEIPT: Names = (
    ("status", "status"),
    ("transaction-id", "external_id"),
    ("external-reference", "external_reference"),
    ("our-transaction-id", "reference"),
    ("account-number", "account"),
    ("amount", "amount"),
    ("message", "message"),
    ("token", "token"),
    ("units", "units"),
    ("charges", "charges"),
)
_NOT_FOUND: Names = (("status", "status"), ("our-transaction-id", "reference"))


class Esb:
    """`paying`: what a payment is here. An invoice biller's names the invoice."""

    def __init__(self, paying: Verb) -> None:
        self.operations: Mapping[str, Verb] = {
            ACCOUNTS: Verb.LOOKUP,
            **({INVOICES: Verb.GET_INVOICE} if paying is Verb.CONFIRM_INVOICE else {}),
            PAYMENT: paying,
            TRANSACTIONS: Verb.STATUS,
        }

    def serves(self, path: str) -> bool:
        return path.startswith(BASE)

    def understand(self, request: Request, path: str, credentials: Credentials) -> Ask:
        by_header(request, credentials)
        what, _, subject = path.removeprefix(BASE).partition("/")
        if (request.method, what, subject) == ("POST", "transactions", ""):
            return self._payment(request)
        operation = f"{request.method} {what}"
        verb = self.operations.get(operation)
        if verb is None or not subject or "/" in subject:
            raise Refused(plain(404, f"There is no {request.method} {path} here."))
        if verb is Verb.STATUS:
            return Ask(verb, operation, reference=subject)
        details = {"account_type": request.query["type"]} if request.query.get("type") else {}
        return Ask(verb, operation, account=subject, amount=request.query.get("amount", ""), details=details)

    def _payment(self, request: Request) -> Ask:
        try:
            root = read(request.body)
        except Malformed as malformed:
            raise _not_understood("malformed", str(malformed)) from None
        if etree.QName(root).localname != REQUEST:
            raise _not_understood("malformed", f"The document is not a {REQUEST}.")
        fields = fields_of(root)
        verb = self.operations[PAYMENT]
        for name in (*NEEDS, "invoice-number") if verb is Verb.CONFIRM_INVOICE else NEEDS:
            if not fields.get(name):
                raise _not_understood("missing-field", f"{name} is missing.")
        if not REFERENCE.fullmatch(fields["our-transaction-id"]):
            raise _not_understood("invalid-reference", "our-transaction-id is not a reference.")
        return Ask(
            verb,
            PAYMENT,
            reference=fields["our-transaction-id"],
            account=fields["account-number"],
            amount=fields["amount"],
            currency=fields["currency"],
            details={neutral: fields[name] for name, neutral in DETAILS.items() if fields.get(name)},
        )

    def say(self, answer: Answer, fault_status: int) -> Reply:
        verb = answer.ask.verb
        if verb in (Verb.LOOKUP, Verb.GET_INVOICE):
            return _say_question(answer, fault_status)
        said = {**answer.echoing, "status": CODES.get(answer.code, answer.code), "message": answer.message or answer.said.get("message", "")}
        if "external_id" in said:
            # An ESB has a number of its own beside the biller's. Whoever keeps that one keeps the wrong one.
            said["external_reference"] = f"ESB-{said['external_id']}"
        if answer.code == NOT_FOUND:
            return xml_reply(404, _document(_NOT_FOUND, said, answer.copies))
        return xml_reply(202 if answer.code == PENDING and verb is not Verb.STATUS else 200, _document(_RECEIPT, said, answer.copies))


def _say_question(answer: Answer, fault_status: int) -> Reply:
    """Those who put 500 on a SOAP fault put 404 on this one; the others 200."""
    said = {**answer.said, "status": CODES.get(answer.code, answer.code), "message": answer.message}
    if answer.fault:
        return json_reply(200 if fault_status == 200 else 404, members(_REFUSAL, said), answer.copies)
    return json_reply(200, members(_ACCOUNT if answer.ask.verb is Verb.LOOKUP else _INVOICE, said), answer.copies)


def _document(names: Names, said: Mapping[str, str], copies: int) -> str:
    return f"<{RESPONSE}>{elements(names, said) * copies}</{RESPONSE}>"


def _not_understood(code: str, message: str) -> Refused:
    return Refused(xml_reply(400, _document(_RECEIPT, {"status": code, "message": message}, 1)))
