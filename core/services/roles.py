"""Roles are data: what each may do is said here, by people, and the seeds leave alone what people said.

It knows two things. Nobody gives rights to themselves: one's own role is somebody else's to edit. And some rights are kept apart: whoever makes people,
roles or billers does not move money as well, or one person could make the second person whom every approval asks for.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Session

from core.access import PERMISSIONS, Actor, needs
from core.db import glance, unit_of_work
from core.errors import BadInput, Conflict, NotFound, NotLegalNow
from core.models import Role
from core.repositories.people import People
from core.repositories.staff import Staff
from core.security import audit
from core.services.seeds import read_roles
from core.services.staff import NotOneself, the_last_one_stays

# Without it a role opens nothing: every role has it.
USES_THE_CONSOLE = "people:sign_in"

LONGEST_TITLE = 40

SETS_UP = frozenset({"people:manage", "people:roles", "billers:configure", "approvals:rules"})
MOVES_MONEY = frozenset(
    {
        *("transactions:pay", "transactions:retry", "transactions:approve", "transactions:resolve", "transactions:reverse", "transactions:waive"),
        "tokens:reveal",
    }
)


class KeptApart(BadInput):
    """Nobody who looks after people, roles or billers moves money as well: {one} and {other} belong to two roles."""


class ChangedMeanwhile(Conflict):
    """Somebody changed this role while you had it open. Nothing was saved: look at what it holds now."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A role as the page shows it. `delivered` is what it was delivered with; None for one of the bank's own."""

    code: str
    title: str
    permissions: frozenset[str]
    people: int
    edited_at: datetime | None
    edited_by: str | None
    delivered: frozenset[str] | None
    # Whether who has it signs in with a code beside the password.
    asks_for_code: bool

    @property
    def added(self) -> frozenset[str]:
        """Beyond what was delivered."""
        return frozenset() if self.delivered is None else self.permissions - self.delivered

    @property
    def missing(self) -> frozenset[str]:
        return frozenset() if self.delivered is None else self.delivered - self.permissions


# ---- Looking


@needs("people:read")
def everything(actor: Actor, /) -> Sequence[Seen]:
    """Every role by its title, with how it differs from what was delivered."""
    delivered = _delivered()
    with glance() as session:
        return [
            Seen(
                code=role.code,
                title=role.title,
                permissions=held,
                people=people,
                edited_at=role.edited_at,
                edited_by=by,
                delivered=delivered[role.code][1] if role.code in delivered else None,
                asks_for_code=role.requires_totp,
            )
            for role, held, people, by in Staff(session).roles()
        ]


def _delivered() -> Mapping[str, tuple[str, frozenset[str]]]:
    return read_roles()


# ---- Changing


@needs("people:roles", fresh=True)
def create(actor: Actor, /, title: str, permissions: Collection[str]) -> str:
    """A role of the bank's own. Answers its code. Raises `BadInput`, `KeptApart`."""
    said, held = _title(title), _checked(permissions)
    code = re.sub(r"[^a-z0-9]+", "_", said.casefold()).strip("_")
    if not code:
        raise BadInput("Give the role a title with letters in it.")
    with unit_of_work() as session:
        Staff(session).hold()
        if code in People(session).roles() or code in _delivered():
            raise BadInput(f"There is a role called {said} already. Choose another title.")
        People(session).keep_role(code, said, held)
        _note_edit(session, actor, code)
        audit.record(session, actor, "role.created", "role", code, title=said, permissions=sorted(held))
    return code


@needs("people:roles", fresh=True)
def change(actor: Actor, /, code: str, shown: Collection[str], title: str, permissions: Collection[str]) -> None:
    """From this moment on, in every open window of everybody who has it. `shown` is what the role held when the change was looked through.

    Raises `NotOneself` for one's own role, `ChangedMeanwhile`, `KeptApart`, `TheLastOne`, `BadInput`.
    """
    said, held = _title(title), _checked(permissions)
    with unit_of_work() as session:
        role, before = _held(session, actor, code)
        if before != frozenset(shown):
            raise ChangedMeanwhile
        if (before, role.title) == (held, said):
            return
        old_title = role.title
        with the_last_one_stays(session):
            People(session).keep_role(code, said, held)
        _note_edit(session, actor, code)
        facts = {"added": sorted(held - before), "removed": sorted(before - held)}
        audit.record(session, actor, "role.changed", "role", code, before={"title": old_title}, after={"title": said}, **facts)


@needs("people:roles", fresh=True)
def as_delivered(actor: Actor, /, code: str) -> None:
    """What it was delivered with, and what later versions deliver: from now on the seeds keep it again. Raises `NotOneself`, `TheLastOne`."""
    with unit_of_work() as session:
        role, before = _held(session, actor, code)
        if code not in (delivered := _delivered()):
            raise NotLegalNow("This role is the bank's own: nothing was delivered for it.")
        title, held = delivered[code]
        with the_last_one_stays(session):
            People(session).keep_role(code, title, held)
        role.edited_at = role.edited_by = None
        facts = {"added": sorted(held - before), "removed": sorted(before - held)}
        audit.record(session, actor, "role.as_delivered", "role", code, **facts)


@needs("people:roles", fresh=True)
def delete(actor: Actor, /, code: str) -> None:
    """Only a role of the bank's own that nobody has. Raises `NotLegalNow`."""
    with unit_of_work() as session:
        role, held = _held(session, actor, code)
        if code in _delivered():
            raise NotLegalNow("This role was delivered, and would be back with the next start. Take its rights away, if nobody is to use it.")
        if people := Staff(session).people_of(code):
            raise NotLegalNow(f"{people} {'person has' if people == 1 else 'people have'} this role. Give them another one first.")
        audit.record(session, actor, "role.deleted", "role", code, title=role.title, permissions=sorted(held))
        Staff(session).drop_role(code)


def kept_apart(permissions: Collection[str]) -> tuple[str, str] | None:
    """Two rights of these that nobody holds together, or None."""
    one, other = sorted(SETS_UP & set(permissions)), sorted(MOVES_MONEY & set(permissions))
    return (one[0], other[0]) if one and other else None


def _checked(permissions: Collection[str]) -> frozenset[str]:
    held = frozenset(permissions) | {USES_THE_CONSOLE}
    if unknown := sorted(held - PERMISSIONS.keys()):
        raise BadInput(f"There is no right called {unknown[0]}. Choose from the list.")
    if pair := kept_apart(held):
        raise KeptApart(one=f"“{PERMISSIONS[pair[0]]}”", other=f"“{PERMISSIONS[pair[1]]}”")
    return held


def _held(session: Session, actor: Actor, code: str) -> tuple[Role, frozenset[str]]:
    Staff(session).hold()
    role = Staff(session).held_role(code)
    if role is None:
        raise NotFound("There is no such role any more. Open the page again.")
    if actor.role == code and actor.id is not None:
        raise NotOneself("This is your own role: somebody with another one edits it.")
    return role, Staff(session).permissions_of(code)


def _note_edit(session: Session, actor: Actor, code: str) -> None:
    """From now on it is the bank's own: the seeds leave it."""
    role = Staff(session).held_role(code)
    if role is not None:
        role.edited_at, role.edited_by = func.now(), actor.id


def _title(text: str) -> str:
    said = " ".join(text.split())
    if not said or not said.isprintable() or len(said) > LONGEST_TITLE:
        raise BadInput(f"Give the role a title of at most {LONGEST_TITLE} signs, for example “Branch supervisor”.")
    return said
