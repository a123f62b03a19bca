"""What everybody does for themselves: their password, and the browsers they are signed in with. Of nobody else's anything."""

import uuid
from collections.abc import Sequence

from sqlalchemy import func

from core.access import Actor, needs
from core.db import glance, unit_of_work
from core.errors import BillersError, NotFound, NotSignedIn
from core.repositories.people import People
from core.repositories.staff import OpenSession, Staff
from core.security import audit, passwords
from core.security.passwords import WeakPassword
from core.security.sessions import IDLE, hash_of
from core.services import people
from core.services.staff import refuse_on_the_screen


class NotThePassword(BillersError):
    """That is not the password you have. Check it, and try again."""


@needs("people:sign_in")
def change_password(actor: Actor, /, token: str, current: str, new: str) -> int:
    """One's own, with the present one; signs every other browser of one's out, and answers how many. `token` is this one's.

    A wrong present password counts among the tries to sign in: guessing here is no quicker. Raises `NotThePassword`, `TooManyTries`, `WeakPassword`.
    """
    if new == current:
        raise WeakPassword("This is the password you have. Choose another.")
    passwords.check_policy(new, actor.username)
    attempt = people.begin_try(actor.username, actor.address)
    matched = passwords.matches(current, attempt.password_hash)
    password_hash = passwords.hash_of(new)
    with unit_of_work() as session:
        user = People(session).with_id(actor.id) if actor.id else None
        if user is None:
            raise NotSignedIn
        if not (matched and user.id == attempt.user_id and user.password_hash == attempt.password_hash and People(session).pass_try(attempt.id)):
            raise _refused(actor)
        refuse_on_the_screen(user)
        user.password_hash, user.password_given, user.updated_at = password_hash, False, func.now()
        ended = Staff(session).end_other_sessions(user.id, hash_of(token), "new password")
        audit.record(session, actor, "user.password_changed", "user", user.id, username=user.username, sessions_ended=ended)
        return ended


def _refused(actor: Actor) -> NotThePassword:
    """Written down by itself: the unit of work that is refused keeps nothing."""
    with unit_of_work() as session:
        audit.record(session, actor, "user.password_refused", "user", actor.id)
    return NotThePassword()


@needs("people:sign_in")
def sessions(actor: Actor, /, token: str | None) -> Sequence[OpenSession]:
    """Where one is signed in, this browser among them."""
    with glance() as session:
        return Staff(session).open_sessions(actor.id, IDLE, hash_of(token) if token else None) if actor.id else []


@needs("people:sign_in")
def end_session(actor: Actor, /, session_id: uuid.UUID) -> None:
    """Signs one of one's own browsers out. Raises `NotFound` for anybody else's."""
    with unit_of_work() as session:
        if actor.id is None or Staff(session).end_session(session_id, "signed out elsewhere", of=actor.id) is None:
            raise NotFound("This session is over already.")
        audit.record(session, actor, "session.ended", "user", actor.id, because="signed out elsewhere")


@needs("people:sign_in")
def password_is_given(actor: Actor, /) -> bool:
    """Whether somebody else knows one's password: whoever gave it."""
    with glance() as session:
        user = People(session).with_id(actor.id) if actor.id else None
        return user is not None and user.password_given
