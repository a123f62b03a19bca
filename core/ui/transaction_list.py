"""The list of transactions: how many there are, pages by key, the way out as a file, and news that wait until the reader wants them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from datetime import date
from typing import Any

import streamlit as st

from core import clock
from core.access import Actor
from core.models import Transaction
from core.repositories.filters import TransactionFilter
from core.repositories.rollup_questions import can_add_up
from core.repositories.statistics import Counted, Figures
from core.repositories.transactions import MOST_NEWS, Cursor, News, Page, Sort, Suggestion
from core.services import billers, statistics, transactions, views
from core.services.asked import COLUMNS, USUAL_COLUMNS, conditions
from core.services.search_words import Known, Person, add, quoted
from core.services.transactions import PAGE_SIZES
from core.settings import settings
from core.ui import bulk_acts, export_popover, filters, tables, transaction_view, view_strip
from core.ui.filters import PACE, PACES, SIZE, SORT, Asked, chips, clear, fields, in_words, remember, show_in_widgets
from core.ui.keeping import BY_BILLERS
from core.ui.list_address import Opened, go, note, open_list, opened_now
from core.ui.live import GAP_SECONDS, followed
from core.ui.pieces import LOOKUP, PAYMENT, link_to
from core.ui.session import guarded, guarded_fragment, is_whole_run
from core.ui.transaction_place import PEEK
from core.ui.words import amount, as_of, moment_text, plain, zone

# Below every UUID there is: from a moment on.
FIRST_ID = uuid.UUID(int=0)

# Between two times that news are told, however much happens.
GAPS = {pace: float(pace) for pace in PACES} | {PACES[0]: GAP_SECONDS}

VALUE_HELP = "All that the filter holds, on every page. *Paid* is the sum of completed payments; look-ups move no money."

# How each order is called, on its button and in a sentence; and what leads up and down in it.
SORTS: Mapping[Sort, tuple[str, str]] = {
    Sort.NEWEST: ("Newest first", "newest first"),
    Sort.OLDEST: ("Oldest first", "oldest first"),
    Sort.LARGEST: ("Largest first", "largest first"),
    Sort.SMALLEST: ("Smallest first", "smallest first"),
}
BY_AMOUNT = (Sort.LARGEST, Sort.SMALLEST)

# What was added up for a person who asked for it, with the filter that it is of.
ADDED_UP = "list-added-up"

COLUMNS_OPEN, PLACE_OPEN, TO_PAGE, TO_DAY = "list-columns-open", "list-place-open", "list-to-page", "list-to-day"

# What was read stays until a transaction is made or moves, and never longer than this.
KEPT_SECONDS = 60

# Who has submitted anything changes seldom, and so does what a word may mean.
PEOPLE_SECONDS, SUGGESTIONS_SECONDS = 60, 30


@dataclass(frozen=True, slots=True)
class Held:
    """What the whole filter holds, not only this page. Figures only where they are known without reading the rows, or somebody asked."""

    counted: Counted
    figures: Figures | None

    @property
    def text(self) -> str:
        return f"{self.counted.rows:,}{'' if self.counted.is_exact else '+'}"


def show(actor: Actor) -> None:
    known = Known(billers.biller_names(actor), _people(actor, settings().dsn))
    shelf = views.shelf(actor)
    opened = open_list(shelf, known.billers)
    fields(opened, known)
    view_strip.strip(actor, opened, shelf)
    names = views.named(known.billers, known)
    chips(opened, names)
    _suggest(actor, opened.asked, known)
    wanted = opened.asked.wanted(zone(), actor.id)
    mark = statistics.mark(actor)
    asked, page, held = _read(actor, settings().dsn, mark, _slot(wanted), repr((wanted, opened.asked)), wanted, opened.asked)
    held = _added_up(wanted) or held
    _totals(actor, held, wanted, page)
    with st.container(horizontal=True, vertical_alignment="center"):
        _order()
        _columns(asked)
        bulk_acts.offer(actor, asked, page.rows, held.counted)
        export_popover.offer(actor, asked, held.counted.rows, in_words(asked, names, plain))
    if page.rows:
        picked = _grid(actor, asked, page, known)
        if picked is not None:
            # The filter stays in the address, so that the way back leads to this same list.
            go(opened.asked, id=picked.our_transaction_id)
    else:
        _nothing(actor, opened, names)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        news = followed("transactions:read", gap_seconds=GAPS[asked.pace]) if asked.pace else guarded_fragment("transactions:read")
        news(_news)(asked, page, mark)
        _pace(asked)
    if page.rows:
        _turn_pages(asked, page, held)
    if not bulk_acts.ask() and (reference := st.query_params.get(PEEK)):
        transaction_view.drawer(actor, reference)


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=100, ttl=KEPT_SECONDS)
def _read(actor: Actor, database: str, mark: tuple[object, ...], slot: int, key: str, _wanted: TransactionFilter, _asked: Asked) -> tuple[Asked, Page, Held]:
    """Where the page begins, its rows, and how many there are of them: read once for everybody who looks at the same, until a transaction is made or moves.

    The page has asked for the right to it, and the rows of one filter are the same for all who see the same billers.
    """
    del database, mark, slot, key
    asked = _placed(actor, _asked, _wanted)
    place = (asked.size, asked.older, asked.newer, asked.sort)
    if can_add_up(_wanted):
        figures = statistics.totals(actor, _wanted)
        return asked, transactions.list_page(actor, _wanted, *place), Held(Counted(figures.rows, is_exact=True), figures)
    # Sums cannot tell: counted as far as it is worth.
    page, known = transactions.list_counted(actor, _wanted, *place)
    return asked, page, Held(known, None)


def _slot(wanted: TransactionFilter) -> int:
    """What waits for core banking is let go without a move now and then: that is not kept."""
    return int(clock.now().timestamp()) // (1 if wanted.bank_open else KEPT_SECONDS)


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=4, ttl=PEOPLE_SECONDS)
def _people(actor: Actor, database: str) -> Mapping[uuid.UUID, Person]:
    """Read once for everybody who may see transactions: it is the same for all of them."""
    del database
    return views.people(actor)


# What a suggestion becomes when it is clicked: a word of the box, or what is searched for.
SUGGESTED = {"account": "account:", "reference": "ref:", "meter": "", "name": ""}


def _suggest(actor: Actor, asked: Asked, known: Known) -> None:
    """What somebody who searches for this may mean: the accounts, meters and names that have it, and references that begin so."""
    if not asked.search:
        return
    found = {f"{one.kind} {one.value}": one for one in _suggestions(actor, settings().dsn, asked.search) if one.value != asked.search}
    if found:
        st.pills(
            "Or only",
            list(found),
            format_func=lambda key: (
                f"{key.partition(' ')[0].capitalize()} {plain(found[key].value)}" + (f" :gray[{plain(found[key].note)}]" if found[key].note else "")
            ),
            key="list-suggested",
            on_change=_take,
            args=(asked, known, found),
            help="What has this in it, what was used last in front. A click narrows the list to it.",
        )


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=500, ttl=SUGGESTIONS_SECONDS)
def _suggestions(actor: Actor, database: str, term: str) -> Sequence[Suggestion]:
    """The same for everybody who may see transactions."""
    del database
    return transactions.suggest(actor, term)


def _take(asked: Asked, known: Known, found: Mapping[str, Suggestion]) -> None:
    picked = found.get(st.session_state.get("list-suggested") or "")
    st.session_state["list-suggested"] = None
    if picked is not None:
        note(add(f"{SUGGESTED[picked.kind]}{quoted(picked.value)}", known, replace(asked, search="")).asked)


def _placed(actor: Actor, asked: Asked, wanted: TransactionFilter) -> Asked:
    """A page that the address names by its number alone has its place looked up."""
    if asked.page <= 1 or asked.older or asked.newer:
        return asked
    place = transactions.jump(actor, wanted, asked.page, asked.size, asked.sort)
    return replace(asked, older=place) if place else asked.at_the_top


def _added_up(wanted: TransactionFilter) -> Held | None:
    """What somebody asked for who wanted all of it counted."""
    of, found = st.session_state.get(ADDED_UP) or (None, None)
    return Held(Counted(found.rows, is_exact=True), found) if of == wanted and found is not None else None


def _grid(actor: Actor, asked: Asked, page: Page, known: Known) -> Transaction | None:
    """Of other rows or columns another grid: a tick belongs to its payment, not to its place on the page."""
    rows = hash((tuple(row.id for row in page.rows), asked.columns))
    key = f"list-{asked.address()}-{rows}-{st.session_state.get(transaction_view.PEEKS, 0)}"
    ticked: dict[str, Any] = {"chosen": bulk_acts.chosen(page.rows), "on_choose": bulk_acts.choose} if bulk_acts.acts_of(actor) else {}
    names = tables.Names(billers.short_names(actor), {one: person.name for one, person in known.people.items()})
    return tables.grid(page.rows, names, key, transaction_view.peek, shown=asked.columns, order=SORTS[asked.sort][1], **ticked)


# ---- Above the list


def _totals(actor: Actor, held: Held, wanted: TransactionFilter, page: Page) -> None:
    """The same figures as the dashboard's and the export's; what would have to be read row by row waits until it is asked for."""
    parts = [f"**{held.text} transaction{'' if held.counted.rows == 1 else 's'}**"]
    if held.figures is not None and held.figures.payments:
        parts.append(f"{counted(held.figures.payments, 'payment')}, {paid(held.figures)} paid")
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
        st.markdown(" · ".join(parts) + f" :gray[· {as_of(page.as_of)}]", width="content", help=VALUE_HELP)
        if held.figures is None and held.counted.rows:
            st.button(
                "Add up" if held.counted.is_exact else "Count all",
                icon=":material/functions:",
                type="tertiary",
                key="list-add-up",
                help="Reads every row that the filter holds: its number and the value paid. With many it takes a while.",
                on_click=_add_up,
                args=(wanted,),
            )


@guarded("transactions:read")
def _add_up(actor: Actor, wanted: TransactionFilter) -> None:
    st.session_state[ADDED_UP] = (wanted, statistics.totals(actor, wanted))


def paid(totals: Figures) -> str:
    """Amounts of two currencies are told one after the other, never added up."""
    return " + ".join(amount(value, currency) for currency, value in sorted(totals.values.items())) or amount(totals.value)


def counted(number: int, what: str) -> str:
    """`1 payment`, `1,234 payments`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _order() -> None:
    st.selectbox(
        "Order",
        list(SORTS),
        format_func=lambda sort: SORTS[sort][0],
        key=SORT,
        label_visibility="collapsed",
        width=160,
        help="What stands first. By amount, look-ups stand last: they have none.",
        on_change=remember,
    )


def _columns(asked: Asked) -> None:
    """Which columns, in the order they are chosen in; no choice is the usual ones."""
    popover = st.popover(
        "Columns", icon=":material/view_column:", key=COLUMNS_OPEN, on_change="rerun", help="Which columns stand in the list, and in an export."
    )
    with popover:
        if popover.open:
            st.multiselect(
                "Columns",
                COLUMNS,
                format_func=lambda name: tables.COLUMNS[name].label,
                key=filters.COLUMNS,
                placeholder="The usual ones",
                help="They stand in the order they are chosen in. The choice is in the address, and a saved view keeps it.",
                on_change=remember,
            )
            if not asked.columns:
                st.button("Begin with the usual ones", icon=":material/view_column:", on_click=_choose_columns, args=(asked, USUAL_COLUMNS))
            else:
                st.button("Back to the usual ones", icon=":material/restart_alt:", on_click=_choose_columns, args=(asked, ()))


def _choose_columns(asked: Asked, columns: Sequence[str]) -> None:
    note(replace(asked, columns=tuple(columns)))


# ---- News


def _pace(asked: Asked) -> None:
    show_in_widgets({PACE: asked.pace})
    st.segmented_control(
        "Look for news",
        PACES,
        format_func=lambda seconds: "Off" if not seconds else "Live" if seconds == PACES[0] else f"{seconds} s",
        key=PACE,
        required=True,
        label_visibility="collapsed",
        help="How soon this list tells of news. It never moves rows by itself: it tells how many there are.",
        on_change=remember,
    )


def _news(actor: Actor, asked: Asked, page: Page, mark: tuple[object, ...]) -> None:
    """How many rows are new and how many changed since the list was drawn; the list itself waits for the button."""
    # With the list itself there is none, nor before the next change of anything.
    news = News(0, 0, clock.now()) if is_whole_run() or statistics.mark(actor) == mark else _since(actor, asked, page)
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
        if news.new or news.changed:
            new = f"{news.new}{'+' if news.new == MOST_NEWS else ''} new" if news.new else ""
            told = ", ".join(filter(None, (new, f"{news.changed} changed" if news.changed else "")))
            if st.button(f"{told} · show", icon=":material/refresh:", type="primary", help="Draws the list anew, with these in it."):
                st.rerun()
        shown = as_of(page.as_of if news.new or news.changed else news.as_of)
        st.caption(f"{counted(len(page.rows), 'row')} on this page, {SORTS[asked.sort][1]}, {shown}", width="content")


def _since(actor: Actor, asked: Asked, page: Page) -> News:
    """What is new is told on the first page of the newest; elsewhere it would stand on another page."""
    first = page.rows[0] if page.rows and page.newer is None and asked.sort is Sort.NEWEST else None
    place = Cursor(first.created_at, first.id) if first else None if page.rows else Cursor(page.as_of, FIRST_ID)
    return transactions.since(actor, asked.wanted(zone(), actor.id), place, page)


# ---- Pages


def _turn_pages(asked: Asked, page: Page, held: Held) -> None:
    show_in_widgets({SIZE: asked.size})
    by_time = asked.sort is Sort.NEWEST
    # At the top it is the first page, whatever was counted on the way there.
    here = 1 if page.newer is None else asked.page
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            up, down = ("Newer", "Older") if by_time else ("Previous", "Next")
            if st.button(up, icon=":material/chevron_left:", disabled=page.newer is None, help="The page before this one."):
                go(replace(asked, older=None, newer=page.newer, page=max(here - 1, 1) if here else 0))
            _place(asked, here, held)
            if st.button(down, icon=":material/chevron_right:", icon_position="right", disabled=page.older is None, help="The page after this one."):
                go(replace(asked, older=page.older, newer=None, page=here + 1 if here else 0))
            first = "Newest" if by_time else "First page"
            if (asked.older or asked.newer) and st.button(first, icon=":material/first_page:", type="tertiary", help="Back to the top of the list."):
                go(asked.at_the_top)
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


def _place(asked: Asked, here: int, held: Held) -> None:
    """Which page this is of how many, and the way to another or to a day."""
    pages = -(-held.counted.rows // asked.size)
    # Rows come in above: what was counted on the first page is about right on the others.
    of = f" of {'' if here == 1 else '~'}{pages:,}" if held.counted.is_exact else ""
    popover = st.popover(f"Page {here or '…'}{of}", type="tertiary", key=PLACE_OPEN, on_change="rerun", help="Go to another page, or to a day.")
    with popover:
        if not popover.open:
            return
        if held.counted.is_exact and held.figures is not None:
            st.number_input("Page", 1, max(pages, 1), value=None, key=TO_PAGE, placeholder=f"1 to {pages:,}", on_change=_to_page, help="Counted from the top.")
        if asked.sort not in BY_AMOUNT:
            # With a button: what is typed counts when the calendar closes, and the same click outside would close all of this first.
            with st.form("list-day", border=False):
                st.date_input("Day", value=None, key=TO_DAY, format="DD/MM/YYYY", help=f"The list from this business day in {zone().key} on.")
                st.form_submit_button("Go to this day", icon=":material/event:", on_click=_to_day, width="stretch")


@guarded("transactions:read")
def _to_page(actor: Actor) -> None:
    asked, number = opened_now().asked, st.session_state.get(TO_PAGE)
    if not number:
        return
    _close_place()
    place = transactions.jump(actor, asked.wanted(zone(), actor.id), number, asked.size, asked.sort) if number > 1 else None
    note(replace(asked.at_the_top, older=place, page=number if place else 1))


@guarded("transactions:read")
def _to_day(actor: Actor) -> None:
    day: date | None = st.session_state.get(TO_DAY)
    if day is None:
        return
    _close_place()
    asked = opened_now().asked
    start, end = clock.day_bounds(day, zone())
    wanted = asked.wanted(zone(), actor.id)
    before_it: dict[str, Any] = {"until": min(start, wanted.until or start)} if asked.sort is Sort.OLDEST else {"since": max(end, wanted.since or end)}
    before, place = statistics.counted(actor, replace(wanted, **before_it)), transactions.jump_to_day(actor, day, asked.sort)
    note(replace(asked.at_the_top, older=place, page=before.rows // asked.size + 1 if before.is_exact else 0))


def _close_place() -> None:
    for key in (TO_PAGE, TO_DAY):
        st.session_state[key] = None
    st.session_state[PLACE_OPEN] = False


# ---- Nothing


def _nothing(actor: Actor, opened: Opened, names: Mapping[str, str]) -> None:
    asked, words = opened.asked, in_words(opened.asked, names, plain)
    with st.container(border=True, horizontal_alignment="center"):
        if asked.older or asked.newer:
            st.subheader("Nothing more on this side", anchor=False, text_alignment="center")
            if st.button("To the newest" if asked.sort is Sort.NEWEST else "To the first page", icon=":material/first_page:", type="primary"):
                go(asked.at_the_top)
        elif asked.is_filtered:
            st.subheader("Nothing matches", anchor=False, text_alignment="center")
            st.markdown(f"No transaction fits {words}.{_hint(asked)}", text_alignment="center")
            _wider(actor, opened, names)
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


def _wider(actor: Actor, opened: Opened, names: Mapping[str, str]) -> None:
    """The way out of a filter that holds too much: the same without its days, or without what stands in the way besides; or without anything."""
    asked = opened.asked
    wanted = asked.wanted(zone(), actor.id)
    found = transactions.widest(actor, wanted)
    with st.container(horizontal=True, horizontal_alignment="center"):
        if found is not None:
            wider = widened(asked, wanted, found.wanted)
            rows = f"{found.rows:,}{'' if found.is_exact else '+'} transaction{'' if found.rows == 1 else 's'}"
            within = f"From {moment_text(found.first_at)} to {moment_text(found.last_at)}."
            if st.button(f"{rows} {_without(asked, wider, names)} · show", icon=":material/date_range:", type="primary", help=within):
                go(wider)
        if st.button("Clear the filter", icon=":material/filter_alt_off:"):
            clear(opened)


NO_DAYS: Mapping[str, Any] = {"first_day": None, "last_day": None, "since": "", "until": ""}

# Where a part of the filter stands in the address under other names.
PARTS: Mapping[str, Sequence[str]] = {
    "since": ("first_day", "since"),
    "until": ("last_day", "until"),
    "initiated_by": ("mine",),
    "operators": ("operators", "mine"),
    "zone": (),
}


def widened(asked: Asked, before: TransactionFilter, after: TransactionFilter) -> Asked:
    """The same list without what the wider filter has left out."""
    left_out = [one.name for one in fields_of(before) if getattr(before, one.name) != getattr(after, one.name)]
    plain_list = Asked()
    return replace(asked, **{name: getattr(plain_list, name) for part in left_out for name in PARTS.get(part, (part,))})


def _without(asked: Asked, wider: Asked, names: Mapping[str, str]) -> str:
    """`on other days`, or what else had to be left out."""
    kept = {one.words for group in conditions(wider, names) for one in group}
    left_out = [one.words for group in conditions(replace(asked, **NO_DAYS), names) for one in group if one.words not in kept]
    return f"without {plain(', '.join(left_out))}" if left_out else "on other days"
