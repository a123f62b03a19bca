"""The list's filter as words, as fields and as chips. The address is the only memory: each shows what it says, and writes there what is chosen or typed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st

from core.errors import BadInput
from core.repositories.transactions import Sort
from core.services.asked import PACES, Asked, bound, business_today, conditions, contradiction, cursor, cursor_text, in_words, read, searchable
from core.services.search_words import QUALIFIERS, Known, add, write
from core.services.search_words import read as read_words
from core.states import Status, TransactionType
from core.ui.list_address import Opened, go, note, opened_now
from core.ui.pieces import complain, turn_to
from core.ui.words import STATUS_LOOKS, TYPE_LABELS, plain, zone

# What an address asks for is defined beside the export, which asks for the same; pages find all of it here.
__all__ = ["PACES", "Asked", "chips", "cursor", "cursor_text", "fields", "in_words", "read", "remember", "show_in_widgets"]

SEARCH, BILLERS, STATUSES, TYPES = "filter-q", "filter-biller", "filter-status", "filter-type"
FIRST_DAY, LAST_DAY, SIZE, PACE = "filter-from", "filter-to", "filter-size", "filter-every"
ACCOUNT, REFERENCE, AMOUNT_MIN, AMOUNT_MAX, ONLY = "filter-account", "filter-ref", "filter-min", "filter-max", "filter-only"
OPERATORS, SORT, COLUMNS = "filter-by", "filter-sort", "filter-columns"

MINE, IN_DOUBT = "Mine only", "In doubt"

# What is wrong with an amount or a line of words as it was typed, by its field; the field keeps what was typed until it is mended.
COMPLAINTS = "filter-complaints"

# Whom the box's words can name, as the page was drawn last.
KNOWN = "filter-known"

# What is in this popover is drawn while it is open.
WORDS_OPEN = "filter-words-open"

EXAMPLE = "status:failed biller:lwb amount:>50000 since:yesterday, or a reference, account, meter or name"
SEARCH_HELP = (
    "Anything you have in hand: a reference, an account, a meter or a customer's name, from three letters on a part of it."
    " Words with a colon narrow the list: *Words* beside the box has them all. Enter searches."
)


# ---- Words and fields


def fields(opened: Opened, known: Known) -> None:
    """The box first, then what is used every day in a row, the others behind *More*."""
    asked, names = opened.asked, known.billers
    st.session_state[KNOWN] = known
    _show(asked, known)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Search", key=SEARCH, type="search", placeholder=EXAMPLE, help=SEARCH_HELP, on_change=_typed)
            words = st.popover("Words", icon=":material/tag:", key=WORDS_OPEN, on_change="rerun", help="Every word the box knows, with one click.")
            with words:
                if words.open:
                    _words(asked, known)
        for sentence in _complaints().get(SEARCH, ()):
            complain(sentence)
        # One row on a desk; on a telephone one field a row.
        grid = st.grid(6, min_column_width=150, vertical_alignment="bottom")
        changed: dict[str, Any] = {"on_change": remember}
        grid.multiselect("Biller", list(names), format_func=lambda code: names[code], key=BILLERS, placeholder="All", help="Any of these.", **changed)
        grid.multiselect(
            "Status",
            [one.value for one in Status],
            format_func=lambda one: STATUS_LOOKS[Status(one)].label,
            key=STATUSES,
            placeholder="All",
            help="; ".join(f"{look.label}: {look.meaning}" for look in STATUS_LOOKS.values()),
            **changed,
        )
        grid.multiselect(
            "Type",
            [one.value for one in TransactionType],
            format_func=lambda one: TYPE_LABELS[TransactionType(one)],
            key=TYPES,
            placeholder="All",
            help="Look-ups move no money; payments do.",
            **changed,
        )
        days = f"A business day in {zone().key}, included."
        grid.date_input("From", value=None, key=FIRST_DAY, format="DD/MM/YYYY", help=days, **changed)
        grid.date_input("To", value=None, key=LAST_DAY, format="DD/MM/YYYY", help=days, **changed)
        with grid.popover("More", icon=":material/tune:", width="stretch", help="Amount, account, reference, who submitted it, in doubt."):
            _more(known, changed)
        _complain_of_amounts()
        complain(contradiction(asked))
        _tell_left_out(opened)


def _more(known: Known, changed: Mapping[str, Any]) -> None:
    low, high = st.columns(2)
    low.text_input("Amount from", key=AMOUNT_MIN, placeholder="for example 5,000", help="The least amount, included. Look-ups have none.", **changed)
    high.text_input("Amount to", key=AMOUNT_MAX, placeholder="for example 250,000", help="The largest amount, included.", **changed)
    _complain_of_amounts()
    st.text_input("Account", key=ACCOUNT, placeholder="Number, or part of it", help="From three characters on, a part is enough.", **changed)
    st.text_input("Reference", key=REFERENCE, placeholder="Ours, the biller's, an invoice's", help="The whole of it.", **changed)
    st.multiselect(
        "Submitted by",
        list(known.people),
        format_func=lambda one: known.people[one].name,
        key=OPERATORS,
        placeholder="Anybody",
        help="Any of these people.",
        **changed,
    )
    st.pills(
        "Only",
        [MINE, IN_DOUBT],
        selection_mode="multi",
        key=ONLY,
        help="Mine only: what you submitted. In doubt: payments that were or may have been sent and are not settled.",
        **changed,
    )


def _words(asked: Asked, known: Known) -> None:
    """Each word with its examples; one that is clicked is added to the filter."""
    st.caption("A click adds a word to the filter. Write several with blanks between them; put in quotation marks what should be taken as it stands.")
    for qualifier in QUALIFIERS.values():
        st.pills(
            f"**{qualifier.name}:** {plain(qualifier.help)}",
            qualifier.examples,
            key=f"word-{qualifier.name}",
            on_change=_add,
            args=(qualifier.name, asked, known),
        )


def _add(name: str, asked: Asked, known: Known) -> None:
    picked = st.session_state.get(f"word-{name}")
    if picked and not (understood := add(picked, known, asked)).complaints:
        clear_complaints()
        note(understood.asked)
    # It is a button, and no state: the chip shows what it did.
    st.session_state[f"word-{name}"] = None


def _complain_of_amounts() -> None:
    """Beside the fields, and where it is seen once they are put away."""
    for sentence in dict.fromkeys(sentence for key in (AMOUNT_MIN, AMOUNT_MAX) for sentence in _complaints().get(key, ())):
        complain(sentence)


def _show(asked: Asked, known: Known) -> None:
    days = asked.settled(business_today())
    show_in_widgets({BILLERS: list(asked.billers), STATUSES: list(asked.statuses), TYPES: list(asked.types), SORT: asked.sort, COLUMNS: list(asked.columns)})
    show_in_widgets({FIRST_DAY: days.first_day, LAST_DAY: days.last_day, ACCOUNT: asked.account, REFERENCE: asked.reference})
    show_in_widgets({OPERATORS: [one for one in asked.operators if one in known.people]})
    show_in_widgets({ONLY: [label for label, is_on in ((MINE, asked.mine), (IN_DOUBT, asked.in_doubt)) if is_on]})
    amounts = {AMOUNT_MIN: asked.amount_min, AMOUNT_MAX: asked.amount_max}
    typed = {SEARCH: write(asked, known), **{key: "" if value is None else f"{value:,f}" for key, value in amounts.items()}}
    show_in_widgets({key: value for key, value in typed.items() if key not in _complaints()})


def show_in_widgets(values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if st.session_state.get(key) != value:
            st.session_state[key] = value


# ---- What was typed and chosen


def _typed() -> None:
    """The whole filter from the box. While any of it is not understood the list stays as it was, and the box as it was typed."""
    line, opened = st.session_state.get(SEARCH) or "", opened_now()
    understood = read_words(line, st.session_state.get(KNOWN) or Known(), opened.asked)
    if understood.complaints:
        _complaints()[SEARCH] = understood.complaints
    else:
        clear_complaints()
        note(understood.asked)


def remember() -> None:
    """What was chosen goes into the address; the place in the list does not, for it was a place in another list."""
    asked, state = opened_now().asked, st.session_state
    only, days = state.get(ONLY) or (), asked.settled(business_today())
    changed = replace(
        asked.at_the_top,
        billers=tuple(state.get(BILLERS) or ()),
        statuses=tuple(state.get(STATUSES) or ()),
        types=tuple(state.get(TYPES) or ()),
        **_day("first_day", "since", state.get(FIRST_DAY), days.first_day, asked),
        **_day("last_day", "until", state.get(LAST_DAY), days.last_day, asked),
        amount_min=_typed_amount(AMOUNT_MIN, asked.amount_min),
        amount_max=_typed_amount(AMOUNT_MAX, asked.amount_max),
        account=searchable(state.get(ACCOUNT) or ""),
        reference=searchable(state.get(REFERENCE) or ""),
        operators=_people(state.get(OPERATORS) or (), asked),
        mine=MINE in only,
        in_doubt=IN_DOUBT in only,
        sort=Sort(state.get(SORT) or asked.sort),
        columns=tuple(state.get(COLUMNS) or ()),
        size=state.get(SIZE) or asked.size,
        pace=asked.pace if state.get(PACE) is None else state[PACE],
    )
    note(changed)


def _day(name: str, by_name: str, chosen: date | None, before: date | None, asked: Asked) -> dict[str, Any]:
    """A day that was left alone keeps its name; one that was chosen is that date from now on."""
    return {name: getattr(asked, name), by_name: getattr(asked, by_name)} if chosen == before else {name: chosen, by_name: ""}


def _people(chosen: tuple[Any, ...], asked: Asked) -> tuple[Any, ...]:
    """Somebody of whom only the id is known cannot be chosen, and stays until the chip is taken out."""
    known: Known = st.session_state.get(KNOWN) or Known()
    return (*chosen, *(one for one in asked.operators if one not in known.people))


def _typed_amount(key: str, before: Decimal | None) -> Decimal | None:
    """What was typed; as long as it cannot be used the list stays as it was, and the field says why."""
    complaints = _complaints()
    complaints.pop(key, None)
    try:
        return bound(st.session_state.get(key) or "")
    except BadInput as error:
        complaints[key] = (error.sentence,)
        return before


def _complaints() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = st.session_state.setdefault(COMPLAINTS, {})
    return found


def _tell_left_out(opened: Opened) -> None:
    """A link whose filter is understood in part shows more than its sender meant: that has to be said."""
    if opened.left_out:
        st.caption(f":material/link_off: Part of this address was not understood, and is left out: {plain(', '.join(opened.left_out))}.")
    if opened.view_is_gone:
        st.caption(":material/link_off: The view this address names is there no more, or is somebody's own. What is shown is not narrowed by it.")


# ---- Chips


def chips(opened: Opened, names: Mapping[str, str]) -> None:
    """Each condition as a chip that takes itself away, and one that takes all. `names` are billers' by code, people's by id in text."""
    asked = opened.asked
    found = [condition for group in conditions(asked, names, plain) for condition in group]
    if not found:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for place, one in enumerate(found):
            label = f"{one.words[0].upper()}{one.words[1:]}"
            if st.button(label, icon=":material/close:", icon_position="right", key=f"chip-{place}-{label}", help="Takes this out of the filter."):
                clear_complaints()
                go(one.without.at_the_top)
        if st.button("Clear all", icon=":material/filter_alt_off:", type="tertiary", help="Takes everything out of the filter."):
            clear(opened)


def clear(opened: Opened) -> None:
    """Everything out of the filter, and out of the view; rows and columns stay as they are chosen."""
    clear_complaints()
    turn_to(**opened.plainly(Asked(size=opened.asked.size, pace=opened.asked.pace, columns=opened.asked.columns)))


def clear_complaints() -> None:
    st.session_state.pop(COMPLAINTS, None)
