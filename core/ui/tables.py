"""Rows of transactions as a grid: identifiers and amounts are text, so that nothing eats a zero; status is a word, a sign and a colour."""

from collections.abc import Mapping, Sequence
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


def frame(rows: Sequence[Transaction]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ID": [row.our_transaction_id for row in rows],
            "Biller": [row.biller_name for row in rows],
            "Account": [row.account_number for row in rows],
            "Name": [row.customer_account_name or "–" for row in rows],
            "Type": [TYPE_LABELS[TransactionType(row.transaction_type)] for row in rows],
            "Amount": [amount(row.amount, row.currency) for row in rows],
            "Status": [[chip(row.status)] for row in rows],
            "Date": [short_moment(row.created_at) for row in rows],
        },
        dtype=object,
    )


def columns() -> dict[str, object]:
    text = st.column_config.TextColumn
    return {
        "ID": st.column_config.ButtonColumn(
            width=146,
            type="tertiary",
            alignment="left",
            key=OPENED,
            help="Our reference: what the biller and the bank know this transaction by. A click opens its story.",
        ),
        "Biller": text(width=136, help="The company that is paid or asked."),
        "Account": text(width=98, help="The customer's account number at the biller."),
        "Name": text(width=105, help="The customer's name, as the biller gave it."),
        "Type": text(width=68, help="A look-up asks and moves no money; a payment pays."),
        "Amount": text(width=118, alignment="right", help="With its currency. A dash: no money moves."),
        "Status": st.column_config.MultiselectColumn(
            width=102,
            options=[chip(status) for status in STATUS_LOOKS],
            color=[look.colour for look in STATUS_LOOKS.values()],
            help="; ".join(f"{look.label}: {look.meaning}" for look in STATUS_LOOKS.values()),
        ),
        "Date": text(width=128, help="When it was submitted, in the bank's time zone."),
    }


def grid(rows: Sequence[Transaction], key: str) -> Transaction | None:
    """Draws the rows; answers the one that was picked: by its box, or by a click on its reference."""
    picked = st.dataframe(
        frame(rows),
        column_config=columns(),
        hide_index=True,
        height=ROW_PIXELS * (len(rows) + 1) + 3,
        row_height=ROW_PIXELS,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        alt="Transactions, newest first. Select a row to open it.",
    )
    clicked = st.session_state.get(OPENED)
    chosen = [clicked.row] if clicked else picked.selection.rows  # type: ignore[union-attr]
    return rows[chosen[0]] if chosen and chosen[0] < len(rows) else None
