"""What happens by the clock: calls whose worker is gone, and payments whose time is up."""

from datetime import timedelta

from core import db
from core.models import Transaction
from core.repositories.work import Work
from core.services import gate
from core.services.moves import Move, Stand, move_many
from core.services.pinned import pinned_versions
from core.services.policy import Reason, after_doubt, next_aftercare, road_of
from core.services.settlement import Decided, carry_out, facts_of, promise_of, was_out
from core.states import SENDS_FROM, WHEN_LEASE_EXPIRES, LegKind, Stage, Topology


def settle_lost_leases() -> int:
    """A call whose worker is gone: nobody knows what was sent, so it is asked about (rule 9). Answers how many there were."""
    with db.unit_of_work() as session:
        rows = Work(session).lost_leases()
        legs, now = Work(session).legs_of([row.id for row in rows]), Work(session).now()
        pinned = pinned_versions(session, rows)
        payments: list[Decided] = []
        lookups: list[Move] = []
        for row in rows:
            stage, stand = Stage(row.stage), Stand.of(row)
            if stage is Stage.ASKING:
                reason = Reason.LOOKUP_NO_ANSWER.format(biller=row.biller_name)
                lookups.append(Move(stand, WHEN_LEASE_EXPIRES[stage], reason, error_code="lease_expired", error_message=reason))
                continue
            kind = OUT_IN[stage]
            road = road_of(kind, debited=row.topology == Topology.SEPARATE.value)
            told = Reason.LEASE_LOST if kind is LegKind.PAY else road.told_unknown
            verdict = after_doubt(promise_of(row.biller_type, pinned[row.id][0], kind), facts_of(legs[row.id][kind], now), told, road)
            payments.append(Decided(stand, row.biller_name, kind, verdict))
        move_many(session, lookups)
        carry_out(session, payments)
    return len(rows)


# Which leg is out in each stage that is on the wire.
OUT_IN = {stage: SENDS_FROM.get(stage, LegKind.DEBIT if stage is Stage.DEBIT_SENDING else LegKind.PAY) for stage in WHEN_LEASE_EXPIRES}


def give_up_overdue() -> int:
    """Payments that could not be sent in time, or whose biller was switched off before they were: failed, and given back where the customer was debited.

    Answers how many there were.
    """
    with db.unit_of_work() as session:
        # Of what may have been sent in a history that is lost, nobody can say that it was not.
        overdue = [] if gate.is_closed(session) else Work(session).overdue()
        legs, now = Work(session).legs_of([row.id for row in overdue]), Work(session).now()
        # What waits to be sent is proven unsent or unseen; were its leg in doubt, time alone would prove nothing.
        ready = [row for row in overdue if not any(leg.tainted for leg in legs[row.id].values())]
        pinned = pinned_versions(session, ready)
        moves = []
        for row in ready:
            in_time = row.expires_at is not None and row.expires_at > now
            if _is_debited(row):
                reason = Reason.REVERSAL_DEACTIVATED if in_time else Reason.REVERSAL_EXPIRED
                moves.append(_ended(row, Stage.REVERSAL_SENDING, reason, "deactivated" if in_time else "expired", timedelta(0)))
            else:
                reason = Reason.DEACTIVATED if in_time else Reason.EXPIRED
                promise = promise_of(row.biller_type, pinned[row.id][0])
                care = next_aftercare(promise, timedelta(0)) if was_out(legs[row.id]) else None
                moves.append(_ended(row, Stage.FAILED, reason, "deactivated" if in_time else "expired", care))
        return len(move_many(session, moves))


def _is_debited(row: Transaction) -> bool:
    return row.topology == Topology.SEPARATE.value and Stage(row.stage) in (Stage.DEBITED, Stage.PAY_RETRY)


def _ended(row: Transaction, to: Stage, reason: Reason, code: str, wait: timedelta | None) -> Move:
    told = reason.format(biller=row.biller_name)
    return Move(Stand.of(row), to, told, wait=wait, error_code=code, error_message=told)
