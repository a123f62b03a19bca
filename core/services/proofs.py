"""Proofs that somebody is who they say, beyond a password at the door: the same again before an act that an open window left alone must not do, and a code.

A code is the app's of this half minute, or one of ten recovery codes; each works once. Its secret is shown while it is set up, and never again.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from sqlalchemy.orm import Session

from core.access import Actor, needs
from core.db import glance, unit_of_work
from core.errors import BadInput, BillersError, Misconfigured, NotFound, NotLegalNow, NotSignedIn
from core.models import Authenticator, User
from core.repositories.people import People
from core.repositories.proofs import Proofs
from core.security import audit, passwords, totp
from core.security.sessions import hash_of
from core.services import people, second_factor

log = structlog.get_logger(__name__)


class ProofRefused(BillersError):
    """That is not right. Check your password, and try again."""


class ProofWithCodeRefused(ProofRefused):
    """The password or the code is not right. A code works once: wait for the next one, and try again."""


class WrongFirstCode(BadInput):
    """This is not what the app should show now. Check that the phone's clock is right, wait for the next code, and type that."""


class CannotBeSetUp(Misconfigured):
    """A code cannot be set up here yet: a key of this console is missing. An administrator can mend it; `billers doctor` says what is missing."""


class EnrolledAlready(NotLegalNow):
    """You have a code already. Remove it first, to set it up on another phone."""


class NotEnrolled(NotLegalNow):
    """There is no code set up here. Load the page again to see where it stands."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What an app is set up with: the picture's address, and the secret in letters for an app that cannot read pictures."""

    address: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether somebody has a code, whether their role asks for one, and how many recovery codes still work."""

    is_enrolled: bool
    is_required: bool
    recovery_codes: int


# ---- Proving


def prove(token: str | None, password: str, code: str | None = None) -> None:
    """The person of this session proves again who they are; what asks for a fresh proof is open to the session for `STEP_UP_LIFE`.

    It counts among the tries to sign in: guessing here is no quicker. Raises `NotSignedIn`, `ProofRefused`, and `TooManyTries` as the door does.
    """
    actor = people.actor_of(token)
    if token is None or actor is None:
        raise NotSignedIn
    attempt = people.begin_try(actor.username, actor.address)
    matched = passwords.matches(password, attempt.password_hash)
    with unit_of_work() as session:
        wrong = people.wrong_with(session, attempt, matched=matched, code=code)
        if wrong is None:
            People(session).prove_session(hash_of(token))
            audit.record(session, actor, "proof.given", "user", actor.id)
            return
        audit.record(session, actor, "proof.refused", "user", actor.id, because=wrong)
        has_code = bool(attempt.user_id and Proofs(session).enrolled([attempt.user_id]))
    raise ProofWithCodeRefused if has_code else ProofRefused


# ---- One's own code


@needs("people:sign_in")
def standing(actor: Actor, /) -> Standing:
    with glance() as session:
        user, proofs = _self(session, actor), Proofs(session)
        is_enrolled = bool(proofs.enrolled([user.id]))
        return Standing(is_enrolled, People(session).requires_code(user.role), proofs.left(user.id) if is_enrolled else 0)


@needs("people:sign_in", fresh=True)
def offer(actor: Actor, /) -> Offer:
    """A new secret for one's app. It is asked for nowhere before `confirm`; a second offer voids the first. Raises `EnrolledAlready`."""
    secret = totp.new_secret()
    with unit_of_work() as session:
        user = _self(session, actor)
        if not Proofs(session).offer(user.id, _sealed(user.id, secret)):
            raise EnrolledAlready
        return Offer(totp.address(secret, user.username), totp.as_text(secret))


@needs("people:sign_in", fresh=True)
def confirm(actor: Actor, /, code: str | None) -> list[str]:
    """The app shows the right code: from now on it is asked for. Answers ten recovery codes, which nobody can show again. Raises `WrongFirstCode`."""
    with unit_of_work() as session:
        held = _held(session, actor)
        if held.confirmed_at is not None:
            raise EnrolledAlready
        if not second_factor.first_code(session, held, code):
            raise WrongFirstCode
        Proofs(session).confirm(held.user_id)
        audit.record(session, actor, "proof.enrolled", "user", actor.id)
        return second_factor.new_recovery_codes(session, held.user_id)


@needs("people:sign_in", fresh=True)
def renew_recovery_codes(actor: Actor, /) -> list[str]:
    """Ten new ones; those before work no longer."""
    with unit_of_work() as session:
        held = _held(session, actor)
        if held.confirmed_at is None:
            raise NotEnrolled
        audit.record(session, actor, "proof.recovery_codes_renewed", "user", actor.id)
        return second_factor.new_recovery_codes(session, held.user_id)


@needs("people:sign_in", fresh=True)
def remove(actor: Actor, /) -> None:
    """Takes one's own code away, to set it up on another phone. Whose role asks for one sets it up again before anything else."""
    with unit_of_work() as session:
        if not Proofs(session).forget(_self(session, actor).id):
            raise NotEnrolled
        audit.record(session, actor, "proof.removed", "user", actor.id)


# ---- Looking after others' codes


def is_enrolled(user_ids: Iterable[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Which of these people sign in with a code, in one question."""
    with glance() as session:
        return Proofs(session).enrolled(user_ids)


@needs("people:roles", fresh=True)
def require_code(actor: Actor, /, role: str, asked: bool) -> None:
    """Says whether who has this role signs in with a code. Whoever has it and no code sets one up before they can do anything else, from this moment on."""
    with unit_of_work() as session:
        if role not in People(session).roles():
            raise NotFound(f"There is no role {role}. Choose one from the list.")
        if People(session).ask_for_code(role, asked):
            audit.record(session, actor, "role.code_required" if asked else "role.code_not_required", "role", role)


@needs("people:manage", fresh=True)
def reset(actor: Actor, /, username: str) -> bool:
    """Takes somebody's code away whose phone is lost; they sign in by password alone until they set up another. False where there was none."""
    with unit_of_work() as session:
        user = People(session).named(username.strip())
        if user is None:
            raise NotFound(f"There is nobody called {username}. `billers user list` shows everybody.")
        was_there = Proofs(session).forget(user.id)
        if was_there:
            audit.record(session, actor, "proof.reset", "user", user.id, username=user.username)
        return was_there


def _sealed(user_id: uuid.UUID, secret: bytes) -> str:
    try:
        return second_factor.sealed(user_id, secret)
    except Misconfigured as error:
        # The vault's sentence is for whoever runs the machine: it names a file.
        log.error("proofs.cannot_seal", why=error.sentence)
        raise CannotBeSetUp from error


def _self(session: Session, actor: Actor) -> User:
    user = People(session).with_id(actor.id) if actor.id else None
    if user is None:
        raise NotFound("Only a person of this console has a code.")
    return user


def _held(session: Session, actor: Actor) -> Authenticator:
    held = Proofs(session).held(_self(session, actor).id)
    if held is None:
        raise NotEnrolled
    return held
