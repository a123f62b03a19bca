"""Asking a biller: whose account is this, what does its invoice say, which bundles are there?

Every attempt is a transaction of its own: logged, searchable, and carried out by the worker. None of them moves money.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func

from core import db
from core.access import Actor, needs
from core.adapters import adapter_for
from core.errors import BadInput
from core.ids import new_id, new_reference
from core.models import Transaction
from core.models.snapshot import Snapshot
from core.repositories.transactions import RecentAccount, Transactions
from core.services import wake
from core.services.billers import chosen, verbs_of
from core.services.moves import tell_created
from core.services.policy import Reason
from core.services.scope import billers_of
from core.states import Stage, Status, TransactionType
from core.wire.contract import Verb

# What each question needs a biller to have, and how its absence is told.
QUESTIONS: Mapping[TransactionType, tuple[Verb, str]] = {
    TransactionType.ACCOUNT_DETAILS: (Verb.LOOKUP, "has no account look-up"),
    TransactionType.GET_INVOICE: (Verb.GET_INVOICE, "makes no invoices"),
    TransactionType.BUNDLE_DETAILS: (Verb.BUNDLES, "sells no bundles"),
}


@needs("accounts:lookup")
def ask(actor: Actor, /, biller_type: str, account: str, account_type: str | None = None) -> uuid.UUID:
    """Asks for an account's name and balance; the answer arrives in the transaction whose id this returns. Raises `BadInput`."""
    return _ask(actor, TransactionType.ACCOUNT_DETAILS, biller_type, account, account_type)


@needs("transactions:pay")
def ask_invoice(actor: Actor, /, biller_type: str, account: str, amount: str | None = None) -> uuid.UUID:
    """Asks for the invoice of an account: what is owed, or (a prepaid meter) an invoice made for `amount`. Raises `BadInput`."""
    return _ask(actor, TransactionType.GET_INVOICE, biller_type, account, amount=amount)


@needs("transactions:pay")
def ask_bundles(actor: Actor, /, biller_type: str, account: str) -> uuid.UUID:
    """Asks which bundles are offered to a number. Raises `BadInput`."""
    return _ask(actor, TransactionType.BUNDLE_DETAILS, biller_type, account)


def _ask(actor: Actor, question: TransactionType, biller_type: str, account: str, account_type: str | None = None, amount: str | None = None) -> uuid.UUID:
    verb, absence = QUESTIONS[question]
    with db.unit_of_work() as session:
        config = chosen(actor, session, biller_type)
        snapshot = Snapshot.of(config)
        if verb not in verbs_of(biller_type, snapshot):
            raise BadInput(f"{snapshot.biller_name} {absence}.")
        number = snapshot.check_account(account)
        kind = snapshot.check_account_type(account_type)
        transaction = Transaction(
            id=new_id(),
            biller_config_id=config.id,
            config_version=config.version,
            biller_type=config.biller_type,
            biller_name=snapshot.biller_name,
            our_transaction_id=new_reference(),
            transaction_type=question.value,
            account_number=number,
            account_type=kind.code if kind else None,
            meter_number=snapshot.meter_number(number, kind),
            currency=snapshot.default_currency,
            extra=_asked_amount(question, snapshot, amount),
            initiated_by=actor.id,
            stage=Stage.CREATED.value,
            status=Status.PENDING.value,
            next_action_at=func.clock_timestamp(),
        )
        session.add(transaction)
        session.flush()
        tell_created(session, transaction.id, actor, Reason.CREATED)
        wake.the_worker(session)
        return transaction.id


def _asked_amount(question: TransactionType, snapshot: Snapshot, typed: str | None) -> dict[str, Any] | None:
    """The amount an invoice is made for, where this biller wants one: no money yet, so it is no amount of the transaction."""
    if question is not TransactionType.GET_INVOICE or not adapter_for(snapshot.biller_type).invoice_asks_amount:
        return None
    return {"asked_amount": snapshot.check_amount(typed or "").text}


@needs("accounts:lookup")
def recent_lookups(actor: Actor, /) -> list[Transaction]:
    """What this person looked up last, newest first."""
    with db.glance() as session:
        return Transactions(session).recent_lookups(actor.id, billers=billers_of(actor)) if actor.id else []


@needs("accounts:lookup")
def last_biller(actor: Actor, /) -> str | None:
    """Whom this person asked or paid last: the one a counter most likely wants next."""
    with db.glance() as session:
        return Transactions(session).last_biller(actor.id, billers_of(actor)) if actor.id else None


@needs("accounts:lookup")
def recent_accounts(actor: Actor, /, biller_type: str) -> list[RecentAccount]:
    """The accounts this person served last at one biller."""
    with db.glance() as session:
        return Transactions(session).recent_accounts(actor.id, biller_type) if actor.id and actor.serves(biller_type) else []
