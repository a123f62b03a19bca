"""A statement comes in: biller and file, what the file looks like, which column has what, and what came of it."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from core.access import Actor
from core.documents.statement_lines import NAMES, Columns
from core.documents.statement_rows import MOST_BYTES
from core.errors import BillersError
from core.services import billers, statements
from core.services.statements import Imported, Look
from core.ui.figure_words import counted
from core.ui.pieces import FORM_WIDTH, complain, link_to
from core.ui.reconciliation_view import RECONCILIATION, back, day_text
from core.ui.session import guarded
from core.ui.tables import ROW_PIXELS
from core.ui.words import plain

BILLER, DONE, REFUSED = "import-biller", "import-done", "import-refused"
# The uploader empties when it is another one: which it is now.
TURN = "import-turn"
NOT_THERE = "(not in this file)"

MOST_DAYS_LINKED = 10


def show(actor: Actor) -> None:
    back()
    st.title("Import a statement", anchor=False)
    if not actor.may("reconciliation:import"):
        st.info("Your role sees statements and does not import any.", icon=":material/lock:")
        return
    if done := st.session_state.pop(DONE, None):
        _tell(*done)
    names = billers.biller_names(actor)
    with st.container(width=FORM_WIDTH):
        biller = st.selectbox("Biller", list(names), format_func=lambda one: names[one], key=BILLER, index=None, placeholder="Whose statement is it?")
        file = st.file_uploader(
            "Statement",
            type=["csv", "txt", "xlsx"],
            max_upload_size=MOST_BYTES // 1024**2,
            key=_uploader(),
            help="As the biller sent it, CSV or XLSX. Titles above the columns and totals below them may stay.",
        )
        if biller is None or file is None:
            st.caption("The same file twice changes nothing, nor do lines that came in another file already.")
            return
    try:
        seen = statements.look(actor, biller, file)
    except BillersError as error:
        complain(error.sentence)
        return
    _show_rows(seen)
    _ask_columns(biller, seen)


def _show_rows(seen: Look) -> None:
    if seen.imported_before:
        st.info("This very file was imported before. Importing it again changes nothing.", icon=":material/content_copy:")
    st.subheader("The first rows", anchor=False, help="As they are read. If a column is missing here, the separators of the file are not even.")
    columns = {name: [_cell(row, place) for row in seen.rows] for place, name in enumerate(seen.names)}
    st.dataframe(pa.table(columns), hide_index=True, row_height=ROW_PIXELS, height=ROW_PIXELS * (len(seen.rows) + 1) + 3, alt="The first rows of the file")


def _cell(row: Sequence[str], place: int) -> str:
    return row[place] if place < len(row) else ""


def _ask_columns(biller: str, seen: Look) -> None:
    st.subheader("Which column has what", anchor=False)
    st.caption(
        "As this biller's files were read before. Change it where the file has changed."
        if seen.is_kept
        else "Guessed from the names: look at each. What is chosen is kept for this biller."
    )
    before, options = seen.columns, [NOT_THERE, *seen.names]
    with st.form("import-columns", width=FORM_WIDTH):
        sides = st.columns(2)
        for place, (what, (label, _)) in enumerate(NAMES.items()):
            chosen = getattr(before, what) or NOT_THERE
            index = options.index(chosen) if chosen in options else _same_name(options, chosen)
            sides[place % 2].selectbox(label, options, index=index, key=f"import-{biller}-{what}")
        st.text_input(
            "Words that say money was given back",
            value=", ".join(before.reversals),
            key=f"import-{biller}-reversals",
            help="In the column of the kind, separated by commas. Amounts below nothing are read as given back anyway.",
        )
        st.text_input(
            "Words of rows that are no payments",
            value=", ".join(before.left_out),
            key=f"import-{biller}-left_out",
            help="In the column of the kind: fees or balances, for example. Such rows are passed over.",
        )
        with st.container(horizontal=True):
            st.checkbox("The month comes first (11/24/2026)", value=before.month_first, key=f"import-{biller}-month_first")
            st.checkbox("Decimals follow a comma (1.250,00)", value=before.decimal_comma, key=f"import-{biller}-decimal_comma")
        complain(st.session_state.pop(REFUSED, None))
        st.form_submit_button("Import", type="primary", icon=":material/download_done:", on_click=_import, args=(biller,))


def _same_name(options: Sequence[str], chosen: str) -> int:
    """The kept map may have a name in other letters than this file."""
    return next((place for place, name in enumerate(options) if name.casefold() == chosen.casefold()), 0)


def _chosen(biller: str) -> Columns:
    def asked(what: str) -> Any:
        return st.session_state.get(f"import-{biller}-{what}")

    named = {what: column for what in NAMES if (column := asked(what)) and column != NOT_THERE}
    words = {what: tuple(word for part in (asked(what) or "").split(",") if (word := part.strip())) for what in ("reversals", "left_out")}
    return Columns(**named, **words, month_first=bool(asked("month_first")), decimal_comma=bool(asked("decimal_comma")))


@guarded("reconciliation:import")
def _import(actor: Actor, biller: str) -> None:
    file = st.session_state.get(_uploader())
    if file is None:
        return
    try:
        st.session_state[DONE] = (biller, statements.load(actor, biller, file.name, file, _chosen(biller)))
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence
    else:
        st.session_state[TURN] = st.session_state.get(TURN, 0) + 1


def _uploader() -> str:
    return f"import-file-{st.session_state.get(TURN, 0)}"


def _tell(biller: str, done: Imported) -> None:
    if not done.new_lines:
        st.info("Nothing was changed: everything in this file is there already.", icon=":material/content_copy:")
        return
    known = f" {counted(done.lines - done.new_lines, 'line')} of it were there already." if done.lines > done.new_lines else ""
    st.success(
        f"{counted(done.new_lines, 'line')} came in, and {counted(done.matched, 'line')} found a payment of ours.{known}",
        title="Imported",
        icon=":material/check_circle:",
    )
    if done.with_amount:
        rows = ", ".join(f"{number:,}" for number in done.with_amount)
        st.warning(
            f"Rows with an amount and without a day, a reference or an account were passed over: {rows}. Compare them with the file: totals belong there.",
            icon=":material/info:",
        )
    with st.container(horizontal=True):
        for day in done.days[-MOST_DAYS_LINKED:]:
            link_to(RECONCILIATION, plain(day_text(day)), ":material/open_in_new:", biller=biller, day=day.isoformat())
