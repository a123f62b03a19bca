"""The customer's side of a payment, asked for by itself: what a debit would come to, and the debit of a payment that stands still. Nothing here moves money
between accounts that somebody names: what is debited belongs to a payment, and what is only tried posts nothing.
"""

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.banking.contract import DryRun, Transfer
from core.errors import BadInput, NotLegalNow, Unavailable
from core.ids import new_reference
from core.models import Transaction
from core.models.snapshot import Snapshot
from core.money import Money
from core.repositories.transactions import Transactions
from core.security import audit
from core.services import core_banking, payments, wake
from core.services.balances import LONGEST_SECONDS, LOST, NO_USE, number_of
from core.services.billers import chosen
from core.services.deployment import line_policy
from core.services.scope import existing
from core.states import Stage, Topology
from core.wire.contract import Outcome
from core.wire.line import Line

# Where a debit stands that can be hurried: nothing of it was sent, or core banking is to be asked what became of it.
WAITS_TO_BE_SENT = (Stage.QUEUED, Stage.DEBIT_RETRY)
WAITS_TO_BE_ASKED = (Stage.DEBIT_UNKNOWN, Stage.DEBIT_ACCEPTED)

Would = Literal["posted", "held", "refused"]

WORDS: Mapping[Outcome, Would] = {Outcome.CONFIRMED: "posted", Outcome.ACCEPTED: "held", Outcome.REJECTED: "refused"}


class BankIsSilent(Unavailable):
    """Core banking gave no answer that can be used. Nothing was debited: try again."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What would become of a debit: core banking checked it and kept nothing."""

    debit_account: str
    credit_account: str
    amount: Money
    would_be: Would
    code: str | None
    message: str | None


@needs("transactions:pay")
def dry_run(actor: Actor, /, biller_type: str, account: str, amount: str) -> Tried:
    """Asks core banking whether it would debit this account for this biller. The account that would be credited is the configured one, which nobody names.

    Raises `BadInput` for what cannot be, `BankIsSilent`, `Misconfigured` where core banking is off.
    """
    number = number_of(account)
    with db.unit_of_work() as session:
        snapshot = Snapshot.of(chosen(actor, session, biller_type))
    if not snapshot.credit_account:
        raise BadInput(f"No account to credit is configured for {snapshot.biller_name}, so nobody is debited for it. Ask an administrator.")
    money = snapshot.check_amount(amount)
    found = _tried(Transfer(new_reference(), number, snapshot.credit_account, money, details=("Dry run",)))
    with db.unit_of_work() as session:
        audit.record(session, actor, "debit.tried", "bank_account", number, biller=biller_type, amount=money.text, would_be=WORDS[found.outcome])
    return Tried(number, snapshot.credit_account, money, WORDS[found.outcome], found.code, found.message)


def _tried(transfer: Transfer) -> DryRun:
    terms = core_banking.terms()
    terms = dataclasses.replace(terms, deadline_seconds=min(terms.deadline_seconds, LONGEST_SECONDS))
    speaker = core_banking.speaker(terms)
    answer = Line(line_policy()).perform_now(terms, speaker.validate(transfer), speaker.masked)
    if answer.value is None or answer.value.outcome not in WORDS:
        raise BankIsSilent(f"{LOST.get(answer.failure or '', NO_USE)}. Nothing was debited: try again.")
    return answer.value


@needs("transactions:check")
def resume(actor: Actor, /, transaction_id: uuid.UUID) -> bool:
    """Has the debit of a payment looked at now instead of later: sent where it is certain that it never left, asked about where it is not. The worker does it,
    under the debit's own reference and the payment's own rules. False: a call is out already, or it was asked about a moment ago.

    Raises `NotLegalNow` where no debit of it is open.
    """
    with db.unit_of_work() as session:
        payment = existing(actor, Transactions(session).by_id(transaction_id))
        stage = Stage(payment.stage)
        if payment.topology != Topology.SEPARATE.value or stage not in (*WAITS_TO_BE_SENT, *WAITS_TO_BE_ASKED, Stage.DEBIT_SENDING):
            raise NotLegalNow("No debit of this payment is open, so there is nothing to resume. Look at where it stands.")
        if stage in WAITS_TO_BE_SENT:
            return _hurried(session, transaction_id)
    return payments.check_now(actor, transaction_id)


def _hurried(session: Session, transaction_id: uuid.UUID) -> bool:
    """Due now, if it waits and nobody holds it."""
    sooner = (
        update(Transaction)
        .where(
            Transaction.id == transaction_id,
            Transaction.stage.in_([stage.value for stage in WAITS_TO_BE_SENT]),
            Transaction.lease_until.is_(None),
            Transaction.next_action_at > func.clock_timestamp(),
        )
        .values(next_action_at=func.clock_timestamp())
        .returning(Transaction.id)
    )
    was_waiting = session.execute(sooner).scalar() is not None
    if was_waiting:
        wake.the_worker(session)
    return was_waiting
