"""Is a program's key known, whose turn is it, and what came of it?"""

import uuid
from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.models import IdempotencyKey


class IdempotencyKeys:
    """Inside the caller's unit of work, on the database's clock."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, owner_id: uuid.UUID, route: str, key: str, payload_hash: bytes, claim_id: uuid.UUID, lasts: timedelta) -> bool:
        """Whether it is new and this claim has it. Who else says the same key at that moment waits here."""
        until = func.clock_timestamp() + lasts
        row = {"owner_id": owner_id, "route": route, "key": key, "payload_hash": payload_hash, "claim_id": claim_id, "claimed_until": until}
        made = insert(IdempotencyKey).values(**row).on_conflict_do_nothing().returning(IdempotencyKey.claim_id)
        return self._session.scalar(made) is not None

    def held(self, owner_id: uuid.UUID, route: str, key: str) -> IdempotencyKey | None:
        """The row, nobody else's until this unit of work ends."""
        return self._session.get(IdempotencyKey, (owner_id, route, key), populate_existing=True, with_for_update=True)

    def is_claimed(self, row: IdempotencyKey) -> bool:
        return row.claimed_until is not None and bool(self._session.scalar(select(func.clock_timestamp() < row.claimed_until)))

    def take(self, row: IdempotencyKey, claim_id: uuid.UUID, lasts: timedelta) -> None:
        whole = (IdempotencyKey.owner_id == row.owner_id, IdempotencyKey.route == row.route, IdempotencyKey.key == row.key)
        self._session.execute(update(IdempotencyKey).where(*whole).values(claim_id=claim_id, claimed_until=func.clock_timestamp() + lasts))

    def claimed_as(self, owner_id: uuid.UUID, route: str, key: str, claim_id: uuid.UUID) -> IdempotencyKey | None:
        """The row, held, if it is still this claim's turn."""
        row = self.held(owner_id, route, key)
        return row if row is not None and row.claim_id == claim_id else None

    def forget(self, row: IdempotencyKey) -> None:
        self._session.delete(row)

    def forget_older_than(self, age: timedelta) -> int:
        old = delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - age).returning(IdempotencyKey.claim_id)
        return len(self._session.scalars(old).all())
