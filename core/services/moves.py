"""The one writer of stages. A move names where the row stood; if it stands elsewhere by now, nothing happens and the caller is told."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import logs
from core.access import SYSTEM, Actor
from core.errors import NotLegalNow
from core.models import Event, Transaction
from core.services import live
from core.states import Stage, TransactionType, is_legal, status_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a row stood when it was read: what a move is guarded by."""

    id: uuid.UUID
    transaction_type: TransactionType
    stage: Stage
    version: int
    lease_epoch: int

    @classmethod
    def of(cls, transaction: Transaction) -> "Stand":
        return cls(transaction.id, TransactionType(transaction.transaction_type), Stage(transaction.stage), transaction.version, transaction.lease_epoch)


@dataclass(frozen=True, slots=True)
class Move:
    """One step. `wait` is when the row is looked at next (None: never by itself); `lease` makes the mover its holder for that long."""

    stand: Stand
    to: Stage
    reason: str
    wait: timedelta | None = None
    lease: timedelta | None = None
    actor: Actor = SYSTEM
    owner: str | None = None
    external_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    customer_name: str | None = None
    endpoint: str | None = None
    extra: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


# Rows that stand elsewhere by now are left out by the WHERE and so from the answer: a woken zombie changes nothing.
MOVE = text(
    """
    WITH asked AS (
        SELECT * FROM jsonb_to_recordset(CAST(:moves AS jsonb)) AS m (
            id uuid, from_stage text, version bigint, lease_epoch bigint, to_stage text, status text, wait_ms double precision, owner text,
            external_id text, error_code text, error_message text, customer_name text, endpoint text, extra jsonb,
            actor_id uuid, actor_name text, reason text, facts jsonb
        )
    ), moved AS (
        UPDATE transactions AS t SET
            stage = asked.to_stage,
            status = asked.status,
            version = t.version + 1,
            next_action_at = clock_timestamp() + asked.wait_ms * interval '1 millisecond',
            lease_owner = asked.owner,
            lease_epoch = t.lease_epoch + (asked.owner IS NOT NULL)::integer,
            lease_until = CASE WHEN asked.owner IS NOT NULL THEN clock_timestamp() + asked.wait_ms * interval '1 millisecond' END,
            external_transaction_id = coalesce(asked.external_id, t.external_transaction_id),
            -- While a debit is given back, what is told stays why: the customer asks why the bill is not paid.
            error_code = CASE WHEN asked.to_stage IN ('REVERSAL_SENDING', 'REVERSAL_UNKNOWN', 'REVERSED') THEN coalesce(t.error_code, asked.error_code)
                ELSE asked.error_code END,
            error_message = CASE WHEN asked.to_stage IN ('REVERSAL_SENDING', 'REVERSAL_UNKNOWN', 'REVERSED') THEN coalesce(t.error_message, asked.error_message)
                ELSE asked.error_message END,
            customer_account_name = coalesce(asked.customer_name, t.customer_account_name),
            api_endpoint = coalesce(asked.endpoint, t.api_endpoint),
            metadata = coalesce(t.metadata || asked.extra, asked.extra, t.metadata),
            processed_at = CASE WHEN asked.status <> 'PENDING' THEN coalesce(t.processed_at, clock_timestamp()) END,
            completed_at = CASE WHEN asked.status IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REVERSED') THEN coalesce(t.completed_at, clock_timestamp()) END,
            updated_at = clock_timestamp()
        FROM asked
        WHERE t.id = asked.id AND t.stage = asked.from_stage AND t.version = asked.version AND t.lease_epoch = asked.lease_epoch
        RETURNING t.id, t.version, t.lease_epoch, asked.from_stage, asked.to_stage, asked.actor_id, asked.actor_name, asked.reason, asked.facts,
            t.biller_type, t.biller_name, t.our_transaction_id, t.amount, t.currency, t.account_number, t.customer_account_name, t.error_code,
            t.external_transaction_id
    ), noted AS (
        -- The outbox: what somebody is to be told of is written with what happened, both or none (core.services.outbox).
        INSERT INTO notification_events (event, biller_type, subject_type, subject_id, facts)
        SELECT happening.event, moved.biller_type, 'transaction', moved.id::text, jsonb_build_object(
            'reference', moved.our_transaction_id, 'biller', moved.biller_name, 'amount', moved.amount::text, 'currency', moved.currency,
            'account', moved.account_number, 'customer', moved.customer_account_name, 'reason', moved.reason, 'code', moved.error_code,
            'biller_reference', moved.external_transaction_id)
        FROM moved
        JOIN (VALUES ('COMPLETED', 'payment.completed'), ('FAILED', 'payment.failed'), ('REVIEW', 'payment.under_review')) AS happening (stage, event)
            ON happening.stage = moved.to_stage
        WHERE moved.amount IS NOT NULL AND EXISTS (
            SELECT FROM notification_subscriptions AS s
            WHERE s.is_on AND s.event = happening.event AND (s.biller_type IS NULL OR s.biller_type = moved.biller_type)
        )
    ), told AS (
        INSERT INTO events (transaction_id, version, from_stage, to_stage, actor_id, actor_name, reason, facts)
        SELECT id, version, from_stage, to_stage, actor_id, actor_name, reason, facts FROM moved
    )
    SELECT id, version, lease_epoch FROM moved
    """
)


def tell_created(session: Session, transaction_id: uuid.UUID, actor: Actor, reason: str, facts: Mapping[str, Any] | None = None) -> None:
    """The first line of a transaction's story: the only one that comes from nowhere. It keeps the name of the act that asked for it."""
    act = logs.act()
    session.add(
        Event(
            transaction_id=transaction_id,
            version=1,
            from_stage=None,
            to_stage=Stage.CREATED.value,
            actor_id=actor.id,
            actor_name=actor.display_name,
            reason=reason,
            facts={logs.CORRELATION: act, **(facts or {})},
        )
    )
    session.flush()
    live.tell(session)
    with logs.under(act):
        # Before the commit: where that fails, this line is all that is left of the try.
        log.info("transaction.asked_for", transaction=str(transaction_id), by=actor.username)


def move_many(session: Session, moves: Sequence[Move]) -> Mapping[uuid.UUID, Stand]:
    """Makes those of the moves (each of another row) whose row still stands where it was read; answers their new stands by id."""
    if not moves:
        return {}
    for move in moves:
        if not is_legal(move.stand.transaction_type, move.stand.stage, move.to):
            raise NotLegalNow(f"A payment cannot go from {move.stand.stage} to {move.to}.")
    rows = session.execute(MOVE, {"moves": orjson.dumps([_as_row(move) for move in moves]).decode()})
    versions = {transaction_id: (version, epoch) for transaction_id, version, epoch in rows}
    if versions:
        live.tell(session)
    return {move.stand.id: Stand(move.stand.id, move.stand.transaction_type, move.to, *versions[move.stand.id]) for move in moves if move.stand.id in versions}


def move(session: Session, step: Move) -> Stand:
    """Makes one move. Raises `NotLegalNow` where the row stands elsewhere by now."""
    stand = move_many(session, [step]).get(step.stand.id)
    if stand is None:
        raise NotLegalNow
    return stand


def _as_row(step: Move) -> dict[str, Any]:
    wait = step.lease if step.lease is not None else step.wait
    return {
        "id": step.stand.id,
        "from_stage": step.stand.stage,
        "version": step.stand.version,
        "lease_epoch": step.stand.lease_epoch,
        "to_stage": step.to,
        "status": status_of(step.to),
        "wait_ms": None if wait is None else wait / timedelta(milliseconds=1),
        "owner": step.owner if step.lease is not None else None,
        "external_id": step.external_id,
        "error_code": step.error_code,
        "error_message": step.error_message,
        "customer_name": step.customer_name,
        "endpoint": step.endpoint,
        "extra": dict(step.extra) if step.extra else None,
        "actor_id": step.actor.id,
        "actor_name": step.actor.display_name,
        "reason": step.reason,
        "facts": dict(step.facts),
    }
