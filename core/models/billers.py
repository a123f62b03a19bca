"""Which billers there are, how each is reached and what is allowed with it, version by version."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Integer, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class BillerType(Base):
    """A biller this installation has an adapter for. Rows come from the seeds; the code's module is discovered."""

    __tablename__ = "biller_types"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class BillerConfig(Base):
    """How one biller is reached. Of a type at most one configuration is active, so that a payment never has to choose."""

    __tablename__ = "biller_configs"
    __table_args__ = (
        Index("uq_biller_configs_active", "biller_type", unique=True, postgresql_where=text("is_active")),
        # The plan's second question: which are active? (Few rows; the index keeps the question honest in plans.)
        Index("ix_biller_configs_biller_type", "biller_type"),
        CheckConstraint("topology IN ('NONE', 'SEPARATE', 'COMPOSITE')", "topology"),
        CheckConstraint("timeout_ms BETWEEN 100 AND 120000", "timeout_ms"),
        CheckConstraint("retry_attempts BETWEEN 0 AND 10", "retry_attempts"),
        CheckConstraint("concurrency BETWEEN 1 AND 1000", "concurrency"),
        CheckConstraint("(paused_at IS NULL) = (paused_reason IS NULL)", "paused"),
        CheckConstraint("approved_version BETWEEN 1 AND version", "approved_version"),
    )

    # Identity.
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    biller_type: Mapped[str] = mapped_column(ForeignKey("biller_types.code"))
    biller_name: Mapped[str]
    display_name: Mapped[str]
    description: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))

    # The last version of which two people, or whoever loaded it on the machine, said what takes two people. None: it was never offered to anybody.
    approved_version: Mapped[int | None] = mapped_column(Integer)

    # API. `authentication` is a vault envelope, bound to this row.
    base_url: Mapped[str]
    endpoints: Mapped[dict[str, Any]]
    authentication: Mapped[str | None]
    dialect: Mapped[str] = mapped_column(server_default="soap")

    # Transaction settings.
    default_currency: Mapped[str] = mapped_column(server_default="MWK")
    supported_currencies: Mapped[list[str]] = mapped_column(server_default=text("""'["MWK"]'::jsonb"""))
    timeout_ms: Mapped[int] = mapped_column(Integer, server_default=text("30000"))
    retry_attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("3"))
    concurrency: Mapped[int] = mapped_column(Integer, server_default=text("16"))
    expires_after_minutes: Mapped[int] = mapped_column(Integer, server_default=text("60"))
    duplicate_window_minutes: Mapped[int] = mapped_column(Integer, server_default=text("10"))
    topology: Mapped[str] = mapped_column(server_default="NONE")
    credit_account: Mapped[str | None]
    credit_account_type: Mapped[str | None]
    # Certified by the bank: the biller's "never seen it", by our reference, is the truth after this long.
    inquiry_certified: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    max_processing_seconds: Mapped[int | None] = mapped_column(Integer)

    # Features and validation, as the plan has them.
    features: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    validation_rules: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

    # A pause is a person's decision with a reason that operators read.
    paused_at: Mapped[datetime | None]
    paused_reason: Mapped[str | None]

    # Audit columns.
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    updated_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class BillerConfigVersion(Base):
    """What a configuration said at each version. A payment keeps the version it was drafted under."""

    __tablename__ = "biller_config_versions"

    config_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("biller_configs.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    snapshot: Mapped[dict[str, Any]]
    authentication: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    # What it came of, where two people made it: who approved it, and why.
    proposal_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("configuration_proposals.id"))


class ConnectionTest(Base):
    """One try of a configuration, stage by stage: what an administrator sees before switching a biller on."""

    __tablename__ = "connection_tests"
    __table_args__ = (
        # A configuration's history, newest first.
        Index("ix_connection_tests_config_at", "config_id", text("at DESC")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    config_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("biller_configs.id"))
    config_version: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor_name: Mapped[str]
    passed: Mapped[bool] = mapped_column(Boolean)
    # [{"stage", "passed", "milliseconds", "told"}], in the order they were tried.
    stages: Mapped[list[dict[str, Any]]]


class Breaker(Base):
    """An open circuit to one biller, or to core banking ("T24"), seen by every worker. No row: closed."""

    __tablename__ = "breakers"

    biller_type: Mapped[str] = mapped_column(primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # From this moment on one payment at a time may try.
    probe_at: Mapped[datetime]
    reason: Mapped[str]
