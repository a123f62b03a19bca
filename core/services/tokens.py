"""Vended tokens: sealed when the biller tells one, opened only for somebody who may, and never without a line in the audit."""

import uuid
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs, require_proof
from core.errors import BadInput, Misconfigured, NotFound, NotLegalNow
from core.models import Transaction, VendedToken
from core.repositories.tokens import Tokens
from core.repositories.transactions import Transactions
from core.security import audit
from core.security.vault import open_secret, seal_secret
from core.services.scope import existing
from core.settings import settings
from core.states import Status

log = structlog.get_logger(__name__)

# Where an envelope opens, and nowhere else.
TABLE, COLUMN = "vended_tokens", "token"

# As the meter's display and the biller's own slips show it.
GROUP_DIGITS = 4

# A reason is read by whoever checks the audit: a word at least, a sentence at most.
SHORTEST_REASON, LONGEST_REASON = 3, 200

# What most who ask have to say, to choose from; everything else is said in one's own words.
REASONS = ("The customer lost the slip", "The slip cannot be read", "The meter did not take it: read out again", "The customer is on the phone")

# What the record says of whoever sold it today, and is not asked: a customer waits at the counter for what was just bought.
HANDED_OVER = "handed to the customer on the day of the sale"


class ReasonWanted(BadInput):
    """A token is worth money to whoever reads it. Say why you need it: the reason is kept with your name."""


class TokenLocked(Misconfigured):
    """The token is kept, but it cannot be opened: a key of this console is missing. An administrator can mend it; `billers doctor` says what is missing."""


class TokenNotKept(NotFound):
    """The biller sold a token with this payment, but it could not be kept here. Ask {biller} for it and name our reference {reference}."""


# ---- Keeping


def keep(session: Session, transaction_id: uuid.UUID, token: str) -> None:
    """Seals a payment's token within the caller's unit of work. The first one told is kept; a second telling changes nothing. Raises `Misconfigured`."""
    envelope = seal_secret({"token": token}, TABLE, transaction_id, COLUMN)
    session.execute(insert(VendedToken).values(transaction_id=transaction_id, envelope=envelope).on_conflict_do_nothing())


# ---- Opening


@needs("tokens:reveal")
def reveal(actor: Actor, /, transaction_id: uuid.UUID, reason: str | None = None) -> str:
    """The token as it is typed into the meter, `1234 5678 9012 3456 7890`. Raises `ReasonWanted` where one must be given, `TokenLocked`, `NotFound`."""
    with db.unit_of_work() as session:
        transaction = existing(actor, Transactions(session).by_id(transaction_id))
        return opened(actor, session, transaction, reason, on="screen")


@needs("tokens:reveal")
def opened(actor: Actor, /, session: Session, transaction: Transaction, reason: str | None, on: str) -> str:
    """The same within the caller's unit of work, which keeps the audit entry with the act: what another service prints it with."""
    existing(actor, transaction)
    given = reason_of(reason)
    if transaction.status not in (Status.COMPLETED.value, Status.REVERSED.value):
        raise NotLegalNow("The token of this payment can be shown once the payment is completed. Open it again to see where it stands.")
    if not is_own_of_today(actor.id, transaction, Transactions(session).now()):
        if given is None:
            raise ReasonWanted
        # Whoever sold it today hands it to the customer anyway; for everybody else it is money that is not theirs.
        require_proof(actor)
    token = _open(Tokens(session).envelope_of(transaction.id), transaction)
    audit.record(session, actor, "token.revealed", "transaction", transaction.id, reference=transaction.our_transaction_id, on=on, reason=given or HANDED_OVER)
    return grouped(token)


@needs("tokens:reveal")
def wants_reason(actor: Actor, /, transaction: Transaction) -> bool:
    """Whether this person must say why: everybody but whoever sold the token, on the day it was sold."""
    existing(actor, transaction)
    with db.unit_of_work() as session:
        return not is_own_of_today(actor.id, transaction, Transactions(session).now())


def is_there(session: Session, transaction: Transaction) -> bool:
    """Whether the biller sold a token with this payment: by what the row says, or, where the answer came late, by what was kept."""
    return _was_told(transaction) or Tokens(session).envelope_of(transaction.id) is not None


def is_own_of_today(person_id: uuid.UUID | None, transaction: Transaction, now: datetime) -> bool:
    """Whether this person sold it on the business day that `now` is in."""
    zone = ZoneInfo(settings().billers_timezone)
    sold = transaction.completed_at or transaction.created_at
    is_own = person_id is not None and transaction.initiated_by == person_id
    return is_own and clock.business_day(sold, zone) == clock.business_day(now, zone)


def reason_of(text: str | None) -> str | None:
    """What was given as a reason, or None where nothing was. Raises `BadInput` for one that tells nobody anything."""
    reason = " ".join((text or "").split())
    if not reason:
        return None
    if len(reason) < SHORTEST_REASON or len(reason) > LONGEST_REASON:
        raise BadInput(f"Give the reason in a few words, {SHORTEST_REASON} to {LONGEST_REASON} characters: for example, the customer lost the slip.")
    return reason


def grouped(token: str) -> str:
    """`12345678901234567890` → `1234 5678 9012 3456 7890`."""
    digits = "".join(token.split()).replace("-", "")
    return " ".join(digits[start : start + GROUP_DIGITS] for start in range(0, len(digits), GROUP_DIGITS))


def _was_told(transaction: Transaction) -> bool:
    return bool((transaction.extra or {}).get("has_token"))


def _open(envelope: str | None, transaction: Transaction) -> str:
    if envelope is None and _was_told(transaction) and not transaction.demo:
        raise TokenNotKept(biller=transaction.biller_name, reference=transaction.our_transaction_id)
    if envelope is None:
        raise NotFound("No token belongs to this payment.")
    try:
        return str(open_secret(envelope, TABLE, transaction.id, COLUMN)["token"])
    except Misconfigured as error:
        # The vault's sentence is for whoever runs the machine: it names a file.
        log.error("tokens.cannot_open", transaction=str(transaction.id), why=error.sentence)
        raise TokenLocked from error
