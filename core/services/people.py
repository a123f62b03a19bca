"""Who may sign in, and who is signed in. A proof of the password becomes a ticket, a ticket becomes a session, a session is asked at every act."""

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core import clock
from core.access import Actor
from core.db import glance, unit_of_work
from core.errors import BillersError
from core.ids import new_id, new_secret
from core.models import User
from core.repositories.people import People
from core.repositories.proofs import Proofs
from core.security import audit, passwords
from core.security.sessions import (
    IDLE,
    LONGEST,
    LONGEST_USER_AGENT,
    LONGEST_USERNAME,
    THROTTLES,
    TICKET_LIFE,
    TOUCH_EVERY,
    Scope,
    Throttle,
    hash_of,
)
from core.services import second_factor
from core.services.second_factor import By
from core.settings import settings

# All that somebody may whose role asks for a code, until they have one.
TO_ENROL_ONLY = frozenset({"people:sign_in"})

# Tries and tickets are kept this long: longer than any rule looks back.
TRIES_KEPT = timedelta(days=30)


class SignInRefused(BillersError):
    """The user name, the password or the code is not right. Check them and try again."""


class TooManyTries(BillersError):
    """There were too many tries with a wrong password. Wait a little, then try again; an administrator can give you a new password."""


class NotThisTicket(BillersError):
    """This way in was used already or is more than a minute old. Sign in again."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try at the door: counted as failed from the start. `password_hash` is what to check against; of an unknown name it matches nothing."""

    id: uuid.UUID
    user_id: uuid.UUID | None
    username: str
    address: str | None
    password_hash: str = field(repr=False)


# The way in: try, conclude, redeem.


def begin_try(username: str, address: str | None) -> Try:
    """Count a try before the password is looked at, so that many at once cannot slip past the throttle. Raises TooManyTries.

    Takes as long for a name nobody has, and says the same.
    """
    username = username.strip().lower()[:LONGEST_USERNAME].replace("\0", "")
    with unit_of_work() as session:
        people = People(session)
        people.wait_in_line(username, address)
        wait_until = max((end for throttle in THROTTLES if (end := _end_of(throttle, people, username, address)) is not None), default=None)
        if wait_until is None:
            user_id, password_hash = _whom_it_could_let_in(people.named(username))
            made = Try(new_id(), user_id, username, address, password_hash)
            people.add_try(made.id, username, address)
            return made
        audit.record(session, _stranger(username, address), "sign_in.throttled", "username", username)
    raise TooManyTries(f"There were too many tries with a wrong password. {_how_long(wait_until)} An administrator can give you a new password.")


def conclude_try(attempt: Try, *, matched: bool, code: str | None = None) -> str:
    """Turn a try whose password matched into a ticket, where the code is right of whoever has one. Raises SignInRefused when either is not, or when it was
    used before; which of them was wrong only the record says.
    """
    with unit_of_work() as session:
        wrong = wrong_with(session, attempt, matched=matched, code=code)
        if wrong is None and attempt.user_id is not None:
            return _issue_ticket(People(session), attempt.user_id)
        audit.record(session, _stranger(attempt.username, attempt.address), "sign_in.refused", "username", attempt.username, because=wrong)
    raise SignInRefused


def wrong_with(session: Session, attempt: Try, *, matched: bool, code: str | None) -> str | None:
    """What of a try is not right: the password or the code; None where both are. Then both are used up: one try is one way in, and so is one code."""
    people = People(session)
    user = people.with_id(attempt.user_id) if attempt.user_id else None
    # Looked at again: the person may have been disabled, or the password changed, while it was being checked.
    is_theirs = matched and user is not None and _may_sign_in(user) and user.password_hash == attempt.password_hash
    proof = second_factor.proof_by(session, attempt.user_id, code, use=is_theirs)
    if user is None or not is_theirs:
        return "password"
    if proof is None:
        return "code"
    if not people.pass_try(attempt.id):
        return "used before"
    if proof is By.RECOVERY_CODE:
        person = Actor(user.id, user.username, user.display_name, user.role, frozenset(), attempt.address)
        audit.record(session, person, "proof.recovery_code_used", "user", user.id, left=Proofs(session).left(user.id))
    return None


def sign_in(username: str, password: str, address: str | None, code: str | None = None) -> str:
    """A ticket for whoever proves to know the password, and has the code where there is one. Raises SignInRefused and TooManyTries."""
    attempt = begin_try(username, address)
    return conclude_try(attempt, matched=passwords.matches(password, attempt.password_hash), code=code)


def redeem(ticket: str, address: str | None, user_agent: str | None) -> str:
    """Exchange a ticket for a session; returns the token for the cookie. Raises NotThisTicket."""
    token = new_secret()
    with unit_of_work() as session:
        people = People(session)
        user_id = people.use_ticket(hash_of(ticket))
        user = people.with_id(user_id) if user_id else None
        if user is None or not _may_sign_in(user):
            raise NotThisTicket
        people.open_session(hash_of(token), user.id, LONGEST, address, user_agent[:LONGEST_USER_AGENT] if user_agent else None)
        person = Actor(user.id, user.username, user.display_name, user.role, frozenset(), address)
        audit.record(session, person, "session.opened", "user", user.id, user_agent=(user_agent or "")[:LONGEST_USER_AGENT])
    return token


# Being signed in.


def actor_of(token: str | None, *, touch: bool = True) -> Actor | None:
    """Who holds this session, with the permissions of this moment; None once it is over, for whatever reason.

    `touch=False` is for what happens by itself: a page left open that asks for news is not a person at work.
    """
    if not token:
        return None
    with glance() as session:
        found = People(session).live_session(hash_of(token), IDLE, TOUCH_EVERY)
    if found is None or (found.sandbox and not settings().billers_sandbox):
        return None
    if touch and found.should_touch:
        with unit_of_work() as session:
            People(session).touch_session(found.token_hash, TOUCH_EVERY)
    # On this machine's clock: whether a proof is fresh does not hang on two clocks agreeing.
    proved_at = None if found.proved_ago is None else clock.now() - found.proved_ago
    held = TO_ENROL_ONLY & found.permissions if found.must_enrol else found.permissions
    return Actor(found.user_id, found.username, found.display_name, found.role, held, found.address, found.billers, proved_at, found.must_enrol)


def still_open(token_hashes: Collection[bytes]) -> frozenset[bytes]:
    """Which of these sessions count now. Asked of all that a process holds open at once; nobody is at work by it."""
    with glance() as session:
        return People(session).still_open(token_hashes, IDLE)


def sign_out(token: str, because: str = "signed out") -> None:
    """End a session at once, in every window that uses it. Harmless when it is over already."""
    with unit_of_work() as session:
        people = People(session)
        user_id = people.end_session(hash_of(token), because)
        user = people.with_id(user_id) if user_id else None
        if user is not None:
            person = Actor(user.id, user.username, user.display_name, user.role, frozenset())
            audit.record(session, person, "session.ended", "user", user.id, because=because)


def ticket_for_sandbox_person(username: str, address: str | None) -> str:
    """A ticket for one of the sandbox's own people, whose password is on the screen anyway. Raises SignInRefused for anybody else, and outside sandbox mode."""
    with unit_of_work() as session:
        people = People(session)
        user = people.named(username)
        if user is None or not user.sandbox or not _may_sign_in(user):
            audit.record(session, _stranger(username, address), "sign_in.refused", "username", username)
        elif Proofs(session).enrolled([user.id]):
            raise SignInRefused("This person has a code. Sign in above, with user name, password and the code.")
        else:
            return _issue_ticket(people, user.id)
    raise SignInRefused


def forget_old() -> int:
    """Drop tries and tickets past their use. A job (core.services.job_table)."""
    with unit_of_work() as session:
        return People(session).forget_old(TRIES_KEPT)


def _end_of(throttle: Throttle, people: People, username: str, address: str | None) -> datetime | None:
    """When this throttle lets the next try through, or None for at once."""
    failures: Mapping[Scope, Callable[[], datetime | None]] = {
        Scope.USERNAME: lambda: people.nth_last_failure_of(username, throttle.failures, throttle.window),
        Scope.ADDRESS: lambda: people.nth_last_failure_from(address, throttle.failures, throttle.window) if address else None,
    }
    oldest = failures[throttle.scope]()
    return None if oldest is None else oldest + throttle.window


def _whom_it_could_let_in(user: User | None) -> tuple[uuid.UUID | None, str]:
    return (user.id, user.password_hash) if user is not None and _may_sign_in(user) else (None, passwords.DUMMY_HASH)


def _may_sign_in(user: User) -> bool:
    """The sandbox's people have passwords that everybody can read: outside sandbox mode they are nobody."""
    return user.disabled_at is None and (not user.sandbox or settings().billers_sandbox)


def _issue_ticket(people: People, user_id: uuid.UUID) -> str:
    ticket = new_secret()
    people.add_ticket(hash_of(ticket), user_id, TICKET_LIFE)
    return ticket


def _stranger(username: str, address: str | None) -> Actor:
    """Somebody at the door who has not proven who they are."""
    return Actor(None, f"unproven: {username}", username, "none", frozenset(), address)


def _how_long(until: datetime) -> str:
    minutes = max(1, -(-int((until - clock.now()).total_seconds()) // 60))
    return f"Wait {minutes} minute{'s' if minutes > 1 else ''}, then try again."
