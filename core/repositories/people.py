"""Asks about people, their sessions, and who tried the door. All times are the database's, so that every web process agrees."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Interval, Select, Text, and_, bindparam, cast, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from core.models import Authenticator, Role, RolePermission, SignInAttempt, SignInTicket, User, UserBiller, UserSession


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that counts now, and whose it is."""

    token_hash: bytes
    user_id: uuid.UUID
    username: str
    display_name: str
    role: str
    sandbox: bool
    permissions: frozenset[str]
    address: str | None
    should_touch: bool
    # None: not limited to any.
    billers: frozenset[str] | None = None
    # How long ago it proved who it is, by the database's clock; None: it never did.
    proved_ago: timedelta | None = None
    # The role asks for a code, and the person has none yet.
    must_enrol: bool = False


class People:
    """People and the proof that they are who they say, inside the caller's unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # People and roles.

    def named(self, username: str) -> User | None:
        return self._session.scalars(select(User).where(func.lower(User.username) == username.lower())).one_or_none()

    def everybody(self) -> Sequence[User]:
        return self._session.scalars(select(User).order_by(func.lower(User.username))).all()

    def with_id(self, user_id: uuid.UUID) -> User | None:
        return self._session.get(User, user_id)

    def add(self, user: User) -> None:
        self._session.add(user)
        self._session.flush()

    def roles(self) -> Mapping[str, str]:
        """Title by code."""
        return {role.code: role.title for role in self._session.scalars(select(Role).order_by(Role.code))}

    def permissions_by_role(self) -> Mapping[str, frozenset[str]]:
        rows = self._session.execute(select(RolePermission.role, func.array_agg(RolePermission.permission)).group_by(RolePermission.role))
        return {role: frozenset(permissions) for role, permissions in rows}

    def requires_code(self, role: str) -> bool:
        """Whether who has this role signs in with a code beside the password."""
        return bool(self._session.scalars(select(Role.requires_totp).where(Role.code == role)).one_or_none())

    def ask_for_code(self, role: str, asked: bool) -> bool:
        """False where it was so before."""
        changed = update(Role).where(Role.code == role, Role.requires_totp != asked).values(requires_totp=asked).returning(Role.code)
        return self._session.scalars(changed).one_or_none() is not None

    def keep_role(self, code: str, title: str, permissions: frozenset[str]) -> None:
        """Makes the role what is said here, whatever it was."""
        self._session.execute(insert(Role).values(code=code, title=title).on_conflict_do_update(index_elements=["code"], set_={"title": title}))
        self._session.execute(delete(RolePermission).where(RolePermission.role == code, RolePermission.permission.not_in(list(permissions))))
        if permissions:
            rows = [{"role": code, "permission": permission} for permission in sorted(permissions)]
            self._session.execute(insert(RolePermission).values(rows).on_conflict_do_nothing())

    # The throttle.

    def wait_in_line(self, username: str, address: str | None) -> None:
        """Tries with one name, or from one address, are counted one after the other: a thousand at once are a thousand, not one."""
        for key in sorted((f"billers.name.{username}", f"billers.address.{address}")):
            self._session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})

    def nth_last_failure_of(self, username: str, nth: int, window: timedelta) -> datetime | None:
        """When this name was last tried in vain but `nth - 1` times, within `window` and since its owner last got in."""
        is_theirs = SignInAttempt.username == username
        last_success = select(func.max(SignInAttempt.at)).where(is_theirs, SignInAttempt.succeeded).scalar_subquery()
        return self._nth_last_failure(nth, window, is_theirs, or_(last_success.is_(None), SignInAttempt.at > last_success))

    def nth_last_failure_from(self, address: str, nth: int, window: timedelta) -> datetime | None:
        """The same for an address. No success clears it: a guesser may own one account."""
        return self._nth_last_failure(nth, window, SignInAttempt.address == address)

    def _nth_last_failure(self, nth: int, window: timedelta, *where: ColumnElement[bool]) -> datetime | None:
        failures = select(SignInAttempt.at).where(*where, SignInAttempt.at > func.now() - window, ~SignInAttempt.succeeded)
        return self._session.scalars(failures.order_by(SignInAttempt.at.desc()).offset(nth - 1).limit(1)).one_or_none()

    def add_try(self, try_id: uuid.UUID, username: str, address: str | None) -> None:
        """Counted as failed until it is known to have succeeded."""
        self._session.add(SignInAttempt(id=try_id, username=username, address=address, succeeded=False))

    def pass_try(self, try_id: uuid.UUID) -> bool:
        """Marks a try as succeeded. False when it had been already: one try is one way in."""
        passed = update(SignInAttempt).where(SignInAttempt.id == try_id, ~SignInAttempt.succeeded).values(succeeded=True).returning(SignInAttempt.id)
        return self._session.scalars(passed).one_or_none() is not None

    def forgive(self, username: str) -> None:
        """Stops counting what was tried with this name so far. The audit chain keeps it."""
        self._session.execute(delete(SignInAttempt).where(SignInAttempt.username == username, ~SignInAttempt.succeeded))

    # Tickets.

    def add_ticket(self, ticket_hash: bytes, user_id: uuid.UUID, life: timedelta) -> None:
        expires_at = func.clock_timestamp() + life
        self._session.execute(insert(SignInTicket).values(ticket_hash=ticket_hash, user_id=user_id, expires_at=expires_at))

    def use_ticket(self, ticket_hash: bytes) -> uuid.UUID | None:
        """Whose it is, once and in time; of two at once, one gets it."""
        return self._session.scalars(
            update(SignInTicket)
            .where(SignInTicket.ticket_hash == ticket_hash, SignInTicket.used_at.is_(None), SignInTicket.expires_at > func.clock_timestamp())
            .values(used_at=func.now())
            .returning(SignInTicket.user_id)
        ).one_or_none()

    # Sessions.

    def open_session(self, token_hash: bytes, user_id: uuid.UUID, life: timedelta, address: str | None, user_agent: str | None) -> None:
        self._session.execute(
            insert(UserSession).values(
                token_hash=token_hash, user_id=user_id, expires_at=func.now() + life, proved_at=func.now(), address=address, user_agent=user_agent
            )
        )

    def live_session(self, token_hash: bytes, idle: timedelta, touch_every: timedelta) -> LiveSession | None:
        """The session if it was not ended, is not too old, was used lately, and its person may still sign in."""
        row = self._session.execute(_LIVE, {"token_hash": token_hash, "idle": idle, "touch_every": touch_every}).one_or_none()
        if row is None:
            return None
        token_hash, user_id, username, display_name, role, sandbox, held, scope, address, should_touch, proved_ago, must_enrol = row
        billers_of = frozenset(scope) if scope else None
        return LiveSession(
            token_hash, user_id, username, display_name, role, sandbox, frozenset(held), address, should_touch, billers_of, proved_ago, must_enrol
        )

    def still_open(self, token_hashes: Collection[bytes], idle: timedelta) -> frozenset[bytes]:
        """Those of them that count now."""
        asked = select(UserSession.token_hash).join(User, User.id == UserSession.user_id)
        return frozenset(self._session.scalars(asked.where(UserSession.token_hash.in_(list(token_hashes)), *counts_now(idle))))

    def touch_session(self, token_hash: bytes, touch_every: timedelta) -> None:
        """Seen just now. Of many at once, one writes."""
        self._session.execute(
            update(UserSession)
            .where(UserSession.token_hash == token_hash, UserSession.last_seen_at <= func.now() - touch_every, UserSession.ended_at.is_(None))
            .values(last_seen_at=func.now())
        )

    def prove_session(self, token_hash: bytes) -> None:
        """Its person proved just now who they are."""
        self._session.execute(update(UserSession).where(UserSession.token_hash == token_hash, UserSession.ended_at.is_(None)).values(proved_at=func.now()))

    def end_session(self, token_hash: bytes, because: str) -> uuid.UUID | None:
        """Whose session ended, or None when there was none to end."""
        return self._session.scalars(
            update(UserSession)
            .where(UserSession.token_hash == token_hash, UserSession.ended_at.is_(None))
            .values(ended_at=func.now(), ended_because=because)
            .returning(UserSession.user_id)
        ).one_or_none()

    def end_sessions_of(self, user_id: uuid.UUID, because: str) -> int:
        """Ends every session and voids every ticket of somebody. Returns how many sessions."""
        self._session.execute(delete(SignInTicket).where(and_(SignInTicket.user_id == user_id, SignInTicket.used_at.is_(None))))
        ended = (
            update(UserSession)
            .where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
            .values(ended_at=func.now(), ended_because=because)
            .returning(UserSession.token_hash)
        )
        return len(self._session.scalars(ended).all())

    def forget_old(self, kept: timedelta) -> int:
        """Drops tickets and tries that no rule asks about any more."""
        tickets = self._session.execute(delete(SignInTicket).where(SignInTicket.expires_at < func.now() - kept).returning(SignInTicket.user_id))
        tries = self._session.execute(delete(SignInAttempt).where(SignInAttempt.at < func.now() - kept).returning(SignInAttempt.id))
        return len(tickets.all()) + len(tries.all())


def counts_now(idle: timedelta | BindParameter[timedelta]) -> tuple[ColumnElement[bool], ...]:
    """A session that was not ended, is not too old and was used lately, of somebody who may still sign in."""
    return (
        UserSession.ended_at.is_(None),
        UserSession.expires_at > func.now(),
        UserSession.last_seen_at > func.now() - idle,
        User.disabled_at.is_(None),
    )


def _live() -> Select[Any]:
    permissions = (
        select(func.coalesce(func.array_agg(RolePermission.permission), cast([], ARRAY(Text)))).where(RolePermission.role == User.role).scalar_subquery()
    )
    billers = select(func.array_agg(UserBiller.biller_type)).where(UserBiller.user_id == User.id).scalar_subquery()
    is_enrolled = exists().where(Authenticator.user_id == User.id, Authenticator.confirmed_at.is_not(None))
    return (
        select(
            UserSession.token_hash,
            User.id,
            User.username,
            User.display_name,
            User.role,
            User.sandbox,
            permissions,
            billers,
            UserSession.address,
            UserSession.last_seen_at <= func.now() - bindparam("touch_every", type_=Interval()),
            func.now() - UserSession.proved_at,
            and_(Role.requires_totp, ~is_enrolled),
        )
        .join(User, User.id == UserSession.user_id)
        .join(Role, Role.code == User.role)
        .where(UserSession.token_hash == bindparam("token_hash"), *counts_now(bindparam("idle", type_=Interval())))
    )


# Asked at each run of a page and of each part of one, and so put together once.
_LIVE = _live()
