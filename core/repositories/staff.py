"""Asks about people as whoever looks after them sees them: their scope, where they are signed in, what their roles hold, which programs act for them."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Text, cast, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session, aliased

from core.models import ApiToken, Role, RolePermission, User, UserBiller, UserSession


@dataclass(frozen=True, slots=True)
class Known:
    """A person, with what stands about them in other tables. No billers: all of them."""

    user: User
    role_title: str
    billers: tuple[str, ...]
    open_sessions: int
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A browser that somebody is signed in with. `id` opens nothing."""

    id: uuid.UUID
    user_id: uuid.UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str | None
    # Whether it is the one that asks.
    is_this: bool


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who stands behind a token that counts now, and what it may do of what its owner may do at this moment."""

    token_id: uuid.UUID
    name: str
    owner: User
    permissions: frozenset[str]
    billers: frozenset[str] | None
    should_touch: bool


class Staff:
    """Inside the caller's unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def hold(self) -> None:
        """Whoever else changes people or roles waits until this unit of work ends: of two administrators who disable each other, one comes second."""
        self._session.execute(text("SELECT pg_advisory_xact_lock(hashtext('billers.people'))"))

    # ---- People

    def everybody(self, idle: timedelta) -> Sequence[Known]:
        """By name, those who may sign in first."""
        still_open = (UserSession.ended_at.is_(None), UserSession.expires_at > func.now(), UserSession.last_seen_at > func.now() - idle)
        sessions = select(func.count()).where(UserSession.user_id == User.id, *still_open).scalar_subquery()
        seen = select(func.max(UserSession.last_seen_at)).where(UserSession.user_id == User.id).scalar_subquery()
        billers = select(func.coalesce(func.array_agg(UserBiller.biller_type), cast([], ARRAY(Text)))).where(UserBiller.user_id == User.id).scalar_subquery()
        found = select(User, Role.title, billers, sessions, seen).join(Role, Role.code == User.role)
        rows = self._session.execute(found.order_by(User.disabled_at.is_not(None), func.lower(User.display_name), User.id))
        return [Known(user, title, tuple(sorted(scope)), count, last) for user, title, scope, count, last in rows]

    def held(self, user_id: uuid.UUID) -> User | None:
        return self._session.get(User, user_id, populate_existing=True, with_for_update=True)

    def billers_of(self, user_id: uuid.UUID) -> tuple[str, ...]:
        return tuple(self._session.scalars(select(UserBiller.biller_type).where(UserBiller.user_id == user_id).order_by(UserBiller.biller_type)))

    def limit_to(self, user_id: uuid.UUID, billers: Collection[str]) -> None:
        """To these and no others; to none: not limited."""
        self._session.execute(delete(UserBiller).where(UserBiller.user_id == user_id))
        if billers:
            self._session.execute(insert(UserBiller).values([{"user_id": user_id, "biller_type": code} for code in sorted(billers)]))

    def administrators(self, permission: str) -> int:
        """People who may sign in, are not limited, and hold this permission."""
        limited = select(UserBiller.user_id).where(UserBiller.user_id == User.id).exists()
        holds = select(RolePermission.role).where(RolePermission.role == User.role, RolePermission.permission == permission).exists()
        return self._session.scalar(select(func.count()).select_from(User).where(User.disabled_at.is_(None), ~limited, holds)) or 0

    # ---- Sessions

    def open_sessions(self, user_id: uuid.UUID, idle: timedelta, this: bytes | None = None) -> Sequence[OpenSession]:
        """The one used last in front."""
        one = UserSession
        found = (
            select(one.id, one.user_id, one.created_at, one.last_seen_at, one.expires_at, one.address, one.user_agent, one.token_hash)
            .where(one.user_id == user_id, one.ended_at.is_(None), one.expires_at > func.now(), one.last_seen_at > func.now() - idle)
            .order_by(one.last_seen_at.desc(), one.id)
        )
        return [OpenSession(*row[:-1], row.token_hash == this) for row in self._session.execute(found)]

    def end_session(self, session_id: uuid.UUID, because: str, of: uuid.UUID | None = None) -> uuid.UUID | None:
        """Whose session ended; None where there is none such, or it is not that person's."""
        ended = update(UserSession).where(UserSession.id == session_id, UserSession.ended_at.is_(None))
        if of is not None:
            ended = ended.where(UserSession.user_id == of)
        return self._session.scalar(ended.values(ended_at=func.now(), ended_because=because).returning(UserSession.user_id))

    def end_other_sessions(self, user_id: uuid.UUID, this: bytes, because: str) -> int:
        """Of somebody all but the one that asks. Answers how many."""
        others = update(UserSession).where(UserSession.user_id == user_id, UserSession.token_hash != this, UserSession.ended_at.is_(None))
        return len(self._session.scalars(others.values(ended_at=func.now(), ended_because=because).returning(UserSession.id)).all())

    # ---- Roles

    def roles(self) -> Sequence[tuple[Role, frozenset[str], int, str | None]]:
        """Each by its title: what it holds, how many people have it, and who edited it."""
        editor = aliased(User)
        holds = select(func.coalesce(func.array_agg(RolePermission.permission), cast([], ARRAY(Text)))).where(RolePermission.role == Role.code)
        people = select(func.count()).where(User.role == Role.code)
        found = select(Role, holds.scalar_subquery(), people.scalar_subquery(), editor.display_name).outerjoin(editor, editor.id == Role.edited_by)
        return [(role, frozenset(held), count, by) for role, held, count, by in self._session.execute(found.order_by(Role.title, Role.code))]

    def held_role(self, code: str) -> Role | None:
        return self._session.get(Role, code, populate_existing=True, with_for_update=True)

    def permissions_of(self, code: str) -> frozenset[str]:
        return frozenset(self._session.scalars(select(RolePermission.permission).where(RolePermission.role == code)))

    def people_of(self, code: str) -> int:
        return self._session.scalar(select(func.count()).select_from(User).where(User.role == code)) or 0

    def edited(self) -> frozenset[str]:
        """Roles that somebody edited: the seeds leave them as they are."""
        return frozenset(self._session.scalars(select(Role.code).where(Role.edited_at.is_not(None))))

    def drop_role(self, code: str) -> None:
        self._session.execute(delete(Role).where(Role.code == code))

    # ---- Tokens of programs

    def tokens(self, owner_id: uuid.UUID | None = None) -> Sequence[tuple[ApiToken, User]]:
        """One's own or everybody's, the newest first."""
        found = select(ApiToken, User).join(User, User.id == ApiToken.owner_id).order_by(ApiToken.created_at.desc(), ApiToken.id.desc())
        rows = self._session.execute(found.where(ApiToken.owner_id == owner_id) if owner_id else found)
        return [(token, owner) for token, owner in rows]

    def living_tokens(self, owner_id: uuid.UUID) -> int:
        living = (ApiToken.owner_id == owner_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > func.now())
        return self._session.scalar(select(func.count()).select_from(ApiToken).where(*living)) or 0

    def held_token(self, token_id: uuid.UUID) -> ApiToken | None:
        return self._session.get(ApiToken, token_id, populate_existing=True, with_for_update=True)

    def bearer(self, token_hash: bytes, touch_every: timedelta) -> Bearer | None:
        """In one statement, as a session is looked up: it runs with each request."""
        permissions = select(func.array_agg(RolePermission.permission)).where(RolePermission.role == User.role).scalar_subquery()
        billers = select(func.array_agg(UserBiller.biller_type)).where(UserBiller.user_id == User.id).scalar_subquery()
        stale = func.coalesce(ApiToken.last_used_at <= func.now() - touch_every, True)
        row = self._session.execute(
            select(ApiToken.id, ApiToken.name, ApiToken.scopes, User, permissions, billers, stale)
            .join(User, User.id == ApiToken.owner_id)
            .where(ApiToken.token_hash == token_hash, ApiToken.revoked_at.is_(None), ApiToken.expires_at > func.now(), User.disabled_at.is_(None))
        ).one_or_none()
        if row is None:
            return None
        token_id, name, scopes, owner, held, scope, should_touch = row
        return Bearer(token_id, name, owner, frozenset(scopes) & frozenset(held or ()), frozenset(scope) if scope else None, should_touch)

    def touch_token(self, token_id: uuid.UUID, address: str | None) -> None:
        self._session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=func.now(), last_address=address))

    def names(self, ids: Collection[uuid.UUID | None]) -> Mapping[uuid.UUID, str]:
        """People's names by their ids."""
        return dict(self._session.execute(select(User.id, User.display_name).where(User.id.in_([one for one in ids if one]))).all())
