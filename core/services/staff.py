"""Looking after people: who may use the console, as what, of which billers, and where they are signed in. Nobody does any of it to themselves.

The last of those who look after people stays: without one nobody could be let in any more. A new password is shown once, to whoever gives it.
"""

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.access import Actor, needs
from core.db import glance, unit_of_work
from core.errors import BadInput, NotAllowed, NotFound, NotLegalNow
from core.ids import new_id
from core.models import User
from core.repositories.billers import Billers
from core.repositories.people import People
from core.repositories.staff import OpenSession, Staff
from core.security import audit, passwords
from core.security.sessions import IDLE, LONGEST_USERNAME

# Who holds this looks after people, and can let others do so.
LOOKS_AFTER = "people:manage"

LONGEST_NAME = 80


class NotOneself(NotAllowed):
    """Nobody changes their own rights. Ask another administrator."""


class TheLastOne(NotLegalNow):
    """Nobody else looks after people: with this nobody could be let in any more. Make another person an administrator first."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may or might use the console, as a list shows them. No billers: all of them."""

    id: uuid.UUID
    username: str
    display_name: str
    role: str
    role_title: str
    billers: tuple[str, ...]
    disabled_at: datetime | None
    # Made by the sandbox, with a password that everybody can read.
    sandbox: bool
    # The password is one that somebody else gave them.
    password_given: bool
    open_sessions: int
    last_seen_at: datetime | None
    created_at: datetime

    @property
    def disabled(self) -> bool:
        return self.disabled_at is not None


# ---- Looking


@needs("people:read")
def everybody(actor: Actor, /) -> Sequence[Member]:
    """By name, those who may sign in first."""
    with glance() as session:
        return [
            Member(
                id=one.user.id,
                username=one.user.username,
                display_name=one.user.display_name,
                role=one.user.role,
                role_title=one.role_title,
                billers=one.billers,
                disabled_at=one.user.disabled_at,
                sandbox=one.user.sandbox,
                password_given=one.user.password_given,
                open_sessions=one.open_sessions,
                last_seen_at=one.last_seen_at,
                created_at=one.user.created_at,
            )
            for one in Staff(session).everybody(IDLE)
        ]


@needs("people:read")
def sessions_of(actor: Actor, /, user_id: uuid.UUID) -> Sequence[OpenSession]:
    """Where somebody is signed in, the browser used last in front."""
    with glance() as session:
        return Staff(session).open_sessions(user_id, IDLE)


# ---- Letting in, changing


@needs(LOOKS_AFTER, fresh=True)
def add(actor: Actor, /, username: str, display_name: str, role: str, password: str | None = None, billers: Collection[str] = ()) -> str:
    """Lets somebody sign in. Answers their password: the one that was typed, or a new one, to be told to them. Raises `BadInput` with what to change."""
    username, display_name = username.strip(), _name(display_name)
    if not username or len(username) > LONGEST_USERNAME or not username.isprintable() or any(sign.isspace() for sign in username):
        raise BadInput(f"A user name is one word of at most {LONGEST_USERNAME} signs.")
    given = password or passwords.generate()
    passwords.check_policy(given, username)
    password_hash = passwords.hash_of(given)
    with unit_of_work() as session:
        _check_role(session, role)
        scope = _known_billers(session, billers)
        user = User(id=new_id(), username=username, display_name=display_name, role=role, password_hash=password_hash, sandbox=False, password_given=True)
        try:
            People(session).add(user)
        except IntegrityError as error:
            raise BadInput(f"There is a {username} already. Choose another user name.") from error
        Staff(session).limit_to(user.id, scope)
        audit.record(session, actor, "user.added", "user", user.id, username=username, display_name=display_name, role=role, billers=scope)
    return given


@needs(LOOKS_AFTER, fresh=True)
def change(actor: Actor, /, user_id: uuid.UUID, *, display_name: str, role: str, billers: Collection[str]) -> None:
    """What somebody is called, may do and sees, from this moment on in every window of theirs. Raises `NotOneself`, `TheLastOne`, `BadInput`."""
    name = _name(display_name)
    with unit_of_work() as session:
        user, staff = _held(session, user_id), Staff(session)
        scope = _known_billers(session, billers)
        before = {"display_name": user.display_name, "role": user.role, "billers": list(staff.billers_of(user.id))}
        after = {"display_name": name, "role": role, "billers": scope}
        if before == after:
            return
        if actor.id == user.id and (role, scope) != (user.role, before["billers"]):
            raise NotOneself
        _check_role(session, role)
        with the_last_one_stays(session):
            user.display_name, user.role, user.updated_at = name, role, func.now()
            staff.limit_to(user.id, scope)
        changed = [key for key in after if before[key] != after[key]]
        old, new = ({key: facts[key] for key in changed} for facts in (before, after))
        audit.record(session, actor, "user.changed", "user", user.id, username=user.username, before=old, after=new)


@needs(LOOKS_AFTER, fresh=True)
def disable(actor: Actor, /, user_id: uuid.UUID) -> None:
    """Lets somebody sign in no longer, ends their sessions at once, and their programs' tokens open nothing. Raises `NotOneself`, `TheLastOne`."""
    with unit_of_work() as session:
        user = _held(session, user_id)
        if actor.id == user.id:
            raise NotOneself("Nobody disables themselves. Ask another administrator.")
        if user.disabled_at is not None:
            return
        with the_last_one_stays(session):
            user.disabled_at = user.updated_at = func.now()
        ended = People(session).end_sessions_of(user.id, "disabled")
        audit.record(session, actor, "user.disabled", "user", user.id, username=user.username, sessions_ended=ended)


@needs(LOOKS_AFTER, fresh=True)
def enable(actor: Actor, /, user_id: uuid.UUID) -> None:
    """Lets somebody sign in again, with the password they had."""
    with unit_of_work() as session:
        user = _held(session, user_id)
        if user.disabled_at is None:
            return
        user.disabled_at, user.updated_at = None, func.now()
        audit.record(session, actor, "user.enabled", "user", user.id, username=user.username)


@needs(LOOKS_AFTER, fresh=True)
def give_password(actor: Actor, /, user_id: uuid.UUID, password: str | None = None) -> str:
    """A new password for somebody: the one typed, or a generated one. Their sessions end, and they may try at once. Answers it, to be told to them."""
    with unit_of_work() as session:
        user = _held(session, user_id)
        if actor.id == user.id:
            raise NotOneself("Change your own password under your name in the menu: it asks for the one you have.")
        refuse_on_the_screen(user)
        given = password or passwords.generate()
        passwords.check_policy(given, user.username)
        user.password_hash, user.password_given, user.updated_at = passwords.hash_of(given), True, func.now()
        ended = People(session).end_sessions_of(user.id, "new password")
        People(session).forgive(user.username.lower())
        audit.record(session, actor, "user.password_set", "user", user.id, username=user.username, sessions_ended=ended)
    return given


@needs(LOOKS_AFTER, fresh=True)
def end_session(actor: Actor, /, session_id: uuid.UUID) -> None:
    """Signs one browser out, in every window of it. Raises `NotFound` where it is over already."""
    with unit_of_work() as session:
        user_id = Staff(session).end_session(session_id, f"ended by {actor.username}")
        if user_id is None:
            raise NotFound("This session is over already.")
        audit.record(session, actor, "session.ended", "user", user_id, because=f"ended by {actor.username}")


@needs(LOOKS_AFTER, fresh=True)
def end_sessions(actor: Actor, /, user_id: uuid.UUID) -> int:
    """Signs somebody out everywhere. Answers how many sessions that were."""
    with unit_of_work() as session:
        user = _held(session, user_id)
        ended = People(session).end_sessions_of(user.id, f"ended by {actor.username}")
        if ended:
            audit.record(session, actor, "session.all_ended", "user", user.id, username=user.username, sessions_ended=ended)
        return ended


@needs("people:read")
def find(actor: Actor, /, username: str) -> Member:
    """Somebody by their user name, whatever its case. Raises `NotFound`."""
    found = next((one for one in everybody(actor) if one.username.lower() == username.strip().lower()), None)
    if found is None:
        raise NotFound(f"There is nobody called {username}. `billers user list` shows everybody.")
    return found


# ---- Rules


@contextmanager
def the_last_one_stays(session: Session) -> Iterator[None]:
    """What is done within must leave somebody who looks after people, if there was anybody. Raises `TheLastOne`."""
    there_was = Staff(session).administrators(LOOKS_AFTER) > 0
    yield
    session.flush()
    if there_was and not Staff(session).administrators(LOOKS_AFTER):
        raise TheLastOne


def refuse_on_the_screen(user: User) -> None:
    """Raises `NotLegalNow` for one of the sandbox's own people."""
    if user.sandbox:
        raise NotLegalNow(f"{user.display_name} is one of the sandbox's people: their password stands on the sign-in page, and stays what it is.")


def _held(session: Session, user_id: uuid.UUID) -> User:
    """One change of people after the other, so that no two of them together do what neither may."""
    Staff(session).hold()
    user = Staff(session).held(user_id)
    if user is None:
        raise NotFound("There is no such person. Open the page again.")
    return user


def _name(text: str) -> str:
    said = " ".join(text.split())
    if not said or not said.isprintable() or len(said) > LONGEST_NAME:
        raise BadInput(f"Give the person's name as others shall see it, in at most {LONGEST_NAME} signs.")
    return said


def _check_role(session: Session, role: str) -> None:
    if role not in (roles := People(session).roles()):
        raise BadInput(f"There is no role {role!r}. Choose one of {', '.join(roles)}.")


def _known_billers(session: Session, billers: Collection[str]) -> list[str]:
    known = Billers(session).names()
    if unknown := sorted(set(billers) - known.keys()):
        raise BadInput(f"There is no biller {unknown[0]}. Choose from the list.")
    return sorted(set(billers))
