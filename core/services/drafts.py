"""The wizard's form, kept on the server: a reload loses nothing. From the review step on it is frozen, hashed, and what the Pay button submits."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import func
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.adapters import adapter_for
from core.errors import BadInput, NotFound
from core.ids import new_id
from core.models import Draft, Transaction
from core.models.snapshot import Snapshot
from core.money import Money
from core.repositories.transactions import Transactions
from core.services import core_banking
from core.services.approval_limits import Paying, why_second_person
from core.services.balances import BankAccount
from core.services.billers import chosen, verbs_of, version_of
from core.states import Stage, Topology, TransactionType
from core.wire.contract import Flow, Verb, flow_of

# What a form may hold: nothing else is kept from whatever a browser sends. Beside it `charge` keeps what core banking told, under DEBIT.
FIELDS = ("biller", "account", "account_type", "lookup", "amount", "invoice", "bundles", "bundle", "seen", "step")
DEBIT = "debit"

# Of a customer's account: current and savings accounts, as the bank's service bus calls them.
CUSTOMER_ACCOUNT_TYPE = "CASA"


class DebitRefused(BadInput):
    """The customer's account at the bank cannot be debited for this. Choose another account, or another amount."""


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

    @property
    def debit(self) -> BankAccount | None:
        """The customer's account at the bank, as core banking told of it; None where it was not asked yet."""
        kept = (self.payload or {}).get(DEBIT) or self.form.get(DEBIT)
        return BankAccount.from_json(kept) if kept else None


@dataclass(frozen=True, slots=True)
class Review:
    """What the operator confirms: the frozen draft, and what speaks against paying it."""

    draft: DraftView
    snapshot: Snapshot
    duplicate: Earlier | None
    in_flight: Earlier | None
    # The payment that has this invoice already.
    invoice_taken: Earlier | None = None
    # Why a second person would decide about it, each reason a sentence; none where one person is enough.
    second_person: tuple[str, ...] = ()


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
        kept = dict(draft.form)
        if "lookup" in form and form["lookup"] != kept.get("lookup"):
            # Another bill, perhaps of another customer: whose account is debited is asked anew.
            kept.pop(DEBIT, None)
        return _view(session, _kept(session, actor, draft, {**kept, **_known(form)}))


@needs("transactions:pay")
def charge(actor: Actor, /, draft_id: uuid.UUID, account: BankAccount, step: str) -> DraftView:
    """Keeps whose account at the bank is debited, with what core banking told of it. Raises `DebitRefused` for an account that the bank does not have."""
    if account.told == "refused":
        raise DebitRefused(account.sentence)
    with db.unit_of_work() as session:
        draft = _own(session, actor, draft_id, lock=True)
        return _view(session, _kept(session, actor, draft, {**draft.form, DEBIT: account.as_json(), "step": step}))


def _kept(session: Session, actor: Actor, draft: Draft, form: Mapping[str, Any]) -> Draft:
    if draft.frozen_at is not None:
        draft = Draft(id=new_id(), owner_id=actor.id, form=dict(form))
        session.add(draft)
    else:
        draft.form = dict(form)
        draft.updated_at = func.clock_timestamp()
    session.flush()
    return draft


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
        return _review(session, actor, draft)


def _payload_of(session: Session, actor: Actor, form: Mapping[str, Any]) -> dict[str, Any]:
    config = chosen(actor, session, str(form.get("biller") or ""))
    snapshot = Snapshot.of(config)
    account = snapshot.check_account(str(form.get("account") or ""))
    kind = snapshot.check_account_type(form.get("account_type"))
    verbs = verbs_of(config.biller_type, snapshot)
    looked_up = _answered(session, form.get("lookup"), Stand(TransactionType.ACCOUNT_DETAILS, config.biller_type, account, kind.code if kind else None))
    if looked_up is None and Verb.LOOKUP in verbs:
        raise BadInput("Look the account up first: the biller's name for it is part of what you confirm.")
    bill = BILLS[flow_of(verbs)](session, snapshot, form, account)
    return {
        "transaction_type": bill.type.value,
        "biller_type": config.biller_type,
        "biller_name": snapshot.biller_name,
        "biller_config_id": str(config.id),
        "config_version": config.version,
        "topology": snapshot.topology.value,
        "account_number": account,
        "account_type": kind.code if kind else None,
        "meter_number": snapshot.meter_number(account, kind),
        "customer_name": bill.customer_name or (looked_up.customer_account_name if looked_up else None),
        "lookup": str(looked_up.id) if looked_up else None,
        "amount": bill.amount.text,
        "currency": bill.amount.currency,
        **bill.particulars,
        **_debit_of(snapshot, form, bill.amount),
    }


def _debit_of(snapshot: Snapshot, form: Mapping[str, Any], amount: Money) -> dict[str, Any]:
    """The accounts at the bank, and what was told of the customer's: part of what is confirmed. Core banking decides about the debit in the end."""
    if not snapshot.debits_customer:
        return {}
    if not core_banking.is_on():
        raise DebitRefused(without_core_banking(snapshot))
    if not form.get(DEBIT):
        raise DebitRefused(f"Enter the customer's account at the bank: it is debited before {snapshot.biller_name} is paid.")
    account = BankAccount.from_json(form[DEBIT])
    if not account.covers(amount):
        raise DebitRefused(f"{account.useable} can be used on this account, and {amount} is to be paid. Debit another account, or agree on another amount.")
    kind = CUSTOMER_ACCOUNT_TYPE if snapshot.topology is Topology.COMPOSITE else None
    return {**accounts_of(snapshot, account.number, kind), DEBIT: account.as_json()}


def without_core_banking(snapshot: Snapshot) -> str:
    """Why such a biller cannot be paid where core banking is off."""
    return f"Core banking is off on this machine, and {snapshot.biller_name} is paid from an account at the bank, so it cannot be paid. Ask an administrator."


@dataclass(frozen=True, slots=True)
class Bill:
    """What is paid, as its flow tells it. `particulars` are the payload's fields that only this flow has."""

    type: TransactionType
    amount: Money
    customer_name: str | None = None
    particulars: Mapping[str, Any] = field(default_factory=dict)


def _plain_bill(session: Session, snapshot: Snapshot, form: Mapping[str, Any], account: str) -> Bill:
    return Bill(TransactionType.POST_TRANSACTION, snapshot.check_amount(str(form.get("amount") or "")))


def _invoice_bill(session: Session, snapshot: Snapshot, form: Mapping[str, Any], account: str) -> Bill:
    """The invoice the biller made, paid exactly: nobody types its number or its amount."""
    fetched = _answered(session, form.get("invoice"), Stand(TransactionType.GET_INVOICE, snapshot.biller_type, account))
    told = (fetched.extra or {}) if fetched else {}
    if fetched is None or not told.get("invoice_number") or not told.get("amount_due"):
        raise BadInput("Fetch the invoice first: its number and amount are what you confirm.")
    due = _in_currency_of(snapshot, told["amount_due"], told.get("amount_currency", snapshot.default_currency))
    particulars = {"invoice": str(fetched.id), "invoice_number": told["invoice_number"], "due_date": told.get("due_date"), "charges": told.get("charges")}
    return Bill(TransactionType.CONFIRM_INVOICE, due, fetched.customer_account_name, particulars)


def _bundle_bill(session: Session, snapshot: Snapshot, form: Mapping[str, Any], account: str) -> Bill:
    """A bundle of the list the biller gave, at the price it gave."""
    listed = _answered(session, form.get("bundles"), Stand(TransactionType.BUNDLE_DETAILS, snapshot.biller_type, account))
    offered = (listed.extra or {}).get("bundles", []) if listed else []
    bundle = next((one for one in offered if one["id"] == form.get("bundle")), None)
    if listed is None or bundle is None:
        raise BadInput("Choose one of the bundles the biller offers to this number.")
    told = " · ".join(str(bundle[name]) for name in ("name", "data", "validity") if bundle.get(name))
    price = _in_currency_of(snapshot, bundle["price"], bundle["currency"])
    return Bill(TransactionType.CONFIRM_BUNDLE, price, None, {"bundles": str(listed.id), "bundle_id": bundle["id"], "bundle_name": told})


def _no_bill(session: Session, snapshot: Snapshot, form: Mapping[str, Any], account: str) -> Bill:
    raise BadInput(f"{snapshot.biller_name} takes no payments through this console: it only confirms whose number it is.")


BILLS: Mapping[Flow, Callable[[Session, Snapshot, Mapping[str, Any], str], Bill]] = {
    Flow.PLAIN: _plain_bill,
    Flow.INVOICE: _invoice_bill,
    Flow.BUNDLE: _bundle_bill,
    Flow.NONE: _no_bill,
}


def accounts_of(snapshot: Snapshot, debit_account: str | None, debit_account_type: str | None = None) -> dict[str, str | None]:
    """The accounts at the bank that a payment moves money between: the customer's, and the one configured for the biller, which nobody types (rule 1)."""
    if snapshot.topology is Topology.NONE:
        return {}
    return {
        "debit_account": debit_account,
        "debit_account_type": debit_account_type,
        "credit_account": snapshot.credit_account,
        "credit_account_type": snapshot.credit_account_type,
    }


def _in_currency_of(snapshot: Snapshot, text: str, currency: str) -> Money:
    """A price the biller set, within what the console may pay it. The biller is asked again where it is not."""
    if currency not in snapshot.supported_currencies:
        raise BadInput(f"{snapshot.biller_name} asks for {currency}, which is not set up for it. Ask an administrator.")
    money = Money.from_text(text, currency)
    snapshot.check_amount(money.text)
    return money


@dataclass(frozen=True, slots=True)
class Stand:
    """What a question must have been about to count for a payment."""

    type: TransactionType
    biller_type: str
    account: str
    account_type: str | None = None


def _answered(session: Session, asked: object, stand: Stand) -> Transaction | None:
    """The answered question this payment rests on: what is confirmed is what the biller said, not what a browser sent."""
    try:
        found = Transactions(session).by_id(uuid.UUID(str(asked)))
    except ValueError:
        return None
    if found is None or found.stage != Stage.COMPLETED.value:
        return None
    about = Stand(TransactionType(found.transaction_type), found.biller_type, found.account_number, found.account_type)
    return found if about == stand else None


def _review(session: Session, actor: Actor, draft: Draft) -> Review:
    payload = draft.payload or {}
    snapshot = version_of(session, uuid.UUID(payload["biller_config_id"]), payload["config_version"])
    if snapshot is None:
        raise NotFound("The configuration this payment was prepared under is gone. Start again.")
    view = _view(session, draft)
    duplicate = earlier(session, same_lately(session, payload, snapshot))
    return Review(
        draft=view,
        snapshot=snapshot,
        duplicate=duplicate,
        in_flight=earlier(session, Transactions(session).in_flight(payload["biller_type"], payload["account_number"])),
        invoice_taken=earlier(session, invoice_taken(session, payload)),
        second_person=why_second_person(session, paying(actor.role, payload, snapshot, duplicate)),
    )


def paying(role: str, payload: Mapping[str, Any], snapshot: Snapshot, duplicate: Earlier | None) -> Paying:
    """What the rules of who pays alone are asked about: before, on the review, and again when it is paid."""
    return Paying(
        role=role,
        biller_type=payload["biller_type"],
        biller_name=payload["biller_name"],
        amount=Money.from_text(payload["amount"], payload["currency"]),
        own_limit=snapshot.validation_rules.second_person_above,
        is_second=duplicate is not None,
    )


def invoice_taken(session: Session, payload: Mapping[str, Any]) -> Transaction | None:
    """The living payment of this very invoice."""
    number = payload.get("invoice_number")
    return Transactions(session).paying_invoice(payload["biller_type"], number) if number else None


def same_lately(session: Session, payload: Mapping[str, Any], snapshot: Snapshot, besides: uuid.UUID | None = None) -> Transaction | None:
    """The same bill paid within the window. An invoice has a number to be known by, unless each fetch mints a new one."""
    if payload.get("invoice_number") and not adapter_for(payload["biller_type"]).invoice_asks_amount:
        return None
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
