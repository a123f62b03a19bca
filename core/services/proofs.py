"""Proofs that somebody is who they say, beyond signing in: the same password again, before an act that an open window left alone must not do."""

from core.db import unit_of_work
from core.errors import BillersError, NotSignedIn
from core.repositories.people import People
from core.security import audit, passwords
from core.security.sessions import hash_of
from core.services import people


class ProofRefused(BillersError):
    """That is not right. Check your password, and try again."""


def prove(token: str | None, password: str) -> None:
    """The person of this session proves again who they are; what asks for a fresh proof is open to the session for `STEP_UP_LIFE`.

    It counts among the tries to sign in: guessing here is no quicker. Raises `NotSignedIn`, `ProofRefused`, and `TooManyTries` as the door does.
    """
    actor = people.actor_of(token)
    if token is None or actor is None:
        raise NotSignedIn
    attempt = people.begin_try(actor.username, actor.address)
    matched = passwords.matches(password, attempt.password_hash)
    with unit_of_work() as session:
        if matched and people.passes(session, attempt):
            People(session).prove_session(hash_of(token))
            audit.record(session, actor, "proof.given", "user", actor.id)
            return
        audit.record(session, actor, "proof.refused", "user", actor.id)
    raise ProofRefused
