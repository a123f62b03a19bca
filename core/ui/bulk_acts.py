"""The way into an act on many: what is chosen on the list, looked through before anything happens, and agreed to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.models import Transaction
from core.models.bulk import BulkKind
from core.repositories.statistics import Counted
from core.services import bulk
from core.services.asked import Asked
from core.services.bulk import RIGHTS, DryRun, NoLongerSo, Promise, Selection
from core.services.proposals import LONGEST_REASON
from core.ui.pieces import code, complain, show_facts, turn_to
from core.ui.session import guarded_dialog
from core.ui.transaction_place import PEEK
from core.ui.words import plain

# Stands in the address while an act is looked at: its id, or the word for the list of them.
BULK, ALL = "bulk", "all"

# What was ticked on the list, by id; and what is being asked about.
CHOSEN, PENDING, COMPLAINT = "bulk-chosen", "bulk-pending", "bulk-complaint"
REASON = "bulk-reason"


@dataclass(frozen=True, slots=True)
class Look:
    """How an act is called, on its button, over its question, and in the past."""

    verb: str
    icon: str
    question: str
    meaning: str
    reason_help: str


LOOKS: Mapping[BulkKind, Look] = {
    BulkKind.RETRY: Look(
        "Retry",
        ":material/replay:",
        "Pay these again?",
        "Each is paid again as a new payment, linked to the one that did not go through. Above a biller's limit it waits for a second person.",
        "Why, for whoever asks later. It is kept with the act.",
    ),
    BulkKind.CANCEL: Look(
        "Cancel",
        ":material/block:",
        "Stop these payments?",
        "Each is stopped before anything is sent. What the worker takes up first goes on, and is told.",
        "Why, for whoever asks later. It is kept with the act.",
    ),
    BulkKind.REVERSE: Look(
        "Reverse",
        ":material/undo:",
        "Have these payments given back?",
        "Each stays completed until another person approves it on the Approvals page: one by one, or all at once where a rule has the whole decided.",
        "Why they are given back. Whoever approves goes by it.",
    ),
}


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is being asked about, as it was looked through."""

    selection: Selection
    run: DryRun


def around(**more: str) -> NoReturn:
    """This page at an act, or without one; the list's filter stays, so that the way back leads to the same list."""
    kept = {name: st.query_params.get_all(name) for name in st.query_params if name not in (BULK, PEEK)}
    turn_to(**kept, **more)


# ---- On the list


def acts_of(actor: Actor) -> list[BulkKind]:
    """What this person could do to many."""
    return [kind for kind in BulkKind if actor.may(RIGHTS[kind])]


def chosen(rows: Sequence[Transaction]) -> list[Transaction]:
    """What is ticked among the rows that are seen: nothing is done to a row that is not on the screen."""
    ticked: Collection[object] = st.session_state.get(CHOSEN, ())
    return [row for row in rows if row.id in ticked]


def choose(rows: Sequence[Transaction]) -> None:
    st.session_state[CHOSEN] = frozenset(row.id for row in rows)


def offer(actor: Actor, asked: Asked, rows: Sequence[Transaction], matching: Counted) -> None:
    """One menu for the ticked rows, or for all that match where none is ticked."""
    kinds = acts_of(actor)
    if not kinds or not matching.rows:
        return
    ticked = chosen(rows)
    label = f"{len(ticked):,} chosen" if ticked else f"All {matching.rows:,}{'' if matching.is_exact else '+'} that match"
    picked = st.menu_button(
        label,
        [*(kind.value for kind in kinds), ALL],
        format_func=_option,
        icon=":material/checklist:",
        type="primary" if ticked else "secondary",
        key="bulk-menu",
        help="Retry, cancel or reverse many at once: shows first what can be done and what not. Tick rows on the left to choose some.",
    )
    if picked == ALL:
        around(**{BULK: ALL})
    if picked:
        selection = Selection(tuple(row.id for row in ticked)) if ticked else Selection(asked=asked.filter_only)
        _look_through(actor, BulkKind(picked), selection)
    complain(st.session_state.pop(COMPLAINT, None))


def _option(value: str) -> str:
    if value == ALL:
        return ":material/history: What was done so far"
    look = LOOKS[BulkKind(value)]
    return f"{look.icon} {look.verb} …"


def _look_through(actor: Actor, kind: BulkKind, selection: Selection) -> None:
    _put_away()
    try:
        with st.spinner("Looking them through …"):
            st.session_state[PENDING] = _Pending(selection, bulk.dry_run(actor, kind, selection))
    except BillersError as error:
        st.session_state[COMPLAINT] = error.sentence


def _put_away() -> None:
    for name in (PENDING, COMPLAINT):
        st.session_state.pop(name, None)


# ---- The question


def ask() -> bool:
    """The dialog, where something is being asked about."""
    pending: _Pending | None = st.session_state.get(PENDING)
    if pending is None:
        return False
    look = LOOKS[pending.run.act]
    guarded_dialog(look.question, RIGHTS[pending.run.act], width="large", icon=look.icon, on_dismiss=_put_away)(_question)()
    return True


def _question(actor: Actor) -> None:
    pending: _Pending | None = st.session_state.get(PENDING)
    if pending is None:
        st.rerun()
    run, look = pending.run, LOOKS[pending.run.act]
    st.markdown(look.meaning)
    show_facts(
        {
            "Which": plain(run.words[:1].upper() + run.words[1:]),
            "Can be done": f"**{_payments(run.eligible.count)}**" + (f", **{total(run.eligible)}**" if run.eligible.count else ""),
            "Blocked": f"{_rows(run.blocked_count)}" if run.blocked else "none",
        },
        alt="What would be done",
    )
    if run.second_person:
        why = " ".join(map(plain, run.second_person))
        st.info(f"{why} All of it waits until another person approves it.", title="It needs a second person", icon=":material/group:")
    if run.left_out:
        st.info(f"{run.left_out[:1].upper()}{run.left_out[1:]}", icon=":material/filter_list:")
    if run.blocked:
        _tell_blocked(run)
    complain(st.session_state.pop(COMPLAINT, None))
    if not run.eligible.count:
        st.warning("Nothing of this can be done.", icon=":material/block:")
    else:
        _agree(actor, pending, look)
    if st.button("Leave them as they are", icon=":material/arrow_back:", type="tertiary"):
        _put_away()
        st.rerun()


def _tell_blocked(run: DryRun) -> None:
    for group in run.blocked:
        more = " …" if group.count > len(group.examples) else ""
        st.markdown(f":material/block: **{group.count:,}** · {plain(group.reason)} :gray[{', '.join(map(code, group.examples))}{more}]")


def _agree(actor: Actor, pending: _Pending, look: Look) -> None:
    needed = pending.run.act is BulkKind.REVERSE or bool(pending.run.second_person)
    reason = st.text_input("Reason" if needed else "Reason (if you like)", key=REASON, max_chars=LONGEST_REASON, help=look.reason_help)
    if not st.button(f"{look.verb} {_payments(pending.run.eligible.count)}", type="primary", icon=look.icon, key="bulk-start"):
        return
    try:
        started = bulk.start(actor, pending.run.act, pending.selection, reason, pending.run.eligible)
    except NoLongerSo as error:
        _look_through(actor, pending.run.act, pending.selection)
        st.session_state[COMPLAINT] = error.sentence
        st.rerun()
    except BillersError as error:
        complain(error.sentence)
    else:
        _put_away()
        choose(())
        around(**{BULK: str(started)})


def total(promise: Promise) -> str:
    """Amounts of two currencies are told one after the other, never added up."""
    return " + ".join(map(str, promise.totals))


def _payments(number: int) -> str:
    return f"{number:,} payment{'' if number == 1 else 's'}"


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
