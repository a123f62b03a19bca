"""What a program signs its requests with: some of its owner's rights, for a year at most. Shown once; only the hash of its 256 bits is kept.

What a token may do is counted at each use: what its owner may do at that moment, and of that what was chosen. It is never a fresh proof of anybody; one
right, whose acts ask for a proof, can be given with the proof under which the token is made, and then for a shorter time.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func

from core import clock
from core.access import PERMISSIONS, Actor, needs
from core.db import glance, unit_of_work
from core.errors import BadInput, NotAllowed, NotFound
from core.ids import new_id, new_secret
from core.models import ApiToken, User
from core.repositories.staff import Staff
from core.security import audit
from core.security.sessions import TOUCH_EVERY, hash_of
from core.settings import settings

# What every token begins with, so that whoever finds one in a file knows what it is.
MARK = "billers_"

# So much of one is kept in the clear, to be known again: of its 43 signs these tell nobody the rest.
SHOWN_SIGNS = 4

LONGEST_DAYS = 365
# Of one that holds a right whose acts ask a person for a fresh proof.
LONGEST_DAYS_PROVED = 90
LONGEST_NAME = 60

# More than that nobody keeps track of.
MOST_OF_A_PERSON = 20

# Acts that a person does in person, whatever their role has: those that ask for a fresh proof of who it is, and those about people and programs themselves.
NOT_FOR_PROGRAMS = frozenset(
    {
        *("people:sign_in", "people:manage", "people:roles", "api:tokens", "billers:approve", "gate:sign_off"),
        *("transactions:approve", "transactions:resolve", "transactions:reverse", "transactions:waive", "tokens:reveal"),
    }
)

# Rights to acts that ask for a fresh proof, which a program can be given all the same: its owner gives the proof when they make the token, by choosing the
# right. Configuring a biller is one because it never is the last word: what could send money or secrets astray becomes a proposal (core.services.four_eyes),
# and deciding about proposals (billers:approve) is no program's, whoever made the token.
PROVED_ONCE = frozenset({"billers:configure"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token as lists show it: never what it is."""

    id: uuid.UUID
    name: str
    owner_id: uuid.UUID
    owner: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_address: str | None
    revoked_at: datetime | None
    # Whether it opens anything at this moment.
    is_alive: bool


@dataclass(frozen=True, slots=True)
class Made:
    """`secret` is told this once."""

    id: uuid.UUID
    secret: str = field(repr=False)


# ---- Of people


def grantable(actor: Actor) -> list[str]:
    """What this person may let a program do."""
    return [name for name in PERMISSIONS if actor.may(name) and name not in NOT_FOR_PROGRAMS]


@needs("api:tokens", fresh=True)
def make(actor: Actor, /, name: str, scopes: Collection[str], days: int) -> Made:
    """A token of one's own. Raises `BadInput` with what to change, `NotAllowed` for rights that one does not hold or no program gets."""
    said = " ".join(name.split())
    if not said or len(said) > LONGEST_NAME or not said.isprintable():
        raise BadInput(f"Say in at most {LONGEST_NAME} signs which program it is for, for example “Nightly export”.")
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInput(f"A token holds between 1 and {LONGEST_DAYS} days. Make a new one when its time is over.")
    if days > LONGEST_DAYS_PROVED and (proved := sorted(PROVED_ONCE.intersection(scopes))):
        raise BadInput(f"A token that may {PERMISSIONS[proved[0]]} holds {LONGEST_DAYS_PROVED} days at most. Choose fewer days, or leave that right out.")
    if not scopes:
        raise BadInput("Choose at least one thing that the program may do.")
    if stray := sorted(set(scopes) - set(grantable(actor))):
        what = f"to {PERMISSIONS[stray[0]]}" if stray[0] in PERMISSIONS else f"called {stray[0]}"
        raise NotAllowed(f"A program cannot be given the right {what}: you do not hold it, or it is for people alone.")
    if actor.id is None:
        raise NotAllowed("A token belongs to a person.")
    secret = MARK + new_secret()
    with unit_of_work() as session:
        staff = Staff(session)
        staff.held(actor.id)
        if staff.living_tokens(actor.id) >= MOST_OF_A_PERSON:
            raise BadInput(f"You have {MOST_OF_A_PERSON} tokens that open something. Revoke one that no program uses any more.")
        made = ApiToken(
            id=new_id(),
            owner_id=actor.id,
            name=said,
            prefix=secret[: len(MARK) + SHOWN_SIGNS],
            token_hash=hash_of(secret),
            scopes=sorted(set(scopes)),
            expires_at=func.now() + timedelta(days=days),
        )
        session.add(made)
        session.flush()
        audit.record(session, actor, "api_key.made", "api_token", made.id, name=said, scopes=sorted(set(scopes)), days=days)
        return Made(made.id, secret)


@needs("api:tokens")
def own(actor: Actor, /) -> Sequence[Token]:
    """One's own, the newest first."""
    with glance() as session:
        return [_seen(token, owner) for token, owner in Staff(session).tokens(actor.id)] if actor.id else []


@needs("people:read")
def everybodys(actor: Actor, /) -> Sequence[Token]:
    """All there are, the newest first."""
    with glance() as session:
        return [_seen(token, owner) for token, owner in Staff(session).tokens()]


@needs("people:sign_in")
def revoke(actor: Actor, /, token_id: uuid.UUID) -> None:
    """From this moment on it opens nothing. One's own, or, for whoever looks after people, anybody's. Raises `NotFound`."""
    with unit_of_work() as session:
        token = Staff(session).held_token(token_id)
        if token is None or (token.owner_id != actor.id and not actor.may("people:manage")):
            raise NotFound("There is no such token, or it is somebody else's. Open the page again.")
        if token.revoked_at is None:
            token.revoked_at, token.revoked_by = func.now(), actor.id
            audit.record(session, actor, "api_key.revoked", "api_token", token.id, name=token.name, owner=str(token.owner_id))


def _seen(token: ApiToken, owner: User) -> Token:
    is_alive = token.revoked_at is None and token.expires_at > clock.now() and owner.disabled_at is None
    return Token(
        id=token.id,
        name=token.name,
        owner_id=owner.id,
        owner=owner.display_name,
        prefix=token.prefix,
        scopes=tuple(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        last_address=token.last_address,
        revoked_at=token.revoked_at,
        is_alive=is_alive,
    )


# ---- Of programs


def actor_of_token(bearer: str | None, address: str | None = None) -> Actor | None:
    """Who a request that carries this token acts as; None where it opens nothing, for whatever reason.

    The owner, by name and id, so that the record says whose program it was and which; never with a fresh proof, but with the one given for `PROVED_ONCE`.
    """
    if not bearer or not bearer.startswith(MARK):
        return None
    with glance() as session:
        found = Staff(session).bearer(hash_of(bearer), TOUCH_EVERY)
    if found is None or (found.owner.sandbox and not settings().billers_sandbox):
        return None
    if found.should_touch:
        with unit_of_work() as session:
            Staff(session).touch_token(found.token_id, address)
    owner = found.owner
    permissions = found.permissions - NOT_FOR_PROGRAMS
    name = f"{owner.username} by {found.name}"
    return Actor(owner.id, name, owner.display_name, owner.role, permissions, address, found.billers, proved_for=permissions & PROVED_ONCE)
