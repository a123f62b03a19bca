"""The table of account behaviours: what a look-up and a payment of such an account meet. Whatever a row leaves out is served faithfully."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.sandbox.words import (
    ACCOUNT_BLOCKED,
    ACCOUNT_NOT_FOUND,
    EXCLUSIVE_BUNDLE,
    INVALID_AMOUNT,
    INVOICE_EXPIRED,
    INVOICE_PAID,
    LIMIT_EXCEEDED,
    UNLISTED,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A payment refused. A remembered one is told again when somebody asks by reference."""

    code: str
    message: str
    as_fault: bool = True
    remembered: bool = True


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`paying` and `looking_up` name rows of faults.FAULTS; to ask for an invoice is to look up.

    `refuses` is said to payments, `refuses_invoice` to whoever asks for one. An account that does not exist is refused in everything.
    """

    paying: str | None = None
    looking_up: str | None = None
    refuses: Refusal | None = None
    refuses_invoice: Refusal | None = None
    status: str = "ACTIVE"
    exists: bool = True


NOT_THERE = Refusal(ACCOUNT_NOT_FOUND, "There is no such account.")
BLOCKED = Refusal(ACCOUNT_BLOCKED, "The account is blocked.")
PAID_ALREADY = Refusal(INVOICE_PAID, "The invoice is paid already.")
EXPIRED = Refusal(INVOICE_EXPIRED, "There is no such invoice, or it has expired.")

BEHAVIOURS: Mapping[str, Behaviour] = {
    "pays": Behaviour(),
    "unknown_account": Behaviour(refuses=NOT_THERE, refuses_invoice=NOT_THERE, exists=False),
    "blocked": Behaviour(refuses=BLOCKED, refuses_invoice=BLOCKED, status="BLOCKED"),
    "barred": Behaviour(refuses=BLOCKED, status="BARRED"),
    "slow": Behaviour(paying="slow"),
    "hangs": Behaviour(paying="hang_without_acting"),
    "lookup_hangs": Behaviour(looking_up="hang_without_acting"),
    "acts_then_hangs": Behaviour(paying="act_then_hang"),
    "acts_then_500": Behaviour(paying="act_then_500"),
    "errors_without_acting": Behaviour(paying="500_without_acting"),
    "accepted_then_done": Behaviour(paying="accepted_then_done"),
    "accepted_forever": Behaviour(paying="accepted_forever"),
    # As if something between us delivered the message twice: the money moved, and this is the answer to the second copy.
    "duplicate_reference": Behaviour(paying="act_then_duplicate"),
    "fault_known": Behaviour(refuses=Refusal(LIMIT_EXCEEDED, "The amount is above this account's limit.")),
    "fault_unknown": Behaviour(refuses=Refusal(UNLISTED, "Something went wrong.", remembered=False)),
    "html_page": Behaviour(paying="html_page_200"),
    "truncated": Behaviour(paying="short_body"),
    "wrong_echo": Behaviour(paying="wrong_reference"),
    "rejected": Behaviour(refuses=Refusal(INVALID_AMOUNT, "The amount is not payable.", as_fault=False)),
    "invoice_paid": Behaviour(refuses=PAID_ALREADY, refuses_invoice=PAID_ALREADY),
    "invoice_expired": Behaviour(refuses=EXPIRED, refuses_invoice=EXPIRED),
    # Between the invoice and its payment somebody else paid it.
    "paid_meanwhile": Behaviour(refuses=PAID_ALREADY),
    "exclusive_bundle": Behaviour(refuses=Refusal(EXCLUSIVE_BUNDLE, "A bundle that excludes others is active.", as_fault=False)),
}
