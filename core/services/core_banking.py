"""The bank's core banking as this deployment has it: on or off, how it is reached, and what one leg of a payment says to it."""

from datetime import timedelta

from core.banking.contract import Transfer
from core.banking.t24 import T24
from core.errors import Misconfigured
from core.models import Leg, Transaction
from core.money import Money
from core.services.policy import Promise
from core.settings import settings
from core.wire.contract import Terms

# What core banking is called where billers have their code: circuit, slots, figures.
CODE = "T24"
NAME = "Core banking"

# Quick resends of a debit that was not sent; afterwards once a minute, as for a biller.
RETRY_ATTEMPTS = 3


def is_on() -> bool:
    return bool(settings().t24_api_url)


def deadline() -> timedelta:
    return timedelta(milliseconds=settings().t24_timeout_ms)


def terms() -> Terms:
    """Raises `Misconfigured` where core banking is off."""
    chosen = settings()
    if not chosen.t24_api_url:
        raise Misconfigured("Core banking is off on this machine. An administrator sets T24_API_URL and T24_API_KEY, and starts it again.")
    return Terms(
        base_url=chosen.t24_api_url,
        endpoints=chosen.t24_endpoints,
        credentials={"api_key": chosen.t24_api_key} if chosen.t24_api_key else {},
        deadline_seconds=chosen.t24_timeout_ms / 1000,
        dialect="rest",
    )


def speaker(at: Terms | None = None) -> T24:
    """T24 under this deployment's terms. Raises `Misconfigured` where core banking is off."""
    chosen = settings()
    return T24(at or terms(), company_id=chosen.t24_company_id or None, transaction_type=chosen.t24_transaction_type)


def promise() -> Promise:
    """What the bank promises about asking core banking and sending to it."""
    chosen = settings()
    longest = chosen.t24_max_processing_seconds
    return Promise(
        can_ask=True,
        certified=chosen.t24_inquiry_certified,
        max_processing=None if longest is None else timedelta(seconds=longest),
        retry_attempts=RETRY_ATTEMPTS,
        factor=float(chosen.billers_time_factor),
    )


def transfer_of(transaction: Transaction, leg: Leg, *, back: bool = False) -> Transfer:
    """The movement between the customer's account and the biller's; `back` the other way, as a refund goes."""
    if transaction.amount is None or not transaction.debit_account or not transaction.credit_account:
        raise Misconfigured("This payment names no accounts at the bank. Tell an administrator: nothing was sent.")
    taken, given = (transaction.credit_account, transaction.debit_account) if back else (transaction.debit_account, transaction.credit_account)
    return Transfer(
        reference=leg.reference,
        debit_account=taken,
        credit_account=given,
        amount=Money(transaction.amount, transaction.currency),
        credit_reference=transaction.our_transaction_id,
        details=(transaction.biller_name[:35], transaction.account_number[:35]),
    )
