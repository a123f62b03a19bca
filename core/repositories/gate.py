"""Is the gate closed, does the database still have what it confirmed, and does it promise to keep it?"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from core.durability import PROMISES, promises_of
from core.models import Event, Gate, Installation, Leg, Transaction, User
from core.states import PAYMENT_PLACES, LegKind, Stage, Status, Topology

# One statement for what every claim asks: whose history this is, the gates of it, how many of these events it still has, and what it promises to keep.
_LOOK = text(
    f"""
    SELECT (SELECT id FROM installations) AS installation,
        (SELECT id FROM gates WHERE reopened_at IS NULL) AS closed,
        coalesce((SELECT max(id) FROM gates WHERE reopened_at IS NOT NULL), 0) AS reopened,
        (SELECT count(*) FROM unnest(CAST(:seqs AS bigint[]), CAST(:moments AS timestamptz[]), CAST(:transactions AS uuid[])) AS known (seq, at, id)
            JOIN events e ON e.seq = known.seq AND e.at = known.at AND e.transaction_id = known.id) AS found,
        {PROMISES}
    """  # noqa: S608 - constants
)

# What waits to be sent by itself, and so may have been sent in the history that is lost.
MAY_HAVE_BEEN_SENT = (Stage.AWAITING_APPROVAL, Stage.QUEUED, Stage.DEBIT_RETRY, Stage.DEBITED, Stage.PAY_RETRY, Stage.REFUND_SENDING)


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is known by."""

    seq: int
    at: datetime
    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the database showed."""

    installation: uuid.UUID
    # The closed gate's number.
    closed: int | None
    # The last gate that was signed off; 0: none ever was.
    reopened: int
    # How many of the events that were asked for are there.
    found: int
    # The settings without which a confirmed payment may be lost, as this connection has them.
    promises: dict[str, str]


class Gates:
    def __init__(self, session: Session) -> None:
        self._session = session

    def installation(self) -> uuid.UUID:
        return self._session.execute(select(Installation.id)).scalar_one()

    def look(self, known: Sequence[Told]) -> Look:
        asked = {"seqs": [one.seq for one in known], "moments": [one.at for one in known], "transactions": [one.transaction_id for one in known]}
        row = self._session.execute(_LOOK, asked).one()
        return Look(row.installation, row.closed, row.reopened, row.found, promises_of(row))

    def last_event(self) -> Told | None:
        """The highest there is."""
        row = self._session.execute(select(Event.seq, Event.at, Event.transaction_id).order_by(Event.seq.desc()).limit(1)).one_or_none()
        return None if row is None else Told(*row)

    def last_of(self, transaction_id: uuid.UUID) -> Told | None:
        """The last event of one transaction."""
        told = select(Event.seq, Event.at, Event.transaction_id).where(Event.transaction_id == transaction_id).order_by(Event.seq.desc()).limit(1)
        row = self._session.execute(told).one_or_none()
        return None if row is None else Told(*row)

    def closed(self) -> Gate | None:
        return self._session.scalar(select(Gate).where(Gate.reopened_at.is_(None)))

    def held(self) -> Gate | None:
        """The closed gate for whoever reopens it: a second one waits, and then finds it open."""
        return self._session.scalar(select(Gate).where(Gate.reopened_at.is_(None)).with_for_update().execution_options(populate_existing=True))

    def all(self) -> list[tuple[Gate, str | None]]:
        """Newest first, with who signed each off."""
        found = select(Gate, User.display_name).outerjoin(User, User.id == Gate.reopened_by).order_by(Gate.id.desc())
        return [(gate, name) for gate, name in self._session.execute(found)]

    def is_older_than_closed_gate(self, transaction_id: uuid.UUID) -> bool:
        """Was this payment made before the gate that is closed now?"""
        older = select(Transaction.id).join(Gate, Gate.closed_at > Transaction.created_at).where(Transaction.id == transaction_id, Gate.reopened_at.is_(None))
        return self._session.execute(older).first() is not None

    def waiting_since_before(self, closed_at: datetime) -> list[Transaction]:
        """Payments that wait to be sent and are older than that; held."""
        waits = (
            select(Transaction)
            .where(
                Transaction.stage.in_([stage.value for stage in MAY_HAVE_BEEN_SENT]),
                Transaction.amount.is_not(None),
                Transaction.lease_until.is_(None),
                Transaction.created_at < closed_at,
                ~Transaction.demo,
            )
            .order_by(Transaction.id)
            .with_for_update()
        )
        return list(self._session.scalars(waits.execution_options(populate_existing=True)))

    def before_their_debit(self, closed_at: datetime, stages: Sequence[Stage]) -> list[uuid.UUID]:
        """Payments with a debit that is not settled, older than that."""
        there = Transaction.stage.in_([stage.value for stage in stages])
        return list(
            self._session.scalars(
                select(Transaction.id).where(there, Transaction.topology == Topology.SEPARATE.value, Transaction.created_at < closed_at, ~Transaction.demo)
            )
        )

    def restart_quiet_windows(self) -> None:
        """Counts every leg that may be on its way as sent just now."""
        refunds = (Stage.REFUND_SENDING, Stage.REFUND_UNKNOWN)
        stages = [stage.value for stage, place in PAYMENT_PLACES.items() if place.status is Status.PROCESSING or stage in refunds]
        under_way = select(Transaction.id).where(Transaction.stage.in_(stages), Transaction.amount.is_not(None))
        restarted = update(Leg).where(Leg.sends > 0, Leg.transaction_id.in_(under_way))
        self._session.execute(restarted.values(last_sent_at=func.clock_timestamp(), not_found_in_a_row=0), execution_options={"synchronize_session": False})

    def debits_settled_in_doubt(self, most: int = 200) -> list[Transaction]:
        """Payments whose debit is settled by now, and whose next leg a sign-off had put in doubt; held."""
        doubtful = select(Leg.transaction_id).where(Leg.kind == LegKind.PAY.value, Leg.tainted, Leg.sends == 0)
        settled = (
            select(Transaction)
            .where(
                Transaction.stage.in_([Stage.DEBITED.value, Stage.DEBIT_RETRY.value]),
                Transaction.topology == Topology.SEPARATE.value,
                Transaction.next_action_at.is_not(None),
                Transaction.lease_until.is_(None),
                Transaction.id.in_(doubtful),
            )
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        return list(self._session.scalars(settled.execution_options(populate_existing=True)))

    def count_waiting_since_before(self, closed_at: datetime) -> int:
        waits = select(func.count()).where(
            Transaction.stage.in_([stage.value for stage in MAY_HAVE_BEEN_SENT]), Transaction.amount.is_not(None), Transaction.created_at < closed_at
        )
        return self._session.execute(waits).scalar_one()
