"""The circuit breaker: a biller or core banking that does not answer is left alone for a while. Payments wait, cancellable, and never fail by it."""

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from core import db
from core.access import SYSTEM
from core.models import Breaker
from core.security import audit
from core.services.biller_cache import tell_everybody
from core.services.errands import CLAIM_TOO_OLD, NOT_PREPARED, Result
from core.settings import settings
from core.wire.contract import Outcome

# Of the last twenty calls at least ten are needed for a rate, and half of them bad for a trip.
WINDOW = 20
ENOUGH = 10
BAD_SHARE = 0.5

# How long a biller is left alone before one payment probes it.
REST = timedelta(seconds=30)

BAD = (Outcome.NOT_SENT, Outcome.UNKNOWN)

# Nothing that a biller did, and nothing to hold against it.
OUR_OWN = frozenset({CLAIM_TOO_OLD, NOT_PREPARED})

# The line's name for HTTP 401 and 403: every further call would only be another wrong password.
REFUSED_CREDENTIALS = "refused_credentials"


def probe_now(session: Session, biller: str) -> None:
    """What opened the circuit may have been mended just now: the next payment tries it."""
    session.execute(update(Breaker).where(Breaker.biller_type == biller).values(probe_at=func.clock_timestamp()))


class Breakers:
    """One worker's memory of how its calls that move money went; an opened circuit is in the database, for every worker."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[bool]] = defaultdict(lambda: deque(maxlen=WINDOW))

    def note(self, results: Sequence[Result]) -> None:
        """Opens and closes circuits by what came of these calls. Inquiries do not count: asking goes on whatever happens."""
        sent = [result for result in results if result.errand.leg is not None and not result.errand.is_inquiry and result.failure not in OUR_OWN]
        trips: dict[str, str] = {}
        failed, healed = set(), set()
        for result in sent:
            biller, name = result.errand.party.code, result.errand.party.name
            bad = result.outcome in BAD
            recent = self._recent[biller]
            recent.append(bad)
            if result.failure == REFUSED_CREDENTIALS:
                trips[biller] = f"{name} refuses our credentials. An administrator must correct them; payments wait."
            elif bad and len(recent) >= ENOUGH and sum(recent) >= BAD_SHARE * len(recent):
                trips[biller] = f"{name} does not answer reliably ({sum(recent)} of {len(recent)} calls went wrong). Payments wait and go out by themselves."
            elif bad:
                failed.add(biller)
            else:
                healed.add(biller)
        if sent:
            self._keep(trips, failed - healed, healed - set(trips))

    def _keep(self, trips: dict[str, str], failed: set[str], healed: set[str]) -> None:
        rest = REST * float(settings().billers_time_factor)
        with db.unit_of_work() as session:
            for biller, reason in trips.items():
                opened = upsert(Breaker).values(biller_type=biller, probe_at=func.clock_timestamp() + rest, reason=reason)
                session.execute(
                    opened.on_conflict_do_update(index_elements=["biller_type"], set_={"probe_at": opened.excluded.probe_at, "reason": opened.excluded.reason})
                )
                audit.record(session, SYSTEM, "breaker.opened", "biller_type", biller, because=reason)
            # A probe that failed: by a worker that need not remember what opened the circuit.
            session.execute(
                update(Breaker)
                .where(Breaker.biller_type.in_(list(failed - set(trips))), Breaker.probe_at <= func.clock_timestamp())
                .values(probe_at=func.clock_timestamp() + rest)
            )
            closed = session.scalars(delete(Breaker).where(Breaker.biller_type.in_(list(healed))).returning(Breaker.biller_type)).all()
            for biller in closed:
                self._recent[biller].clear()
                audit.record(session, SYSTEM, "breaker.closed", "biller_type", biller)
            if trips or closed:
                tell_everybody(session)
