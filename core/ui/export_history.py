"""What was taken away: each export with its manifest while it runs and for ever afterwards, and the way to end one that runs."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NoReturn
from urllib.parse import parse_qs

import pandas as pd
import streamlit as st

from core import clock
from core.access import Actor
from core.errors import NotFound
from core.money import Money
from core.repositories.exports import COLUMNS, Kept, Profile, State
from core.repositories.transactions import Sort
from core.services import exports
from core.ui import refusals
from core.ui.pieces import code, show_facts, turn_to
from core.ui.session import guarded, guarded_fragment
from core.ui.transaction_place import PEEK
from core.ui.words import as_of, moment_text, plain

# Stands in the address while exports are looked at: the id of one, or the word for the list of them.
EXPORTS, ALL = "exports", "all"

# How often one that runs is looked at.
LOOK_SECONDS = 2

# Beside the list only what one has just taken is told of.
JUST = timedelta(minutes=15)

ROW_PIXELS, MOST_PIXELS = 35, 600

STATES = {
    State.RUNNING: ("◷ Under way", "blue"),
    State.COMPLETE: ("✓ Complete", "green"),
    State.CANCELLED: ("⊘ Cancelled", "orange"),
    State.BROKEN_OFF: ("✕ Broken off", "red"),
}

PROFILES: Mapping[str, str] = {Profile.SPREADSHEET: "CSV for a spreadsheet", Profile.DATA: "CSV for a program", Profile.WORKBOOK: "Excel workbook"}
ORDERS: Mapping[str, str] = {Sort.NEWEST: "newest first", Sort.OLDEST: "oldest first", Sort.LARGEST: "largest first", Sort.SMALLEST: "smallest first"}

OPENED = "export-opened"


def around(**more: str) -> NoReturn:
    """This page at an export, or without one; the list's filter stays, so that the way back leads to the same list."""
    kept = {name: st.query_params.get_all(name) for name in st.query_params if name not in (EXPORTS, PEEK)}
    turn_to(**kept, **more)


def show(actor: Actor, asked: str) -> None:
    if st.button("Transactions", icon=":material/arrow_back:", type="tertiary", help="Back to the list, with its filter as it was."):
        around()
    if asked == ALL:
        st.title("What was exported", anchor=False)
        guarded_fragment("transactions:export", run_every=LOOK_SECONDS if _any_runs(exports.lately(actor)) else None)(_all)()
        return
    seen = exports.kept(actor, _id(asked))
    st.title(seen.export.file_name, anchor=False)
    runs = seen.state is State.RUNNING
    guarded_fragment("transactions:export", run_every=LOOK_SECONDS if runs else None)(_one)(seen.export.id, runs)


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound("This address leads nowhere: part of it is missing. Start again from the menu.") from None


def _any_runs(found: Sequence[Kept]) -> bool:
    return any(one.state is State.RUNNING for one in found)


# ---- One


def _one(actor: Actor, export_id: uuid.UUID, ran: bool) -> None:
    seen = exports.kept(actor, export_id)
    if ran and seen.state is not State.RUNNING:
        # Whole, and without looking any more.
        st.rerun()
    _tell(actor, seen)
    refusals.tell(export_id)
    show_facts(_facts(seen), alt="The manifest of this export")
    with st.container(horizontal=True):
        st.link_button(
            "Manifest", f"/export/{export_id}.json", icon=":material/fingerprint:", help="What stands here, as a small file to keep beside the other."
        )
        if st.button("The list as it is now", icon=":material/list:", help="The same filter and order; rows may have moved since."):
            turn_to(**parse_qs(seen.export.address))
    st.caption(as_of() + ("." if seen.state is not State.RUNNING else ". This follows by itself until it is over."))


def _tell(actor: Actor, seen: Kept) -> None:
    export = seen.export
    said = f"{export.rows:,} of {export.expected_rows:,} rows"
    if seen.state is State.RUNNING:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(_share(seen), text=f"{said} have left" if export.profile != Profile.WORKBOOK else f"{said} are in it; it leaves when all are")
            _cancel_button(actor, seen)
    elif seen.state is State.COMPLETE:
        st.success(f"All {export.rows:,} rows left, and the hash below is of the very file that did.", title="Complete", icon=":material/check_circle:")
    else:
        title = "Cancelled" if seen.state is State.CANCELLED else "Broken off"
        st.warning(f"{said} had left. The file is not whole: {plain(exports.why_not_whole(seen) or '')}.", title=title, icon=":material/warning:")


def _share(seen: Kept) -> float:
    return min(1.0, seen.export.rows / seen.export.expected_rows) if seen.export.expected_rows else 1.0


def _cancel_button(actor: Actor, seen: Kept) -> None:
    if seen.export.asked_by == actor.id:
        asked_already = seen.export.cancelled_at is not None
        st.button(
            "Ending …" if asked_already else "Cancel",
            icon=":material/stop_circle:",
            key=f"cancel-{seen.export.id}",
            disabled=asked_already,
            on_click=_cancel,
            args=(seen.export.id,),
            help="Ends it within a moment. The browser then says that the download failed: half a file is no file.",
        )


@guarded("transactions:export")
def _cancel(actor: Actor, export_id: uuid.UUID) -> None:
    with refusals.beside(export_id):
        if not exports.cancel(actor, export_id):
            refusals.refuse(export_id, "It had ended already.")


def _facts(seen: Kept) -> dict[str, str]:
    export = seen.export
    return {
        "Which": plain(export.filter[:1].upper() + export.filter[1:]),
        "Order": ORDERS[export.sort].capitalize(),
        "Kind of file": PROFILES[export.profile],
        "Columns": f"All {len(COLUMNS)}" if export.columns == list(COLUMNS) else plain(", ".join(export.columns)),
        "Times in": plain(export.zone),
        "Rows": f"**{export.rows:,}**" + (f" of {export.expected_rows:,}" if export.rows != export.expected_rows else ""),
        "Value paid": _value(seen),
        "Size": _size(export.size_bytes),
        "SHA-256": code(export.sha256) if export.sha256 else "",
        "Taken by": plain(seen.by),
        "Begun": moment_text(export.begun_at),
        "Ended": moment_text(export.ended_at) if export.ended_at else "",
    }


def _value(seen: Kept) -> str:
    """Amounts of two currencies are told one after the other, never added up."""
    return " + ".join(str(Money.from_text(text, currency)) for currency, text in sorted(seen.export.value.items())) or "none"


def _size(count: int) -> str:
    """`1.2 MB`: as a browser tells it of a download."""
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB"):
        if size < 1_000:
            break
        size, unit = size / 1_000, larger
    return f"{count:,} bytes" if unit == "bytes" else f"{size:.1f} {unit} ({count:,} bytes)"


# ---- All of them


def _all(actor: Actor) -> None:
    found = exports.lately(actor)
    if not found:
        st.caption("Nothing yet. Narrow the list, and open Export above it.")
        return
    frame = pd.DataFrame(
        {
            "File": [one.export.file_name for one in found],
            "Which": [one.export.filter for one in found],
            "Rows": [f"{one.export.rows:,}" for one in found],
            "Value paid": [_value(one) for one in found],
            "State": [[STATES[one.state][0]] for one in found],
            "Taken by": [one.by for one in found],
            "Begun": [moment_text(one.export.begun_at) for one in found],
        },
        dtype=object,
    )
    st.dataframe(
        frame,
        column_config=_columns(),
        hide_index=True,
        row_height=ROW_PIXELS,
        height=min(ROW_PIXELS * (len(found) + 1) + 3, MOST_PIXELS),
        key="exports",
        alt="Exports, newest first",
    )
    st.caption(as_of() + ". A file's name opens its manifest.")
    clicked = st.session_state.get(OPENED)
    if clicked and clicked.row < len(found):
        around(**{EXPORTS: str(found[clicked.row].export.id)})


def _columns() -> dict[str, object]:
    text = st.column_config.TextColumn
    return {
        "File": st.column_config.ButtonColumn(width=230, type="tertiary", alignment="left", key=OPENED, help="A click opens its manifest."),
        "Which": text(width=190, help="The filter, in words."),
        "Rows": text(width=72, alignment="right", help="So many have left."),
        "Value paid": text(width=130, alignment="right", help="The sum of completed payments among them."),
        "State": st.column_config.MultiselectColumn(
            width=100, options=[label for label, _ in STATES.values()], color=[colour for _, colour in STATES.values()]
        ),
        "Taken by": text(width=104),
        "Begun": text(width=172),
    }


# ---- Beside the list


def just_taken(actor: Actor) -> None:
    """One's own last export, if it was a moment ago: how far it is, or what came of it."""
    mine = [one for one in exports.lately(actor) if one.export.asked_by == actor.id and clock.now() - one.export.begun_at < JUST][:1]
    for seen in mine:
        label, colour = STATES[seen.state]
        with st.container(border=True):
            st.markdown(f":{colour}-badge[{label}] **{plain(seen.export.file_name)}**")
            if seen.state is State.RUNNING:
                st.progress(_share(seen), text=f"{seen.export.rows:,} of {seen.export.expected_rows:,} rows")
                _cancel_button(actor, seen)
            else:
                st.caption(_in_short(seen))
            if st.button("Manifest", icon=":material/fingerprint:", type="tertiary", key=f"manifest-{seen.export.id}"):
                around(**{EXPORTS: str(seen.export.id)})


def _in_short(seen: Kept) -> str:
    if seen.state is State.COMPLETE:
        return f"{seen.export.rows:,} rows, {_value(seen)} paid, SHA-256 {code((seen.export.sha256 or '')[:12])}…"
    return f"Not whole: {plain(exports.why_not_whole(seen) or '')}."
