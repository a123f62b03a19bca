"""Rows of transactions as a grid: identifiers and amounts are text, so that nothing eats a zero; status is a word, a sign and a colour."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from core import clock
from core.models import Transaction
from core.states import Status, TransactionType
from core.ui.words import STATUS_LOOKS, TYPE_LABELS, amount, zone

# A grid is a canvas: it draws letters, not Streamlit's icons.
SIGNS: Mapping[Status, str] = {
    Status.PENDING: "◷",
    Status.PROCESSING: "↻",
    Status.COMPLETED: "✓",
    Status.FAILED: "✕",
    Status.CANCELLED: "⊘",
    Status.REVERSED: "↩",
}

ROW_PIXELS = 35

# Where Streamlit keeps which reference was clicked.
OPENED = "list-opened"


def chip(status: str) -> str:
    known = Status(status)
    return f"{SIGNS[known]} {STATUS_LOOKS[known].label}"


def short_moment(moment: datetime) -> str:
    """`23 Nov, 10:42 CAT`, with the year where it is another one: what a laptop has room for. The story has the second."""
    local, today = moment.astimezone(zone()), clock.now().astimezone(zone())
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year}, {local:%H:%M %Z}"


def frame(rows: Sequence[Transaction], names: Mapping[str, str]) -> pd.DataFrame:
    """`names` are the billers' short ones, by code. A column that says which rows are made up stands only where some are."""
    made_up = {"Mark": ["Demo" if row.demo else "" for row in rows]} if _any_made_up(rows) else {}
    return pd.DataFrame(
        {
            "ID": [row.our_transaction_id for row in rows],
            "Biller": [names.get(row.biller_type, row.biller_name) for row in rows],
            "Account": [row.account_number for row in rows],
            "Name": [row.customer_account_name or "–" for row in rows],
            "Type": [TYPE_LABELS[TransactionType(row.transaction_type)] for row in rows],
            "Amount": [amount(row.amount, row.currency) for row in rows],
            "Status": [[chip(row.status)] for row in rows],
            "Date": [short_moment(row.created_at) for row in rows],
            **made_up,
        },
        dtype=object,
    )


def _any_made_up(rows: Sequence[Transaction]) -> bool:
    return any(row.demo for row in rows)


# How wide a column of tick boxes is: the names give way to it.
TICKS_PIXELS = 36


def columns(*, marked: bool = False, ticked: bool = False) -> dict[str, object]:
    """`marked`: room is needed for the column that says which rows are made up; `ticked`: for one of tick boxes."""
    text = st.column_config.TextColumn
    biller, name = (104, 108) if marked else (112, 200)
    return {
        "ID": st.column_config.ButtonColumn(
            width=152,
            type="tertiary",
            alignment="left",
            key=OPENED,
            help="Our reference: what the biller and the bank know this transaction by. A click opens its whole story.",
        ),
        "Biller": text(width=biller, help="The company that is paid or asked."),
        "Account": text(width=96, help="The customer's account number at the biller."),
        "Name": text(width=name - (TICKS_PIXELS if ticked else 0), help="The customer's name, as the biller gave it."),
        "Type": text(width=104, help="A look-up asks and moves no money; a payment pays."),
        "Amount": text(width=112, alignment="right", help="With its currency. A dash: no money moves."),
        "Status": st.column_config.MultiselectColumn(
            width=100,
            options=[chip(status) for status in STATUS_LOOKS],
            color=[look.colour for look in STATUS_LOOKS.values()],
            help="; ".join(f"{look.label}: {look.meaning}" for look in STATUS_LOOKS.values()),
        ),
        "Mark": text(width=92, help="Demonstration: made up to show how the console looks. No money moved, and no biller was asked."),
        "Date": text(width=118, help="When it was submitted, in the bank's time zone."),
    }


def grid(
    rows: Sequence[Transaction],
    names: Mapping[str, str],
    key: str,
    on_pick: Callable[[str], object],
    *,
    chosen: Sequence[Transaction] = (),
    on_choose: Callable[[Sequence[Transaction]], object] | None = None,
) -> Transaction | None:
    """Draws the rows. A click anywhere in one hands its reference to `on_pick`; answers the one whose reference itself was clicked.

    With `on_choose` rows can be ticked, several of them: it is handed those, and `chosen` are ticked from the start.
    """
    several = on_choose is not None

    def picked() -> None:
        selection = st.session_state[key].selection
        if on_choose is not None:
            on_choose([rows[place] for place in selection.rows])
        for place in [*([] if several else selection.rows), *(row for row, _ in selection.cells)][:1]:
            on_pick(rows[place].our_transaction_id)

    st.dataframe(
        frame(rows, names),
        column_config=columns(marked=_any_made_up(rows), ticked=several),
        hide_index=True,
        height=ROW_PIXELS * (len(rows) + 1) + 3,
        row_height=ROW_PIXELS,
        key=key,
        on_select=picked,
        selection_mode=("multi-row" if several else "single-row", "single-cell"),
        selection_default={"selection": {"rows": [place for place, row in enumerate(rows) if row in chosen]}} if chosen else None,
        alt="Transactions, newest first. Select a cell to see its row beside the list" + ("; tick rows to act on them." if several else "."),
    )
    clicked = st.session_state.get(OPENED)
    return rows[clicked.row] if clicked and clicked.row < len(rows) else None
