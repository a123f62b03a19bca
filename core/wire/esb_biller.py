"""What billers behind the bank's ESB have in common: looked up in JSON, paid and asked in bare XML documents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from lxml import etree

from core.wire.belief import Echo, believed, mismatch, safely, vended
from core.wire.contract import Account, Exchange, Invoice, Outcome, Payment, Query, Receipt, Reply, Request
from core.wire.credentials import signed
from core.wire.letters import Unreadable
from core.wire.rest_biller import RestBiller
from core.wire.soap import Element, Tag, document, parse, text

ESB = "esb"

ESB_CODES: Mapping[str, Outcome] = {
    "success": Outcome.CONFIRMED,
    "completed": Outcome.CONFIRMED,
    "pending": Outcome.ACCEPTED,
    "received": Outcome.ACCEPTED,
    "rejected": Outcome.REJECTED,
    "invalid-account": Outcome.REJECTED,
    "invoice-paid": Outcome.REJECTED,
    "invoice-expired": Outcome.REJECTED,
    "amount-not-allowed": Outcome.REJECTED,
    "not-found": Outcome.NOT_FOUND,  # Believed of an inquiry only, and there on a 404 only.
}  # anything else reads as Outcome.UNKNOWN: ask, never resend.

# A 404 is the inquiry's "never seen it", if its body is the ESB's own and names our reference; a gateway's 404 has neither.
ESB_BELIEVED: Mapping[int, frozenset[Outcome]] = {
    200: frozenset({Outcome.CONFIRMED, Outcome.ACCEPTED, Outcome.REJECTED}),
    202: frozenset({Outcome.ACCEPTED}),
    404: frozenset({Outcome.NOT_FOUND}),
}


@dataclass(frozen=True, slots=True)
class Hyphenated:
    """`E.account_number("123")` is `<account-number>123</account-number>`, in no namespace."""

    def __getattr__(self, name: str) -> Tag:
        return Tag("", name.replace("_", "-"))


E = Hyphenated()


class EsbBiller(RestBiller):
    """REST look-up, XML payment. Subclasses choose from `_esb_*`, one for each verb."""

    outcomes = ESB_CODES
    dialects: ClassVar[tuple[str, ...]] = (ESB,)

    def _esb_lookup(self, query: Query) -> Exchange[Account]:
        return self._get(
            "account_details",
            "/v1/accounts/{account}",
            self._told_account(query),
            account=query.account,
            query=[("type", query.account_type)],
            headers=self._esb_headers(),
        )

    def _esb_get_invoice(self, query: Query) -> Exchange[Invoice]:
        return self._get(
            "invoice",
            "/v1/invoices/{account}",
            self._told_invoice(query),
            account=query.account,
            query=[("amount", query.amount.text if query.amount else None)],
            headers=self._esb_headers(),
        )

    def _esb_pay(self, endpoint: str, payment: Payment, *more: Element | None) -> Exchange[Receipt]:
        """The payment, with what this biller wants to be told beside it."""
        request = E.post_payment_request(
            E.our_transaction_id(payment.reference),
            E.account_number(payment.account),
            E.amount(payment.amount.text),
            E.currency(payment.amount.currency),
            # Only a COMPOSITE payment carries these: the ESB then debits and pays in this one call.
            E.credit_account.given(payment.credit_account),
            E.credit_account_type.given(payment.credit_account_type),
            E.debit_account.given(payment.debit_account),
            E.debit_account_type.given(payment.debit_account_type),
            E.customer_account_name.given(payment.customer_name),
            *more,
        )
        path = self.terms.endpoints.get(endpoint, "/v1/transactions")
        headers = {"Content-Type": "text/xml; charset=utf-8", **self._esb_headers()}
        return Exchange(Request("POST", path, headers, document(request)), self._esb_receipt(payment))

    def _esb_status(self, payment: Payment) -> Exchange[Receipt]:
        read = self._esb_receipt(payment, inquiry=True)
        return self._get("status", "/v1/transactions/{reference}", read, reference=payment.reference, headers=self._esb_headers())

    def _esb_headers(self) -> Mapping[str, str]:
        return signed(self.terms.credentials)

    def _esb_receipt(self, payment: Payment, *, inquiry: bool = False) -> Callable[[Reply], Receipt]:
        """The reader of an answer about this payment. Only an inquiry can answer NOT_FOUND."""
        return safely(lambda reply: self._esb_receipt_in(reply, payment, inquiry=inquiry), Receipt)

    def _esb_receipt_in(self, reply: Reply, payment: Payment, *, inquiry: bool) -> Receipt:
        answer = payment_response(reply)
        code, message = text(answer, "status"), text(answer, "message")
        wrong = mismatch(_echo(answer), payment)
        if wrong is not None:
            return Receipt(Outcome.UNKNOWN, code=code, message=message, mismatch=wrong)
        outcome = believed(self, code, ESB_BELIEVED.get(reply.status, ()), inquiry=inquiry)
        receipt = Receipt(outcome, code=code, message=message, external_id=text(answer, "transaction-id") or text(answer, "external-reference"))
        return vended(receipt, payment, text(answer, "token"), text(answer, "units"), text(answer, "charges")) if self.vends_tokens else receipt


def payment_response(reply: Reply) -> Element:
    """The one document an ESB answers a payment with. Raises `Unreadable` for any other, an envelope around it included."""
    root = parse(reply.body, reply.headers.get("content-type", ""))
    name = etree.QName(root).localname
    if name != "post-payment-response":
        raise Unreadable(f"The answer is a <{name}> and no <post-payment-response>.")
    return root


def _echo(answer: Element) -> Echo:
    return Echo(
        reference=text(answer, "our-transaction-id"),
        account=text(answer, "account-number"),
        amount=text(answer, "amount"),
        currency=text(answer, "currency"),
        invoice_number=text(answer, "invoice-number"),
    )
