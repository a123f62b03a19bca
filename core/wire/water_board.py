"""The water boards: one business in two dialects. Which one a board speaks is its configuration's word, and nothing else about it changes."""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

from core.errors import Misconfigured
from core.wire.contract import Account, Exchange, Invoice, Outcome, Payment, Query, Receipt, Terms, Verb
from core.wire.esb_biller import ESB, ESB_CODES, E, EsbBiller
from core.wire.soap import Element, Elements
from core.wire.soap_biller import SOAP_CODES, SoapBiller

SOAP = "soap"


class WaterBoard(SoapBiller, EsbBiller):
    """Look-up and inquiry, which every board has. Result codes are illustrative until a bank has certified the board."""

    dialects: ClassVar[tuple[str, ...]] = (SOAP, ESB)
    outcomes = SOAP_CODES

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        if terms.dialect not in self.dialects:
            raise Misconfigured(f"{self.title} speaks {' or '.join(self.dialects)}, not {terms.dialect!r}. Correct the dialect of its configuration.")

    @property
    def listed(self) -> Mapping[str, Outcome]:
        return ESB_CODES if self.speaks_esb else self.outcomes

    @property
    def speaks_esb(self) -> bool:
        return self.terms.dialect == ESB

    @cached_property
    def x(self) -> Elements:
        return Elements(self.namespace)

    def lookup(self, query: Query) -> Exchange[Account]:
        if self.speaks_esb:
            return self._esb_lookup(query)
        return self._call("account_details", self.x.GetAccountDetails(self.x.AccountNumber(query.account)), self._account(query))

    def status(self, payment: Payment) -> Exchange[Receipt]:
        if self.speaks_esb:
            return self._esb_status(payment)
        return self._call("status", self.x.GetTransactionStatus(self.x.OurTransactionId(payment.reference)), self._receipt(payment, inquiry=True))

    def _bank_accounts(self, payment: Payment) -> tuple[Element | None, ...]:
        """Only a COMPOSITE payment carries these: in any other topology the bank would debit a second time."""
        return (
            self.x.DebitAccount.given(payment.debit_account),
            self.x.DebitAccountType.given(payment.debit_account_type),
            self.x.CreditAccount.given(payment.credit_account),
            self.x.CreditAccountType.given(payment.credit_account_type),
        )


class PostpaidBoard(WaterBoard):
    """A bill paid in any part, at once. The ESB has no way to give money back."""

    unspoken: ClassVar[Mapping[str, frozenset[Verb]]] = {ESB: frozenset({Verb.REVERSE})}

    def pay(self, payment: Payment) -> Exchange[Receipt]:
        if self.speaks_esb:
            return self._esb_pay("payment", payment)
        operation = self.x.PostTransaction(
            self.x.OurTransactionId(payment.reference),
            self.x.AccountNumber(payment.account),
            self.x.Amount(payment.amount.text),
            self.x.Currency(payment.amount.currency),
            self.x.CustomerName.given(payment.customer_name),
            *self._bank_accounts(payment),
        )
        return self._call("payment", operation, self._receipt(payment))

    def reverse(self, payment: Payment) -> Exchange[Receipt]:
        if self.speaks_esb:
            raise Misconfigured(f"{self.title} is reached over the ESB, which takes no reversals. Ask the biller to give the money back.")
        return self._call("reverse", self.x.ReverseTransaction(self.x.OurTransactionId(payment.reference)), self._receipt(payment))


class PrepaidBoard(WaterBoard):
    """Water bought before it flows: an invoice made for an amount, paid exactly, answered with a token for the meter.

    There is no reversal: a vended token cannot be taken back. A lost one is recovered by asking, as the inquiry answers it again.
    """

    invoice_asks_amount = True
    vends_tokens = True
    masked = frozenset({"Token"})

    def get_invoice(self, query: Query) -> Exchange[Invoice]:
        if self.speaks_esb:
            return self._esb_get_invoice(query)
        operation = self.x.GetInvoice(
            self.x.AccountNumber(query.account),
            self.x.Amount.given(query.amount.text if query.amount else None),
            self.x.Currency.given(query.amount.currency if query.amount else None),
        )
        return self._call("invoice", operation, self._invoice(query))

    def confirm_invoice(self, payment: Payment) -> Exchange[Receipt]:
        if self.speaks_esb:
            return self._esb_pay("confirm_invoice", payment, E.invoice_number.given(payment.invoice_number))
        operation = self.x.ConfirmInvoice(
            self.x.OurTransactionId(payment.reference),
            self.x.InvoiceNumber.given(payment.invoice_number),
            self.x.AccountNumber(payment.account),
            self.x.Amount(payment.amount.text),
            self.x.Currency(payment.amount.currency),
            self.x.CustomerName.given(payment.customer_name),
            *self._bank_accounts(payment),
        )
        return self._call("confirm_invoice", operation, self._receipt(payment))
