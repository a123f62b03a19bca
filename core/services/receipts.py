"""Receipts: what proves a payment to a customer. The first print is the original; every later one is a copy, numbered and logged."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.documents.amount_words import in_words
from core.documents.receipt import PAPERS, Slip, draw_receipt
from core.errors import BadInput, BillersError, NotLegalNow, ProveAgain
from core.models import Transaction
from core.money import Money
from core.repositories.receipts import PRINTED, Receipts
from core.repositories.transactions import Transactions
from core.security import audit
from core.services import tokens
from core.services.scope import existing
from core.settings import settings
from core.states import Stage, Status

# A receipt says that the biller confirmed; of anything else there is nothing to say yet.
PROVEN = (Status.COMPLETED, Status.REVERSED)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The PDF, and the name it is kept under. `copy` is 0 for the original."""

    pdf: bytes
    name: str
    copy: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What the next print by this person will be: beforehand, for whoever holds the button."""

    printed: int
    copy: int
    has_token: bool
    # Whether it will carry the token without anybody saying why.
    shows_token: bool


@needs("receipts:print")
def print_receipt(actor: Actor, /, transaction_id: uuid.UUID, reason: str | None = None, paper: str = "a5") -> Receipt:
    """One print, counted and logged. The token is on it only for who may see it, on the original or with a reason.

    Raises `NotFound`, `NotLegalNow` for a payment that is not proven, `BadInput`.
    """
    if paper not in PAPERS:
        raise BadInput(f"A receipt is printed on {' or '.join(PAPERS)}.")
    given = tokens.reason_of(reason)
    with db.unit_of_work() as session:
        # Held until the print is counted: two at once are not both the original.
        transaction = _proven(existing(actor, Transactions(session).locked(transaction_id)))
        standing = _standing(actor, session, transaction)
        token, note = _token(actor, session, transaction, standing, given)
        slip = _slip(actor, session, transaction, standing, token, note)
        audit.record(
            session,
            actor,
            PRINTED,
            "transaction",
            transaction.id,
            reference=transaction.our_transaction_id,
            count=standing.printed + 1,
            copy=standing.copy,
            paper=paper,
            reason=given,
        )
        pdf = draw_receipt(slip, paper)
    return Receipt(pdf, f"receipt-{transaction.our_transaction_id}.pdf", standing.copy)


@needs("receipts:print")
def standing(actor: Actor, /, transaction: Transaction) -> Standing | None:
    """What the next print would be, or None where there is no receipt of it."""
    existing(actor, transaction)
    if transaction.amount is None or transaction.status not in {status.value for status in PROVEN}:
        return None
    with db.unit_of_work() as session:
        return _standing(actor, session, transaction)


def _proven(transaction: Transaction) -> Transaction:
    if transaction.amount is None:
        raise NotLegalNow("A look-up moves no money, so there is no receipt of it.")
    if transaction.status not in {status.value for status in PROVEN}:
        raise NotLegalNow("There is a receipt once the biller has confirmed the payment, and not before. Open the payment to see where it stands.")
    return transaction


def _standing(actor: Actor, session: Session, transaction: Transaction) -> Standing:
    before = Receipts(session).prints_of(transaction.id)
    is_original = before.count == 0 and actor.id is not None and transaction.initiated_by == actor.id
    has_token = tokens.is_there(session, transaction)
    shows = has_token and is_original and actor.may("tokens:reveal") and tokens.is_own_of_today(actor.id, transaction, Transactions(session).now())
    return Standing(before.count, 0 if is_original else before.copies + 1, has_token, shows)


def _token(actor: Actor, session: Session, transaction: Transaction, standing: Standing, reason: str | None) -> tuple[str | None, str]:
    """The token, or the sentence that stands in its place. A token that cannot be opened is no cause to withhold the receipt."""
    if not standing.has_token:
        return None, ""
    if not (standing.shows_token or (reason and actor.may("tokens:reveal"))):
        return None, "The token is not on this copy. Ask for it at the counter where it was paid."
    try:
        return tokens.opened(actor, session, transaction, reason, on="receipt"), ""
    except ProveAgain:
        # Nothing is printed, or a copy would be used up without what it was asked for.
        raise
    except BillersError as error:
        return None, error.sentence


def _slip(actor: Actor, session: Session, one: Transaction, standing: Standing, token: str | None, note: str) -> Slip:
    transactions = Transactions(session)
    money = Money(one.amount, one.currency) if one.amount is not None else None
    if money is None:
        raise NotLegalNow
    return Slip(
        reference=one.our_transaction_id,
        marks=_marks(one, standing),
        amount=str(money),
        amount_in_words=in_words(money),
        facts=[(label, value) for label, value in _facts(one, transactions.name_of(one.initiated_by)).items() if value],
        token=token,
        token_note=note,
        check=_check(one),
        printed=f"Printed {moment_text(transactions.now())} by {actor.display_name}" + (f", copy {standing.copy}" if standing.copy else ", original"),
    )


def _marks(one: Transaction, standing: Standing) -> list[str]:
    marks = ["DEMONSTRATION: NO MONEY WAS PAID"] if one.demo else []
    if one.status == Status.REVERSED.value:
        marks.append("REVERSED: THE MONEY WAS GIVEN BACK")
    elif one.stage != Stage.COMPLETED.value:
        marks.append("A REVERSAL IS UNDER WAY")
    return [*marks, f"COPY {standing.copy}"] if standing.copy else marks


def _facts(one: Transaction, operator: str | None) -> Mapping[str, str]:
    told = one.extra or {}
    return {
        "Biller": one.biller_name,
        "Customer": one.customer_account_name or "",
        "Meter" if one.meter_number == one.account_number else "Account": one.account_number,
        "Meter number": one.meter_number if one.meter_number and one.meter_number != one.account_number else "",
        "Invoice": one.invoice_number or "",
        "Bundle": str(told.get("bundle_name") or one.bundle_id or ""),
        "Charges": _charges(told, one.currency),
        "Units": str(told.get("units") or ""),
        "Debited account": _masked(one.debit_account),
        "Our reference": one.our_transaction_id,
        "Biller's reference": one.external_transaction_id or "",
        "Submitted": moment_text(one.created_at),
        "Confirmed": moment_text(one.completed_at) if one.completed_at else "",
        "Operator": operator or "",
        "Status": "Reversed: given back" if one.status == Status.REVERSED.value else "Completed: confirmed by the biller",
    }


def _charges(told: Mapping[str, object], currency: str) -> str:
    if not told.get("charges"):
        return ""
    return f"{Money.from_text(str(told['charges']), str(told.get('charges_currency') or currency))}, part of the amount"


def _check(one: Transaction) -> str:
    theirs = f", or ask {one.biller_name} for {one.external_transaction_id}" if one.external_transaction_id else ""
    return f"To check this receipt, name our reference {one.our_transaction_id} at any counter of ours{theirs}."


def _masked(account: str | None) -> str:
    """Its last four, for its owner to know it again."""
    return f"•••• {account[-4:]}" if account else ""


def moment_text(moment: datetime) -> str:
    """`23 Nov 2025, 10:42:05 CAT`."""
    local = moment.astimezone(ZoneInfo(settings().billers_timezone))
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"
