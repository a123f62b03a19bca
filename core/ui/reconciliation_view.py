"""Days by billers: where a statement is missing, where differences are open, what waits for its signature. Each cell leads to its day."""

from collections.abc import Sequence
from datetime import date, timedelta

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from core.access import Actor
from core.errors import NotFound
from core.models import Statement
from core.services import reconciliation
from core.services.reconciliation import DAYS_SHOWN, Cell, Overview
from core.settings import CHECKOUT
from core.ui.figure_words import counted
from core.ui.pieces import code, complain, id_in_address, link_to, show_facts, turn_to
from core.ui.tables import ROW_PIXELS, short_moment
from core.ui.words import as_of, moment_text, plain

RECONCILIATION = CHECKOUT / "pages" / "reconciliation.py"

LAST = "reconciliation-last-day"
GRID = "reconciliation-grid"


def day_text(day: date) -> str:
    """`24 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"


def word_of(cell: Cell) -> str:
    """How a biller's day stands, in a sign and a word: a grid draws letters, not icons."""
    if cell.is_closed:
        return "✓ Signed off"
    if cell.open and cell.figures:
        return f"● {cell.open:,} open"
    if cell.figures:
        return "◔ To sign off"
    return f"○ No statement ({cell.ours:,})" if cell.ours else ""


def show(actor: Actor) -> None:
    last = _last_day()
    seen = reconciliation.overview(actor, last=last)
    _head(actor, seen, last)
    _figures(seen)
    _grid(seen)
    _files(seen.files, seen)


def _last_day() -> date:
    """The last of the days that are shown: the address says it, or it is today."""
    said = st.query_params.get("until", "")
    try:
        return date.fromisoformat(said) if said else reconciliation.today()
    except ValueError:
        complain("The address names no day. A day is written like 2026-11-24; the latest days are shown.")
        return reconciliation.today()


def _head(actor: Actor, seen: Overview, last: date) -> None:
    today = reconciliation.today()
    with st.container(horizontal=True, vertical_alignment="center"):
        if actor.may("reconciliation:import") and st.button("Import a statement", type="primary", icon=":material/upload_file:"):
            turn_to(**{"import": "1"})
        if st.button("Earlier", icon=":material/chevron_left:", help=f"The {DAYS_SHOWN} days before these."):
            turn_to(until=(last - timedelta(days=DAYS_SHOWN)).isoformat())
        if st.button("Later", icon=":material/chevron_right:", disabled=last >= today):
            turn_to(until=min(last + timedelta(days=DAYS_SHOWN), today).isoformat())
        st.caption(f"{day_text(seen.days[-1])} to {day_text(seen.days[0])}, {as_of(seen.as_of)}.", width="content")


def _figures(seen: Overview) -> None:
    cells = [cell for cell in seen.cells.values() if not cell.is_closed]
    missing, still_open, ready = st.columns(3)
    with missing, st.container(border=True, height="stretch"):
        count = sum(1 for cell in cells if cell.ours and not cell.figures)
        st.metric("Without a statement", f"{count:,}", help="Days on which payments of ours were completed, and of which no statement tells yet.")
    with still_open, st.container(border=True, height="stretch"):
        st.metric(
            "Open differences", f"{sum(cell.open for cell in cells if cell.figures):,}", help="Neither settled nor explained, on the days that are shown."
        )
    with ready, st.container(border=True, height="stretch"):
        count = sum(1 for cell in cells if cell.figures and not cell.open)
        st.metric("To sign off", f"{count:,}", help="Days without open differences: a manager who imported nothing of them signs them off.")


def _grid(seen: Overview) -> None:
    st.subheader("Days", anchor=False, help="Select a cell to open that biller's day. In brackets: completed payments of ours.")
    billers = [biller for biller in seen.billers if any(word_of(seen.cells[biller, day]) for day in seen.days)]
    if not billers:
        st.info("No payments were completed and no statement was imported on these days.", icon=":material/event_available:")
        return

    def opened() -> None:
        for row, column in st.session_state[GRID].selection.cells[:1]:
            biller = next((one for one in billers if seen.billers[one] == column), None)
            if biller:
                st.query_params.from_dict({"biller": biller, "day": seen.days[row].isoformat()})

    columns = {"Day": [f"{day:%a} {day_text(day)}" for day in seen.days]}
    columns |= {seen.billers[biller]: [word_of(seen.cells[biller, day]) for day in seen.days] for biller in billers}
    st.dataframe(
        pa.table(columns),
        column_config={
            "Day": st.column_config.TextColumn(width=128, pinned=True),
            **{seen.billers[one]: st.column_config.TextColumn(width=148) for one in billers},
        },
        hide_index=True,
        row_height=ROW_PIXELS,
        height=ROW_PIXELS * (len(seen.days) + 1) + 3,
        key=GRID,
        on_select=opened,
        selection_mode="single-cell",
        alt="Days by billers, the latest first: how each stands. Select a cell to open it.",
    )


def _files(files: Sequence[tuple[Statement, str]], seen: Overview) -> None:
    st.subheader("Statements that came in lately", anchor=False)
    if not files:
        st.caption("None yet. A biller's statement comes in as CSV or XLSX; which column has what is asked once for each biller.")
        return
    for statement, by in files[:8]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(statement.file_name)}**  \n:gray[{plain(seen.billers.get(statement.biller_type, statement.biller_type))}]")
            st.caption(f"{counted(statement.new_lines, 'line')}, {_days(statement)}, by {plain(by)} {short_moment(statement.imported_at)}", width="content")
            link_to(RECONCILIATION, "Its days", ":material/calendar_month:", file=str(statement.id))


def _days(statement: Statement) -> str:
    first, last = day_text(statement.first_day), day_text(statement.last_day)
    return first if first == last else f"{first} to {last}"


def show_file(actor: Actor) -> None:
    """One file: what was read of it, and the way to each of its days."""
    back()
    asked = id_in_address("file")
    if asked is None:
        raise NotFound("There is no statement under this address. Open Reconciliation again, and choose it from the list.")
    statement, days = reconciliation.of_file(actor, asked)
    st.title(plain(statement.file_name), anchor=False)
    facts = {
        "Imported": moment_text(statement.imported_at),
        "Lines": f"{statement.lines:,}, of which {statement.new_lines:,} were in no earlier file",
        "Passed over": f"{counted(statement.passed_over, 'row')} without a payment" if statement.passed_over else "",
        "Columns": ", ".join(f"{what.replace('_', ' ')}: {plain(name)}" for what, name in statement.columns.items() if isinstance(name, str) and name),
        "SHA-256": code(statement.sha256.hex()),
    }
    show_facts(facts, alt="What was read of this file")
    st.subheader("Its days", anchor=False)
    for day, count in days:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{day_text(day)}**")
            st.caption(counted(count, "line"), width="content")
            link_to(RECONCILIATION, "Open the day", ":material/open_in_new:", biller=statement.biller_type, day=day.isoformat())


def back() -> None:
    if st.button("Reconciliation", icon=":material/arrow_back:", type="tertiary", help="Back to all billers and days."):
        turn_to()
