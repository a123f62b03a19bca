"""Rows of transactions as a grid: identifiers and amounts are text, so that nothing eats a zero; status is a word, a sign and a colour."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from core import clock
from core.models import Transaction
from core.repositories.my_day import Line
from core.services.asked import USUAL_COLUMNS
from core.states import Status, TransactionType
from core.ui.words import STATUS_LOOKS, TYPE_LABELS, amount, moment_text, stage_label, zone

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

# Stands where there is nothing to say.
NOTHING = "–"


def chip(status: str) -> str:
    known = Status(status)
    return f"{SIGNS[known]} {STATUS_LOOKS[known].label}"


def short_moment(moment: datetime) -> str:
    """`23 Nov, 10:42 CAT`, with the year where it is another one: what a laptop has room for. The story has the second."""
    local, today = moment.astimezone(zone()), clock.now().astimezone(zone())
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year}, {local:%H:%M %Z}"


@dataclass(frozen=True, slots=True)
class Names:
    """What codes and ids in a row are called: billers by their short names, people by their own."""

    billers: Mapping[str, str]
    people: Mapping[uuid.UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it is called, what stands in it, how wide it is and what its help says."""

    label: str
    help: str
    width: int
    text: Callable[[Transaction, Names], str]
    on_the_right: bool = False


def _submitter(row: Transaction, names: Names) -> str:
    return "Billers" if row.initiated_by is None else names.people.get(row.initiated_by, NOTHING)


# What can stand in the list, by the names that an address and an export have for it.
COLUMNS: Mapping[str, Column] = {
    "reference": Column(
        "ID",
        "Our reference: what the biller and the bank know this transaction by. A click opens its whole story.",
        152,
        lambda row, _: row.our_transaction_id,
    ),
    "biller": Column("Biller", "The company that is paid or asked.", 112, lambda row, names: names.billers.get(row.biller_type, row.biller_name)),
    "account_number": Column("Account", "The customer's account number at the biller.", 96, lambda row, _: row.account_number),
    "customer_name": Column("Name", "The customer's name, as the biller gave it.", 200, lambda row, _: row.customer_account_name or NOTHING),
    "type": Column("Type", "A look-up asks and moves no money; a payment pays.", 104, lambda row, _: TYPE_LABELS[TransactionType(row.transaction_type)]),
    "amount": Column("Amount", "With its currency. A dash: no money moves.", 112, lambda row, _: amount(row.amount, row.currency), on_the_right=True),
    "status": Column("Status", "; ".join(f"{look.label}: {look.meaning}" for look in STATUS_LOOKS.values()), 100, lambda row, _: chip(row.status)),
    "submitted_at": Column("Date", "When it was submitted, in the bank's time zone.", 118, lambda row, _: short_moment(row.created_at)),
    "stage": Column("Stage", "Where exactly it stands within its status.", 168, lambda row, _: stage_label(row.stage)),
    "biller_reference": Column("Biller's reference", "What the biller calls this transaction.", 144, lambda row, _: row.external_transaction_id or NOTHING),
    "invoice_number": Column("Invoice", "The invoice that is asked for or paid.", 120, lambda row, _: row.invoice_number or NOTHING),
    "bundle_id": Column("Bundle", "The bundle that is bought.", 96, lambda row, _: row.bundle_id or NOTHING),
    "meter_number": Column("Meter", "The number of a prepaid meter.", 112, lambda row, _: row.meter_number or NOTHING),
    "account_type": Column("Account type", "The kind of account at the biller.", 112, lambda row, _: (row.account_type or NOTHING).capitalize()),
    "debit_account": Column("Debited", "The customer's account in core banking.", 128, lambda row, _: row.debit_account or NOTHING),
    "error_code": Column("Code", "What the biller said last, or our name for what went wrong on the way.", 152, lambda row, _: row.error_code or NOTHING),
    "error_message": Column("Message", "The biller's own words.", 240, lambda row, _: row.error_message or NOTHING),
    "submitted_by": Column("Submitted by", "Who submitted it.", 136, _submitter),
    "settled_at": Column("Settled", "When it ended, in the bank's time zone.", 200, lambda row, _: moment_text(row.completed_at)),
}

MARK = Column(
    "Mark", "Demonstration: made up to show how the console looks. No money moved, and no biller was asked.", 92, lambda row, _: "Demo" if row.demo else ""
)

# The columns that give way where there is more to be shown than a laptop has room for: to what stands here.
NARROWER = {"biller": 104, "customer_name": 108}

# How wide a column of tick boxes is: the names give way to it.
TICKS_PIXELS = 36


def _chosen(names: Sequence[str], *, marked: bool) -> Mapping[str, Column]:
    """A column that says which rows are made up stands only where some are."""
    return {**{name: COLUMNS[name] for name in names or USUAL_COLUMNS}, **({"mark": MARK} if marked else {})}


def frame(rows: Sequence[Transaction] | Sequence[Line], names: Mapping[str, str] | Names, chosen: Sequence[str] = ()) -> pa.Table:
    """The rows as text. `names` are the billers' short ones, by code, or those with people's; `chosen` are the columns, in their order.

    A line of somebody's day has what the usual columns show, and no more.
    """
    whole = cast("Sequence[Transaction]", rows)
    called = names if isinstance(names, Names) else Names(names)
    columns = _chosen(chosen, marked=_any_made_up(rows))
    return pa.table({column.label: _cells(name, [column.text(row, called) for row in whole]) for name, column in columns.items()})


def _cells(name: str, texts: list[str]) -> pa.Array:
    """A status is a list of one chip."""
    return pa.array([[text] for text in texts], pa.list_(pa.string())) if name == "status" else pa.array(texts, pa.string())


def _any_made_up(rows: Sequence[Transaction] | Sequence[Line]) -> bool:
    return any(row.demo for row in rows)


def columns(*, marked: bool = False, ticked: bool = False, chosen: Sequence[str] = ()) -> dict[str, object]:
    """`marked`: room is needed for the column that says which rows are made up; `ticked`: for one of tick boxes."""
    return {column.label: _looks(name, column, marked=marked, ticked=ticked) for name, column in _chosen(chosen, marked=marked).items()}


def _looks(name: str, column: Column, *, marked: bool, ticked: bool) -> object:
    width = NARROWER.get(name, column.width) if marked else column.width
    if name == "customer_name" and ticked:
        width -= TICKS_PIXELS
    if name == "reference":
        return st.column_config.ButtonColumn(width=width, type="tertiary", alignment="left", key=OPENED, help=column.help)
    if name == "status":
        return st.column_config.MultiselectColumn(
            width=width, options=[chip(status) for status in STATUS_LOOKS], color=[look.colour for look in STATUS_LOOKS.values()], help=column.help
        )
    right: dict[str, Any] = {"alignment": "right"} if column.on_the_right else {}
    return st.column_config.TextColumn(width=width, help=column.help, **right)


def grid(
    rows: Sequence[Transaction],
    names: Mapping[str, str] | Names,
    key: str,
    on_pick: Callable[[str], object],
    *,
    chosen: Sequence[Transaction] = (),
    on_choose: Callable[[Sequence[Transaction]], object] | None = None,
    shown: Sequence[str] = (),
    order: str = "newest first",
) -> Transaction | None:
    """Draws the rows. A click anywhere in one hands its reference to `on_pick`; answers the one whose reference itself was clicked.

    With `on_choose` rows can be ticked, several of them: it is handed those, and `chosen` are ticked from the start. `shown` are the columns.
    """
    several = on_choose is not None

    def picked() -> None:
        selection = st.session_state[key].selection
        if on_choose is not None:
            on_choose([rows[place] for place in selection.rows])
        for place in [*([] if several else selection.rows), *(row for row, _ in selection.cells)][:1]:
            on_pick(rows[place].our_transaction_id)

    st.dataframe(
        frame(rows, names, shown),
        column_config=columns(marked=_any_made_up(rows), ticked=several, chosen=shown),
        hide_index=True,
        height=ROW_PIXELS * (len(rows) + 1) + 3,
        row_height=ROW_PIXELS,
        key=key,
        on_select=picked,
        selection_mode=("multi-row" if several else "single-row", "single-cell"),
        selection_default={"selection": {"rows": [place for place, row in enumerate(rows) if row in chosen]}} if chosen else None,
        alt=f"Transactions, {order}. Select a cell to see its row beside the list" + ("; tick rows to act on them." if several else "."),
    )
    clicked = st.session_state.get(OPENED)
    return rows[clicked.row] if clicked and clicked.row < len(rows) else None
