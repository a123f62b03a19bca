"""What needs somebody, drawn: each line with its way there and its putting off; what is put off beside it, with who, why and until when."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.access import Actor
from core.errors import BillersError
from core.services import attention
from core.services.attention import LONGEST_REASON, Finding
from core.ui import refusals
from core.ui.attention import RIGHTS, Concern, length_of, when
from core.ui.figure_words import counted
from core.ui.pieces import TRANSACTIONS, complain
from core.ui.places import page_link
from core.ui.session import guarded, guarded_dialog, is_whole_run
from core.ui.words import as_of, plain

# What this window is asked about, whether it was asked yet, what it typed, and what was answered.
ASKED, WANTED, WHOSE, LENGTH, REASON = (f"attention-{name}" for name in ("asked", "wanted", "whose", "length", "reason"))
COMPLAINT, TAKEN_UP = "attention-complaint", "attention-taken-up"

# Beside so much text there is room for what can be done; on a narrower screen that comes below.
WORDS_PIXELS = 720

EVERYBODYS, MINE = "Everybody's", "Mine"


def show(actor: Actor, concerns: Sequence[Concern], moment: datetime, forget: Callable[[], object]) -> None:
    """The card. `forget` is what is called when something was put off or taken up: what was counted before is not true any more."""
    open_now, away = [one for one in concerns if not one.finding.is_away], [one for one in concerns if one.finding.is_away]
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            shown = _header(actor, open_now, away)
            st.caption(f":material/autorenew: {as_of(moment)}", width="content", help="This page follows by itself whatever changes.")
        refusals.tell(TAKEN_UP)
        for one in shown:
            _line(actor, one)
        if others := len(open_now) - len(shown):
            st.caption(f"{counted(others, 'more', 'more')} {'needs' if others == 1 else 'need'} somebody else.")
        if away:
            _away(actor, away, forget)
    if st.session_state.pop(WANTED, False) and not is_whole_run():
        # A dialog of a fragment that is drawn by itself would close with its next drawing: the whole page asks.
        st.rerun(scope="app")


def _header(actor: Actor, open_now: Sequence[Concern], away: Sequence[Concern]) -> Sequence[Concern]:
    """The title, and whose is shown; answers what is."""
    if not open_now:
        rest = "Nothing else needs attention." if away else "Nothing needs attention."
        badge = ":gray-badge[:material/snooze: Put off]" if away else ":green-badge[:material/check_circle: All is well]"
        st.markdown(f"{badge} :gray[{rest}]", width="content")
        return open_now
    st.subheader("Needs attention", anchor=False, width="content", help="What somebody should look at just now, the gravest first.")
    mine = [one for one in open_now if one.owner.lower() == actor.role]
    if not mine or len(mine) == len(open_now):
        return open_now
    chosen = st.segmented_control(
        "Whose",
        (EVERYBODYS, MINE),
        default=EVERYBODYS,
        key=WHOSE,
        required=True,
        label_visibility="collapsed",
        width="content",
        help=f"{len(mine)} of {len(open_now)} are for your role.",
    )
    return mine if chosen == MINE else open_now


def _line(actor: Actor, one: Concern) -> None:
    with _row(one, one.next_step) as acts:
        if one.came_back:
            st.markdown(f":gray[:material/undo: Back before its time: {one.came_back}]")
        if one.references and actor.may(RIGHTS[TRANSACTIONS]):
            with st.container(horizontal=True, gap=None):
                for reference in one.references:
                    page_link(TRANSACTIONS, label=f"`{reference}`", query_params={"id": reference}, help="One of the oldest: open its story.")
        with acts:
            if _may_put_off(actor, one.finding):
                st.button(
                    "Put off …",
                    key=f"put-off-{one.finding.key}",
                    type="tertiary",
                    icon=":material/snooze:",
                    help="For a while, with a reason. Everybody sees that, by whom, and why.",
                    on_click=_want,
                    args=(one,),
                )
            _way(actor, one)


@contextmanager
def _row(one: Concern, told: str) -> Iterator[DeltaGenerator]:
    """What it is, whose and how old, with room for more under it; answers the place for what can be done, which on a telephone is below."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap=None):
        words = st.container(gap=None, width=WORDS_PIXELS)
        acts = st.container(horizontal=True, vertical_alignment="center", width="content", gap="small")
        with words:
            age = f" :gray-badge[:material/schedule: {one.age}]" if one.age else ""
            st.markdown(f":{one.colour}[{one.icon}] **{one.what}**  \n:gray[{told}] :{one.colour}-badge[{one.owner}]{age}")
            yield acts


def _way(actor: Actor, one: Concern) -> None:
    """To where the next step is done, for those who may go there."""
    if one.page is not None and actor.may(RIGHTS[one.page]):
        page_link(one.page, label="Open", icon=":material/arrow_forward:", icon_position="right", query_params=dict(one.address))


def _may_put_off(actor: Actor, one: Finding) -> bool:
    return actor.may("attention:put_off") and not (one.of_all and actor.billers is not None)


# ---- What is put off


def _away(actor: Actor, away: Sequence[Concern], forget: Callable[[], object]) -> None:
    with st.expander(f"{len(away):,} put off", icon=":material/snooze:"):
        for one in away:
            put_off = one.finding.put_off
            if put_off is None:
                continue
            told = f"Until {when(put_off.until)}, by {plain(put_off.by)} at {when(put_off.at)}: {plain(put_off.reason)}"
            with _row(one, told) as acts, acts:
                if _may_put_off(actor, one.finding):
                    st.button(
                        "Take up again",
                        key=f"take-up-{put_off.id}",
                        type="tertiary",
                        icon=":material/undo:",
                        on_click=_take_up,
                        args=(put_off.id, forget),
                    )
                _way(actor, one)


@guarded("attention:put_off")
def _take_up(actor: Actor, put_off_id: uuid.UUID, forget: Callable[[], object]) -> None:
    with refusals.beside(TAKEN_UP):
        attention.take_up(actor, put_off_id)
    forget()


# ---- Putting off


@guarded("attention:put_off")
def _want(_actor: Actor, one: Concern) -> None:
    _let_be()
    st.session_state[ASKED], st.session_state[WANTED] = one, True


def ask(forget: Callable[[], object]) -> None:
    """The dialog, where somebody wants to put something off. From the whole page's run."""
    if ASKED in st.session_state:
        guarded_dialog("Put off", "attention:put_off", icon=":material/snooze:", on_dismiss=_let_be)(_question)(forget)


def _question(_actor: Actor, forget: Callable[[], object]) -> None:
    one: Concern | None = st.session_state.get(ASKED)
    if one is None:
        st.rerun()
    st.markdown(f"**{one.what}**  \n:gray[{one.next_step}]")
    if one.finding.at_stake:
        st.info("Money, or the proof of where it went, may be lost meanwhile: an hour at most.", icon=":material/hourglass_top:")
    with st.form("put-off", border=False):
        lengths = one.finding.lengths
        st.segmented_control("For", lengths, format_func=length_of, default=lengths[0], key=LENGTH, required=True)
        st.text_area(
            "Reason",
            key=REASON,
            max_chars=LONGEST_REASON,
            height=80,
            help="What is being done, or waited for: whoever comes next reads it.",
        )
        st.caption("It comes back when its time is over, and before that when it has become worse. Everybody sees that it is put off.")
        complain(st.session_state.pop(COMPLAINT, None))
        st.form_submit_button("Put off", type="primary", icon=":material/snooze:", on_click=_put_off, args=(forget,), width="stretch")


@guarded("attention:put_off")
def _put_off(actor: Actor, forget: Callable[[], object]) -> None:
    one: Concern | None = st.session_state.get(ASKED)
    length: timedelta | None = st.session_state.get(LENGTH)
    if one is None or length is None:
        return
    try:
        attention.put_off(actor, one.finding, length, st.session_state.get(REASON))
    except BillersError as error:
        st.session_state[COMPLAINT] = error.sentence
    else:
        _let_be()
    forget()


def _let_be() -> None:
    for name in (ASKED, LENGTH, REASON, COMPLAINT):
        st.session_state.pop(name, None)
