"""What is due: rows that wait for a call, rows whose call is lost, rows whose time is up. Whoever asks holds them until its unit of work ends."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

import orjson
from sqlalchemy import and_, func, or_, select, text, update
from sqlalchemy.orm import Session

from core.logs import CORRELATION
from core.models import Answer, Attempt, Event, Leg, Transaction
from core.states import ASKS_ABOUT, SENDS_FROM, WHEN_LEASE_EXPIRES, LegKind, Stage

# Biller by biller, so that the five hundred waiting for one that is down do not stand before another's one; and so many in all.
# `now()` and not `clock_timestamp()`: the index can be used only with a moment that holds still during the statement.
_DUE = """
    SELECT due.* FROM unnest(CAST(:billers AS text[]), CAST(:slots AS integer[])) AS biller (code, slots)
    CROSS JOIN LATERAL (
        SELECT * FROM transactions
        WHERE biller_type = biller.code AND next_action_at <= now() AND {which}
        ORDER BY next_action_at
        LIMIT biller.slots
        FOR UPDATE SKIP LOCKED
    ) AS due
    LIMIT :most
    """

# What may be asked about may be so at any time; what would pay or debit only in time, and while its biller is on and not paused. Checked here, in the
# statement that takes the row: whatever was known before it is history.
_IN_TIME = """
            AND expires_at > now()
            AND EXISTS (SELECT FROM biller_configs AS c WHERE c.biller_type = transactions.biller_type AND c.is_active AND c.paused_at IS NULL)"""


def _stands(table: Mapping[Stage, LegKind], *legs: LegKind) -> str:
    """Where the table says that one of these legs is next."""
    names = ", ".join(f"'{stage.value}'" for stage, leg in table.items() if leg in legs)
    return f"stage IN ({names})"


class Due(Enum):
    """What a lane takes: the rows that wait for its kind of call."""

    PAY = f"({_stands(SENDS_FROM, LegKind.PAY)} OR stage = 'QUEUED' AND topology <> 'SEPARATE')" + _IN_TIME
    DEBIT = f"({_stands(SENDS_FROM, LegKind.DEBIT)} OR stage = 'QUEUED' AND topology = 'SEPARATE')" + _IN_TIME
    # What gives money back waits in its sending stage, too: held by nobody until it is claimed.
    RETURN = _stands(SENDS_FROM, LegKind.REVERSAL, LegKind.REFUND) + " AND lease_until IS NULL"
    PAY_REVERSAL = _stands(SENDS_FROM, LegKind.PAY_REVERSAL) + " AND lease_until IS NULL"
    # Of what ended unseen too: twice more, by its `next_action_at`.
    ASK_BILLER = _stands(ASKS_ABOUT, LegKind.PAY) + " AND amount IS NOT NULL"
    ASK_BANK = _stands(ASKS_ABOUT, LegKind.DEBIT, LegKind.REFUND)
    LOOKUP = "stage = 'CREATED' AND amount IS NULL"


_QUERIES = {due: text(_DUE.format(which=due.value)) for due in Due}

# Each of these is one statement for a whole batch.
_NOTE_SENT = text(
    """
    UPDATE legs SET sends = legs.sends + 1, last_sent_at = clock_timestamp(), last_deadline_ms = sent.deadline_ms, last_asked_at = NULL, not_found_in_a_row = 0
    FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:deadlines AS integer[])) AS sent (id, kind, deadline_ms)
    WHERE legs.transaction_id = sent.id AND legs.kind = sent.kind
    """
)
_NOTE_ASKED = text(
    """
    UPDATE legs SET inquiries = legs.inquiries + 1, last_asked_at = clock_timestamp()
    FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[])) AS asked (id, kind)
    WHERE legs.transaction_id = asked.id AND legs.kind = asked.kind
    """
)
_NOTE_LEARNT = text(
    """
    UPDATE legs SET tainted = learnt.tainted, accepted = learnt.accepted, sends = learnt.sends, not_found_in_a_row = learnt.not_found_in_a_row,
        external_id = coalesce(learnt.external_id, legs.external_id)
    FROM jsonb_to_recordset(CAST(:learnt AS jsonb))
        AS learnt (id uuid, kind text, tainted boolean, accepted boolean, sends smallint, not_found_in_a_row smallint, external_id text)
    WHERE legs.transaction_id = learnt.id AND legs.kind = learnt.kind
    """
)
_HOLD = text(
    """
    UPDATE transactions AS t SET lease_owner = :owner, lease_epoch = t.lease_epoch + 1,
        lease_until = clock_timestamp() + held.lease_ms * interval '1 millisecond',
        next_action_at = clock_timestamp() + held.lease_ms * interval '1 millisecond'
    FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS integer[])) AS held (id, lease_ms)
    WHERE t.id = held.id
    RETURNING t.id, t.lease_epoch
    """
)
_LET_GO = text(
    """
    UPDATE transactions AS t SET lease_owner = NULL, lease_until = NULL, next_action_at = clock_timestamp() + asked.wait_ms * interval '1 millisecond'
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS asked (id uuid, stage text, version bigint, lease_epoch bigint, wait_ms double precision)
    WHERE t.id = asked.id AND t.stage = asked.stage AND t.version = asked.version AND t.lease_epoch = asked.lease_epoch
    RETURNING t.id
    """
)

_WRITE_INTENTS = text(
    """INSERT INTO attempts (id, transaction_id, leg, verb, reference, config_version, lease_epoch, worker)
    SELECT intent.* FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS intent
        (id uuid, transaction_id uuid, leg text, verb text, reference text, config_version integer, lease_epoch bigint, worker text)
    """
)
_KEEP_ANSWERS = text(
    """INSERT INTO answers (id, attempt_id, transaction_id, outcome, failure, in_time, http_status, code, message, external_id, duration_ms, request, response)
    SELECT answer.* FROM json_to_recordset(CAST(:rows AS json)) AS answer
        (id uuid, attempt_id uuid, transaction_id uuid, outcome text, failure text, in_time boolean, http_status smallint, code text, message text,
        external_id text, duration_ms integer, request text, response text)
    """
)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of a leg after an answer."""

    id: uuid.UUID
    kind: LegKind
    tainted: bool
    accepted: bool
    sends: int
    not_found_in_a_row: int
    external_id: str | None


class Standing(Protocol):
    """A row as it was read: what a change of it is guarded by."""

    @property
    def id(self) -> uuid.UUID: ...

    @property
    def stage(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def lease_epoch(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A held row that is let go where it stands. `wait_ms` None: nobody looks at it again."""

    id: uuid.UUID
    stage: Stage
    version: int
    lease_epoch: int
    wait_ms: float | None

    @classmethod
    def until(cls, stand: Standing, wait: timedelta | None) -> "Waiting":
        return cls(stand.id, Stage(stand.stage), stand.version, stand.lease_epoch, None if wait is None else wait / timedelta(milliseconds=1))


class Work:
    def __init__(self, session: Session) -> None:
        self._session = session

    def now(self) -> datetime:
        """The database's moment: what decides about money goes by no other clock."""
        moment: datetime = self._session.execute(select(func.clock_timestamp())).scalar_one()
        return moment

    def due(self, due: Due, slots: Mapping[str, int], most: int) -> list[Transaction]:
        """Up to `slots[biller]` rows of each biller, and `most` in all, that wait for this kind of call and whose time has come, the longest due first."""
        free = {biller: count for biller, count in slots.items() if count > 0}
        if not free or most <= 0:
            return []
        asked = {"billers": list(free), "slots": list(free.values()), "most": most}
        query = select(Transaction).from_statement(_QUERIES[due])
        return list(self._session.scalars(query, asked, execution_options={"populate_existing": True}))

    def write_intents(self, rows: Sequence[Mapping[str, object]]) -> None:
        """The requests that are about to leave, by their columns."""
        if rows:
            self._session.execute(_WRITE_INTENTS, {"rows": orjson.dumps(list(rows)).decode()})

    def keep_answers(self, rows: Sequence[Mapping[str, object]]) -> None:
        """What came of them, by its columns."""
        if rows:
            self._session.execute(_KEEP_ANSWERS, {"rows": orjson.dumps(list(rows)).decode()})

    def note_sent(self, sent: Sequence[tuple[uuid.UUID, LegKind, timedelta]]) -> None:
        """These legs are being sent now, each under its deadline."""
        if sent:
            deadlines = [round(deadline / timedelta(milliseconds=1)) for *_, deadline in sent]
            self._session.execute(_NOTE_SENT, {"ids": [one for one, *_ in sent], "kinds": [kind.value for _, kind, _ in sent], "deadlines": deadlines})

    def note_asked(self, asked: Sequence[tuple[uuid.UUID, LegKind]]) -> None:
        """These legs are being asked about now."""
        if asked:
            self._session.execute(_NOTE_ASKED, {"ids": [one for one, _ in asked], "kinds": [kind.value for _, kind in asked]})

    def note_learnt(self, learnt: Sequence[Learnt]) -> None:
        """Keeps what is now known of each leg."""
        if learnt:
            self._session.execute(_NOTE_LEARNT, {"learnt": orjson.dumps(list(learnt)).decode()})

    def taint(self, legs: Sequence[tuple[uuid.UUID, LegKind]]) -> None:
        """Nothing that a call on one of these brings home proves any more that nothing moved."""
        for one, kind in legs:
            self._session.execute(update(Leg).where(Leg.transaction_id == one, Leg.kind == kind.value).values(tainted=True))

    def hold(self, leases: Sequence[tuple[uuid.UUID, timedelta]], owner: str) -> Mapping[uuid.UUID, int]:
        """Leases on rows whose stage stays (they are asked about); answers their new epochs. The rows are locked already."""
        if not leases:
            return {}
        milliseconds = [round(lease / timedelta(milliseconds=1)) for _, lease in leases]
        rows = self._session.execute(_HOLD, {"ids": [one for one, _ in leases], "leases": milliseconds, "owner": owner})
        return dict(rows.all())

    def let_go(self, rows: Sequence[Waiting]) -> set[uuid.UUID]:
        """Lets rows go where they stand, to be looked at again; answers those that were still held."""
        if not rows:
            return set()
        return set(self._session.scalars(_LET_GO, {"rows": orjson.dumps(list(rows)).decode()}))

    def lost_leases(self, most: int = 200) -> list[Transaction]:
        """Calls whose lease has run out: their worker is gone, or has lost its right to tell."""
        return list(
            self._session.scalars(
                select(Transaction)
                .where(
                    Transaction.stage.in_([stage.value for stage in WHEN_LEASE_EXPIRES]),
                    Transaction.next_action_at <= func.now(),
                    Transaction.lease_until <= func.now(),
                )
                .order_by(Transaction.next_action_at)
                .limit(most)
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )
        )

    def overdue(self, most: int = 200) -> list[Transaction]:
        """Payments that wait to be sent and whose time is up, or whose biller was switched off before it was asked to take them."""
        stages = [Stage.QUEUED, Stage.DEBIT_RETRY, Stage.DEBITED, Stage.PAY_RETRY]
        inactive = text("NOT EXISTS (SELECT 1 FROM biller_configs c WHERE c.biller_type = transactions.biller_type AND c.is_active)")
        return list(
            self._session.scalars(
                select(Transaction)
                .where(
                    Transaction.stage.in_([stage.value for stage in stages]),
                    Transaction.next_action_at.is_not(None),
                    or_(Transaction.expires_at <= func.now(), and_(Transaction.stage.in_([Stage.QUEUED.value, Stage.DEBITED.value]), inactive)),
                )
                .limit(most)
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )
        )

    def held(self, transaction_ids: Sequence[uuid.UUID]) -> list[Transaction]:
        """These rows, as they stand and will stand until the unit of work ends."""
        rows = select(Transaction).where(Transaction.id.in_(list(transaction_ids))).order_by(Transaction.id).with_for_update()
        return list(self._session.scalars(rows.execution_options(populate_existing=True)))

    def legs_of(self, transaction_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Mapping[LegKind, Leg]]:
        """Every leg of these payments, by its kind."""
        found: dict[uuid.UUID, dict[LegKind, Leg]] = {one: {} for one in transaction_ids}
        for leg in self._session.scalars(select(Leg).where(Leg.transaction_id.in_(list(transaction_ids))).execution_options(populate_existing=True)):
            found[leg.transaction_id][LegKind(leg.kind)] = leg
        return found

    def acts_of(self, rows: Sequence[Transaction]) -> Mapping[uuid.UUID, str]:
        """The name of the act that asked for each of these, from the first line of its story. None for those from before there were names."""
        # No story begins before its transaction: months that ended earlier are not looked into.
        first = (Event.transaction_id.in_([row.id for row in rows]), Event.from_stage.is_(None), Event.at >= min(row.created_at for row in rows))
        found = self._session.execute(select(Event.transaction_id, Event.facts[CORRELATION].astext).where(*first))
        return {transaction_id: act for transaction_id, act in found if act}

    def kept_attempts(self, attempt_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        """Which of these intents were committed: the question after a commit that failed (rule 10)."""
        return set(self._session.scalars(select(Attempt.id).where(Attempt.id.in_(list(attempt_ids)))))

    def kept_answers(self, answer_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        return set(self._session.scalars(select(Answer.id).where(Answer.id.in_(list(answer_ids)))))
