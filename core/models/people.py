"""Who may use the console, and where they are signed in."""

import uuid
from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Role(Base):
    __tablename__ = "roles"

    code: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]


class RolePermission(Base):
    __tablename__ = "role_permissions"

    role: Mapped[str] = mapped_column(ForeignKey("roles.code", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(primary_key=True)


class User(Base):
    """A person. `password_hash` is bcrypt; a disabled person's sessions end at once."""

    __tablename__ = "users"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    display_name: Mapped[str]
    role: Mapped[str] = mapped_column(ForeignKey("roles.code"))
    password_hash: Mapped[str]
    # Made by the sandbox with a password everybody can read: signs in nowhere else.
    sandbox: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


# Sign-in is by name whatever its case; the unique index is what makes two Graces impossible.
Index("uq_users_username", func.lower(User.username), unique=True)


class UserSession(Base):
    """A signed-in browser. Only the hash of the cookie's 256 bits is kept, so that a copy of the table signs nobody in."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        # Ending all of a person's sessions touches only the open ones.
        Index("ix_user_sessions_open", "user_id", postgresql_where=text("ended_at IS NULL")),
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None]
    address: Mapped[str | None]
    user_agent: Mapped[str | None]


class SignInTicket(Base):
    """Carries one proven password check from the form to the route that sets the cookie. Works once, within a minute."""

    __tablename__ = "sign_in_tickets"

    ticket_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """Every try at the door, so that guessing slows down whoever guesses, in every process alike."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        # The two questions of the throttle: recent failures of this name, and from this address.
        Index("ix_sign_in_attempts_username_at", "username", "at"),
        Index("ix_sign_in_attempts_address_at", "address", "at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    address: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    succeeded: Mapped[bool]
