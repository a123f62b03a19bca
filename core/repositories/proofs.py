"""Asks about what people prove themselves with beside the password. The moment is the database's, so that every web process counts the same steps."""

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.models import Authenticator, RecoveryCode


class Proofs:
    """Authenticators and recovery codes, inside the caller's unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # Authenticators.

    def held(self, user_id: uuid.UUID) -> Authenticator | None:
        """Somebody's, nobody else's until the unit of work ends: of two who use one code at once, the second finds it used."""
        return self._session.scalars(select(Authenticator).where(Authenticator.user_id == user_id).with_for_update()).one_or_none()

    def now(self) -> float:
        """Seconds since 1970."""
        return float(self._session.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())

    def offer(self, user_id: uuid.UUID, envelope: str) -> bool:
        """Keeps an authenticator that has still to be confirmed, in place of an earlier offer. False where one is confirmed already."""
        kept = insert(Authenticator).values(user_id=user_id, secret=envelope)
        kept = kept.on_conflict_do_update(
            index_elements=["user_id"], set_={"secret": envelope, "created_at": func.now()}, where=Authenticator.confirmed_at.is_(None)
        )
        return self._session.execute(kept.returning(Authenticator.user_id)).one_or_none() is not None

    def confirm(self, user_id: uuid.UUID) -> None:
        self._session.execute(update(Authenticator).where(Authenticator.user_id == user_id).values(confirmed_at=func.clock_timestamp()))

    def enrolled(self, user_ids: Iterable[uuid.UUID]) -> frozenset[uuid.UUID]:
        """Which of these people have a confirmed authenticator."""
        asked = select(Authenticator.user_id).where(Authenticator.user_id.in_(list(user_ids)), Authenticator.confirmed_at.is_not(None))
        return frozenset(self._session.scalars(asked))

    def forget(self, user_id: uuid.UUID) -> bool:
        """Drops somebody's authenticator and recovery codes. False where there was nothing."""
        self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        dropped = delete(Authenticator).where(Authenticator.user_id == user_id).returning(Authenticator.user_id)
        return self._session.scalars(dropped).one_or_none() is not None

    # Recovery codes.

    def give(self, user_id: uuid.UUID, hashes: Sequence[bytes]) -> None:
        """These, and none of those before."""
        self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        self._session.execute(insert(RecoveryCode).values([{"user_id": user_id, "code_hash": code_hash} for code_hash in hashes]))

    def has(self, user_id: uuid.UUID, code_hash: bytes) -> bool:
        is_it = RecoveryCode.user_id == user_id, RecoveryCode.code_hash == code_hash, RecoveryCode.used_at.is_(None)
        return bool(self._session.execute(select(exists().where(*is_it))).scalar_one())

    def use(self, user_id: uuid.UUID, code_hash: bytes) -> bool:
        """Once; of two at once, one gets it."""
        is_it = RecoveryCode.user_id == user_id, RecoveryCode.code_hash == code_hash, RecoveryCode.used_at.is_(None)
        used = update(RecoveryCode).where(*is_it).values(used_at=func.clock_timestamp()).returning(RecoveryCode.user_id)
        return self._session.scalars(used).one_or_none() is not None

    def left(self, user_id: uuid.UUID) -> int:
        """How many still work."""
        counted = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        return int(self._session.execute(counted).scalar_one())
