"""What is known of saved views: whose they are, who sees them, and what each role's list opens with. Besides, who has submitted anything."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.models import Role, RoleView, SavedView, Transaction, User


@dataclass(frozen=True, slots=True)
class Submitter:
    """Somebody who has submitted something, by names alone."""

    id: uuid.UUID
    username: str
    name: str


class Views:
    def __init__(self, session: Session) -> None:
        self._session = session

    def seen_by(self, user_id: uuid.UUID) -> list[tuple[SavedView, str]]:
        """One's own and the team's, by name, each with the name of whose it is."""
        found = select(SavedView, User.display_name).join(User, User.id == SavedView.owner_id).where(_is_seen_by(user_id))
        return [(view, name) for view, name in self._session.execute(found.order_by(func.lower(SavedView.name), SavedView.id))]

    def of_role(self, role: str) -> uuid.UUID | None:
        """The view this role's list opens with."""
        found = select(RoleView.view_id).join(SavedView, SavedView.id == RoleView.view_id)
        return self._session.scalar(found.where(RoleView.role == role, SavedView.shared))

    def of_roles(self) -> Mapping[str, uuid.UUID]:
        return {row.role: row.view_id for row in self._session.execute(select(RoleView.role, RoleView.view_id))}

    def roles(self) -> Sequence[tuple[str, str]]:
        """Every role's code and title."""
        return [(code, title) for code, title in self._session.execute(select(Role.code, Role.title).order_by(Role.title))]

    def one(self, view_id: uuid.UUID, user_id: uuid.UUID, *, lock: bool = False) -> SavedView | None:
        """A view that this person sees."""
        found = select(SavedView).where(SavedView.id == view_id, _is_seen_by(user_id)).execution_options(populate_existing=True)
        return self._session.scalar(found.with_for_update() if lock else found)

    def hold(self, owner_id: uuid.UUID) -> None:
        """Whoever else saves for this person waits until the unit of work ends: so that two at once do not pass the limit."""
        self._session.execute(select(User.id).where(User.id == owner_id).with_for_update())

    def count_of(self, owner_id: uuid.UUID) -> int:
        return self._session.scalar(select(func.count()).where(SavedView.owner_id == owner_id)) or 0

    def is_taken(self, owner_id: uuid.UUID, name: str, besides: uuid.UUID | None = None) -> bool:
        """Whether another of this person's views is called so, whatever the letters' case."""
        same = select(SavedView.id).where(SavedView.owner_id == owner_id, func.lower(SavedView.name) == func.lower(name))
        return bool(self._session.scalar(select((same.where(SavedView.id != besides) if besides else same).exists())))

    def delete(self, view_id: uuid.UUID) -> None:
        self._session.execute(delete(SavedView).where(SavedView.id == view_id))

    def open_with(self, role: str, view_id: uuid.UUID, by: uuid.UUID) -> None:
        chosen = {"view_id": view_id, "set_by": by, "set_at": func.clock_timestamp()}
        self._session.execute(insert(RoleView).values(role=role, **chosen).on_conflict_do_update(index_elements=[RoleView.role], set_=chosen))

    def open_plainly(self, role: str) -> None:
        self._session.execute(delete(RoleView).where(RoleView.role == role))

    def no_role_opens_with(self, view_id: uuid.UUID) -> None:
        self._session.execute(delete(RoleView).where(RoleView.view_id == view_id))

    def submitters(self) -> list[Submitter]:
        """Asked of each person, of whom there are few, and not of their transactions: one look into an index for each."""
        has_submitted = exists().where(Transaction.initiated_by == User.id)
        found = select(User.id, User.username, User.display_name).where(has_submitted).order_by(User.display_name, User.username)
        return [Submitter(*row) for row in self._session.execute(found)]


def _is_seen_by(user_id: uuid.UUID) -> ColumnElement[bool]:
    return or_(SavedView.owner_id == user_id, SavedView.shared)
