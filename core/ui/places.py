"""The console's pages as a window knows them, and links to them.

By a page's file Streamlit would ask the disk where it is, at each link and for each page of the menu: some dozens of times a run.
"""

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

Menu = Mapping[str, st.Page]

# For whom this window's pages were made, and the pages by name.
KEPT = "billers.menu"


def menu(known: Hashable, make: Callable[[], Menu]) -> Menu:
    """The pages that this window has for `known`: made once, and anew for anybody else."""
    kept = st.session_state.get(KEPT)
    if kept is None or kept[0] != known:
        kept = st.session_state[KEPT] = known, make()
    made: Menu = kept[1]
    return made


def page_link(page: Path, **told: Any) -> None:
    """`st.page_link` to a page by its file."""
    _, kept = st.session_state.get(KEPT, (None, {}))
    st.page_link(kept.get(page.stem, page), **told)
