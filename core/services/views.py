"""Saved views of the list: a filter under a name, private or the team's, and the one a role's list opens with. A private one exists for its owner only."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.errors import BadInput, NotAllowed, NotFound
from core.ids import new_id
from core.models import SavedView
from core.models.views import LONGEST_NAME
from core.repositories.billers import Billers
from core.repositories.views import Views
from core.security import audit
from core.services.asked import Address, Asked
from core.services.search_words import Known, Person

# More than that nobody finds anything in.
MOST_VIEWS = 50

MANAGES = "views:manage"


class NoSuchView(NotFound):
    """There is no such view any more, or it is somebody's own. Choose another above the list."""


class TooManyViews(BadInput):
    """You have {most} views, and in more nobody finds anything. Delete one you do not need."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A view as somebody sees it: theirs, or one that another person shares."""

    id: uuid.UUID
    name: str
    owner: str
    is_mine: bool
    is_shared: bool
    address: Address


@dataclass(frozen=True, slots=True)
class Shelf:
    """What stands above somebody's list: the views by name, and the one it opens with."""

    views: Sequence[Saved]
    opens_with: uuid.UUID | None

    def one(self, view_id: uuid.UUID | None) -> Saved | None:
        return next((view for view in self.views if view.id == view_id), None)


# ---- Reading


@needs("transactions:read")
def shelf(actor: Actor, /) -> Shelf:
    """One's own views and the team's."""
    with db.glance() as session:
        views = Views(session)
        seen = [_saved(view, owner, actor) for view, owner in views.seen_by(_id(actor))]
        return Shelf(seen, views.of_role(actor.role))


@needs("transactions:read")
def people(actor: Actor, /) -> Mapping[uuid.UUID, Person]:
    """Everybody who has submitted anything, by names alone: whom `by:` can name."""
    with db.unit_of_work() as session:
        return {one.id: Person(one.username, one.name) for one in Views(session).submitters()}


@needs(MANAGES)
def openings(actor: Actor, /) -> Sequence[tuple[str, str, uuid.UUID | None]]:
    """Each role's code and title, and the view its list opens with."""
    with db.unit_of_work() as session:
        views = Views(session)
        chosen = views.of_roles()
        return [(code, title, chosen.get(code)) for code, title in views.roles()]


def names(session: Session, asked: Asked) -> Mapping[str, str]:
    """Billers by code and people by id: what a filter in words calls them."""
    submitters = Views(session).submitters() if asked.operators else []
    return {**Billers(session).names(), **{str(one.id): one.name for one in submitters}}


def named(billers: Mapping[str, str], known: Known) -> Mapping[str, str]:
    """The same of what is known already."""
    return {**billers, **{str(one): person.name for one, person in known.people.items()}}


# ---- Saving


@needs("views:save")
def save(actor: Actor, /, name: str, asked: Asked, *, shared: bool = False) -> uuid.UUID:
    """A new view of this filter, order and columns. Raises `BadInput` with what to do about the name, `TooManyViews`."""
    said, view_id, owner = _name(name), new_id(), _id(actor)
    with db.unit_of_work() as session:
        views = Views(session)
        views.hold(owner)
        if views.count_of(owner) >= MOST_VIEWS:
            raise TooManyViews(most=MOST_VIEWS)
        _refuse_a_second(views, owner, said)
        session.add(SavedView(id=view_id, owner_id=owner, name=said, address=_address(asked), shared=shared))
        session.flush()
        audit.record(session, actor, "view.saved", "view", view_id, name=said, address=_address(asked), shared=shared)
    return view_id


@needs("views:save")
def rename(actor: Actor, /, view_id: uuid.UUID, name: str) -> None:
    """Raises `BadInput` for a name that cannot be, `NoSuchView`, `NotAllowed` for somebody else's."""
    said = _name(name)
    with db.unit_of_work() as session:
        views = Views(session)
        view = _to_change(views, actor, view_id)
        views.hold(view.owner_id)
        _refuse_a_second(views, view.owner_id, said, besides=view.id)
        before, view.name = view.name, said
        _changed(session, actor, view, "view.renamed", before=before, name=said)


@needs("views:save")
def update(actor: Actor, /, view_id: uuid.UUID, asked: Asked) -> None:
    """From now on the view is this filter, order and columns."""
    with db.unit_of_work() as session:
        view = _to_change(Views(session), actor, view_id)
        before, view.address = view.address, _address(asked)
        _changed(session, actor, view, "view.updated", before=before, address=view.address)


@needs("views:save")
def share(actor: Actor, /, view_id: uuid.UUID, *, shared: bool) -> None:
    """With the team, or with nobody any more: then no role's list opens with it."""
    with db.unit_of_work() as session:
        views = Views(session)
        view = _to_change(views, actor, view_id)
        view.shared = shared
        if not shared:
            views.no_role_opens_with(view.id)
        _changed(session, actor, view, "view.shared" if shared else "view.unshared", name=view.name)


@needs("views:save")
def delete(actor: Actor, /, view_id: uuid.UUID) -> None:
    with db.unit_of_work() as session:
        views = Views(session)
        view = _to_change(views, actor, view_id)
        audit.record(session, actor, "view.deleted", "view", view.id, name=view.name, address=view.address, shared=view.shared)
        views.delete(view.id)


@needs(MANAGES)
def open_with(actor: Actor, /, role: str, view_id: uuid.UUID | None) -> None:
    """What this role's list opens with; None: plainly. Only what everybody sees can be it."""
    with db.unit_of_work() as session:
        views = Views(session)
        if role not in dict(views.roles()):
            raise NotFound("There is no such role. Choose one of those on the list.")
        if view_id is None:
            views.open_plainly(role)
        elif (view := views.one(view_id, _id(actor), lock=True)) is None:
            raise NoSuchView
        elif not view.shared:
            raise BadInput("This view is yours alone. Share it with the team first: a role's list opens with what everybody sees.")
        else:
            views.open_with(role, view_id, _id(actor))
        audit.record(session, actor, "view.opens_role", "role", role, view=str(view_id) if view_id else None)


# ---- Helpers


def _id(actor: Actor) -> uuid.UUID:
    if actor.id is None:
        raise NotAllowed("Views belong to people. Sign in as one.")
    return actor.id


def _saved(view: SavedView, owner: str, actor: Actor) -> Saved:
    listed = {name: [value] if isinstance(value, str) else list(value) for name, value in view.address.items()}
    return Saved(view.id, view.name, owner, view.owner_id == actor.id, view.shared, listed)


def _name(text: str) -> str:
    said = " ".join(text.split())
    if not said or len(said) > LONGEST_NAME or not said.isprintable():
        raise BadInput(f"Give the view a name of 1 to {LONGEST_NAME} characters, for example “Failed today”.")
    return said


def _address(asked: Asked) -> dict[str, str | list[str]]:
    if not (address := asked.filter_only.address()):
        raise BadInput("This is the plain list. Narrow it, order it or choose its columns before you save it.")
    return address


def _refuse_a_second(views: Views, owner_id: uuid.UUID, name: str, besides: uuid.UUID | None = None) -> None:
    if views.is_taken(owner_id, name, besides):
        raise BadInput(f"There is a view called “{name}” already. Choose another name.")


def _to_change(views: Views, actor: Actor, view_id: uuid.UUID) -> SavedView:
    """The view, held. Its owner changes it; what is shared is seen to by a manager, too, for people leave."""
    view = views.one(view_id, _id(actor), lock=True)
    if view is None:
        raise NoSuchView
    if view.owner_id != actor.id and not actor.may(MANAGES):
        raise NotAllowed("This view is somebody else's. Save it under a name of your own, and change that.")
    return view


def _changed(session: Session, actor: Actor, view: SavedView, action: str, **facts: object) -> None:
    view.updated_at = func.clock_timestamp()
    session.flush()
    audit.record(session, actor, action, "view", view.id, **facts)
