"""Asking a biller about an account. Every attempt is a transaction of its own: logged, searchable, and carried out by the worker."""

import uuid

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
from core.services.billers import chosen
from core.services.moves import tell_created
from core.services.policy import Reason
from core.states import Stage, Status, TransactionType
from core.wire.contract import Verb


@needs("accounts:lookup")
def ask(actor: Actor, /, biller_type: str, account: str, account_type: str | None = None) -> uuid.UUID:
    """Asks for an account's name and balance; the answer arrives in the transaction whose id this returns. Raises `BadInput`."""
    with db.unit_of_work() as session:
        config = chosen(session, biller_type)
        snapshot = Snapshot.of(config)
        if Verb.LOOKUP not in adapter_for(biller_type).verbs():
            raise BadInput(f"{snapshot.biller_name} has no account look-up.")
        transaction = Transaction(
            id=new_id(),
            biller_config_id=config.id,
            config_version=config.version,
            biller_type=config.biller_type,
            biller_name=snapshot.biller_name,
            our_transaction_id=new_reference(),
            transaction_type=TransactionType.ACCOUNT_DETAILS.value,
            account_number=snapshot.check_account(account),
            account_type=account_type,
            currency=snapshot.default_currency,
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


@needs("accounts:lookup")
def recent_lookups(actor: Actor, /) -> list[Transaction]:
    """What this person looked up last, newest first."""
    with db.unit_of_work() as session:
        return Transactions(session).recent_lookups(actor.id) if actor.id else []


@needs("accounts:lookup")
def recent_accounts(actor: Actor, /, biller_type: str) -> list[RecentAccount]:
    """The accounts this person served last at one biller."""
    with db.unit_of_work() as session:
        return Transactions(session).recent_accounts(actor.id, biller_type) if actor.id else []
