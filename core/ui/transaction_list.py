"""The list of transactions: how many there are, pages by key, the way out as a file, and news that wait until the reader wants them."""

import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from core.access import Actor
from core.models import Transaction
from core.repositories.exports import Profile
from core.repositories.statistics import Figures
from core.repositories.transactions import Cursor, Page
from core.services import billers, statistics, transactions
from core.services.transactions import PAGE_SIZES
from core.ui import bulk_acts, tables, transaction_view
from core.ui.filters import PACE, PACES, SIZE, Asked, asked_in_address, chips, clear_complaints, fields, in_words, remember, show_in_widgets
from core.ui.pieces import LOOKUP, PAYMENT, link_to, turn_to
from core.ui.session import guarded_fragment
from core.ui.words import amount, as_of, plain, zone

# Above every UUID there is: "up to and including this row".
LAST_ID = uuid.UUID(int=2**128 - 1)

EXPORT = "/export/transactions.csv"

PROFILES = (
    (
        "For a spreadsheet",
        ":material/table_view:",
        Profile.SPREADSHEET,
        "Account numbers stay text, with their zeros; nothing in it runs as a formula; times in the bank's zone.",
    ),
    ("For a program", ":material/data_object:", Profile.DATA, "Every value exactly as it is kept; times in UTC, to the microsecond."),
)

VALUE_HELP = "All that the filter holds, on every page. *Paid* is the sum of completed payments; look-ups move no money."


def show(actor: Actor) -> None:
    names = billers.biller_names(actor)
    asked = asked_in_address(names)
    fields(asked, names)
    chips(asked, names)
    wanted = asked.wanted(zone(), actor.id)
    page = transactions.list_page(actor, wanted, asked.size, asked.older, asked.newer)
    totals = statistics.totals(actor, wanted)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        _totals(totals, page)
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            bulk_acts.offer(actor, asked, page.rows, totals.rows)
            _export(actor, asked, totals, in_words(asked, names, plain))
    if page.rows:
        picked = _grid(actor, asked, page)
        if picked is not None:
            # The filter stays in the address, so that the way back leads to this same list.
            turn_to(**asked.address(), id=picked.our_transaction_id)
    else:
        _nothing(actor, asked, in_words(asked, names, plain))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        guarded_fragment("transactions:read", run_every=asked.pace or None)(_news)(asked, page)
        _pace(asked)
    if page.rows:
        _turn_pages(asked, page)
    if not bulk_acts.ask() and (reference := st.query_params.get(transaction_view.PEEK)):
        transaction_view.drawer(actor, reference)


def _grid(actor: Actor, asked: Asked, page: Page) -> Transaction | None:
    """Of other rows another grid: a tick belongs to its payment, not to its place on the page."""
    rows = hash(tuple(row.id for row in page.rows))
    key = f"list-{asked.address()}-{rows}-{st.session_state.get(transaction_view.PEEKS, 0)}"
    ticked = {"chosen": bulk_acts.chosen(page.rows), "on_choose": bulk_acts.choose} if bulk_acts.acts_of(actor) else {}
    return tables.grid(page.rows, billers.short_names(actor), key, transaction_view.peek, **ticked)


# ---- Above the list


def _totals(totals: Figures, page: Page) -> None:
    """What the whole filter holds, not only this page: the same figures as the dashboard's and the export's."""
    parts = [f"**{counted(totals.rows, 'transaction')}**"]
    if totals.payments:
        parts.append(f"{counted(totals.payments, 'payment')}, {paid(totals)} paid")
    st.markdown(" · ".join(parts) + f" :gray[· {as_of(page.as_of)}]", width="content", help=VALUE_HELP)


def paid(totals: Figures) -> str:
    """Amounts of two currencies are told one after the other, never added up."""
    return " + ".join(amount(value, currency) for currency, value in sorted(totals.values.items())) or amount(totals.value)


def counted(number: int, what: str) -> str:
    """`1 payment`, `1,234 payments`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _export(actor: Actor, asked: Asked, totals: Figures, words: str) -> None:
    """The way out. What it will hold is told before: rows, value and the filter."""
    if not actor.may("transactions:export") or not totals.rows:
        return
    with st.popover("Export", icon=":material/download:", help="Takes exactly these transactions away as a CSV file."):
        st.markdown(f"**{counted(totals.rows, 'row')}**, {paid(totals)} paid")
        st.caption(f"Holds: {words}. All of it, not only this page, as it is when you click. That you took it is written down.")
        for label, icon, profile, help_text in PROFILES:
            link = f"{EXPORT}?{urlencode({**asked.filter_only.address(), 'profile': profile.value}, doseq=True)}"
            st.link_button(label, link, icon=icon, help=help_text, width="stretch", type="primary" if profile is Profile.SPREADSHEET else "secondary")


# ---- News


def _pace(asked: Asked) -> None:
    show_in_widgets({PACE: asked.pace})
    st.segmented_control(
        "Look for news",
        PACES,
        format_func=lambda seconds: f"{seconds} s" if seconds else "Off",
        key=PACE,
        required=True,
        label_visibility="collapsed",
        help="How often this list looks for news. It never moves rows by itself: it tells how many there are.",
        on_change=remember,
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
        st.caption(f"{counted(len(page.rows), 'row')} on this page, newest first, {as_of(page.as_of if fresh or changed else moment)}", width="content")


def _since(actor: Actor, asked: Asked, page: Page) -> tuple[int, int, Any]:
    wanted = asked.wanted(zone(), actor.id)
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
    show_in_widgets({SIZE: asked.size})
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
            on_change=remember,
        )


def _nothing(actor: Actor, asked: Asked, words: str) -> None:
    with st.container(border=True, horizontal_alignment="center"):
        if asked.older or asked.newer:
            st.subheader("Nothing more on this side", anchor=False, text_alignment="center")
            if st.button("To the newest", icon=":material/first_page:", type="primary"):
                turn_to(**replace(asked, older=None, newer=None).address())
        elif asked.is_filtered:
            st.subheader("Nothing matches", anchor=False, text_alignment="center")
            st.markdown(f"No transaction fits {words}.{_hint(asked)}", text_alignment="center")
            _wider(actor, asked)
        else:
            st.subheader("No transactions yet", anchor=False, text_alignment="center")
            st.markdown("Every look-up and every payment will stand here, with its story.", text_alignment="center")
            with st.container(horizontal=True, horizontal_alignment="center"):
                if actor.may("accounts:lookup"):
                    link_to(LOOKUP, "Look an account up", ":material/person_search:")
                if actor.may("transactions:pay"):
                    link_to(PAYMENT, "Pay a bill", ":material/payments:")


def _hint(asked: Asked) -> str:
    return " A reference is searched for whole; of an account, a meter or a name three characters are enough." if asked.search or asked.reference else ""


def _wider(actor: Actor, asked: Asked) -> None:
    """The way out of a filter that holds too much: the same without its days, where that finds something; or without anything."""
    all_days = replace(asked, first_day=None, last_day=None)
    with st.container(horizontal=True, horizontal_alignment="center"):
        found = statistics.totals(actor, all_days.wanted(zone(), actor.id)).rows if all_days != asked else 0
        if found and st.button(f"{counted(found, 'transaction')} on other days · show", icon=":material/date_range:", type="primary"):
            turn_to(**all_days.address())
        if st.button("Clear the filter", icon=":material/filter_alt_off:"):
            clear_complaints()
            turn_to()
