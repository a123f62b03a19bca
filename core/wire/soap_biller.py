"""What billers that speak SOAP have in common: how a call is dressed, and when an answer may be believed."""

import base64
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import ClassVar, TypeVar

from core.errors import BillersError
from core.money import Money
from core.wire.contract import Account, Biller, Exchange, Outcome, Payment, Query, Receipt, Reply, Request
from core.wire.soap import Element, Unreadable, body_of, envelope, fault_of, text

T = TypeVar("T")

DEFAULT_PATH = "/soap"

# What a Status element may settle, by HTTP status. On 202 the biller itself says it is not done; on 500 and 404 only a Fault means anything.
BELIEVED: Mapping[int, frozenset[Outcome]] = {
    200: frozenset({Outcome.CONFIRMED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NOT_FOUND}),
    202: frozenset({Outcome.ACCEPTED}),
}

# A Fault can refuse; a Fault that says "success" contradicts itself.
BELIEVED_OF_FAULT = frozenset({Outcome.REJECTED, Outcome.NOT_FOUND})
FAULT_STATUSES = frozenset({200, 500})

# What a look-up's Status says of the account itself; result codes are understood there too.
ACCOUNT_STATES: Mapping[str, Outcome] = {"ACTIVE": Outcome.CONFIRMED, "BLOCKED": Outcome.REJECTED, "CLOSED": Outcome.REJECTED}


class SoapBiller(Biller):
    """SOAP 1.1 with Basic authentication. Subclasses say the operations; `_receipt` and `_account` make their readers."""

    namespace: ClassVar[str]

    def _call(self, endpoint: str, operation: Element, read: Callable[[Reply], T]) -> Exchange[T]:
        path = self.terms.endpoints.get(endpoint, DEFAULT_PATH)
        name = operation.tag.rpartition("}")[2] if isinstance(operation.tag, str) else ""
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{name}"', **self._authorization()}
        return Exchange(Request("POST", path, headers, envelope(operation)), read)

    def _authorization(self) -> Mapping[str, str]:
        credentials = self.terms.credentials
        if "username" not in credentials:
            return {}
        pair = f"{credentials['username']}:{credentials.get('password', '')}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}

    def _receipt(self, payment: Payment, *, inquiry: bool = False) -> Callable[[Reply], Receipt]:
        """The reader of an answer about this payment. Only an inquiry can answer NOT_FOUND."""

        def read(reply: Reply) -> Receipt:
            try:
                return self._read_receipt(reply, payment, inquiry=inquiry)
            except Unreadable as error:
                return Receipt(Outcome.UNKNOWN, message=error.sentence)

        return read

    def _account(self, query: Query) -> Callable[[Reply], Account]:
        """The reader of a look-up's answer."""

        def read(reply: Reply) -> Account:
            try:
                return self._read_account(reply, query)
            except BillersError as error:  # Unreadable, or a balance that is no money
                return Account(Outcome.UNKNOWN, message=error.sentence)

        return read

    def _read_receipt(self, reply: Reply, payment: Payment, *, inquiry: bool) -> Receipt:
        answer = _answer_in(reply)
        fault = fault_of(answer)
        if fault is not None:
            return Receipt(self._of_fault(reply, fault.code, inquiry=inquiry), code=fault.code or None, message=fault.text)
        code, message = text(answer, "Status"), text(answer, "Message")
        mismatch = _mismatch(answer, payment)
        if mismatch is not None:
            return Receipt(Outcome.UNKNOWN, code=code, message=message, mismatch=mismatch)
        outcome = self._believed(code or "", BELIEVED.get(reply.status, frozenset()), inquiry=inquiry)
        return Receipt(outcome, code=code, message=message, external_id=text(answer, "TransactionId"))

    def _read_account(self, reply: Reply, query: Query) -> Account:
        answer = _answer_in(reply)
        fault = fault_of(answer)
        if fault is not None:
            return Account(self._of_fault(reply, fault.code), number=query.account, code=fault.code or None, message=fault.text)
        number, state, message = text(answer, "AccountNumber"), text(answer, "Status"), text(answer, "Message")
        if number != query.account:
            return Account(Outcome.UNKNOWN, code=state, message=message, mismatch="account")
        balance, currency = text(answer, "Balance"), text(answer, "Currency")
        outcome = ACCOUNT_STATES.get(state or "") or self._believed(state or "", frozenset({Outcome.CONFIRMED, Outcome.REJECTED}))
        return Account(
            outcome if reply.status == 200 else Outcome.UNKNOWN,
            number=number,
            name=text(answer, "CustomerName"),
            balance=None if balance is None else Money.from_text(balance, currency or self.terms.currency),
            state=state,
            code=state,
            message=message,
        )

    def _of_fault(self, reply: Reply, code: str, *, inquiry: bool = False) -> Outcome:
        return self._believed(code, BELIEVED_OF_FAULT if reply.status in FAULT_STATUSES else frozenset(), inquiry=inquiry)

    def _believed(self, code: str, allowed: frozenset[Outcome], *, inquiry: bool = False) -> Outcome:
        outcome = self.outcome_of(code)
        if outcome is Outcome.NOT_FOUND and not inquiry:
            return Outcome.UNKNOWN
        return outcome if outcome in allowed else Outcome.UNKNOWN


def _answer_in(reply: Reply) -> Element:
    return body_of(reply.body, reply.headers.get("content-type", ""))


def _mismatch(answer: Element, payment: Payment) -> str | None:
    """The first echoed field that is not ours. Our reference must come back; account, amount and currency must be ours where they do."""
    account, amount, currency = text(answer, "AccountNumber"), text(answer, "Amount"), text(answer, "Currency")
    if text(answer, "OurTransactionId") != payment.reference:
        return "reference"
    if account is not None and account != payment.account:
        return "account"
    if amount is not None and not _same(amount, payment.amount):
        return "amount"
    return "currency" if currency is not None and currency != payment.amount.currency else None


def _same(said: str, asked: Money) -> bool:
    """`5475.5` is 5475.50; what is no plain number is not."""
    try:
        return said.isascii() and Decimal(said) == asked.amount
    except InvalidOperation:
        return False
