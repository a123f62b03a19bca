"""Which billers are there, what does a version say, whose circuit is open?"""

import uuid
from collections.abc import Collection, Mapping

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core.models import AuditEntry, BillerConfig, BillerConfigVersion, BillerType, Breaker, ConnectionTest, Transaction, User
from core.states import Stage

# How the first stage of a connection test is called that was made with values nobody saved.
TYPED_ONLY = "typed"


class Billers:
    def __init__(self, session: Session) -> None:
        self._session = session

    def type_of(self, code: str) -> BillerType | None:
        return self._session.get(BillerType, code)

    def active(self) -> list[BillerConfig]:
        return list(self._session.scalars(select(BillerConfig).where(BillerConfig.is_active).order_by(BillerConfig.biller_name, BillerConfig.biller_type)))

    def active_of(self, biller_type: str) -> BillerConfig | None:
        return self._session.scalar(select(BillerConfig).where(BillerConfig.biller_type == biller_type, BillerConfig.is_active))

    def any_of(self, biller_type: str) -> BillerConfig | None:
        """The first one there was of this type, active or not."""
        return self._session.scalar(
            select(BillerConfig).where(BillerConfig.biller_type == biller_type).order_by(BillerConfig.created_at, BillerConfig.id).limit(1)
        )

    def all(self) -> list[BillerConfig]:
        return list(self._session.scalars(select(BillerConfig).order_by(BillerConfig.biller_name, BillerConfig.biller_type, BillerConfig.created_at)))

    def with_id(self, config_id: uuid.UUID) -> BillerConfig | None:
        return self._session.get(BillerConfig, config_id)

    def held(self, config_id: uuid.UUID) -> BillerConfig | None:
        """The row for whoever changes it: a second one waits, and then sees what the first one made of it."""
        return self._session.scalar(select(BillerConfig).where(BillerConfig.id == config_id).with_for_update().execution_options(populate_existing=True))

    def hold_type(self, code: str) -> BillerType | None:
        """So that two who switch on two configurations of one type do it one after the other. Payments that refer to the type are not held up."""
        return self._session.scalar(select(BillerType).where(BillerType.code == code).with_for_update(key_share=True))

    def versions(self, config_id: uuid.UUID) -> list[BillerConfigVersion]:
        """Newest first."""
        found = select(BillerConfigVersion).where(BillerConfigVersion.config_id == config_id).order_by(BillerConfigVersion.version.desc())
        return list(self._session.scalars(found))

    def acts(self, config_id: uuid.UUID, most: int = 200) -> list[AuditEntry]:
        """What was done to this configuration, newest first."""
        about = select(AuditEntry).where(AuditEntry.subject_type == "biller", AuditEntry.subject_id == str(config_id))
        return list(self._session.scalars(about.order_by(AuditEntry.seq.desc()).limit(most)))

    def people(self, ids: Collection[uuid.UUID | None]) -> Mapping[uuid.UUID, str]:
        """Their names by their ids."""
        return dict(self._session.execute(select(User.id, User.display_name).where(User.id.in_([one for one in ids if one]))).all())

    def tests(self, config_id: uuid.UUID, most: int = 50) -> list[ConnectionTest]:
        """Newest first."""
        found = select(ConnectionTest).where(ConnectionTest.config_id == config_id).order_by(ConnectionTest.at.desc(), ConnectionTest.id.desc())
        return list(self._session.scalars(found.limit(most)))

    def last_tests(self) -> Mapping[uuid.UUID, ConnectionTest]:
        """The newest test of each configuration that was tested as it was saved: one of values that were only typed says nothing about it."""
        newest = (
            select(ConnectionTest)
            .where(ConnectionTest.stages[0]["stage"].astext != TYPED_ONLY)
            .ext(distinct_on(ConnectionTest.config_id))
            .order_by(ConnectionTest.config_id, ConnectionTest.at.desc(), ConnectionTest.id.desc())
        )
        return {test.config_id: test for test in self._session.scalars(newest)}

    def unsent(self, biller_type: str) -> int:
        """Payments nothing was sent of yet: what waits while a biller is paused, and fails when it is switched off."""
        return self._session.execute(
            select(func.count()).where(Transaction.biller_type == biller_type, Transaction.stage == Stage.QUEUED.value, Transaction.next_action_at.is_not(None))
        ).scalar_one()

    def version(self, config_id: uuid.UUID, version: int) -> BillerConfigVersion | None:
        return self._session.get(BillerConfigVersion, (config_id, version))

    def open_breakers(self) -> Mapping[str, Breaker]:
        return {breaker.biller_type: breaker for breaker in self._session.scalars(select(Breaker))}

    def names(self) -> Mapping[str, str]:
        """Every biller's name by its code, active or not: what a filter offers. A company with two kinds of bills is told apart by what each is called."""
        called = select(BillerConfig.display_name).where(BillerConfig.biller_type == BillerType.code).order_by(BillerConfig.is_active.desc()).limit(1)
        alike = func.count().over(partition_by=BillerType.name)
        rows = self._session.execute(select(BillerType.code, BillerType.name, alike, called.scalar_subquery()).order_by(BillerType.name, BillerType.code))
        return {code: f"{name} · {kind}" if count > 1 and kind else name for code, name, count, kind in rows}

    def short_names(self) -> Mapping[str, str]:
        """What each biller is called where there is little room, and two kinds of bills of one company must be told apart."""
        rows = select(BillerConfig.biller_type, BillerConfig.display_name).order_by(BillerConfig.is_active, BillerConfig.updated_at)
        return dict(self._session.execute(rows).all())

    def sendable(self) -> Mapping[str, int]:
        """Calls at once per biller that may be sent to now: active, not paused; one at a time where the circuit is to be probed."""
        rows = self._session.execute(
            select(BillerConfig.biller_type, BillerConfig.concurrency, Breaker.biller_type.is_not(None))
            .outerjoin(Breaker, Breaker.biller_type == BillerConfig.biller_type)
            .where(BillerConfig.is_active, BillerConfig.paused_at.is_(None), func.coalesce(Breaker.probe_at, func.clock_timestamp()) <= func.clock_timestamp())
        )
        return {code: 1 if probing else concurrency for code, concurrency, probing in rows}

    def bank_slots(self, code: str, most: int) -> int:
        """Calls at once that core banking may be sent: one where its circuit is to be probed, none while it rests."""
        breaker = self._session.scalar(select(Breaker.probe_at <= func.clock_timestamp()).where(Breaker.biller_type == code))
        return most if breaker is None else int(breaker)

    def askable(self) -> Mapping[str, int]:
        """Calls at once per biller that may be asked: every one we know, paused and switched off included, since asking moves no money."""
        widest = func.max(BillerConfig.concurrency)
        return dict(self._session.execute(select(BillerConfig.biller_type, widest).group_by(BillerConfig.biller_type)).all())
