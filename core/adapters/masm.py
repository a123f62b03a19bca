"""Medical Aid Society of Malawi: health cover, looked up by account and its kind, and paid in any part."""

from core.wire.contract import Account, Exchange, Payment, Query, Receipt
from core.wire.esb_biller import E, EsbBiller


class Masm(EsbBiller):
    """Behind the bank's ESB. The kinds of accounts (M, MEMBER, GROUP) are data of the configuration: whatever it names is sent as it is."""

    code = "MASM"
    title = "Medical Aid Society of Malawi"

    def lookup(self, query: Query) -> Exchange[Account]:
        return self._esb_lookup(query)

    def pay(self, payment: Payment) -> Exchange[Receipt]:
        # The same digits may be a member and a group: without its kind an account is not known.
        return self._esb_pay("payment", payment, E.type.given(payment.account_type))

    def status(self, payment: Payment) -> Exchange[Receipt]:
        return self._esb_status(payment)
