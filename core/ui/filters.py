"""The list's filter as fields and chips. The address is the only memory: each field shows what it says, and writes there what is chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import streamlit as st

from core.errors import BadInput
from core.services.asked import PACES, Asked, bound, conditions, contradiction, cursor, cursor_text, in_words, read, read_and_tell, searchable
from core.states import Status, TransactionType
from core.ui.pieces import complain, turn_to
from core.ui.words import STATUS_LOOKS, TYPE_LABELS, plain, zone

# What an address asks for is defined beside the export, which asks for the same; pages find all of it here.
__all__ = ["PACES", "Asked", "asked_in_address", "chips", "cursor", "cursor_text", "fields", "in_words", "read", "remember", "show_in_widgets"]

SEARCH, BILLERS, STATUSES, TYPES = "filter-q", "filter-biller", "filter-status", "filter-type"
FIRST_DAY, LAST_DAY, SIZE, PACE = "filter-from", "filter-to", "filter-size", "filter-every"
ACCOUNT, REFERENCE, AMOUNT_MIN, AMOUNT_MAX, ONLY = "filter-account", "filter-ref", "filter-min", "filter-max", "filter-only"

MINE, IN_DOUBT = "Mine only", "In doubt"

# What is wrong with an amount as it was typed, by its field; the field keeps what was typed until it is mended.
COMPLAINTS = "filter-complaints"


def asked_in_address(names: Iterable[str]) -> Asked:
    return read(_address(), names)


def _address() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


# ---- Fields


def fields(asked: Asked, names: Mapping[str, str]) -> None:
    """Those used every day in a row, the others behind *More*. `names` are the billers', by code."""
    _show(asked)
    with st.container(border=True):
        # Two rows on a desk; on a telephone one field a row.
        grid = st.grid(6, min_column_width=150, vertical_alignment="bottom")
        changed: dict[str, Any] = {"on_change": remember}
        grid.cell(column_span=3).text_input(
            "Search",
            key=SEARCH,
            type="search",
            placeholder="Reference, account, meter or name",
            help="Our reference, the biller's or an invoice's, whole; or part of an account, a meter or a customer's name, from three letters on.",
            **changed,
        )
        days = f"A business day in {zone().key}, included."
        grid.date_input("From", value=None, key=FIRST_DAY, format="DD/MM/YYYY", help=days, **changed)
        grid.date_input("To", value=None, key=LAST_DAY, format="DD/MM/YYYY", help=days, **changed)
        with grid.popover("More", icon=":material/tune:", width="stretch", help="Amount, account, reference, mine only, in doubt."):
            _more(changed)
        wide = {"column_span": 2}
        grid.cell(**wide).multiselect(
            "Biller", list(names), format_func=lambda code: names[code], key=BILLERS, placeholder="All", help="Any of these.", **changed
        )
        grid.cell(**wide).multiselect(
            "Status",
            [one.value for one in Status],
            format_func=lambda one: STATUS_LOOKS[Status(one)].label,
            key=STATUSES,
            placeholder="All",
            help="; ".join(f"{look.label}: {look.meaning}" for look in STATUS_LOOKS.values()),
            **changed,
        )
        grid.cell(**wide).multiselect(
            "Type",
            [one.value for one in TransactionType],
            format_func=lambda one: TYPE_LABELS[TransactionType(one)],
            key=TYPES,
            placeholder="All",
            help="Look-ups move no money; payments do.",
            **changed,
        )
        _complain_of_amounts()
        complain(contradiction(asked))
        _tell_left_out(names)


def _more(changed: Mapping[str, Any]) -> None:
    low, high = st.columns(2)
    low.text_input("Amount from", key=AMOUNT_MIN, placeholder="for example 5,000", help="The least amount, included. Look-ups have none.", **changed)
    high.text_input("Amount to", key=AMOUNT_MAX, placeholder="for example 250,000", help="The largest amount, included.", **changed)
    _complain_of_amounts()
    st.text_input("Account", key=ACCOUNT, placeholder="Number, or part of it", help="From three characters on, a part is enough.", **changed)
    st.text_input("Reference", key=REFERENCE, placeholder="Ours, the biller's, an invoice's", help="The whole of it.", **changed)
    st.pills(
        "Only",
        [MINE, IN_DOUBT],
        selection_mode="multi",
        key=ONLY,
        help="Mine only: what you submitted. In doubt: payments that were or may have been sent and are not settled.",
        **changed,
    )


def _complain_of_amounts() -> None:
    """Beside the fields, and where it is seen once they are put away."""
    for sentence in dict.fromkeys(_complaints().values()):
        complain(sentence)


def _show(asked: Asked) -> None:
    show_in_widgets({SEARCH: asked.search, BILLERS: list(asked.billers), STATUSES: list(asked.statuses), TYPES: list(asked.types)})
    show_in_widgets({FIRST_DAY: asked.first_day, LAST_DAY: asked.last_day, ACCOUNT: asked.account, REFERENCE: asked.reference})
    show_in_widgets({ONLY: [label for label, is_on in ((MINE, asked.mine), (IN_DOUBT, asked.in_doubt)) if is_on]})
    amounts = {AMOUNT_MIN: asked.amount_min, AMOUNT_MAX: asked.amount_max}
    show_in_widgets({key: "" if value is None else f"{value:,f}" for key, value in amounts.items() if key not in _complaints()})


def show_in_widgets(values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if st.session_state.get(key) != value:
            st.session_state[key] = value


def remember() -> None:
    """What was chosen goes into the address; the place in the list does not, for it was a place in another list."""
    asked, state = asked_in_address(()), st.session_state
    only = state.get(ONLY) or ()
    chosen = replace(
        asked,
        search=searchable(state.get(SEARCH) or ""),
        billers=tuple(state.get(BILLERS) or ()),
        statuses=tuple(state.get(STATUSES) or ()),
        types=tuple(state.get(TYPES) or ()),
        first_day=state.get(FIRST_DAY),
        last_day=state.get(LAST_DAY),
        amount_min=_typed_amount(AMOUNT_MIN, asked.amount_min),
        amount_max=_typed_amount(AMOUNT_MAX, asked.amount_max),
        account=searchable(state.get(ACCOUNT) or ""),
        reference=searchable(state.get(REFERENCE) or ""),
        mine=MINE in only,
        in_doubt=IN_DOUBT in only,
        size=state.get(SIZE) or asked.size,
        pace=asked.pace if state.get(PACE) is None else state[PACE],
        older=None,
        newer=None,
    )
    st.query_params.from_dict(chosen.address())


def _typed_amount(key: str, before: Decimal | None) -> Decimal | None:
    """What was typed; as long as it cannot be used the list stays as it was, and the field says why."""
    complaints = _complaints()
    complaints.pop(key, None)
    try:
        return bound(st.session_state.get(key) or "")
    except BadInput as error:
        complaints[key] = error.sentence
        return before


def _complaints() -> dict[str, str]:
    found: dict[str, str] = st.session_state.setdefault(COMPLAINTS, {})
    return found


def _tell_left_out(names: Iterable[str]) -> None:
    """A link whose filter is understood in part shows more than its sender meant: that has to be said."""
    if left_out := read_and_tell(_address(), names)[1]:
        st.caption(f":material/link_off: Part of this address was not understood, and is left out: {plain(', '.join(left_out))}.")


# ---- Chips


def chips(asked: Asked, names: Mapping[str, str]) -> None:
    """Each condition as a chip that takes itself away, and one that takes all."""
    found = [condition for group in conditions(asked, names, plain) for condition in group]
    if not found:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for place, one in enumerate(found):
            label = f"{one.words[0].upper()}{one.words[1:]}"
            if st.button(label, icon=":material/close:", icon_position="right", key=f"chip-{place}-{label}", help="Takes this out of the filter."):
                clear_complaints()
                turn_to(**replace(one.without, older=None, newer=None).address())
        if st.button("Clear all", icon=":material/filter_alt_off:", type="tertiary", help="Takes everything out of the filter."):
            clear_complaints()
            turn_to(**replace(Asked(), size=asked.size, pace=asked.pace).address())


def clear_complaints() -> None:
    st.session_state.pop(COMPLAINTS, None)
