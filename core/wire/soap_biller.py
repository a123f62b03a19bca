"""What billers that speak SOAP have in common: how a call is dressed, and when an answer may be believed."""

from collections.abc import Callable, Collection, Mapping
from typing import ClassVar, TypeVar

from core.money import Money
from core.wire.belief import (
    ACCOUNT_STATES,
    BELIEVED,
    BELIEVED_OF_QUESTION,
    BELIEVED_OF_REFUSAL,
    INVOICE_STATES,
    Echo,
    believed,
    checked_invoice,
    day,
    mismatch,
    safely,
    vended,
)
from core.wire.contract import Account, Biller, Exchange, Invoice, Outcome, Payment, Query, Receipt, Reply, Request
from core.wire.credentials import basic
from core.wire.soap import Element, body_of, envelope, fault_of, text

T = TypeVar("T")

SOAP_CODES: Mapping[str, Outcome] = {
    "SUCCESS": Outcome.CONFIRMED,
    "COMPLETED": Outcome.CONFIRMED,
    "PENDING": Outcome.ACCEPTED,
    "QUEUED": Outcome.ACCEPTED,
    "ACCOUNT_NOT_FOUND": Outcome.REJECTED,
    "ACCOUNT_BLOCKED": Outcome.REJECTED,
    "INVALID_AMOUNT": Outcome.REJECTED,
    "INVOICE_PAID": Outcome.REJECTED,
    "INVOICE_EXPIRED": Outcome.REJECTED,
    "LIMIT_EXCEEDED": Outcome.REJECTED,
    "NOT_FOUND": Outcome.NOT_FOUND,  # Believed of an inquiry only.
}  # anything else reads as Outcome.UNKNOWN: ask, never resend. DUPLICATE too: it proves an attempt, not its end.

# A Fault can refuse; a Fault that says "success" contradicts itself. On 500 and 404 a Status element means nothing.
BELIEVED_OF_FAULT = frozenset({Outcome.REJECTED, Outcome.NOT_FOUND})
FAULT_STATUSES = frozenset({200, 500})


class SoapBiller(Biller):
    """SOAP 1.1 with Basic authentication. Subclasses say the operations; `_receipt`, `_account` and `_invoice` make their readers."""

    namespace: ClassVar[str]
    default_path: ClassVar[str] = "/soap"

    def _call(self, endpoint: str, operation: Element, read: Callable[[Reply], T]) -> Exchange[T]:
        path = self.terms.endpoints.get(endpoint, self.default_path)
        name = operation.tag.rpartition("}")[2] if isinstance(operation.tag, str) else ""
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{name}"', **self._authorization()}
        return Exchange(Request("POST", path, headers, envelope(operation)), read)

    def _authorization(self) -> Mapping[str, str]:
        return basic(self.terms.credentials)

    def _receipt(self, payment: Payment, *, inquiry: bool = False) -> Callable[[Reply], Receipt]:
        """The reader of an answer about this payment. Only an inquiry can answer NOT_FOUND."""
        return safely(lambda reply: self._read_receipt(reply, payment, inquiry=inquiry), Receipt)

    def _account(self, query: Query) -> Callable[[Reply], Account]:
        """The reader of a look-up's answer."""
        return safely(lambda reply: self._read_account(reply, query), Account)

    def _invoice(self, query: Query) -> Callable[[Reply], Invoice]:
        """The reader of the invoice that was asked for."""
        return safely(lambda reply: self._read_invoice(reply, query), Invoice)

    def _read_receipt(self, reply: Reply, payment: Payment, *, inquiry: bool) -> Receipt:
        answer = answer_in(reply)
        fault = fault_of(answer)
        if fault is not None:
            return Receipt(self._of_fault(reply, fault.code, inquiry=inquiry), code=fault.code or None, message=fault.text)
        code, message = text(answer, "Status"), text(answer, "Message")
        wrong = mismatch(_echo(answer), payment)
        if wrong is not None:
            return Receipt(Outcome.UNKNOWN, code=code, message=message, mismatch=wrong)
        outcome = believed(self, code, BELIEVED.get(reply.status, ()), inquiry=inquiry)
        receipt = Receipt(outcome, code=code, message=message, external_id=text(answer, "TransactionId"))
        return vended(receipt, payment, text(answer, "Token"), text(answer, "Units"), text(answer, "Charges")) if self.vends_tokens else receipt

    def _read_account(self, reply: Reply, query: Query) -> Account:
        answer = answer_in(reply)
        fault = fault_of(answer)
        if fault is not None:
            return Account(self._of_fault(reply, fault.code), number=query.account, code=fault.code or None, message=fault.text)
        number, state, message = text(answer, "AccountNumber"), text(answer, "Status"), text(answer, "Message")
        if number != query.account:
            return Account(Outcome.UNKNOWN, code=state, message=message, mismatch="account")
        balance, currency = text(answer, "Balance"), text(answer, "Currency")
        return Account(
            self._of_question(reply, state, ACCOUNT_STATES, BELIEVED_OF_QUESTION),
            number=number,
            name=text(answer, "CustomerName"),
            balance=None if balance is None else Money.from_text(balance, currency or self.terms.currency),
            state=state,
            code=state,
            message=message,
        )

    def _read_invoice(self, reply: Reply, query: Query) -> Invoice:
        answer = answer_in(reply)
        fault = fault_of(answer)
        if fault is not None:
            return Invoice(self._of_fault(reply, fault.code), account=query.account, code=fault.code or None, message=fault.text)
        state, currency = text(answer, "Status"), text(answer, "Currency") or self.terms.currency
        due, charges = text(answer, "AmountDue"), text(answer, "Charges")
        said = Invoice(
            self._of_question(reply, state, INVOICE_STATES, BELIEVED_OF_REFUSAL),
            number=text(answer, "InvoiceNumber") or "",
            account=text(answer, "AccountNumber") or "",
            name=text(answer, "CustomerName"),
            due=None if due is None else Money.from_text(due, currency),
            due_date=day(text(answer, "DueDate")),
            charges=None if charges is None else Money.from_text(charges, currency),
            state=state,
            code=state,
            message=text(answer, "Message"),
        )
        return checked_invoice(said, query, self.terms.currency)

    def _of_question(self, reply: Reply, state: str | None, own: Mapping[str, Outcome], listed: Collection[Outcome]) -> Outcome:
        outcome = own.get(state or "") or believed(self, state, listed)
        return outcome if reply.status == 200 else Outcome.UNKNOWN

    def _of_fault(self, reply: Reply, code: str, *, inquiry: bool = False) -> Outcome:
        return believed(self, code, BELIEVED_OF_FAULT if reply.status in FAULT_STATUSES else (), inquiry=inquiry)


def answer_in(reply: Reply) -> Element:
    return body_of(reply.body, reply.headers.get("content-type", ""))


def _echo(answer: Element) -> Echo:
    return Echo(
        reference=text(answer, "OurTransactionId"),
        account=text(answer, "AccountNumber"),
        amount=text(answer, "Amount"),
        currency=text(answer, "Currency"),
        invoice_number=text(answer, "InvoiceNumber"),
    )
