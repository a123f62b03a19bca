"""A transaction and everything that is told of it: draft, legs, attempts, answers, events."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Identity, Index, Integer, LargeBinary, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base
from core.states import IN_FLIGHT


def _in(*words: str) -> str:
    return ", ".join(f"'{word}'" for word in words)


# What a biller said something about, and what ended unpaid without a word.
REASON_SAID = "COALESCE(error_code, '(none)')"
HAS_GONE_WRONG = "error_code IS NOT NULL OR status IN ('FAILED', 'CANCELLED', 'REVERSED')"


class Draft(Base):
    """The wizard's form while it is filled in; from the review step on, the frozen and hashed payload the Pay button submits.

    A frozen draft never changes again: going back copies it into a new one.
    """

    __tablename__ = "drafts"
    __table_args__ = (
        # "Where was I?": a person's latest unsubmitted draft.
        Index("ix_drafts_owner_id_updated_at", "owner_id", "updated_at"),
        CheckConstraint("(frozen_at IS NULL) = (payload IS NULL) AND (payload IS NULL) = (payload_hash IS NULL)", "frozen_whole"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    form: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    payload: Mapped[dict[str, Any] | None]
    payload_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    frozen_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Transaction(Base):
    """One operator intent against one biller. Narrow on purpose: payloads live on answers, so that ten million rows stay in memory.

    Not partitioned: its unique keys must hold everywhere, and a partitioned table's cannot without the partition key.
    """

    __tablename__ = "transactions"
    __table_args__ = (
        # The reference every biller and person calls it by, whole or by how it begins.
        Index("uq_transactions_our_transaction_id", "our_transaction_id", unique=True, postgresql_ops={"our_transaction_id": "text_pattern_ops"}),
        # The keys against paying twice: a draft is submitted once.
        UniqueConstraint("draft_id"),
        # Two operators who retry the same payment get one child.
        UniqueConstraint("retry_of"),
        # One payment in flight per biller and account; a second person may waive it for a row under review.
        Index(
            "uq_transactions_in_flight",
            "biller_type",
            "account_number",
            unique=True,
            postgresql_where=text(f"amount IS NOT NULL AND stage IN ({_in(*IN_FLIGHT)}) AND NOT in_flight_waived"),
        ),
        # One living payment per invoice.
        Index(
            "uq_transactions_invoice",
            "biller_type",
            "invoice_number",
            unique=True,
            postgresql_where=text("transaction_type = 'CONFIRM_INVOICE' AND status IN ('PENDING', 'PROCESSING', 'COMPLETED')"),
        ),
        # What the worker claims, biller by biller, so that one that is down does not stand before the others.
        # Only rows that wait for something are in it: it stays small beside any history.
        Index("ix_transactions_next_action", "biller_type", "next_action_at", postgresql_where=text("next_action_at IS NOT NULL")),
        # The list and its pages by key, newest first; what filters it beside a lane is read here, and not from the row.
        Index(
            "ix_transactions_created_at_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_include=["biller_type", "status", "transaction_type", "currency", "amount", "stage", "initiated_by"],
        ),
        # A lane of the list: one biller, one status, one type, newest first.
        Index(
            "ix_transactions_lane_created",
            *("biller_type", "status", "transaction_type", text("created_at DESC"), text("id DESC")),
            postgresql_include=["amount", "initiated_by"],
        ),
        # The same lane, the largest amount first; what part of a number it is of is read here, too.
        Index(
            "ix_transactions_lane_amount",
            *("biller_type", "status", "transaction_type", text("amount DESC"), text("created_at DESC"), text("id DESC")),
            postgresql_include=["initiated_by", "account_number", "meter_number"],
            postgresql_where=text("amount IS NOT NULL"),
        ),
        # An account's history: duplicate check, recent accounts, search.
        Index("ix_transactions_account_created", "account_number", text("created_at DESC"), text("id DESC"), postgresql_include=["amount"]),
        # "My payments", of this biller or of any, and cancelling one's own; what a day of theirs adds up to is read here, too.
        Index(
            "ix_transactions_person_created",
            *("initiated_by", "biller_type", text("created_at DESC"), text("id DESC")),
            postgresql_include=["transaction_type", "status", "currency", "amount", "debit_account"],
        ),
        # What went wrong in the same way.
        Index(
            "ix_transactions_error_created",
            *(text(REASON_SAID), text("created_at DESC"), text("id DESC")),
            postgresql_include=["error_code", "biller_type", "status", "transaction_type", "amount", "initiated_by"],
            postgresql_where=text(HAS_GONE_WRONG),
        ),
        # The same, the largest amount first.
        Index(
            "ix_transactions_error_amount",
            *(text(REASON_SAID), text("amount DESC"), text("created_at DESC"), text("id DESC")),
            postgresql_include=["error_code"],
            postgresql_where=text(f"amount IS NOT NULL AND ({HAS_GONE_WRONG})"),
        ),
        # The biller's own reference, and an invoice's number, as they are read out on the phone.
        Index(
            "ix_transactions_external",
            "external_transaction_id",
            postgresql_ops={"external_transaction_id": "text_pattern_ops"},
            postgresql_include=["created_at", "id", "amount"],
            postgresql_where=text("external_transaction_id IS NOT NULL"),
        ),
        Index(
            "ix_transactions_invoice",
            "invoice_number",
            postgresql_ops={"invoice_number": "text_pattern_ops"},
            postgresql_include=["created_at", "id", "amount"],
            postgresql_where=text("invoice_number IS NOT NULL"),
        ),
        # The plan's last question: what ran under this configuration.
        Index("ix_transactions_config", "biller_config_id", text("created_at DESC")),
        # In doubt: asked for on every page, and rare.
        Index("ix_transactions_in_doubt", "created_at", postgresql_where=text("status = 'PROCESSING'")),
        CheckConstraint("version >= 1 AND lease_epoch >= 0", "counters"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", "currency"),
        CheckConstraint(
            "CASE WHEN transaction_type IN ('POST_TRANSACTION', 'CONFIRM_INVOICE', 'CONFIRM_BUNDLE')"
            " THEN amount > 0 AND topology IS NOT NULL ELSE amount IS NULL AND topology IS NULL END",
            "money",
        ),
        CheckConstraint("transaction_type <> 'CONFIRM_INVOICE' OR invoice_number IS NOT NULL", "invoice"),
        CheckConstraint("transaction_type <> 'CONFIRM_BUNDLE' OR bundle_id IS NOT NULL", "bundle"),
        CheckConstraint("topology IN ('NONE', 'SEPARATE', 'COMPOSITE')", "topology"),
        CheckConstraint("retry_of <> id", "retry_of"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    # What is paid, for whom, by whom: frozen at creation, held by the trigger.
    biller_config_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("biller_configs.id"))
    config_version: Mapped[int | None] = mapped_column(Integer)
    biller_type: Mapped[str] = mapped_column(ForeignKey("biller_types.code"))
    biller_name: Mapped[str]
    our_transaction_id: Mapped[str]
    transaction_type: Mapped[str]
    topology: Mapped[str | None]
    account_number: Mapped[str]
    account_type: Mapped[str | None]
    amount: Mapped[Decimal | None]
    currency: Mapped[str] = mapped_column(server_default="MWK")
    bundle_id: Mapped[str | None]
    invoice_number: Mapped[str | None]
    meter_number: Mapped[str | None]
    debit_account: Mapped[str | None]
    debit_account_type: Mapped[str | None]
    credit_account: Mapped[str | None]
    credit_account_type: Mapped[str | None]
    draft_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("drafts.id"))
    retry_of: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("transactions.id"))
    # Why a second payment of the same bill was meant, in the operator's words.
    duplicate_reason: Mapped[str | None]
    initiated_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # Demonstration rows: marked, settled from the start, and never moved.
    demo: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))

    # Where it stands: written by `core.services.moves` only.
    stage: Mapped[str]
    status: Mapped[str]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    in_flight_waived: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    next_action_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    lease_epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    lease_until: Mapped[datetime | None]

    # What the biller said.
    customer_account_name: Mapped[str | None]
    external_transaction_id: Mapped[str | None]
    api_endpoint: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    extra: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    processed_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Leg(Base):
    """One movement of money in a payment: its reference, and what is known of it. Doubt, once there, stays until evidence."""

    __tablename__ = "legs"
    __table_args__ = (
        # A reference belongs to one leg of one payment, for ever.
        UniqueConstraint("reference"),
        CheckConstraint("kind IN ('DEBIT', 'PAY', 'REVERSAL', 'PAY_REVERSAL', 'REFUND')", "kind"),
    )

    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str]
    # One attempt of it ended UNKNOWN and nothing has settled that since (rule 3).
    tainted: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    # The biller once said it has it: NOT_FOUND is a contradiction from then on.
    accepted: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    sends: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    inquiries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    not_found_in_a_row: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    last_sent_at: Mapped[datetime | None]
    # Any inquiry, ours or a person's: at most one in ten seconds.
    last_asked_at: Mapped[datetime | None]
    # The total deadline the last send ran under: the quiet window is counted from its end.
    last_deadline_ms: Mapped[int | None] = mapped_column(Integer)
    external_id: Mapped[str | None]


class Attempt(Base):
    """The intent to send one request, committed before its first byte. Append-only; what came of it is an `Answer`.

    Partitioned by month: the payloads beside it are what fills a disk, and a month can be detached whole.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        # A transaction's story is read whole, and only there.
        Index("ix_attempts_transaction_id", "transaction_id"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"))
    leg: Mapped[str | None]
    verb: Mapped[str]
    reference: Mapped[str]
    config_version: Mapped[int | None] = mapped_column(Integer)
    lease_epoch: Mapped[int]
    worker: Mapped[str]


class Answer(Base):
    """What came of an attempt: an outcome and the masked transcript. Append-only; a late worker may add one, never change one."""

    __tablename__ = "answers"
    __table_args__ = (
        Index("ix_answers_transaction_id", "transaction_id"),
        # What the sums of answer times have not taken in yet.
        Index("ix_answers_xid", "xid"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    attempt_id: Mapped[uuid.UUID]
    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"))
    outcome: Mapped[str]
    # The line's name for an accident, where there was one.
    failure: Mapped[str | None]
    # False: the lease was lost meanwhile, so that this is evidence beside the story, not a step of it.
    in_time: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    http_status: Mapped[int | None] = mapped_column(SmallInteger)
    code: Mapped[str | None]
    message: Mapped[str | None]
    external_id: Mapped[str | None]
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    request: Mapped[str | None]
    response: Mapped[str | None]
    # Empty where it is older than the sums.
    xid: Mapped[int | None] = mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))


class Event(Base):
    """One change of stage. Append-only, part of the audit chain."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_transaction_id", "transaction_id"),
        # The sealer reads by database transaction: what is below the oldest one still open is complete.
        Index("ix_events_xid", "xid"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.clock_timestamp())
    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"))
    version: Mapped[int] = mapped_column(Integer)
    from_stage: Mapped[str | None]
    to_stage: Mapped[str]
    actor_id: Mapped[uuid.UUID | None]
    actor_name: Mapped[str]
    reason: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))


class Worker(Base):
    """A worker that is or was at work: the console says so when none is."""

    __tablename__ = "workers"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    stopped_at: Mapped[datetime | None]
    # Which keys of the vault it holds, by id and fingerprint, the newest last; a rotation waits for it.
    vault_keys: Mapped[str | None]
