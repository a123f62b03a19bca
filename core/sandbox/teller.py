"""What a biller does when it is asked: pays, accepts, refuses, de-duplicates, reverses, and tells what it knows. It has no socket, and the book remembers."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from core.sandbox.accounts import Customers
from core.sandbox.behaviours import BEHAVIOURS, NOT_THERE, Behaviour, Refusal
from core.sandbox.book import Book, Payment
from core.sandbox.delivery import Pace
from core.sandbox.words import DUPLICATE, INVALID_AMOUNT, NOT_FINAL, NOT_FOUND, PENDING, REVERSED, SUCCESS, Acts, Answer, Ask, Verb

Deduplicates = Literal["no", "answers_duplicate", "answers_original"]

_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,2})?")

BAD_AMOUNT = Refusal(INVALID_AMOUNT, "The amount is not a positive amount with at most two decimals, in the account's currency.", as_fault=False)


@dataclass(slots=True)
class Settings:
    """How one biller is run, set on the control port and forgotten at restart.

    deduplicates         no: the same reference acts again. That is the harshest, so it is the default.
    inquiry_lag_seconds  an effect younger than this is NOT_FOUND; one that was announced as PENDING is known at once.
    inquiry_lies         every inquiry is NOT_FOUND.
    down                 connections are closed without a reply.
    fault_status         the HTTP status that faults come with. Real services use both 500 and 200.
    """

    deduplicates: Deduplicates = "no"
    inquiry_lag_seconds: float = 0
    inquiry_lies: bool = False
    down: bool = False
    fault_status: int = 500


class Teller:
    def __init__(self, customers: Customers, book: Book, settings: Settings, pace: Pace) -> None:
        self._customers = customers
        self._book = book
        self._settings = settings
        self._pace = pace

    def behaviour(self, ask: Ask) -> tuple[str, Behaviour] | None:
        """The behaviour that the asked account was given, by name. None for verbs that name no account, and for numbers nobody knows."""
        account = self._customers.find(ask.account) if ask.account else None
        return (account.behaviour, BEHAVIOURS[account.behaviour]) if account else None

    def answer(self, ask: Ask, acts: Acts) -> Answer:
        match ask.verb:
            case Verb.LOOKUP:
                return self._look_up(ask)
            case Verb.PAY:
                return self._pay(ask, acts)
            case Verb.STATUS:
                return self._tell(ask)
            case Verb.REVERSE:
                return self._reverse(ask)

    def _look_up(self, ask: Ask) -> Answer:
        account = self._customers.find(ask.account)
        if account is None or not BEHAVIOURS[account.behaviour].exists:
            return Answer(ask).as_fault(NOT_THERE.code, NOT_THERE.message)
        status = BEHAVIOURS[account.behaviour].status
        said = {"account": account.number, "name": account.name, "balance": f"{account.balance:.2f}", "currency": account.currency, "status": status}
        return Answer(ask, said)

    def _pay(self, ask: Ask, acts: Acts) -> Answer:
        earlier = self._earlier(ask)
        if earlier is not None:
            return earlier
        account = self._customers.find(ask.account)
        if account is None:
            return self._refuse(ask, NOT_THERE)
        refusal = BEHAVIOURS[account.behaviour].refuses
        if refusal is not None:
            return self._refuse(ask, refusal)
        amount = Decimal(ask.amount) if _AMOUNT.fullmatch(ask.amount) else Decimal(0)
        if amount <= 0 or ask.currency != account.currency:
            return self._refuse(ask, BAD_AMOUNT)
        if acts is Acts.AT_ONCE:
            return _receipt(ask, self._book.pay(ask, amount), SUCCESS, "Paid.")
        asks = None if acts is Acts.ACCEPTS_FOREVER else self._pace.asks_until_done
        return _receipt(ask, self._book.accept(ask, amount, asks), PENDING, "Accepted.")

    def _earlier(self, ask: Ask) -> Answer | None:
        """What a biller that de-duplicates says to a reference that it has already acted on."""
        if self._settings.deduplicates == "no":
            return None
        known = self._known(ask)
        if known is not None and self._settings.deduplicates == "answers_duplicate":
            return known.as_fault(DUPLICATE, "The reference was used before.")
        return known

    def _refuse(self, ask: Ask, refusal: Refusal) -> Answer:
        if refusal.remembered:
            self._book.reject(ask, refusal.code)
        if refusal.as_fault:
            return Answer(ask).as_fault(refusal.code, refusal.message)
        said = {"status": refusal.code, "reference": ask.reference, "account": ask.account, "amount": ask.amount, "message": refusal.message}
        return Answer(ask, said)

    def _tell(self, ask: Ask) -> Answer:
        nothing = Answer(ask).as_fault(NOT_FOUND, "There is no transaction of this reference.")
        if self._settings.inquiry_lies:
            return nothing
        known = self._known(ask)
        if known is None:
            rejected = self._book.rejected.get(ask.reference)
            if rejected is None:
                return nothing
            said = {"status": rejected.code, "reference": rejected.reference, "account": rejected.account, "amount": rejected.amount, "message": "Refused."}
            return Answer(ask, said)
        paid = self._book.paid.get(ask.reference)
        if paid is None:
            self._book.ask_about(ask.reference)
        elif not paid.announced and self._book.seconds_since(paid) < self._settings.inquiry_lag_seconds:
            return nothing
        return known

    def _known(self, ask: Ask) -> Answer | None:
        """What became of a reference that money moved for, or will."""
        if ask.reference in self._book.reversed:
            return _receipt(ask, self._book.paid[ask.reference], REVERSED, "Given back.")
        if ask.reference in self._book.paid:
            return _receipt(ask, self._book.paid[ask.reference], SUCCESS, "Paid.")
        if ask.reference in self._book.accepted:
            return _receipt(ask, self._book.accepted[ask.reference][0].payment, PENDING, "Accepted.")
        return None

    def _reverse(self, ask: Ask) -> Answer:
        paid = self._book.paid.get(ask.reference)
        if paid is None and ask.reference in self._book.accepted:
            return Answer(ask).as_fault(NOT_FINAL, "The transaction is not final yet.")
        if paid is None:
            return Answer(ask).as_fault(NOT_FOUND, "There is no transaction of this reference.")
        reversal = self._book.reversed.get(ask.reference) or self._book.reverse(paid)
        return _receipt(ask, reversal, SUCCESS, "Given back.")


def _receipt(ask: Ask, payment: Payment, status: str, message: str) -> Answer:
    said = {
        "status": status,
        "external_id": payment.external_id,
        "reference": payment.reference,
        "account": payment.account,
        "amount": f"{payment.amount:.2f}",
        "message": message,
    }
    return Answer(ask, said)
