"""Department of the Registrar General: a fee for a registration, told as an invoice and paid exactly."""

from dataclasses import replace

from core.wire.contract import Account, Exchange, Invoice, Payment, Query, Receipt
from core.wire.esb_biller import E, EsbBiller


class RegisterGeneral(EsbBiller):
    """Behind the bank's ESB. What is owed follows from what was applied for: nobody chooses the amount."""

    code = "REGISTER_GENERAL"
    title = "Department of the Registrar General"

    def lookup(self, query: Query) -> Exchange[Account]:
        return self._esb_lookup(query)

    def get_invoice(self, query: Query) -> Exchange[Invoice]:
        return self._esb_get_invoice(query)

    def confirm_invoice(self, payment: Payment) -> Exchange[Receipt]:
        # A fee goes to the government's account, which the ESB knows by itself: no request names one to be credited.
        uncredited = replace(payment, credit_account=None, credit_account_type=None)
        return self._esb_pay("confirm_invoice", uncredited, E.invoice_number.given(payment.invoice_number))

    def status(self, payment: Payment) -> Exchange[Receipt]:
        return self._esb_status(payment)
