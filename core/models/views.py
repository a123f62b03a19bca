"""A filter under a name: somebody's own or the team's, and the one that a role's list opens with."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base

# What fits beside others above the list.
LONGEST_NAME = 40


class SavedView(Base):
    """What somebody saved. `address` is the list's own query without a place in it: what its link says is what the view holds."""

    __tablename__ = "saved_views"
    __table_args__ = (
        # The team's, each time the list is drawn; a person's own are found by the owner's unique names.
        Index("ix_saved_views_shared", "id", postgresql_where=text("shared")),
        CheckConstraint(f"char_length(name) BETWEEN 1 AND {LONGEST_NAME}", "name"),
        CheckConstraint("jsonb_typeof(address) = 'object'", "address"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    address: Mapped[dict[str, Any]]
    shared: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


# Two of one person's views are never called the same, whatever the letters' case.
Index("uq_saved_views_owner_name", SavedView.owner_id, func.lower(SavedView.name), unique=True)


class RoleView(Base):
    """Which shared view a role's list opens with. It goes with the view."""

    __tablename__ = "role_views"
    __table_args__ = (Index("ix_role_views_view_id", "view_id"),)

    role: Mapped[str] = mapped_column(ForeignKey("roles.code", ondelete="CASCADE"), primary_key=True)
    view_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("saved_views.id", ondelete="CASCADE"))
    set_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    set_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
