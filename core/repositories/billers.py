"""Which billers are there, what does a version say, whose circuit is open?"""

import uuid
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import BillerConfig, BillerConfigVersion, BillerType, Breaker


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
        return self._session.scalar(select(BillerConfig).where(BillerConfig.biller_type == biller_type).limit(1))

    def version(self, config_id: uuid.UUID, version: int) -> BillerConfigVersion | None:
        return self._session.get(BillerConfigVersion, (config_id, version))

    def open_breakers(self) -> Mapping[str, Breaker]:
        return {breaker.biller_type: breaker for breaker in self._session.scalars(select(Breaker))}

    def names(self) -> Mapping[str, str]:
        """Every biller's name by its code, active or not: what a filter offers."""
        return dict(self._session.execute(select(BillerType.code, BillerType.name).order_by(BillerType.name)).all())

    def sendable(self) -> Mapping[str, int]:
        """Calls at once per biller that may be sent to now: active, not paused; one at a time where the circuit is to be probed."""
        rows = self._session.execute(
            select(BillerConfig.biller_type, BillerConfig.concurrency, Breaker.biller_type.is_not(None))
            .outerjoin(Breaker, Breaker.biller_type == BillerConfig.biller_type)
            .where(BillerConfig.is_active, BillerConfig.paused_at.is_(None), func.coalesce(Breaker.probe_at, func.clock_timestamp()) <= func.clock_timestamp())
        )
        return {code: 1 if probing else concurrency for code, concurrency, probing in rows}

    def askable(self) -> Mapping[str, int]:
        """Calls at once per biller that may be asked: every one we know, paused and switched off included, since asking moves no money."""
        widest = func.max(BillerConfig.concurrency)
        return dict(self._session.execute(select(BillerConfig.biller_type, widest).group_by(BillerConfig.biller_type)).all())
