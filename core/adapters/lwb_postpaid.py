"""Lilongwe Water Board, postpaid: a water bill looked up by account and paid in any part."""

from core.wire.contract import Account, Exchange, Outcome, Payment, Query, Receipt
from core.wire.soap import Elements
from core.wire.soap_biller import SoapBiller

X = Elements("http://billers.mw/lwb")


class LwbPostpaid(SoapBiller):
    """SOAP 1.1, one endpoint. Of what the bank's contract says, the result codes are illustrative until it is certified."""

    code = "LWB_POSTPAID"
    title = "Lilongwe Water Board (postpaid)"
    outcomes = {
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

    def lookup(self, query: Query) -> Exchange[Account]:
        return self._call("account_details", X.GetAccountDetails(X.AccountNumber(query.account)), self._account(query))

    def pay(self, payment: Payment) -> Exchange[Receipt]:
        operation = X.PostTransaction(
            X.OurTransactionId(payment.reference),
            X.AccountNumber(payment.account),
            X.Amount(payment.amount.text),
            X.Currency(payment.amount.currency),
            X.CustomerName.given(payment.customer_name),
            # Only a COMPOSITE payment carries these: in any other topology the bank would debit a second time.
            X.DebitAccount.given(payment.debit_account),
            X.DebitAccountType.given(payment.debit_account_type),
            X.CreditAccount.given(payment.credit_account),
            X.CreditAccountType.given(payment.credit_account_type),
        )
        return self._call("payment", operation, self._receipt(payment))

    def status(self, payment: Payment) -> Exchange[Receipt]:
        return self._call("status", X.GetTransactionStatus(X.OurTransactionId(payment.reference)), self._receipt(payment, inquiry=True))

    def reverse(self, payment: Payment) -> Exchange[Receipt]:
        return self._call("reverse", X.ReverseTransaction(X.OurTransactionId(payment.reference)), self._receipt(payment))
