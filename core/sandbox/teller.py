"""What a biller does when it is asked: pays, accepts, refuses, de-duplicates, reverses, invoices, and tells what it knows. The book remembers."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from core.sandbox.accounts import Account, Customers
from core.sandbox.behaviours import BEHAVIOURS, EXPIRED, NOT_THERE, PAID_ALREADY, Behaviour, Refusal
from core.sandbox.book import Book, Invoice, Payment
from core.sandbox.delivery import Pace
from core.sandbox.trade import Trade
from core.sandbox.words import (
    DUPLICATE,
    INVALID_AMOUNT,
    INVALID_BUNDLE,
    NOT_FINAL,
    NOT_FOUND,
    PENDING,
    REVERSED,
    SUCCESS,
    UNPAID,
    Acts,
    Answer,
    Ask,
    Verb,
)

# The details of a payment that an answer tells, once it is done and before.
TOLD = ("invoice_number", "token", "units", "charges")
TOLD_BEFORE = ("invoice_number",)

Deduplicates = Literal["no", "answers_duplicate", "answers_original"]

_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,2})?")

BAD_AMOUNT = Refusal(INVALID_AMOUNT, "The amount is not a positive amount with at most two decimals, in the account's currency.", as_fault=False)
OTHER_AMOUNT = Refusal(INVALID_AMOUNT, "The amount is not the one that is asked for.", as_fault=False)
NO_BUNDLE = Refusal(INVALID_BUNDLE, "There is no such bundle.", as_fault=False)


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
    def __init__(self, customers: Customers, trade: Trade, book: Book, settings: Settings, pace: Pace) -> None:
        self._customers = customers
        self._trade = trade
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
            case Verb.BUNDLES:
                return self._list_bundles(ask)
            case Verb.GET_INVOICE:
                return self._make_invoice(ask)
            case Verb.PAY | Verb.CONFIRM_INVOICE | Verb.PURCHASE_BUNDLE:
                return self._pay(ask, acts)
            case Verb.STATUS:
                return self._tell(ask)
            case Verb.REVERSE:
                return self._reverse(ask)

    def _look_up(self, ask: Ask) -> Answer:
        account = self._account(ask)
        if account is None:
            return _refused(ask, NOT_THERE)
        if "bundle_id" in ask.details and ask.details["bundle_id"] not in self._trade.bundles:
            return _refused(ask, NO_BUNDLE)
        owed = self._trade.fees.of(account.number) if self._trade.fees else account.balance
        status = BEHAVIOURS[account.behaviour].status
        return Answer(ask, {"account": account.number, "name": account.name, "balance": f"{owed:.2f}", "currency": account.currency, "status": status})

    def _list_bundles(self, ask: Ask) -> Answer:
        account = self._account(ask)
        if account is None:
            return _refused(ask, NOT_THERE)
        return Answer(ask, {"account": account.number}, bundles=tuple(self._trade.bundles.values()))

    def _make_invoice(self, ask: Ask) -> Answer:
        account = self._account(ask)
        if account is None:
            return _refused(ask, NOT_THERE)
        refusal = BEHAVIOURS[account.behaviour].refuses_invoice
        if refusal is not None:
            return _refused(ask, refusal)
        invoice, more = self._invoice(ask, account)
        if invoice is None:
            return _refused(ask, BAD_AMOUNT)
        said = {
            "status": UNPAID,
            "invoice_number": invoice.number,
            "account": account.number,
            "name": account.name,
            "amount": f"{invoice.amount:.2f}",
            "currency": invoice.currency,
            "due_date": invoice.due_date.isoformat(),
        }
        return Answer(ask, {**said, **more})

    def _invoice(self, ask: Ask, account: Account) -> tuple[Invoice | None, dict[str, str]]:
        """The invoice of what is owed, the same until it is paid; or a new one each time, for the amount that is asked."""
        days = self._trade.invoices_valid_days
        if self._trade.tariff is None:
            owed = self._trade.fees.of(account.number) if self._trade.fees else account.balance
            return self._book.open_invoice(account.number) or self._book.make_invoice(account.number, owed, account.currency, days), {}
        amount = amount_of(ask)
        if amount <= 0 or ask.currency not in ("", account.currency):
            return None, {}
        return self._book.make_invoice(account.number, amount, account.currency, days), {"charges": f"{self._trade.tariff.charges(amount):.2f}"}

    def _pay(self, ask: Ask, acts: Acts) -> Answer:
        earlier = self._earlier(ask)
        if earlier is not None:
            return earlier
        amount = amount_of(ask)
        refusal = self._objection(ask, amount)
        if refusal is not None:
            return self._refuse(ask, refusal)
        vended = self._trade.tariff.vend(amount) if self._trade.tariff else {}
        if acts is Acts.AT_ONCE:
            return _receipt(ask, self._book.pay(ask, amount, vended), SUCCESS, "Paid.")
        asks = None if acts is Acts.ACCEPTS_FOREVER else self._pace.asks_until_done
        return _receipt(ask, self._book.accept(ask, amount, vended, asks), PENDING, "Accepted.")

    def _objection(self, ask: Ask, amount: Decimal) -> Refusal | None:
        """Why this is not paid."""
        account = self._customers.find(ask.account)
        if account is None or not self._is_known_type(ask):
            return NOT_THERE
        refusal = BEHAVIOURS[account.behaviour].refuses
        if refusal is not None:
            return refusal
        if amount <= 0 or ask.currency != account.currency:
            return BAD_AMOUNT
        match ask.verb:
            case Verb.CONFIRM_INVOICE:
                return self._objection_to_invoice(ask, amount)
            case Verb.PURCHASE_BUNDLE:
                bundle = self._trade.bundles.get(ask.details["bundle_id"])
                return NO_BUNDLE if bundle is None else None if amount == bundle.price else OTHER_AMOUNT
        return None

    def _objection_to_invoice(self, ask: Ask, amount: Decimal) -> Refusal | None:
        invoice = self._book.invoices.get(ask.details["invoice_number"])
        if invoice is None or invoice.account != ask.account:
            return EXPIRED
        # The same reference again is a matter of `deduplicates`, as with every payment.
        if invoice.taken_by not in ("", ask.reference):
            return PAID_ALREADY
        if not invoice.taken_by and self._book.is_expired(invoice):
            return EXPIRED
        return None if amount == invoice.amount else OTHER_AMOUNT

    def _account(self, ask: Ask) -> Account | None:
        account = self._customers.find(ask.account)
        return account if account and BEHAVIOURS[account.behaviour].exists and self._is_known_type(ask) else None

    def _is_known_type(self, ask: Ask) -> bool:
        types = self._trade.account_types
        return not types or ask.details.get("account_type", "") in {"", *types}

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
            return _refused(ask, refusal)
        said = {"status": refusal.code, "reference": ask.reference, "account": ask.account, "amount": ask.amount, "message": refusal.message}
        return Answer(ask, said)

    def _tell(self, ask: Ask) -> Answer:
        nothing = Answer(ask, {"reference": ask.reference}, NOT_FOUND, "There is no transaction of this reference.")
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


def amount_of(ask: Ask) -> Decimal:
    """What is to be paid; zero where the text is no amount."""
    return Decimal(ask.amount) if _AMOUNT.fullmatch(ask.amount) else Decimal(0)


def _refused(ask: Ask, refusal: Refusal) -> Answer:
    return Answer(ask).as_fault(refusal.code, refusal.message)


def _receipt(ask: Ask, payment: Payment, status: str, message: str) -> Answer:
    said = {
        "status": status,
        "external_id": payment.external_id,
        "reference": payment.reference,
        "account": payment.account,
        "amount": f"{payment.amount:.2f}",
        "message": message,
    }
    # A token is handed out for money that has arrived.
    details = TOLD if status == SUCCESS else TOLD_BEFORE
    return Answer(ask, {**said, **{name: payment.details[name] for name in details if name in payment.details}})
