"""What a range is asked for by: the fields, their keys, and the address that remembers them."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.repositories.statistics import Grain
from core.states import TransactionType
from core.ui.analytics_asked import GRAINS, LONGEST_DAYS, RANGES, Wish, offered, read_wish
from core.ui.attention import PAYMENT_TYPES
from core.ui.figure_words import counted
from core.ui.words import TYPE_LABELS, zone

# Each widget's key, by the part of the wish it shows.
KEYS = {
    **{name: f"analytics-{name}" for name in ("range", "first_day", "last_day", "grain", "billers", "types", "compares", "split")},
    **{name: f"analytics-{name}" for name in ("versus", "measure", "heat", "report", "report_day")},
}
GRAIN_LABELS: Mapping[Grain, str] = {Grain.QUARTER: "15 min", Grain.HOUR: "Hour", Grain.DAY: "Day", Grain.WEEK: "Week", Grain.MONTH: "Month"}
GRAIN_WORDS: Mapping[Grain, str] = {
    Grain.QUARTER: "steps of 15 minutes",
    Grain.HOUR: "steps of an hour",
    Grain.DAY: "steps of a day",
    Grain.WEEK: "weeks",
    Grain.MONTH: "months",
}


def show(wish: Wish, titles: Mapping[str, str], days: int, asked: Grain) -> None:
    """Each widget shows what the address says, and writes there what is chosen. `asked` are the steps of the address: in a range of so many days
    the wish may have others.
    """
    for name in KEYS:
        value = getattr(wish, name)
        value = list(value) if isinstance(value, tuple) else value
        if st.session_state.get(KEYS[name]) != value:
            st.session_state[KEYS[name]] = value
    st.title("Analytics", anchor=False)
    changed: dict[str, Any] = {"on_change": remember}
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.segmented_control(
                "Range",
                RANGES,
                format_func=lambda one: RANGES[one][0],
                key=KEYS["range"],
                required=True,
                help=f"Business days in {zone().key}; today is the last of the ready-made ranges.",
                **changed,
            )
            if wish.range == "custom":
                with st.container(horizontal=True, width="content"):
                    for name, label in (("first_day", "From"), ("last_day", "To")):
                        st.date_input(
                            label, value=None, key=KEYS[name], format="DD/MM/YYYY", width=150, help=f"Included. At most {LONGEST_DAYS} days.", **changed
                        )
            st.segmented_control(
                "Steps",
                offered(days),
                format_func=GRAIN_LABELS.__getitem__,
                key=KEYS["grain"],
                required=True,
                help="One point of a figure is so long. Weeks begin on Monday. Which are offered depends on the range.",
                **changed,
            )
            st.toggle(
                "Compare with the time before",
                key=KEYS["compares"],
                help="As many days before these; where the range ends today, up to the same hour.",
                **changed,
            )
        st.caption(_why_not(wish, days, asked))
        fields = st.grid(2, min_column_width=220)
        fields.multiselect(
            "Biller", list(titles), format_func=lambda code: titles.get(code, code), key=KEYS["billers"], placeholder="All", help="Any of these.", **changed
        )
        fields.multiselect(
            "Type of payment",
            PAYMENT_TYPES,
            format_func=lambda one: TYPE_LABELS[TransactionType(one)],
            key=KEYS["types"],
            placeholder="All",
            help="Any of these. Look-ups move no money and are counted apart.",
            **changed,
        )


def _why_not(wish: Wish, days: int, asked: Grain) -> str:
    """Why some steps are not offered."""
    left_out = [grain for grain in GRAINS if grain not in offered(days)]
    needs = [f"{GRAIN_WORDS[grain]} need {_length(*GRAINS[grain], days)}" for grain in left_out]
    instead = f" Shown in {GRAIN_WORDS[wish.grain]} instead." if asked is not wish.grain else ""
    return f"{counted(days, 'day')}: {', '.join(needs)}.{instead}" if needs else ""


def _length(least: int, most: int, days: int) -> str:
    return f"at most {counted(most, 'day')}" if days > most else f"at least {counted(least, 'day')}"


def remember() -> None:
    """What was chosen goes into the address."""
    state = st.session_state
    wish = read_wish(
        {name: st.query_params.get_all(name) for name in st.query_params}, [*(state.get(KEYS["billers"]) or ()), *(state.get(KEYS["versus"]) or ())]
    )
    chosen = {name: state.get(key, getattr(wish, name)) for name, key in KEYS.items()}
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
    st.query_params.from_dict(Wish(**chosen).address())
