"""What is due: rows that wait for a call, rows whose call is lost, rows whose time is up. Whoever asks holds them until its unit of work ends."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core.models import Answer, Attempt, Leg, Transaction
from core.states import WHEN_LEASE_EXPIRES, LegKind, Stage

# Biller by biller, so that the five hundred waiting for one that is down do not stand before another's one.
# `now()` and not `clock_timestamp()`: the index can be used only with a moment that holds still during the statement.
_DUE = """
    SELECT due.* FROM unnest(CAST(:billers AS text[]), CAST(:slots AS integer[])) AS biller (code, slots)
    CROSS JOIN LATERAL (
        SELECT * FROM transactions
        WHERE biller_type = biller.code AND next_action_at <= now() AND stage = ANY (CAST(:stages AS text[])) {besides}
        ORDER BY next_action_at
        LIMIT biller.slots
        FOR UPDATE SKIP LOCKED
    ) AS due
    """

# What may be asked about may be so at any time; what would move money only in time, and while its biller is on and not paused. Checked here, in the
# statement that takes the row: whatever was known before it is history.
_MAY_BE_SENT = """
            AND expires_at > now()
            AND EXISTS (SELECT FROM biller_configs AS c WHERE c.biller_type = transactions.biller_type AND c.is_active AND c.paused_at IS NULL)"""

DUE = text(_DUE.format(besides=""))
DUE_TO_SEND = text(_DUE.format(besides=_MAY_BE_SENT))

SENDABLE = frozenset({Stage.QUEUED, Stage.PAY_RETRY})


class Work:
    def __init__(self, session: Session) -> None:
        self._session = session

    def now(self) -> datetime:
        """The database's moment: what decides about money goes by no other clock."""
        moment: datetime = self._session.execute(select(func.clock_timestamp())).scalar_one()
        return moment

    def due(self, slots: Mapping[str, int], stages: Collection[Stage]) -> list[Transaction]:
        """Up to `slots[biller]` rows of each biller that stand in one of `stages` and whose next action is due, the longest due first.

        Of those that would be sent (QUEUED, PAY_RETRY) only what still may be.
        """
        free = {biller: count for biller, count in slots.items() if count > 0}
        if not free:
            return []
        asked = {"billers": list(free), "slots": list(free.values()), "stages": [stage.value for stage in stages]}
        query = DUE_TO_SEND if SENDABLE & set(stages) else DUE
        return list(self._session.scalars(select(Transaction).from_statement(query), asked, execution_options={"populate_existing": True}))

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
        """Payments that nothing was sent of and whose time is up, whether or not their biller may be sent to just now."""
        return list(
            self._session.scalars(
                select(Transaction)
                .where(
                    Transaction.stage.in_([Stage.QUEUED.value, Stage.PAY_RETRY.value]),
                    Transaction.next_action_at.is_not(None),
                    Transaction.expires_at <= func.now(),
                )
                .limit(most)
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )
        )

    def of_inactive_billers(self, most: int = 200) -> list[Transaction]:
        """Queued payments of a biller that was switched off since."""
        inactive = text("NOT EXISTS (SELECT 1 FROM biller_configs c WHERE c.biller_type = transactions.biller_type AND c.is_active)")
        return list(
            self._session.scalars(
                select(Transaction)
                .where(Transaction.stage == Stage.QUEUED.value, Transaction.next_action_at.is_not(None), inactive)
                .limit(most)
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )
        )

    def held(self, transaction_ids: Sequence[uuid.UUID]) -> list[Transaction]:
        """These rows, as they stand and will stand until the unit of work ends."""
        rows = select(Transaction).where(Transaction.id.in_(list(transaction_ids))).order_by(Transaction.id).with_for_update()
        return list(self._session.scalars(rows.execution_options(populate_existing=True)))

    def legs(self, transaction_ids: Sequence[uuid.UUID], kind: LegKind = LegKind.PAY) -> Mapping[uuid.UUID, Leg]:
        found = self._session.scalars(select(Leg).where(Leg.transaction_id.in_(list(transaction_ids)), Leg.kind == kind.value))
        return {leg.transaction_id: leg for leg in found}

    def kept_attempts(self, attempt_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        """Which of these intents were committed: the question after a commit that failed (rule 10)."""
        return set(self._session.scalars(select(Attempt.id).where(Attempt.id.in_(list(attempt_ids)))))

    def kept_answers(self, answer_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        return set(self._session.scalars(select(Answer.id).where(Answer.id.in_(list(answer_ids)))))
