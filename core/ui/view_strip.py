"""Saved views above the list: one click to each, with how much it holds, and what can be done to the one that is open."""

import functools
import uuid
from collections.abc import Callable
from typing import Any

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.models.views import LONGEST_NAME
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import Counted
from core.services import statistics, views
from core.services.asked import Asked, read
from core.services.views import MANAGES, Saved, Shelf
from core.settings import settings
from core.ui.filters import clear_complaints, show_in_widgets
from core.ui.keeping import BY_BILLERS
from core.ui.list_address import PLAIN, VIEW, Opened, opened_now
from core.ui.pieces import complain
from core.ui.session import guarded
from core.ui.words import plain, zone

STRIP, OTHERS, KEEPING = "views-strip", "views-others", "views-keeping"
NAME, SHARED, RENAMED, ROLES, SHARE = "view-name", "view-shared", "view-renamed", "view-roles", "view-share"
COMPLAINT, SHELF = "view-complaint", "view-shelf"

# More of them would push the list away; the others are in a menu beside.
MOST_SHOWN = 12

# A count that stands beside a name is as old as this at most.
KEPT_SECONDS = 10


def strip(actor: Actor, opened: Opened, shelf: Shelf) -> None:
    """The views, the open one chosen, and the way to keep what the list shows now."""
    keeps = actor.may("views:save")
    if not shelf.views and not keeps:
        return
    st.session_state[SHELF] = shelf
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        if shelf.views:
            _pills(actor, opened, shelf)
        else:
            st.caption("Narrow the list and keep it as a view: it is one click away from then on.", width="content")
        if keeps:
            _keeping(actor, opened)


def _pills(actor: Actor, opened: Opened, shelf: Shelf) -> None:
    shown = list(shelf.views[:MOST_SHOWN])
    if opened.view is not None and opened.view not in shown:
        shown[-1] = opened.view
    labels = {PLAIN: "All", **{str(view.id): _label(actor, view) for view in shown}}
    is_plain = not opened.asked.is_filtered and opened.view is None
    show_in_widgets({STRIP: str(opened.view.id) if opened.view else PLAIN if is_plain else None})
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.pills(
            "Views",
            list(labels),
            format_func=labels.__getitem__,
            key=STRIP,
            label_visibility="collapsed",
            help=f"Saved views, with how many transactions each holds, {KEPT_SECONDS} seconds old at most. A lock: yours alone.",
            on_change=_pick,
        )
        others = [view for view in shelf.views if view not in shown]
        if others:
            called = {str(view.id): plain(view.name) for view in others}
            st.menu_button(
                f"{len(others)} more", list(called), format_func=called.__getitem__, type="tertiary", key=OTHERS, on_click=_pick_other, help="The other views."
            )


def _label(actor: Actor, view: Saved) -> str:
    icon = ":material/lock: " if not view.is_shared else ""
    return f"{icon}{plain(view.name)} :gray[{_count_text(actor, view)}]"


def _count_text(actor: Actor, view: Saved) -> str:
    asked = read(view.address, _codes(view))
    counted = _counted(actor, settings().dsn, asked.wanted(zone(), actor.id))
    return f"{counted.rows:,}{'' if counted.is_exact else '+'}"


def _codes(view: Saved) -> tuple[str, ...]:
    """The billers it names: a biller that is gone since holds nothing, and is not left out for that."""
    return tuple(view.address.get("biller", ()))


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=500, ttl=KEPT_SECONDS)
def _counted(actor: Actor, database: str, wanted: TransactionFilter) -> Counted:
    """Counted once for everybody who looks at the same rows."""
    del database
    return statistics.counted(actor, wanted)


def _pick() -> None:
    _open(st.session_state.get(STRIP))


def _pick_other() -> None:
    _open(st.session_state.get(OTHERS))


def _open(picked: str | None) -> None:
    opened, shelf = opened_now(), st.session_state.get(SHELF)
    clear_complaints()
    view = shelf.one(uuid.UUID(picked)) if shelf and picked and picked != PLAIN else None
    plainly = opened.plainly(Asked(size=opened.asked.size, pace=opened.asked.pace))
    # What was chosen already, clicked again after a change, leads back to what the view holds.
    again = opened.view if picked is None and opened.is_changed else None
    st.query_params.from_dict(opened.at(chosen, opened.asked) if (chosen := view or again) else plainly)


# ---- Keeping


def _keeping(actor: Actor, opened: Opened) -> None:
    view = opened.view
    is_changed = opened.is_changed
    label = "Changed · keep" if is_changed else "View" if view else "Save view"
    icon = ":material/bookmark_added:" if view and not is_changed else ":material/bookmark_add:"
    popover = st.popover(
        label,
        icon=icon,
        type="primary" if is_changed else "secondary",
        key=KEEPING,
        on_change="rerun",
        help="Keep what the list shows now under a name, or change the view that is open.",
    )
    with popover:
        if popover.open:
            complain(st.session_state.pop(COMPLAINT, None))
            if view is not None:
                _open_one(actor, opened, view)
            if view is None or is_changed:
                _save_as_new(opened)


def _save_as_new(opened: Opened) -> None:
    st.text_input("Name", key=NAME, max_chars=LONGEST_NAME, placeholder="Failed today", help="What it is called above the list.")
    st.toggle("Share with the team", key=SHARED, help="Everybody who sees transactions sees it, with its name and filter. Only you and a manager change it.")
    st.button("Save as a new view", icon=":material/bookmark_add:", type="primary", width="stretch", on_click=_save, args=(opened.asked,))


def _open_one(actor: Actor, opened: Opened, view: Saved) -> None:
    """What can be done to the view that is open, by whoever may."""
    st.markdown(f"**{plain(view.name)}** :gray[{'yours' if view.is_mine else f'of {plain(view.owner)}'}, {'shared' if view.is_shared else 'private'}]")
    if view.is_mine or actor.may(MANAGES):
        if opened.is_changed:
            st.button(
                "Update it to this", icon=":material/save:", width="stretch", on_click=_update, args=(view.id, opened.asked), help="From now on it is this."
            )
        st.text_input("Name", value=view.name, key=f"{RENAMED}-{view.id}-{view.name}", max_chars=LONGEST_NAME, on_change=_rename, args=(view.id, view.name))
        st.toggle("Shared with the team", value=view.is_shared, key=f"{SHARE}-{view.id}-{view.is_shared}", on_change=_share, args=(view.id, not view.is_shared))
        if actor.may(MANAGES) and view.is_shared:
            _roles(actor, view)
        st.button("Delete this view", icon=":material/delete:", width="stretch", on_click=_delete, args=(view.id,), help="No transaction is touched by it.")
    else:
        st.caption("Change the filter, and save it under a name of your own.")


def _roles(actor: Actor, view: Saved) -> None:
    openings = views.openings(actor)
    titles = {code: title for code, title, _ in openings}
    chosen = [code for code, _, view_id in openings if view_id == view.id]
    st.multiselect(
        "The list opens with it for",
        list(titles),
        default=chosen,
        format_func=titles.__getitem__,
        key=f"{ROLES}-{view.id}-{'-'.join(chosen)}",
        placeholder="No role",
        help="Whoever has the role sees it when they open Transactions from the menu. One view a role.",
        on_change=_open_for,
        args=(view.id, tuple(chosen)),
    )


def _told(act: Callable[[], Any]) -> Any:
    """Does it, or says beside the fields why not."""
    try:
        return act()
    except BillersError as error:
        st.session_state[COMPLAINT] = error.sentence
        return None


@guarded("views:save")
def _save(actor: Actor, asked: Asked) -> None:
    name, shared = st.session_state.get(NAME) or "", bool(st.session_state.get(SHARED))
    if (view_id := _told(lambda: views.save(actor, name, asked, shared=shared))) is not None:
        for key in (NAME, SHARED):
            st.session_state.pop(key, None)
        st.session_state[KEEPING] = False
        st.query_params.from_dict({VIEW: str(view_id)})
        st.toast(f"Saved as “{plain(' '.join(name.split()))}”.", icon=":material/bookmark_added:")


@guarded("views:save")
def _update(actor: Actor, view_id: uuid.UUID, asked: Asked) -> None:
    def act() -> bool:
        views.update(actor, view_id, asked)
        return True

    if _told(act):
        st.session_state[KEEPING] = False
        st.query_params.from_dict({VIEW: str(view_id)})
        st.toast("The view is this from now on.", icon=":material/save:")


@guarded("views:save")
def _rename(actor: Actor, view_id: uuid.UUID, before: str) -> None:
    name = st.session_state.get(f"{RENAMED}-{view_id}-{before}") or ""
    _told(lambda: views.rename(actor, view_id, name))


@guarded("views:save")
def _share(actor: Actor, view_id: uuid.UUID, shared: bool) -> None:
    _told(lambda: views.share(actor, view_id, shared=shared))


@guarded("views:save")
def _delete(actor: Actor, view_id: uuid.UUID) -> None:
    def act() -> bool:
        views.delete(actor, view_id)
        return True

    if _told(act):
        opened = opened_now()
        st.session_state[KEEPING] = False
        st.query_params.from_dict(opened.plainly(Asked(size=opened.asked.size, pace=opened.asked.pace)))


@guarded(MANAGES)
def _open_for(actor: Actor, view_id: uuid.UUID, before: tuple[str, ...]) -> None:
    chosen = st.session_state.get(f"{ROLES}-{view_id}-{'-'.join(before)}") or ()
    for role in {*chosen} ^ {*before}:
        _told(functools.partial(views.open_with, actor, role, view_id if role in chosen else None))
