"""An act on many while it is carried out, and for ever afterwards: how far it is, and what came of each row."""

import uuid
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.access import Actor
from core.errors import NotFound
from core.models import BulkAct
from core.models.bulk import BulkKind, ItemState
from core.models.proposals import Decision
from core.money import Money
from core.repositories.bulk import Counted, ItemRow
from core.services import bulk
from core.services.bulk import Progress
from core.ui import refusals
from core.ui.bulk_acts import ALL, BULK, LOOKS, around
from core.ui.pieces import show_facts
from core.ui.session import guarded, guarded_fragment
from core.ui.transaction_place import elsewhere
from core.ui.words import amount, as_of, moment_text, plain

LOOK_EVERY_SECONDS = 1

# While it runs the last ones are enough; when it is over all are there.
SHOWN_MEANWHILE = 25

ROW_PIXELS, MOST_PIXELS = 35, 600

STATES = {
    ItemState.DONE: ("✓ Done", "green"),
    ItemState.BLOCKED: ("⊘ Blocked", "orange"),
    ItemState.FAILED: ("✕ Failed", "red"),
    ItemState.WAITING: ("◷ Waiting", "blue"),
    ItemState.HELD: ("◷ For a second person", "gray"),
}

# Where Streamlit keeps which reference was clicked.
OPENED, OPENED_NEW, OPENED_ACT = "bulk-opened", "bulk-opened-new", "bulk-opened-act"


def show(actor: Actor, asked: str) -> None:
    if st.button("Transactions", icon=":material/arrow_back:", type="tertiary", help="Back to the list, with its filter as it was."):
        around()
    if asked == ALL:
        _all(actor)
        return
    seen = bulk.progress(actor, _id(asked))
    st.title(_title(seen.act), anchor=False)
    guarded_fragment("transactions:read", run_every=None if seen.is_over else LOOK_EVERY_SECONDS)(_follow)(seen.act.id, seen.is_over)


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound("This address leads nowhere: part of it is missing. Start again from the menu.") from None


def _title(act: BulkAct) -> str:
    return f"{LOOKS[BulkKind(act.act)].verb} {act.eligible:,} payment{'' if act.eligible == 1 else 's'}"


# ---- One


def _follow(actor: Actor, act_id: uuid.UUID, was_over: bool) -> None:
    seen = bulk.progress(actor, act_id)
    if seen.is_over and not was_over:
        # Whole, and without looking any more.
        st.rerun()
    _tell(seen)
    refusals.tell(act_id)
    _facts(seen)
    _results(actor, seen)
    st.caption(as_of() + ("." if seen.is_over else ". This follows by itself until it is over; you may close it and come back."))


def _tell(seen: Progress) -> None:
    done, dealt = seen.count(ItemState.DONE), seen.rows - seen.waiting - seen.held - seen.act.blocked
    said = f"{dealt:,} of {seen.act.eligible:,} dealt with"
    if seen.held:
        _tell_held(seen)
    elif not seen.is_over:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(dealt / seen.act.eligible, text=f"{said}, {100 * dealt // seen.act.eligible} %")
            st.button("Stop", icon=":material/stop_circle:", on_click=_stop, args=(seen.act.id,), help="Leaves what waits. What is done stays done.")
    elif seen.proposal and seen.proposal.decision != Decision.APPROVED.value:
        st.info(_undone(seen), title="Not approved", icon=":material/block:")
    elif seen.act.stopped_at:
        st.info(f"{said}; {plain(seen.stopped_by or 'somebody')} stopped the rest.", title="Stopped", icon=":material/stop_circle:")
    elif done == seen.act.eligible:
        st.success(f"All {done:,} that could be done are done.", title="It is over", icon=":material/check_circle:")
    else:
        st.warning(f"{done:,} of {seen.act.eligible:,} are done; what came between is told beside the others.", title="It is over", icon=":material/rule:")


def _tell_held(seen: Progress) -> None:
    if seen.proposal:
        why, until = plain(" ".join(seen.proposal.shown["why"])), moment_text(seen.proposal.expires_at)
        st.info(f"{why} It waits until {until}, on the Approvals page.", title="A second person decides", icon=":material/group:")
    st.button("Take it back", icon=":material/undo:", on_click=_stop, args=(seen.act.id,), help="Nothing of it is done then.")


def _undone(seen: Progress) -> str:
    """How it ended that a second person did not approve it."""
    decision, by = Decision(seen.proposal.decision) if seen.proposal else Decision.OPEN, plain(seen.decided_by or "nobody")
    because = plain((seen.proposal.decided_because or "").rstrip(".")) if seen.proposal else ""
    return {
        Decision.REJECTED: f"{by} rejected it: {because}. Nothing was done.",
        Decision.EXPIRED: "Nobody decided in time. Nothing was done.",
    }.get(decision, f"{by} took it back. Nothing was done.")


@guarded("transactions:read")
def _stop(actor: Actor, act_id: uuid.UUID) -> None:
    with refusals.beside(act_id):
        left = bulk.stop(actor, act_id)
        st.toast(f"Stopped: {left:,} left as they are." if left else "Nothing waited any more.", icon=":material/stop_circle:")


def _facts(seen: Progress) -> None:
    act = seen.act
    show_facts(
        {
            **{STATES[state][0]: _counted(seen.counts[state]) for state in STATES if state in seen.counts},
            "Asked for by": f"{plain(seen.by)}, {moment_text(act.created_at)}",
            "Which": plain(act.selection[:1].upper() + act.selection[1:]),
            "Reason": plain(act.reason or ""),
            "Approved by": _approved(seen),
            "Looked through": f"{act.eligible:,} could be done, {_money(act)}; {act.blocked:,} blocked",
            "Over": moment_text(act.finished_at) if act.finished_at else "",
        },
        alt="What this act is and how far it is",
    )


def _approved(seen: Progress) -> str:
    """Who was the second person, where one was needed."""
    proposal = seen.proposal
    if proposal is None or proposal.decision != Decision.APPROVED.value:
        return ""
    return f"{plain(seen.decided_by or 'somebody')}, {moment_text(proposal.decided_at)}. {plain(' '.join(proposal.shown['why']))}"


def _counted(counted: Counted) -> str:
    money = " + ".join(amount(value, currency) for currency, value in counted.totals.items() if value)
    return f"**{counted.count:,}**" + (f", {money}" if money else "")


def _money(act: BulkAct) -> str:
    return " + ".join(str(Money.from_text(text, currency)) for currency, text in sorted(act.totals.items()))


def _results(actor: Actor, seen: Progress) -> None:
    st.subheader("What came of each", anchor=False)
    states = list(STATES)
    if seen.is_over:
        rows = bulk.results(actor, seen.act.id)
        present = [state for state in states if state in seen.counts]
        if len(present) > 1:
            picked = st.pills(
                "Show", present, format_func=lambda state: f"{STATES[state][0]} · {seen.count(state):,}", key="bulk-show", label_visibility="collapsed"
            )
            rows = [row for row in rows if picked is None or row.item.state == picked.value]
    else:
        rows = bulk.results(actor, seen.act.id, [state for state in states if state not in (ItemState.WAITING, ItemState.HELD)], SHOWN_MEANWHILE)
    if rows:
        _grid(rows)


def _grid(rows: Sequence[ItemRow]) -> None:
    with_new = any(row.made for row in rows)
    st.dataframe(
        _frame(rows, with_new),
        column_config=_columns(),
        hide_index=True,
        row_height=ROW_PIXELS,
        height=min(ROW_PIXELS * (len(rows) + 1) + 3, MOST_PIXELS),
        key=f"bulk-rows-{len(rows)}",
        alt="What came of each row, the last one first",
    )
    for key in (OPENED, OPENED_NEW):
        clicked = st.session_state.get(key)
        if clicked and clicked.row < len(rows):
            reference = rows[clicked.row].transaction.our_transaction_id if key == OPENED else rows[clicked.row].made
            if reference:
                # The act stays in the address: the way back leads to it.
                elsewhere(id=reference)


def _frame(rows: Sequence[ItemRow], with_new: bool) -> pd.DataFrame:
    new = {"New payment": [row.made for row in rows]} if with_new else {}
    return pd.DataFrame(
        {
            "ID": [row.transaction.our_transaction_id for row in rows],
            "Account": [row.transaction.account_number for row in rows],
            "Amount": [amount(row.transaction.amount, row.transaction.currency) for row in rows],
            "Result": [[STATES[ItemState(row.item.state)][0]] for row in rows],
            **new,
            "What came of it": [row.item.told or "" for row in rows],
        },
        dtype=object,
    )


def _columns() -> dict[str, object]:
    text, link = st.column_config.TextColumn, st.column_config.ButtonColumn
    return {
        "ID": link(width=152, type="tertiary", alignment="left", key=OPENED, help="A click opens the payment this row is about."),
        "Account": text(width=96),
        "Amount": text(width=112, alignment="right"),
        "Result": st.column_config.MultiselectColumn(
            width=100, options=[label for label, _ in STATES.values()], color=[colour for _, colour in STATES.values()]
        ),
        "New payment": link(width=152, type="tertiary", alignment="left", key=OPENED_NEW, help="A click opens the payment that was made of it."),
        "What came of it": text(width="large"),
    }


# ---- All of them


def _all(actor: Actor) -> None:
    st.title("Acts on many payments", anchor=False)
    acts = bulk.lately(actor, 50)
    if not acts:
        st.caption("None yet. Choose rows on the list, or narrow it, and act on all that match.")
        return
    frame = pd.DataFrame(
        {
            "Act": [_title(act) for act, _ in acts],
            "Which": [act.selection for act, _ in acts],
            "Total": [_money(act) for act, _ in acts],
            "Asked for by": [name for _, name in acts],
            "At": [moment_text(act.created_at) for act, _ in acts],
            "State": ["Stopped" if act.stopped_at else "Over" if act.finished_at else "Under way" for act, _ in acts],
        },
        dtype=object,
    )
    first = st.column_config.ButtonColumn(type="tertiary", alignment="left", key=OPENED_ACT, help="A click opens what came of each row.")
    st.dataframe(frame, column_config={"Act": first}, hide_index=True, row_height=ROW_PIXELS, key="bulk-acts", alt="Acts on many payments, newest first")
    clicked = st.session_state.get(OPENED_ACT)
    if clicked and clicked.row < len(acts):
        around(**{BULK: str(acts[clicked.row][0].id)})
