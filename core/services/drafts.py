"""The wizard's form, kept on the server: a reload loses nothing. From the review step on it is frozen, hashed, and what the Pay button submits."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import func
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.errors import BadInput, NotFound
from core.ids import new_id
from core.models import Draft, Transaction
from core.models.snapshot import Snapshot
from core.money import Money
from core.repositories.billers import Billers
from core.repositories.transactions import Transactions
from core.services.billers import chosen
from core.states import Stage, TransactionType

# What a form may hold: nothing else is kept from whatever a browser sends.
FIELDS = ("biller", "account", "account_type", "lookup", "amount", "step")


@dataclass(frozen=True, slots=True)
class Earlier:
    """A payment of the same bill a short while ago, as the warning tells of it."""

    id: uuid.UUID
    amount: Money
    account: str
    by: str | None
    at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class DraftView:
    """A draft as the wizard shows it. `payload` is set once it is frozen; `transaction_id` once it is submitted."""

    id: uuid.UUID
    form: Mapping[str, Any]
    payload: Mapping[str, Any] | None
    transaction_id: uuid.UUID | None

    @property
    def frozen(self) -> bool:
        return self.payload is not None

    @property
    def amount(self) -> Money:
        payload = self.payload or {}
        return Money.from_text(payload["amount"], payload["currency"])


@dataclass(frozen=True, slots=True)
class Review:
    """What the operator confirms: the frozen draft, and what speaks against paying it."""

    draft: DraftView
    snapshot: Snapshot
    duplicate: Earlier | None
    in_flight: Earlier | None


def hash_of(payload: Mapping[str, Any]) -> bytes:
    """SHA-256 over the payload with its keys in order: equal payloads, equal hashes."""
    return hashlib.sha256(orjson.dumps(dict(payload), option=orjson.OPT_SORT_KEYS)).digest()


@needs("transactions:pay")
def begin(actor: Actor, /, form: Mapping[str, Any] | None = None) -> DraftView:
    """A new, empty draft, or one that starts from `form` (the lookup page carries its account over)."""
    with db.unit_of_work() as session:
        draft = Draft(id=new_id(), owner_id=actor.id, form=_known(form or {}))
        session.add(draft)
        return _view(session, draft)


@needs("transactions:pay")
def find(actor: Actor, /, draft_id: uuid.UUID) -> DraftView:
    """The draft as it stands. Raises `NotFound` for anybody else's."""
    with db.unit_of_work() as session:
        return _view(session, _own(session, actor, draft_id))


@needs("transactions:pay")
def save(actor: Actor, /, draft_id: uuid.UUID, form: Mapping[str, Any]) -> DraftView:
    """Keeps what was typed. A frozen draft stays as it was shown: its copy is changed instead, and that is what comes back."""
    with db.unit_of_work() as session:
        draft = _own(session, actor, draft_id, lock=True)
        merged = {**draft.form, **_known(form)}
        if draft.frozen_at is not None:
            draft = Draft(id=new_id(), owner_id=actor.id, form=merged)
            session.add(draft)
        else:
            draft.form = merged
            draft.updated_at = func.clock_timestamp()
        session.flush()
        return _view(session, draft)


@needs("transactions:pay")
def freeze(actor: Actor, /, draft_id: uuid.UUID) -> Review:
    """The review step: checks the form against the biller's present configuration and freezes what will be paid.

    Raises `BadInput` with what to correct. Freezing twice answers the same frozen draft.
    """
    with db.unit_of_work() as session:
        draft = _own(session, actor, draft_id, lock=True)
        if draft.payload is None:
            payload = _payload_of(session, actor, draft.form)
            draft.payload = payload
            draft.payload_hash = hash_of(payload)
            draft.frozen_at = draft.updated_at = func.clock_timestamp()
            session.flush()
        return _review(session, draft)


def _payload_of(session: Session, actor: Actor, form: Mapping[str, Any]) -> dict[str, Any]:
    config = chosen(session, str(form.get("biller") or ""))
    snapshot = Snapshot.of(config)
    account = snapshot.check_account(str(form.get("account") or ""))
    amount = snapshot.check_amount(str(form.get("amount") or ""))
    looked_up = _lookup_of(session, actor, form, config.biller_type, account)
    if snapshot.needs_second_person(amount):
        limit = Money(snapshot.validation_rules.second_person_above or amount.amount, amount.currency)
        raise BadInput(
            f"A payment above {limit} to {snapshot.biller_name} needs a second person, and approvals are not part of this version yet."
            " Pay a smaller amount, or pay it outside this console."
        )
    return {
        "transaction_type": TransactionType.POST_TRANSACTION.value,
        "biller_type": config.biller_type,
        "biller_name": snapshot.biller_name,
        "biller_config_id": str(config.id),
        "config_version": config.version,
        "topology": snapshot.topology.value,
        "account_number": account,
        "account_type": form.get("account_type"),
        "customer_name": looked_up.customer_account_name,
        "lookup": str(looked_up.id),
        "amount": amount.text,
        "currency": amount.currency,
    }


def _lookup_of(session: Session, actor: Actor, form: Mapping[str, Any], biller_type: str, account: str) -> Transaction:
    """The answered look-up this payment rests on: the name that is confirmed is the name the biller gave, not one a browser sent."""
    try:
        found = Transactions(session).by_id(uuid.UUID(str(form.get("lookup"))))
    except ValueError:
        found = None
    if found is None or found.stage != Stage.COMPLETED.value or (found.biller_type, found.account_number) != (biller_type, account):
        raise BadInput("Look the account up first: the biller's name for it is part of what you confirm.")
    return found


def _review(session: Session, draft: Draft) -> Review:
    payload = draft.payload or {}
    version = Billers(session).version(uuid.UUID(payload["biller_config_id"]), payload["config_version"])
    if version is None:
        raise NotFound("The configuration this payment was prepared under is gone. Start again.")
    snapshot = Snapshot.model_validate(version.snapshot)
    view = _view(session, draft)
    return Review(
        draft=view,
        snapshot=snapshot,
        duplicate=earlier(session, same_lately(session, payload, snapshot)),
        in_flight=earlier(session, Transactions(session).in_flight(payload["biller_type"], payload["account_number"])),
    )


def same_lately(session: Session, payload: Mapping[str, Any], snapshot: Snapshot, besides: uuid.UUID | None = None) -> Transaction | None:
    amount = Money.from_text(payload["amount"], payload["currency"]).amount
    window = timedelta(minutes=snapshot.duplicate_window_minutes)
    return Transactions(session).same_lately(payload["biller_type"], payload["account_number"], amount, window, besides)


def earlier(session: Session, found: Transaction | None) -> Earlier | None:
    if found is None or found.amount is None:
        return None
    by = Transactions(session).name_of(found.initiated_by)
    return Earlier(found.id, Money(found.amount, found.currency), found.account_number, by, found.created_at, found.status)


def _own(session: Session, actor: Actor, draft_id: uuid.UUID, *, lock: bool = False) -> Draft:
    draft = Transactions(session).draft(draft_id, lock=lock)
    if draft is None or draft.owner_id != actor.id:
        raise NotFound("This draft is not there, or is somebody else's. Start a new payment.")
    return draft


def _view(session: Session, draft: Draft) -> DraftView:
    session.flush()
    paid = Transactions(session).by_draft(draft.id)
    return DraftView(draft.id, dict(draft.form), dict(draft.payload) if draft.payload else None, paid.id if paid else None)


def _known(form: Mapping[str, Any]) -> dict[str, Any]:
    """Only the wizard's own fields, as short text: a draft is no place to keep anything else."""
    return {name: None if form[name] is None else str(form[name])[:200] for name in FIELDS if name in form}
