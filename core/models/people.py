"""Who may use the console, and where they are signed in."""

import uuid
from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Role(Base):
    """What a kind of person may do. One that somebody edited is the bank's own: the seeds leave it as it is."""

    __tablename__ = "roles"

    code: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    edited_at: Mapped[datetime | None]
    edited_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", use_alter=True))
    # Whoever has it signs in with a code beside the password; before there is one they can do nothing but set it up.
    requires_totp: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


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
    # Somebody else knows the password: whoever gave it.
    password_given: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


# Sign-in is by name whatever its case; the unique index is what makes two Graces impossible.
Index("uq_users_username", func.lower(User.username), unique=True)


class UserBiller(Base):
    """A biller that a person is limited to. Somebody without a row sees all of them."""

    __tablename__ = "user_billers"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    biller_type: Mapped[str] = mapped_column(ForeignKey("biller_types.code"), primary_key=True)


class UserSession(Base):
    """A signed-in browser. Only the hash of the cookie's 256 bits is kept, so that a copy of the table signs nobody in."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        # Ending all of a person's sessions touches only the open ones.
        Index("ix_user_sessions_open", "user_id", postgresql_where=text("ended_at IS NULL")),
        Index("uq_user_sessions_id", "id", unique=True),
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
    # What lists call it: it opens nothing.
    id: Mapped[uuid.UUID] = mapped_column(server_default=func.gen_random_uuid())
    # When its person last proved who they are: by signing in, or since then because an act asked for it.
    proved_at: Mapped[datetime | None]


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


class ApiToken(Base):
    """What a program signs its requests with: a part of its owner's rights, for a year at most. Only the hash of its 256 bits is kept."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        Index("uq_api_tokens_token_hash", "token_hash", unique=True),
        # Somebody's own.
        Index("ix_api_tokens_owner_id", "owner_id"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 60", "name"),
        CheckConstraint("length(token_hash) = 32", "hash"),
        CheckConstraint("jsonb_typeof(scopes) = 'array'", "scopes"),
        CheckConstraint("expires_at <= created_at + interval '366 days'", "life"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    # How it begins: enough to know it again, too little to use.
    prefix: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    last_address: Mapped[str | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
