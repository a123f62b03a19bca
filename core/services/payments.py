"""A payment's way in, and what a person may do with it afterwards: submit, retry, cancel, ask."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs, require
from core.errors import BadInput, BillersError, Conflict, NotFound, NotLegalNow, Unavailable
from core.ids import new_id, new_reference
from core.models import Leg, Transaction
from core.models.snapshot import Snapshot
from core.money import Money
from core.repositories.transactions import Transactions
from core.security import audit
from core.services import approval_limits, gate, wake
from core.services.approval_limits import why_second_person
from core.services.billers import chosen, verbs_of, version_of
from core.services.drafts import Earlier, accounts_of, earlier, hash_of, invoice_taken, paying, same_lately
from core.services.errands import VERBS
from core.services.moves import Move, Stand, move, tell_created
from core.services.policy import ASK_AGAIN_AFTER, Reason
from core.services.proposals import propose_payment, why_no_resolution, why_no_reversal, why_no_waiver, withdraw_payment
from core.services.scope import existing
from core.settings import settings
from core.states import ASKS_ABOUT, LEGS, TERMINAL, LegKind, Stage, Status, Topology, TransactionType

# A review that was shown longer ago than this is looked through again before it is paid.
REVIEW_LASTS = timedelta(hours=1)

# What a payment's story tells of the bill beside its columns.
TOLD_BEFORE = ("bundle_name", "due_date", "charges")

# Why a payment waits before it is queued.
NEEDS_A_SECOND_PERSON = "{amount} needs a second person. {why} Nothing is sent until another person approves it."

RETRYABLE = (Status.FAILED, Status.CANCELLED, Status.REVERSED)
CANCELLABLE = (Stage.CREATED, Stage.AWAITING_APPROVAL, Stage.QUEUED)
# What a person can have asked about at once. What is given back is asked for again by itself: a hurried try would only be one try less.
ASKABLE = tuple(stage for stage in ASKS_ABOUT if stage not in TERMINAL)


class DuplicateSuspected(BillersError):
    """The same amount was paid to this account a short while ago."""

    def __init__(self, seen: Earlier) -> None:
        self.earlier = seen
        super().__init__(
            f"{seen.amount} was paid to this account a short while ago by {seen.by or 'the system'} ({seen.status.lower()})."
            " Open that payment first. If this one is meant as well, say why."
        )


class AlreadyInFlight(Conflict):
    """Another payment to this account is on its way."""

    def __init__(self, seen: Earlier) -> None:
        self.earlier = seen
        super().__init__(
            f"A payment of {seen.amount} to this account by {seen.by or 'the system'} is still on its way. Open it and wait for its end before you pay again."
        )


class PaidMeanwhile(Conflict):
    """The same amount was paid to this account while this payment waited for a second person."""

    def __init__(self, seen: Earlier) -> None:
        self.earlier = seen
        super().__init__(
            f"{seen.amount} was paid to this account meanwhile by {seen.by or 'the system'} ({seen.status.lower()}). Open that payment first."
            " Reject this one: if it is meant as well, it is paid anew, with the reason why."
        )


class InvoiceTaken(Conflict):
    """This invoice is paid already, or being paid."""

    def __init__(self, seen: Earlier) -> None:
        self.earlier = seen
        super().__init__(
            f"This invoice ({seen.amount}) is {'paid' if seen.status == Status.COMPLETED else 'being paid'} by {seen.by or 'the system'} already."
            " Open that payment: an invoice is paid once."
        )


@dataclass(frozen=True, slots=True)
class Submitted:
    """`already` is true where this draft (or this retry) had become a transaction before: nothing new was made."""

    transaction_id: uuid.UUID
    already: bool


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person could do with a transaction: possible (`why_not` is None), or off with its reason."""

    name: str
    why_not: str | None


# ---- Submit


@needs("transactions:pay")
def submit(actor: Actor, /, draft_id: uuid.UUID, duplicate_reason: str | None = None) -> Submitted:
    """Pays what the frozen draft says. Ten clicks, F5 and two tabs make one transaction: its draft is its key.

    Raises `DuplicateSuspected` until a reason is given, `AlreadyInFlight`, `BadInput` with what to correct.
    """
    try:
        with db.unit_of_work() as session:
            return _submit(session, actor, draft_id, duplicate_reason)
    except (Unavailable, IntegrityError):
        # A commit error is not a rollback (rule 10): what the key finds is the answer.
        with db.unit_of_work() as session:
            kept = Transactions(session).by_draft(draft_id)
        if kept is None or kept.initiated_by != actor.id:
            raise
        return Submitted(kept.id, already=True)


def _submit(session: Session, actor: Actor, draft_id: uuid.UUID, duplicate_reason: str | None) -> Submitted:
    draft = Transactions(session).draft(draft_id, lock=True)
    if draft is None or draft.owner_id != actor.id:
        raise NotFound("This draft is not there, or is somebody else's. Start a new payment.")
    if (made := Transactions(session).by_draft(draft_id)) is not None:
        return Submitted(made.id, already=True)
    if draft.payload is None or draft.frozen_at is None or draft.payload_hash != hash_of(draft.payload):
        raise BadInput("Look the payment through on the review step before you pay it.")
    if Transactions(session).now() - draft.frozen_at > REVIEW_LASTS:
        raise BadInput("This review is more than an hour old. Go back, and look it through again before you pay.")
    payload = draft.payload
    chosen(actor, session, payload["biller_type"])
    snapshot = version_of(session, uuid.UUID(payload["biller_config_id"]), payload["config_version"])
    if snapshot is None:
        raise NotFound("The configuration this payment was prepared under is gone. Start again.")
    approval_limits.hold_still(session)
    seen = refuse_second_payments(session, payload, snapshot, duplicate_reason)
    made_id = _create(session, actor, payload, snapshot, draft_id=draft_id, duplicate_reason=duplicate_reason, duplicate=seen)
    audit.record(session, actor, "transaction.submitted", "transaction", made_id, draft=draft_id, **_said(payload), reason=duplicate_reason)
    return Submitted(made_id, already=False)


def refuse_second_payments(
    session: Session, payload: Mapping[str, Any], snapshot: Snapshot, reason: str | None, parent: uuid.UUID | None = None
) -> Earlier | None:
    """The business keys. Whoever pays the same account at the same moment waits for this unit of work, then sees its row.

    Answers the earlier payment that this one is meant beside, where there is one and `reason` says so.
    """
    transactions = Transactions(session)
    _hold(transactions, payload["biller_type"], payload["account_number"], payload.get("invoice_number"))
    if seen := earlier(session, invoice_taken(session, payload)):
        raise InvoiceTaken(seen)
    if seen := earlier(session, transactions.in_flight(payload["biller_type"], payload["account_number"])):
        raise AlreadyInFlight(seen)
    if (seen := earlier(session, same_lately(session, payload, snapshot, besides=parent))) and not (reason or "").strip():
        raise DuplicateSuspected(seen)
    return seen


def _hold(transactions: Transactions, biller_type: str, account_number: str, invoice_number: str | None) -> None:
    transactions.hold_account(biller_type, account_number)
    if invoice_number:
        # Two accounts may share an invoice: whoever pays it, the other waits.
        transactions.hold_account(biller_type, f"invoice {invoice_number}")


def refuse_overtaken(session: Session, transaction: Transaction, window: timedelta) -> None:
    """The same keys for a payment that waited for approval while others were made. Raises what now stands in its way.

    Its own invoice is held by its own row since it was made. A later payment of the same bill that was not meant beside this one says it is paid already.
    """
    transactions = Transactions(session)
    _hold(transactions, transaction.biller_type, transaction.account_number, transaction.invoice_number)
    if seen := earlier(session, transactions.in_flight(transaction.biller_type, transaction.account_number)):
        raise AlreadyInFlight(seen)
    if transaction.amount is None or transaction.invoice_number:
        return
    later = transactions.same_lately(transaction.biller_type, transaction.account_number, transaction.amount, window, besides=transaction.id)
    if later is None or later.created_at < transaction.created_at or later.stage == Stage.AWAITING_APPROVAL.value or later.duplicate_reason:
        return
    if seen := earlier(session, later):
        raise PaidMeanwhile(seen)


def _create(
    session: Session,
    actor: Actor,
    payload: Mapping[str, Any],
    snapshot: Snapshot,
    *,
    draft_id: uuid.UUID | None = None,
    retry_of: uuid.UUID | None = None,
    duplicate_reason: str | None = None,
    duplicate: Earlier | None = None,
) -> uuid.UUID:
    """One row, all its references, and its first two steps. Minted here and never again. Where a rule says so it waits for a second person.

    The caller holds the rules still: what is read of them here is so until this payment is kept.
    """
    topology, amount = Topology(payload["topology"]), Money.from_text(payload["amount"], payload["currency"])
    references = {kind: new_reference() for kind in LEGS[topology]}
    made_id = session.execute(
        upsert(Transaction)
        .values(
            id=new_id(),
            biller_config_id=uuid.UUID(payload["biller_config_id"]),
            config_version=payload["config_version"],
            biller_type=payload["biller_type"],
            biller_name=payload["biller_name"],
            our_transaction_id=references[LegKind.PAY],
            transaction_type=payload["transaction_type"],
            topology=topology.value,
            account_number=payload["account_number"],
            account_type=payload["account_type"],
            meter_number=payload.get("meter_number"),
            invoice_number=payload.get("invoice_number"),
            bundle_id=payload.get("bundle_id"),
            debit_account=payload.get("debit_account"),
            debit_account_type=payload.get("debit_account_type"),
            credit_account=payload.get("credit_account"),
            credit_account_type=payload.get("credit_account_type"),
            extra={name: payload[name] for name in TOLD_BEFORE if payload.get(name)} or None,
            customer_account_name=payload["customer_name"],
            amount=amount.amount,
            currency=amount.currency,
            draft_id=draft_id,
            retry_of=retry_of,
            duplicate_reason=(duplicate_reason or "").strip() or None,
            initiated_by=actor.id,
            stage=Stage.CREATED.value,
            status=Status.PENDING.value,
            next_action_at=func.clock_timestamp(),
            expires_at=func.clock_timestamp() + timedelta(minutes=snapshot.expires_after_minutes) * float(settings().billers_time_factor),
        )
        .on_conflict_do_nothing(index_elements=["draft_id"] if draft_id else ["retry_of"])
        .returning(Transaction.id)
    ).scalar()
    if made_id is None:
        raise Conflict
    session.execute(insert(Leg), [{"transaction_id": made_id, "kind": kind.value, "reference": reference} for kind, reference in references.items()])
    tell_created(session, made_id, actor, Reason.CREATED, {"payload_hash": hash_of(payload).hex()})
    stand = Stand(made_id, TransactionType(payload["transaction_type"]), Stage.CREATED, 1, 0)
    if why := why_second_person(session, paying(actor.role, payload, snapshot, duplicate)):
        move(session, Move(stand, Stage.AWAITING_APPROVAL, NEEDS_A_SECOND_PERSON.format(amount=amount, why=" ".join(why)), actor=actor))
        propose_payment(session, actor, existing(actor, Transactions(session).locked(made_id)), duplicate, why)
    else:
        move(session, Move(stand, Stage.QUEUED, Reason.QUEUED.format(biller=payload["biller_name"]), wait=timedelta(0), actor=actor))
        wake.the_worker(session)
    return made_id


def _said(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: payload[name] for name in ("biller_type", "account_number", "amount", "currency")}


# ---- Retry, cancel, ask


@needs("transactions:retry")
def retry(actor: Actor, /, transaction_id: uuid.UUID, duplicate_reason: str | None = None) -> Submitted:
    """Pays the same bill again as a new transaction, linked to the first (rule 8). Two operators who both retry get one child."""
    try:
        with db.unit_of_work() as session:
            return _retry(session, actor, transaction_id, duplicate_reason)
    except (Unavailable, IntegrityError):
        with db.unit_of_work() as session:
            kept = Transactions(session).retried_as(transaction_id)
        if kept is None or not actor.serves(kept.biller_type):
            raise
        return Submitted(kept.id, already=True)


def _retry(session: Session, actor: Actor, transaction_id: uuid.UUID, duplicate_reason: str | None) -> Submitted:
    # The row is held, so that of two retries at once the second waits and finds the first one's child.
    original = existing(actor, Transactions(session).locked(transaction_id))
    if (child := Transactions(session).retried_as(transaction_id)) is not None:
        return Submitted(child.id, already=True)
    if why := _why_no_retry(original):
        raise NotLegalNow(why)
    config = chosen(actor, session, original.biller_type)
    snapshot = Snapshot.of(config)
    if VERBS[TransactionType(original.transaction_type)] not in verbs_of(original.biller_type, snapshot):
        raise NotLegalNow(f"{snapshot.biller_name} takes such payments no longer. Start a new payment, or ask an administrator.")
    if snapshot.debits_customer and not original.debit_account:
        raise NotLegalNow(f"{snapshot.biller_name} is paid out of an account at the bank by now, and this payment names none. Start a new payment.")
    amount = snapshot.check_amount(Money(original.amount, original.currency).text if original.amount is not None else "")
    payload = {
        "transaction_type": original.transaction_type,
        "biller_type": original.biller_type,
        "biller_name": snapshot.biller_name,
        "biller_config_id": str(config.id),
        "config_version": config.version,
        "topology": snapshot.topology.value,
        "account_number": snapshot.check_account(original.account_number),
        "account_type": original.account_type,
        "meter_number": original.meter_number,
        "invoice_number": original.invoice_number,
        "bundle_id": original.bundle_id,
        **{name: (original.extra or {}).get(name) for name in TOLD_BEFORE},
        **accounts_of(snapshot, original.debit_account, original.debit_account_type),
        "customer_name": original.customer_account_name,
        "amount": amount.text,
        "currency": amount.currency,
    }
    approval_limits.hold_still(session)
    seen = refuse_second_payments(session, payload, snapshot, duplicate_reason, parent=original.id)
    made_id = _create(session, actor, payload, snapshot, retry_of=original.id, duplicate_reason=duplicate_reason, duplicate=seen)
    audit.record(session, actor, "transaction.retried", "transaction", made_id, retry_of=original.id, **_said(payload), reason=duplicate_reason)
    return Submitted(made_id, already=False)


@needs("transactions:cancel_own")
def cancel(actor: Actor, /, transaction_id: uuid.UUID) -> None:
    """Stops a payment before anything was sent. Raises `NotLegalNow` where the worker was quicker."""
    with db.unit_of_work() as session:
        transaction = existing(actor, Transactions(session).locked(transaction_id))
        if transaction.initiated_by != actor.id:
            require(actor, "transactions:cancel")
        if why := _why_no_cancel(transaction):
            raise NotLegalNow(why)
        gate.refuse_ending(session, transaction.id)
        withdraw_payment(session, actor, transaction)
        move(session, Move(Stand.of(transaction), Stage.CANCELLED, Reason.CANCELLED, actor=actor))
        audit.record(session, actor, "transaction.cancelled", "transaction", transaction.id)


@needs("transactions:check")
def check_now(actor: Actor, /, transaction_id: uuid.UUID) -> bool:
    """Has the biller asked at once about a payment in doubt, at most once in ten seconds. False: it is not due, or a call is out already."""
    with db.unit_of_work() as session:
        existing(actor, Transactions(session).by_id(transaction_id))
        hurried = session.execute(
            update(Transaction)
            .where(
                Transaction.id == transaction_id,
                Transaction.stage.in_([stage.value for stage in ASKABLE]),
                Transaction.lease_until.is_(None),
                Transaction.next_action_at > func.clock_timestamp(),
                ~Transaction.id.in_(_asked_lately(transaction_id)),
            )
            .values(next_action_at=func.clock_timestamp())
            .returning(Transaction.id)
        ).scalar()
        if hurried is not None:
            wake.the_worker(session)
        return hurried is not None


def _asked_lately(transaction_id: uuid.UUID) -> Select[uuid.UUID]:
    recently = func.clock_timestamp() - ASK_AGAIN_AFTER * float(settings().billers_time_factor)
    return select(Leg.transaction_id).where(Leg.transaction_id == transaction_id, Leg.last_asked_at > recently)


def actions(actor: Actor, transaction: Transaction, *, retried: bool) -> list[Action]:
    """What a person could do with it: each possible, or off with its reason. The services hold the same rules; this only says so beforehand.

    What takes two people (resolve, reverse, waive) is here proposed; only where the stage allows one of them is the database asked.
    """
    existing(actor, transaction)
    own = transaction.initiated_by == actor.id
    may_cancel = actor.may("transactions:cancel") or (own and actor.may("transactions:cancel_own"))
    retry_off = "It was retried already: open the new payment." if retried else _why_no_retry(transaction)
    return [
        Action("retry", retry_off if actor.may("transactions:retry") else "Your role does not include retrying payments."),
        Action("cancel", _why_no_cancel(transaction) if may_cancel else "Only its operator or a manager may cancel it."),
        Action("check", _why_no_check(transaction) if actor.may("transactions:check") else "Your role does not include asking billers."),
        *_proposable(actor, transaction),
    ]


# What takes two people: its name, the right to propose it, what speaks against it.
PROPOSABLE: Mapping[str, tuple[str, Callable[[Session, Transaction], str | None]]] = {
    "resolve": ("transactions:resolve", why_no_resolution),
    "reverse": ("transactions:reverse", why_no_reversal),
    "waive": ("transactions:waive", why_no_waiver),
}


def _proposable(actor: Actor, transaction: Transaction) -> list[Action]:
    allowed = {name for name, (permission, _) in PROPOSABLE.items() if actor.may(permission)}
    if not allowed:
        return [Action(name, "It is proposed by a manager, and decided by another one.") for name in PROPOSABLE]
    with db.unit_of_work() as session:
        return [
            Action(name, why(session, transaction) if name in allowed else "Your role does not include proposing this.")
            for name, (_, why) in PROPOSABLE.items()
        ]


def _why_no_retry(transaction: Transaction) -> str | None:
    if transaction.amount is None:
        return "A look-up moves no money: simply look the account up again."
    if transaction.demo:
        return "This is demonstration data."
    if transaction.status in RETRYABLE:
        return None
    return {
        Status.PENDING: "It has not been sent yet.",
        Status.PROCESSING: "It may have been paid: it can only be asked about until that is certain.",
        Status.COMPLETED: "It is paid.",
    }[Status(transaction.status)]


def _why_no_cancel(transaction: Transaction) -> str | None:
    if transaction.amount is None:
        return "A look-up moves no money: there is nothing to cancel."
    if transaction.stage in CANCELLABLE:
        return None
    if transaction.status == Status.PROCESSING.value:
        return "It was or may have been sent already: it cannot be stopped."
    return "It has ended."


def _why_no_check(transaction: Transaction) -> str | None:
    if transaction.stage in ASKABLE:
        return None
    if transaction.stage == Stage.PAY_SENDING.value:
        return "The call is out at this moment: its answer comes first."
    if transaction.stage == Stage.REVIEW.value:
        return "Asking has ended: two people decide with the biller's statement."
    return "There is nothing in doubt to ask about."
