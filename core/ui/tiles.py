"""A tile: a figure, what it is compared with, its course, and the way to the list it was counted from."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import streamlit as st

from core.repositories import statistics
from core.services.periods import Period
from core.ui.attention import PAYMENT_TYPES
from core.ui.filters import Asked
from core.ui.pieces import TRANSACTIONS
from core.ui.places import page_link

# Of payments: those that have ended one way or another.
ENDED = tuple(status.value for status in statistics.ENDED)


class Tile:
    """`delta` is None where there is nothing to compare with; `against` is empty where nobody asked. `links` are the lists behind the numbers
    by what they are called, the tile's own first. `more` goes to `st.metric`.
    """

    def __init__(self, label: str, value: str, delta: Any, against: str, links: Mapping[str, Mapping[str, Any]], **more: Any) -> None:
        self.label, self.value, self.delta, self.against, self.links, self.more = label, value, delta, against, links, more

    def show(self) -> None:
        # Its links at the lower edge, whatever stands above.
        with st.container(border=True, gap="xsmall", height="stretch", vertical_alignment="distribute"):
            told = {"delta_description": self.against} if self.delta is not None and self.against else {}
            st.metric(self.label, self.value, self.delta if self.against else None, **told, **self.more)
            if self.against and self.delta is None:
                st.caption("Nothing to compare with.")
            # A row only where there are several: each look at a page of tiles sends all of it.
            with st.container(horizontal=True, gap=None) if len(self.links) > 1 else nullcontext():
                for place, (name, address) in enumerate(self.links.items()):
                    arrow = {"icon": ":material/arrow_forward:", "icon_position": "right"} if place == 0 else {}
                    page_link(TRANSACTIONS, label=name, query_params=dict(address), **arrow)


def flag(is_met: bool) -> str:
    """Whether a target is met, as a sign beside the figure."""
    return ":material/verified:" if is_met else ":material/flag:"


def payments_of(period: Period, *statuses: str, billers: tuple[str, ...] = (), types: tuple[str, ...] = PAYMENT_TYPES) -> dict[str, Any]:
    """The address of the list of payments behind a figure."""
    return Asked(billers=billers, statuses=statuses, types=types, first_day=period.first_day, last_day=period.last_day).address()
