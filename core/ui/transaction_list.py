"""The list of transactions: filters, pages by key, and news that wait until the reader wants them."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from core.access import Actor
from core.repositories.transactions import Cursor, Page
from core.services import billers, transactions
from core.services.transactions import PAGE_SIZES
from core.states import Status, TransactionType
from core.ui import tables
from core.ui.filters import PACES, Asked, read
from core.ui.pieces import LOOKUP, PAYMENT, link_to, turn_to
from core.ui.session import guarded_fragment
from core.ui.words import STATUS_LOOKS, TYPE_LABELS, as_of, plain, zone

# Above every UUID there is: "up to and including this row".
LAST_ID = uuid.UUID(int=2**128 - 1)

SEARCH, BILLERS, STATUSES, TYPES = "filter-q", "filter-biller", "filter-status", "filter-type"
FIRST_DAY, LAST_DAY, SIZE, PACE = "filter-from", "filter-to", "filter-size", "filter-every"


def asked_in_address(names: Iterable[str]) -> Asked:
    return read({name: st.query_params.get_all(name) for name in st.query_params}, names)


def show(actor: Actor) -> None:
    names = billers.biller_names(actor)
    asked = asked_in_address(names)
    _filters(asked, names)
    page = transactions.list_page(actor, asked.wanted(zone()), asked.size, asked.older, asked.newer)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        guarded_fragment("transactions:read", run_every=asked.pace or None)(_news)(asked, page)
        _pace(asked)
    if not page.rows:
        _nothing(actor, asked)
        return
    picked = tables.grid(page.rows, key=f"list-{asked.address()}")
    if picked is not None:
        # The filter stays in the address, so that the way back leads to this same list.
        turn_to(**asked.address(), id=picked.our_transaction_id)
    _turn_pages(asked, page)


# ---- Filters


def _filters(asked: Asked, names: Mapping[str, str]) -> None:
    """Each widget shows what the address says, and writes there what is chosen: the address is the only memory."""
    _show_in_widgets({SEARCH: asked.search, BILLERS: list(asked.billers), STATUSES: list(asked.statuses), TYPES: list(asked.types)})
    _show_in_widgets({FIRST_DAY: asked.first_day, LAST_DAY: asked.last_day})
    with st.container(border=True):
        # Seven tracks on a desk, two on a telephone, where the search has a row of its own.
        fields = st.grid(7, min_column_width=110)
        changed: dict[str, Any] = {"on_change": _remember}
        fields.cell(column_span=2).text_input(
            "Search",
            key=SEARCH,
            type="search",
            placeholder="Account or reference",
            help="A whole account number, our reference, or the biller's reference. Enter searches.",
            **changed,
        )
        fields.multiselect("Biller", list(names), format_func=lambda code: names[code], key=BILLERS, placeholder="All", help="Any of these.", **changed)
        fields.multiselect(
            "Status",
            [one.value for one in Status],
            format_func=lambda one: STATUS_LOOKS[Status(one)].label,
            key=STATUSES,
            placeholder="All",
            help="; ".join(f"{look.label}: {look.meaning}" for look in STATUS_LOOKS.values()),
            **changed,
        )
        fields.multiselect(
            "Type",
            [one.value for one in TransactionType],
            format_func=lambda one: TYPE_LABELS[TransactionType(one)],
            key=TYPES,
            placeholder="All",
            help="Look-ups move no money; payments do.",
            **changed,
        )
        days = f"A business day in {zone().key}, included."
        fields.date_input("From", value=None, key=FIRST_DAY, format="DD/MM/YYYY", help=days, **changed)
        fields.date_input("To", value=None, key=LAST_DAY, format="DD/MM/YYYY", help=days, **changed)


def _show_in_widgets(values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if st.session_state.get(key) != value:
            st.session_state[key] = value


def _remember() -> None:
    """What was chosen goes into the address; the place in the list does not, for it was a place in another list."""
    asked, state = asked_in_address(()), st.session_state
    chosen = replace(
        asked,
        search=state.get(SEARCH) or "",
        billers=tuple(state.get(BILLERS) or ()),
        statuses=tuple(state.get(STATUSES) or ()),
        types=tuple(state.get(TYPES) or ()),
        first_day=state.get(FIRST_DAY),
        last_day=state.get(LAST_DAY),
        size=state.get(SIZE) or asked.size,
        pace=asked.pace if state.get(PACE) is None else state[PACE],
        older=None,
        newer=None,
    )
    st.query_params.from_dict(chosen.address())


# ---- News


def _pace(asked: Asked) -> None:
    _show_in_widgets({PACE: asked.pace})
    st.segmented_control(
        "Look for news",
        PACES,
        format_func=lambda seconds: f"{seconds} s" if seconds else "Off",
        key=PACE,
        required=True,
        label_visibility="collapsed",
        help="How often this list looks for news. It never moves rows by itself: it tells how many there are.",
        on_change=_remember,
    )


def _news(actor: Actor, asked: Asked, page: Page) -> None:
    """How many rows are new and how many changed since the list was drawn; the list itself waits for the button."""
    fresh, changed, moment = _since(actor, asked, page)
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
        if fresh or changed:
            more = "+" if fresh == asked.size else ""
            told = ", ".join(part for part in (f"{fresh}{more} new" if fresh else "", f"{changed} changed" if changed else "") if part)
            if st.button(f"{told} · show", icon=":material/refresh:", type="primary", help="Draws the list anew, with these in it."):
                st.rerun()
        st.caption(f"{len(page.rows)} rows, newest first, {as_of(page.as_of if fresh or changed else moment)}", width="content")


def _since(actor: Actor, asked: Asked, page: Page) -> tuple[int, int, Any]:
    wanted = asked.wanted(zone())
    if not page.rows:
        now = transactions.list_page(actor, wanted, asked.size)
        return len(now.rows), 0, now.as_of
    first = page.rows[0]
    fresh = 0
    if page.newer is None:
        fresh = len(transactions.list_page(actor, wanted, asked.size, newer_than=Cursor(first.created_at, first.id)).rows)
    now = transactions.list_page(actor, wanted, asked.size, older_than=Cursor(first.created_at, LAST_ID))
    versions = {row.id: row.version for row in now.rows}
    # A row that no longer matches the filter has changed, too.
    return fresh, sum(versions.get(row.id) != row.version for row in page.rows), now.as_of


# ---- Pages


def _turn_pages(asked: Asked, page: Page) -> None:
    _show_in_widgets({SIZE: asked.size})
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, width="content"):
            if st.button("Newer", icon=":material/chevron_left:", disabled=page.newer is None, help="The page before this one."):
                turn_to(**replace(asked, older=None, newer=page.newer).address())
            if st.button("Older", icon=":material/chevron_right:", icon_position="right", disabled=page.older is None, help="The page after this one."):
                turn_to(**replace(asked, older=page.older, newer=None).address())
            if (asked.older or asked.newer) and st.button("Newest", icon=":material/first_page:", type="tertiary", help="Back to the top of the list."):
                turn_to(**replace(asked, older=None, newer=None).address())
        st.segmented_control(
            "Rows",
            PAGE_SIZES,
            format_func=lambda rows: f"{rows} rows",
            key=SIZE,
            required=True,
            label_visibility="collapsed",
            help="Rows on a page.",
            on_change=_remember,
        )


def _nothing(actor: Actor, asked: Asked) -> None:
    with st.container(border=True, horizontal_alignment="center"):
        if asked.is_filtered:
            st.subheader("Nothing matches", anchor=False, text_alignment="center")
            st.markdown(f"No transaction fits {_in_words(asked)}. Search wants a whole account number or reference.", text_alignment="center")
            if st.button("Clear the filter", icon=":material/filter_alt_off:", type="primary"):
                turn_to()
        elif asked.older or asked.newer:
            st.subheader("Nothing more on this side", anchor=False, text_alignment="center")
            if st.button("To the newest", icon=":material/first_page:", type="primary"):
                turn_to(**replace(asked, older=None, newer=None).address())
        else:
            st.subheader("No transactions yet", anchor=False, text_alignment="center")
            st.markdown("Every look-up and every payment will stand here, with its story.", text_alignment="center")
            with st.container(horizontal=True, horizontal_alignment="center"):
                if actor.may("accounts:lookup"):
                    link_to(LOOKUP, "Look an account up", ":material/person_search:")
                if actor.may("transactions:pay"):
                    link_to(PAYMENT, "Pay a bill", ":material/payments:")


def _in_words(asked: Asked) -> str:
    parts = [
        f"“{plain(asked.search)}”" if asked.search else "",
        " or ".join(STATUS_LOOKS[Status(one)].label.lower() for one in asked.statuses),
        " or ".join(TYPE_LABELS[TransactionType(one)].lower() for one in asked.types),
        " or ".join(plain(one) for one in asked.billers),
        f"from {asked.first_day:%d/%m/%Y}" if asked.first_day else "",
        f"until {asked.last_day:%d/%m/%Y}" if asked.last_day else "",
    ]
    return ", ".join(part for part in parts if part)
