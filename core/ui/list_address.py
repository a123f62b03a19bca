"""Where the list is: at a filter of its own, or at a saved view, as it was saved or changed since. The address says which, so that a link leads to the same."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import streamlit as st

from core.services.asked import Asked, read, read_and_tell
from core.services.views import Saved, Shelf
from core.ui.pieces import turn_to

# Stands in the address beside the filter: a view's id, or the word for the list without one, where one's role opens with a view.
VIEW, PLAIN = "view", "all"

# Where the page was when it was drawn last: a callback goes on from what its person saw.
OPENED = "list-opened-at"

Query = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Opened:
    """The list as the address has it. `held` is what the view itself asks for."""

    asked: Asked
    view: Saved | None = None
    held: Asked = Asked()  # noqa: RUF009 - frozen
    opens_with_a_view: bool = False
    # Parameters that were not understood, and whether they named a view that is not there.
    left_out: tuple[str, ...] = ()
    view_is_gone: bool = False

    @property
    def is_changed(self) -> bool:
        """Something else than the view holds."""
        return self.view is not None and self.asked.filter_only != self.held

    def address(self, asked: Asked) -> Query:
        """Of the same list asked for something else: still in its view, unless nothing of it is left."""
        if self.view is not None and asked.filter_only == self.held:
            return {VIEW: str(self.view.id), **_place_of(asked).address()}
        if self.view is not None and asked.filter_only.address():
            return {VIEW: str(self.view.id), **asked.address()}
        return self.plainly(asked)

    def plainly(self, asked: Asked) -> Query:
        """Without the view. The plain list needs a word for itself where it would not be opened without one."""
        return asked.address() or ({VIEW: PLAIN} if self.opens_with_a_view else {})

    def at(self, view: Saved, asked: Asked) -> Query:
        """The top of another view, at the same pace and with as many rows."""
        return {VIEW: str(view.id), **_place_of(asked.at_the_top).address()}


def open_list(shelf: Shelf, billers: Iterable[str]) -> Opened:
    """What the address says. Without any it is the role's view, and the address says so from then on."""
    if not st.query_params and (opening := shelf.one(shelf.opens_with)) is not None:
        st.query_params.from_dict({VIEW: str(opening.id)})
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    opened = opened_at(query, shelf, tuple(billers))
    st.session_state[OPENED] = opened
    return opened


def opened_at(query: Mapping[str, list[str]], shelf: Shelf, billers: Iterable[str]) -> Opened:
    billers = tuple(billers)
    asked, left_out = read_and_tell(query, billers)
    named = next(iter(query.get(VIEW, ())), PLAIN)
    view = shelf.one(_id(named))
    opened = Opened(asked, None, Asked(), shelf.one(shelf.opens_with) is not None, left_out, view_is_gone=view is None and named != PLAIN)
    if view is None:
        return opened
    held = read(view.address, billers).filter_only
    if not asked.filter_only.address():
        asked = replace(held, size=asked.size, pace=asked.pace, older=asked.older, newer=asked.newer, page=asked.page)
    return replace(opened, asked=asked, view=view, held=held)


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _place_of(asked: Asked) -> Asked:
    return Asked(size=asked.size, pace=asked.pace, older=asked.older, newer=asked.newer, page=asked.page)


# ---- Going elsewhere


def opened_now() -> Opened:
    """What the page showed when it was drawn last."""
    found: Opened = st.session_state.get(OPENED) or Opened(Asked())
    return found


def go(asked: Asked, **more: str) -> NoReturn:
    """This list, asked for something else."""
    turn_to(**opened_now().address(asked), **more)


def note(asked: Asked) -> None:
    """The same within a callback: the page is drawn next by itself."""
    st.query_params.from_dict(opened_now().address(asked))
