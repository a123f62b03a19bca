"""One person's day at the till: what should be in it, what is still open, and the payments. Each figure leads to the list behind it."""

import uuid
from collections.abc import Mapping
from datetime import date

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from core import clock
from core.access import Actor
from core.models import Transaction
from core.services import billers, my_day
from core.services.asked import Asked
from core.services.my_day import FIRST_YEAR, LAST_YEAR, Day, Sum
from core.settings import settings
from core.states import MONEY_TYPES, Status
from core.ui import tables
from core.ui.keeping import BY_BILLERS
from core.ui.pieces import PAYMENT, TRANSACTIONS, complain, link_to
from core.ui.places import page_link
from core.ui.words import amount, as_of, clock_time, look, plain, stage_label, zone

CHOSEN = "my-day"

PAYMENT_TYPES = tuple(kind.value for kind in MONEY_TYPES)

# What was read stays until a transaction is made or moves, and never longer than this.
KEPT_SECONDS = 60

# Room for a sum on its line.
VALUE_PIXELS = 150

# Taller would push the rest of a laptop's screen away; the grid scrolls.
MOST_ROWS_HIGH = 20


def day_in_address() -> date | None:
    """The day the address names, or None for today; one that cannot be is told of, and today is shown."""
    text = st.query_params.get("day", "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        complain("The address names no day. A day is written like 2025-11-23; today is shown.")
        return None


def show(actor: Actor, day: date | None) -> None:
    mine, names, rows = _read(actor, settings().dsn, actor.id, my_day.mark(actor), day, clock.business_day(clock.now(), zone()))
    _choice(mine)
    _figures(mine)
    if not mine.rows:
        _nothing(mine)
        return
    _unsettled(mine)
    left, right = st.columns(2, gap="large")
    with left:
        _by_status(mine)
    with right:
        _by_biller(mine, names)
    _payments(mine, rows)


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=50, ttl=KEPT_SECONDS)
def _read(
    actor: Actor, database: str, person: uuid.UUID | None, mark: tuple[object, ...], day: date | None, today: date
) -> tuple[Day, Mapping[str, str], pa.Table]:
    """Read once for its person, until a transaction is made or moves."""
    del database, person, mark, today
    mine, names = my_day.of_day(actor, day), billers.short_names(actor)
    return mine, names, tables.frame(mine.rows, names)


def behind(mine: Day, *, billers: tuple[str, ...] = (), statuses: tuple[Status, ...] = (), in_doubt: bool = False) -> dict[str, str | list[str]]:
    """The address of the list behind a figure."""
    names = tuple(status.value for status in statuses)
    return Asked(
        billers=billers, statuses=names, types=tuple(sorted(PAYMENT_TYPES)), first_day=mine.day, last_day=mine.day, mine=True, in_doubt=in_doubt
    ).address()


# ---- The head


def _choice(mine: Day) -> None:
    if st.session_state.get(CHOSEN) != mine.day:
        st.session_state[CHOSEN] = mine.day
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.date_input(
            "Business day",
            key=CHOSEN,
            min_value=date(FIRST_YEAR, 1, 1),
            max_value=date(LAST_YEAR, 12, 31),
            format="DD/MM/YYYY",
            width=180,
            help=f"A day in {zone().key}, by when a payment was submitted.",
            on_change=_remember,
        )
        st.link_button("Print (PDF)", f"/my-day.pdf?day={mine.day}", icon=":material/print:", help="The same on paper, with room to write what was counted.")
        st.button("Look again", icon=":material/refresh:", type="tertiary", help="Adds the figures up anew.")
    st.caption(f"Your own payments, {as_of(mine.as_of)}.")


def _remember() -> None:
    chosen = st.session_state.get(CHOSEN)
    st.query_params.from_dict({"day": chosen.isoformat()} if chosen else {})


def _figures(mine: Day) -> None:
    till, everything, held, doubt = st.columns(4)
    completed, waiting = mine.till, mine.held
    with till, st.container(border=True, height="stretch"):
        st.metric("Should be in the till", str(completed), help="Completed payments that customers paid over the counter. Count the cash against it.")
        _open_list(completed, "completed", behind(mine, statuses=(Status.COMPLETED,)))
    with everything, st.container(border=True, height="stretch"):
        st.metric("Payments", f"{mine.everything.count:,}", help="All you submitted on this day, whatever became of them.")
        _open_list(mine.everything, "in all", behind(mine))
    with held, st.container(border=True, height="stretch"):
        st.metric("Held, not settled", str(waiting), help="Cash of payments that are not settled. It is in the till too: keep it apart until they are.")
        _open_list(waiting, "open", behind(mine, statuses=my_day.OPEN))
    with doubt, st.container(border=True, height="stretch"):
        unsure = mine.by_status.get(Status.PROCESSING, Sum(0, {}))
        st.metric("In doubt", f"{unsure.count:,}", help="With the biller, or perhaps with the biller. Do not pay again: each is asked about by itself.")
        _open_list(unsure, "in doubt", behind(mine, in_doubt=True))


def _open_list(figure: Sum, word: str, address: dict[str, str | list[str]]) -> None:
    page_link(TRANSACTIONS, label=f"{figure.count:,} {word}", icon=":material/list:", query_params=address)


def _nothing(mine: Day) -> None:
    with st.container(border=True, horizontal_alignment="center"):
        st.subheader("No payments yet today" if mine.day == mine.today else "No payments on this day", anchor=False, text_alignment="center")
        st.markdown("What you pay stands here, with the sum that should be in the till.", text_alignment="center")
        link_to(PAYMENT, "Pay a bill", ":material/payments:")


# ---- The parts


def _unsettled(mine: Day) -> None:
    if not mine.unsettled:
        return
    st.subheader("Not settled yet", anchor=False, help="Paid or not, this is decided without you. Do not pay any of them again.")
    for one in mine.unsettled:
        with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"{look(one.status).badge} **{_amount(one)}** to {plain(one.biller_name)}, account {plain(one.account_number)}", width="content")
            st.caption(_state(one), width="content")
            link_to(TRANSACTIONS, one.our_transaction_id, ":material/open_in_new:", id=one.our_transaction_id)


def _state(one: Transaction) -> str:
    next_check = f" · next check {clock_time(one.next_action_at)}" if one.next_action_at else ""
    return f"{plain(stage_label(one.stage))} since {clock_time(one.updated_at)}{next_check}"


def _amount(one: Transaction) -> str:
    return amount(one.amount, one.currency)


def _by_status(mine: Day) -> None:
    st.subheader("By status", anchor=False, help="Every payment is in exactly one of these.")
    for status, figure in mine.by_status.items():
        _line(look(status).badge, figure, behind(mine, statuses=(status,)))


def _by_biller(mine: Day, names: Mapping[str, str]) -> None:
    st.subheader("By biller, completed", anchor=False, help="What each biller confirmed. Other payments to it are told beside it.")
    for biller, name in mine.billers.items():
        everything, paid = mine.of_biller(biller), mine.of_biller(biller, Status.COMPLETED)
        others = everything if everything.count > paid.count else None
        _line(plain(names.get(biller, name)), paid, behind(mine, billers=(biller,), statuses=(Status.COMPLETED,)), others, behind(mine, billers=(biller,)))


def _line(
    name: str, figure: Sum, address: dict[str, str | list[str]], everything: Sum | None = None, all_of_it: dict[str, str | list[str]] | None = None
) -> None:
    """`everything` is what there is beside the figure, and `all_of_it` leads there."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(name)
        page_link(TRANSACTIONS, label=f"{figure.count:,} payment{'' if figure.count == 1 else 's'}", query_params=address, width="content")
        if everything:
            page_link(TRANSACTIONS, label=f"{everything.count:,} in all", query_params=all_of_it, width="content")
        st.markdown(f"**{figure}**", text_alignment="right", width=VALUE_PIXELS)


def _payments(mine: Day, rows: pa.Table) -> None:
    st.subheader("Payments", anchor=False, help="Newest first. A click on a reference opens its story.")
    if not mine.is_whole:
        st.warning(f"The newest {len(mine.rows):,} of {mine.everything.count:,} are shown; the sums above are of all of them.", icon=":material/info:")
    st.dataframe(
        rows,
        column_config=tables.columns(marked=any(row.demo for row in mine.rows)),
        hide_index=True,
        height=tables.ROW_PIXELS * (min(len(mine.rows), MOST_ROWS_HIGH) + 1) + 3,
        row_height=tables.ROW_PIXELS,
        key=f"my-day-rows-{mine.day}",
        alt="Your payments of this day, newest first.",
    )
    clicked = st.session_state.get(tables.OPENED)
    if clicked and clicked.row < len(mine.rows):
        st.switch_page(TRANSACTIONS, query_params={"id": mine.rows[clicked.row].our_transaction_id})
