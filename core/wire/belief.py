"""When an answer may be believed. Dialects differ in how a thing is said; what must be true before it counts is the same in all."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TypeVar

from core.errors import BadInput, BillersError
from core.money import Money
from core.wire.contract import LONGEST_WORD, Biller, Invoice, Outcome, Payment, Query, Receipt, Reply
from core.wire.letters import Unreadable

T = TypeVar("T")

# What a payment's status may settle, by HTTP status. On 202 the biller itself says it is not done.
BELIEVED: Mapping[int, frozenset[Outcome]] = {
    200: frozenset({Outcome.CONFIRMED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NOT_FOUND}),
    202: frozenset({Outcome.ACCEPTED}),
}
# A question is answered or refused; "later" is no answer to it.
BELIEVED_OF_QUESTION = frozenset({Outcome.CONFIRMED, Outcome.REJECTED})
BELIEVED_OF_REFUSAL = frozenset({Outcome.REJECTED})

# What a look-up's status says of the account itself; result codes are understood there too.
ACCOUNT_STATES: Mapping[str, Outcome] = {"ACTIVE": Outcome.CONFIRMED, "BLOCKED": Outcome.REJECTED, "CLOSED": Outcome.REJECTED}
# What an invoice's status says of the invoice. Only this one says that there is something to pay: a bare SUCCESS says that we were heard.
INVOICE_STATES: Mapping[str, Outcome] = {"UNPAID": Outcome.CONFIRMED}

# STS (IEC 62055-41): 20 digits that carry 66 bits; on paper, and by some services, in groups of four.
_TOKEN = re.compile(r"[0-9]{20}|[0-9]{4}([ -][0-9]{4}){4}", re.ASCII)
_TOKEN_IN_WORDS = re.compile(r"(?<![0-9])[0-9]{4}(?:[ -]?[0-9]{4}){4}(?![0-9])", re.ASCII)
UNVENDED = "The biller has the money, and its answer held no token of 20 digits. Ask the biller for the token."

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Echo:
    """What an answer says back of the payment it is about; None where it says nothing."""

    reference: str | None
    account: str | None = None
    amount: str | None = None
    currency: str | None = None
    invoice_number: str | None = None


def safely(read: Callable[[Reply], T], unknown: Callable[..., T]) -> Callable[[Reply], T]:
    """The reader that never raises: what cannot be read, a sum that is no money included, is UNKNOWN."""

    def reading(reply: Reply) -> T:
        try:
            return read(reply)
        except BillersError as error:
            return unknown(Outcome.UNKNOWN, message=error.sentence)

    return reading


def believed(biller: Biller, code: str | None, allowed: Collection[Outcome], *, inquiry: bool = False) -> Outcome:
    """What the code is listed as, if that may be said here. Only an inquiry can be answered with NOT_FOUND."""
    outcome = biller.outcome_of(code or "")
    if outcome is Outcome.NOT_FOUND and not inquiry:
        return Outcome.UNKNOWN
    return outcome if outcome in allowed else Outcome.UNKNOWN


def mismatch(said: Echo, payment: Payment) -> str | None:
    """The first echoed field that is not ours. Our reference must come back; the others must be ours where they do."""
    if said.reference != payment.reference:
        return "reference"
    if said.account is not None and said.account != payment.account:
        return "account"
    if said.amount is not None and not _same(said.amount, payment.amount):
        return "amount"
    if said.currency is not None and said.currency != payment.amount.currency:
        return "currency"
    return "invoice number" if said.invoice_number is not None and payment.invoice_number not in (None, said.invoice_number) else None


def checked_invoice(said: Invoice, query: Query, home_currency: str) -> Invoice:
    """The invoice, if it is the one asked for and can be paid. A refusal need not repeat the account."""
    if said.outcome is not Outcome.CONFIRMED and not said.account:
        return replace(said, account=query.account)
    wrong = _not_asked_for(said, query, home_currency)
    if wrong is not None:
        return Invoice(Outcome.UNKNOWN, code=said.code, message=said.message, mismatch=wrong)
    if said.outcome is Outcome.CONFIRMED and (not said.number or said.due is None or said.due.amount <= 0):
        raise Unreadable("The invoice has no number, or no amount to pay.")
    if len(said.number) > LONGEST_WORD:
        raise Unreadable(f"The invoice's number has {len(said.number):,} letters: it is none.")
    return said


def _not_asked_for(said: Invoice, query: Query, home_currency: str) -> str | None:
    if said.account != query.account:
        return "account"
    if said.due is None or said.outcome is not Outcome.CONFIRMED:
        return None
    if said.due.currency != (query.amount.currency if query.amount else home_currency):
        return "currency"
    # Made for an amount, it is due in that amount: the biller's charges are part of it.
    return "amount" if query.amount and said.due != query.amount else None


def vended(receipt: Receipt, payment: Payment, token: str | None, units: str | None, charges: str | None) -> Receipt:
    """The receipt with the token that was sold.

    A token that is none leaves the payment CONFIRMED: the money moved, and calling that in doubt would have people pay again. The message says what
    is missing, and asking again may still bring it. The biller's own message must not carry the token past its seal.
    """
    message = _TOKEN_IN_WORDS.sub("***", receipt.message) if receipt.message else receipt.message
    if receipt.outcome is not Outcome.CONFIRMED:
        return replace(receipt, message=message)
    found = token_in(token)
    if found is None:
        message = f"{message} {UNVENDED}" if message else UNVENDED
    return replace(receipt, message=message, token=found, units=_plain(units), charges=_charges(charges, payment.amount.currency))


def token_in(said: str | None) -> str | None:
    """Twenty digits worth less than 2^66; None for anything else."""
    if said is None or not _TOKEN.fullmatch(said):
        return None
    digits = said.replace(" ", "").replace("-", "")
    return digits if int(digits) < 2**66 else None


def day(said: str | None) -> date | None:
    """`2026-12-31`; raises `Unreadable` for any other way to write a day."""
    if said is None:
        return None
    try:
        return date.fromisoformat(_DATE.fullmatch(said)[0])  # type: ignore[index]
    except (TypeError, ValueError) as error:
        raise Unreadable(f"{said[:40]!r} is not a day.") from error


def _same(said: str, asked: Money) -> bool:
    """`5475.5` is 5475.50; what is no plain number is not."""
    try:
        return said.isascii() and Decimal(said) == asked.amount
    except ArithmeticError:
        return False


# What comes with a token is told where it can be read: it decides nothing.


def _plain(said: str | None) -> str | None:
    return said if said and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", said, re.ASCII) else None


def _charges(said: str | None, currency: str) -> Money | None:
    try:
        return None if said is None else Money.from_text(said, currency)
    except BadInput:
        return None
