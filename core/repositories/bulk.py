"""What is known of acts on many payments: which rows are meant, what stands in their way, what waits, and what came of each."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from core.models import BulkAct, BulkItem, Event, Proposal, RolePermission, Transaction, User, UserBiller
from core.models.bulk import ItemState
from core.models.proposals import ProposalKind
from core.repositories.filters import TransactionFilter
from core.repositories.transactions import SETTLED_UNPAID
from core.repositories.walks import Walk
from core.repositories.ways import Sort
from core.states import IN_FLIGHT, Stage, TransactionType

WAITING = BulkItem.state == ItemState.WAITING.value
HELD = BulkItem.state == ItemState.HELD.value


@dataclass(frozen=True, slots=True)
class InTheWay:
    """Payments beside which a new one would be refused: by account, by invoice, and what was paid lately, by account and amount."""

    in_flight: frozenset[tuple[str, str]]
    invoices: frozenset[tuple[str, str]]
    lately: Mapping[tuple[str, str, Decimal], Sequence[tuple[datetime, uuid.UUID]]]


@dataclass(frozen=True, slots=True)
class Whose:
    """A person as the database has them at this moment."""

    user: User
    permissions: frozenset[str]
    # None: not limited to any.
    billers: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows of an act are in one state, and what they come to, by currency."""

    count: int
    totals: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One row with its payment, and the new one's reference where one was made."""

    item: BulkItem
    transaction: Transaction
    made: str | None


@dataclass(frozen=True, slots=True)
class Frozen:
    """A row of an act with what its payment says."""

    ordinal: int
    transaction_id: uuid.UUID
    reference: str
    biller_type: str
    amount: Decimal | None
    currency: str
    created_at: datetime


class Bulk:
    def __init__(self, session: Session) -> None:
        self._session = session

    # ---- Which rows

    def matching(self, wanted: TransactionFilter, most: int) -> list[Transaction]:
        """Oldest first, one row more than `most` where there are more."""
        return Walk(self._session, wanted).rows(Sort.OLDEST, most + 1)

    def chosen(self, ids: Collection[uuid.UUID]) -> list[Transaction]:
        return list(self._session.scalars(select(Transaction).where(Transaction.id.in_(list(ids))).order_by(*_OLDEST_FIRST)))

    def retried(self, ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
        """Which of them have a new payment already."""
        found = self._session.scalars(select(Transaction.retry_of).where(Transaction.retry_of.in_(list(ids))))
        return frozenset(one for one in found if one is not None)

    def in_the_way_of(self, rows: Sequence[Transaction], within: timedelta) -> InTheWay:
        """What speaks against paying these bills again, in three questions however many they are."""
        accounts = list({row.account_number for row in rows})
        invoices = list({row.invoice_number for row in rows if row.invoice_number})
        living = Transaction.status.not_in([status.value for status in SETTLED_UNPAID])
        key = (Transaction.biller_type, Transaction.account_number)
        in_flight = select(*key).where(
            Transaction.account_number.in_(accounts),
            Transaction.amount.is_not(None),
            Transaction.stage.in_([stage.value for stage in IN_FLIGHT]),
            ~Transaction.in_flight_waived,
        )
        taken = select(Transaction.biller_type, Transaction.invoice_number).where(
            Transaction.transaction_type == TransactionType.CONFIRM_INVOICE.value, Transaction.invoice_number.in_(invoices), living
        )
        lately = select(*key, Transaction.amount, Transaction.created_at, Transaction.id).where(
            Transaction.account_number.in_(accounts), Transaction.amount.is_not(None), Transaction.created_at > func.clock_timestamp() - within, living
        )
        paid: dict[tuple[str, str, Decimal], list[tuple[datetime, uuid.UUID]]] = {}
        for biller, account, amount, at, made in self._session.execute(lately):
            paid.setdefault((biller, account, amount or Decimal(0)), []).append((at, made))
        return InTheWay(
            in_flight=frozenset((biller, account) for biller, account in self._session.execute(in_flight)),
            invoices=frozenset((biller, number) for biller, number in self._session.execute(taken) if number),
            lately=paid,
        )

    # ---- Acts

    def act(self, act_id: uuid.UUID) -> BulkAct | None:
        return self._session.get(BulkAct, act_id, populate_existing=True)

    def acts(self, asked_by: uuid.UUID | None, most: int) -> list[tuple[BulkAct, str]]:
        """The latest, with the names of who asked: one person's, or everybody's."""
        found = select(BulkAct, User.display_name).join(User, User.id == BulkAct.asked_by).order_by(BulkAct.created_at.desc()).limit(most)
        return [(act, name) for act, name in self._session.execute(found.where(BulkAct.asked_by == asked_by) if asked_by else found)]

    def counts(self, act_id: uuid.UUID) -> Mapping[ItemState, Counted]:
        """By state; a state that no row is in is not there."""
        found = (
            select(BulkItem.state, Transaction.currency, func.count(), func.coalesce(func.sum(Transaction.amount), Decimal(0)))
            .join(Transaction, Transaction.id == BulkItem.transaction_id)
            .where(BulkItem.act_id == act_id)
            .group_by(BulkItem.state, Transaction.currency)
            .order_by(BulkItem.state, Transaction.currency)
        )
        counted: dict[ItemState, Counted] = {}
        for state, currency, count, total in self._session.execute(found):
            before = counted.get(ItemState(state), Counted(0, {}))
            counted[ItemState(state)] = Counted(before.count + count, {**before.totals, currency: total or Decimal(0)})
        return counted

    def items(self, act_id: uuid.UUID, states: Collection[ItemState], most: int) -> list[ItemRow]:
        """What was dealt with last, in front."""
        made = aliased(Transaction)
        found = (
            select(BulkItem, Transaction, made.our_transaction_id)
            .join(Transaction, Transaction.id == BulkItem.transaction_id)
            .outerjoin(made, made.id == BulkItem.made_transaction_id)
            .where(BulkItem.act_id == act_id, BulkItem.state.in_([state.value for state in states]))
            .order_by(BulkItem.at.desc().nulls_last(), BulkItem.ordinal)
            .limit(most)
        )
        return [ItemRow(item, transaction, reference) for item, transaction, reference in self._session.execute(found)]

    def stop_waiting(self, act_id: uuid.UUID, told: str) -> int:
        """What waits is left, for a worker or for a second person. A row that is being dealt with just now is waited for, and keeps what came of it."""
        left = update(BulkItem).where(BulkItem.act_id == act_id, or_(WAITING, HELD)).values(state=ItemState.BLOCKED.value, told=told, at=func.clock_timestamp())
        return len(self._session.scalars(left.returning(BulkItem.ordinal)).all())

    # ---- What waits for a second person

    def frozen(self, act_id: uuid.UUID) -> list[Frozen]:
        """The rows of an act that can be done, in their order, as they read now."""
        found = (
            select(BulkItem.ordinal, Transaction.id, Transaction.our_transaction_id, Transaction.biller_type, Transaction.amount, Transaction.currency)
            .add_columns(Transaction.created_at)
            .join(Transaction, Transaction.id == BulkItem.transaction_id)
            .where(BulkItem.act_id == act_id, BulkItem.state != ItemState.BLOCKED.value)
            .order_by(BulkItem.ordinal)
        )
        return [Frozen(*row) for row in self._session.execute(found)]

    def release(self, act_id: uuid.UUID) -> int:
        """What was held is carried out from now on. Answers how many rows that are."""
        released = update(BulkItem).where(BulkItem.act_id == act_id, HELD).values(state=ItemState.WAITING.value)
        return len(self._session.scalars(released.returning(BulkItem.ordinal)).all())

    # ---- The worker's part

    def next_waiting(self) -> tuple[BulkItem, BulkAct] | None:
        """One row, held until the unit of work ends. What another worker holds is passed by; what could not be done just now comes last."""
        found = select(BulkItem).where(WAITING).order_by(BulkItem.at.nulls_first(), BulkItem.ordinal, BulkItem.act_id)
        item = self._session.scalar(found.limit(1).with_for_update(skip_locked=True).execution_options(populate_existing=True))
        act = self.act(item.act_id) if item else None
        return (item, act) if item and act else None

    def note_started(self, act_id: uuid.UUID) -> None:
        self._session.execute(update(BulkAct).where(BulkAct.id == act_id, BulkAct.started_at.is_(None)).values(started_at=func.clock_timestamp()))

    def note_finished(self) -> list[uuid.UUID]:
        """Ends the acts that nothing waits in any more."""
        waits = exists().where(BulkItem.act_id == BulkAct.id, or_(WAITING, HELD))
        over = update(BulkAct).where(BulkAct.finished_at.is_(None), ~waits).values(finished_at=func.clock_timestamp())
        return list(self._session.scalars(over.returning(BulkAct.id).execution_options(synchronize_session=False)))

    def whose(self, user_id: uuid.UUID) -> Whose | None:
        """The person with the permissions of this moment; None once they are disabled."""
        user = self._session.scalar(select(User).where(User.id == user_id, User.disabled_at.is_(None)).execution_options(populate_existing=True))
        if user is None:
            return None
        permissions = self._session.scalars(select(RolePermission.permission).where(RolePermission.role == user.role))
        billers = self._session.scalars(select(UserBiller.biller_type).where(UserBiller.user_id == user.id))
        return Whose(user, frozenset(permissions), frozenset(billers) or None)

    def is_work_of(self, transaction_id: uuid.UUID) -> bool:
        """Whether some row has this new payment as its work already."""
        return bool(self._session.scalar(select(exists().where(BulkItem.made_transaction_id == transaction_id))))

    def was_proposed(self, transaction_id: uuid.UUID, by: uuid.UUID, since: datetime) -> bool:
        """Whether this person proposed its reversal since then, whatever was decided about it."""
        theirs = and_(Proposal.transaction_id == transaction_id, Proposal.kind == ProposalKind.REVERSE.value, Proposal.proposed_by == by)
        return bool(self._session.scalar(select(exists().where(theirs, Proposal.created_at >= since))))

    def was_cancelled(self, transaction_id: uuid.UUID, by: uuid.UUID, since: datetime) -> bool:
        """Whether this person cancelled it since then."""
        theirs = and_(Event.transaction_id == transaction_id, Event.to_stage == Stage.CANCELLED.value, Event.actor_id == by)
        return bool(self._session.scalar(select(exists().where(theirs, Event.at >= since))))


_OLDEST_FIRST = (Transaction.created_at, Transaction.id)
