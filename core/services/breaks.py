"""A contradiction between a payment that had ended and what is said of it later. It is kept and told; the payment stays as it is."""

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from core.access import SYSTEM, Actor
from core.ids import new_id
from core.models import Break, Transaction
from core.models.notifications import Happening
from core.security import audit
from core.services import outbox
from core.services.errands import Result
from core.states import LegKind

LATE_SUCCESS = "LATE_SUCCESS"
OTHER_AMOUNT = "OTHER_AMOUNT"
# These two only a statement shows.
PAID_TWICE = "PAID_TWICE"
NOT_PAID = "NOT_PAID"

TOLD = {
    (
        LATE_SUCCESS,
        LegKind.PAY,
    ): "{party} says now that it was paid, and this payment had ended as not paid. Compare its statement, and have it given back or booked.",
    (LATE_SUCCESS, LegKind.DEBIT): "{party} says now that the customer was debited, and this payment had ended as if not. Give the customer the money back.",
    (OTHER_AMOUNT, LegKind.PAY): "{party} says now that it has another amount under our reference. Compare its statement.",
}


def found(session: Session, transaction: Transaction, result: Result, kind: str) -> None:
    """Keeps it once, however often it is said. Audited as what contradicts the payment."""
    leg = result.errand.leg or LegKind.PAY
    told = TOLD[kind, leg].format(party=result.errand.party.name)
    made = session.execute(
        upsert(Break)
        .values(id=new_id(), transaction_id=transaction.id, leg=leg.value, kind=kind, attempt_id=result.errand.attempt_id, told=told)
        .on_conflict_do_nothing(index_elements=["transaction_id", "leg", "kind"])
        .returning(Break.id)
    ).scalar()
    if made is not None:
        because = {"stage": transaction.stage, "leg": leg.value, "kind": kind, "attempt": str(result.errand.attempt_id)}
        audit.record(session, SYSTEM, "transaction.contradicted", "transaction", transaction.id, **because)
        _note(session, transaction, told)


def told_by_statement(session: Session, by: Actor, transaction: Transaction, kind: str, told: str) -> None:
    """The same where a person keeps what the biller's statement says: the line is the evidence, and no answer of the biller is."""
    made = session.execute(
        upsert(Break)
        .values(id=new_id(), transaction_id=transaction.id, leg=LegKind.PAY.value, kind=kind, told=told)
        .on_conflict_do_nothing(index_elements=["transaction_id", "leg", "kind"])
        .returning(Break.id)
    ).scalar()
    if made is not None:
        audit.record(session, by, "transaction.contradicted", "transaction", transaction.id, stage=transaction.stage, kind=kind, evidence=told)
        _note(session, transaction, told)


def _note(session: Session, transaction: Transaction, told: str) -> None:
    what = {"reference": transaction.our_transaction_id, "biller": transaction.biller_name, "amount": transaction.amount, "currency": transaction.currency}
    outbox.note(session, Happening.BREAK_FOUND, "transaction", transaction.id, {**what, "reason": told}, biller=transaction.biller_type)
