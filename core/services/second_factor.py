"""The code beside the password: whether it is right, and that it is used up by that. Part of whoever's unit of work asks."""

import uuid
from enum import StrEnum

import structlog
from sqlalchemy.orm import Session

from core.errors import Misconfigured
from core.models import Authenticator
from core.repositories.proofs import Proofs
from core.security import passwords, totp
from core.security.sessions import hash_of
from core.security.vault import open_secret, seal_secret

log = structlog.get_logger(__name__)

# Where the secret's envelope opens, and nowhere else.
TABLE, COLUMN = "authenticators", "secret"

RECOVERY_CODES = 10

NOBODY = uuid.UUID(int=0)


class By(StrEnum):
    """What somebody proved themselves with beside the password."""

    NOTHING = "nothing"
    CODE = "code"
    RECOVERY_CODE = "recovery code"


# As long as anybody's code is; what is longer is no code.
LONGEST_CODE = 40


def sealed(user_id: uuid.UUID, secret: bytes) -> str:
    return seal_secret({"secret": secret.hex()}, TABLE, user_id, COLUMN)


def secret_of(held: Authenticator) -> bytes:
    """Raises `Misconfigured` where the envelope does not open."""
    return bytes.fromhex(open_secret(held.secret, TABLE, held.user_id, COLUMN)["secret"])


def proof_by(session: Session, user_id: uuid.UUID | None, code: str | None, *, use: bool) -> By | None:
    """What this code is: what somebody's app shows now, or one of their recovery codes; None: neither. Without an authenticator nothing is asked.

    With `use` the code is used up. Without, the same is asked and done for nothing: who typed a wrong password waits as long.
    """
    proofs, given = Proofs(session), tidy(code)
    held = proofs.held(user_id or NOBODY)
    if held is None or held.confirmed_at is None:
        # As many questions as of somebody who has a code: how long it takes does not tell who that is.
        proofs.now()
        proofs.has(NOBODY, recovery_hash(given))
        return By.NOTHING
    step = _step(proofs, held, given)
    if step is not None:
        held.last_step = step if use else held.last_step
        return By.CODE
    code_hash = recovery_hash(given)
    is_theirs = proofs.use(held.user_id, code_hash) if use else proofs.has(held.user_id, code_hash)
    return By.RECOVERY_CODE if is_theirs else None


def first_code(session: Session, held: Authenticator, code: str | None) -> bool:
    """Whether the app that was offered the secret shows this; then it is used up, too."""
    step = _step(Proofs(session), held, tidy(code))
    if step is not None:
        held.last_step = step
    return step is not None


def _step(proofs: Proofs, held: Authenticator, given: str) -> int | None:
    try:
        secret = secret_of(held)
    except Misconfigured as error:
        # Who has a recovery code gets in all the same; anybody else is told no more than for a wrong one.
        log.error("second_factor.cannot_open", person=str(held.user_id), why=error.sentence)
        return None
    return totp.step_of(secret, given, totp.step_at(proofs.now()), held.last_step)


def tidy(code: str | None) -> str:
    """As it is compared: apps show `123 456`, and a recovery code is read from paper."""
    return "".join((code or "")[:LONGEST_CODE].split()).replace("-", "").lower()


def recovery_hash(given: str) -> bytes:
    return hash_of(f"recovery:{given}")


def new_recovery_codes(session: Session, user_id: uuid.UUID) -> list[str]:
    """Ten, in place of those before; only their hashes are kept."""
    codes = [passwords.generate() for _ in range(RECOVERY_CODES)]
    Proofs(session).give(user_id, [recovery_hash(tidy(code)) for code in codes])
    return codes
