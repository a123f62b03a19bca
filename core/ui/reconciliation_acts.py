"""What can be done about one difference, or about all of a kind: settle it by two people, keep it as a break, pair it, hand it on, explain it."""

import uuid
from datetime import date

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.models.reconciliation import Result
from core.repositories.reconciliation import Item
from core.services import reconciliation
from core.services.day_figures import AGREES
from core.services.reconciliation import ACTS, LONGEST_TOLD, RESULTS, About, DayView
from core.settings import CHECKOUT
from core.ui.pieces import FORM_WIDTH, TRANSACTIONS, code, complain, link_to, show_facts
from core.ui.session import guarded
from core.ui.words import amount, moment_text, plain, stage_label

APPROVALS = CHECKOUT / "pages" / "approvals.py"

REFUSED, DONE = "reconciliation-refused", "reconciliation-done"
WORDS, REASON_OF_ALL, PAIRED_WITH, PAIRED_BECAUSE = "reconciliation-words", "reconciliation-words-all", "reconciliation-pair", "reconciliation-pair-because"


def show(actor: Actor, seen: DayView, item: Item) -> None:
    with st.container(border=True, width=FORM_WIDTH):
        told = RESULTS[item.result]
        st.subheader(told.label, anchor=False)
        if item.result not in AGREES:
            st.markdown(f"{told.meaning} {told.next_step}")
        show_facts(_facts(item, seen), alt="The line of the statement and the payment, side by side")
        if item.transaction_id:
            with st.container(horizontal=True):
                link_to(TRANSACTIONS, "Open the payment", ":material/open_in_new:", id=str(item.our_transaction_id))
                if item.result is Result.UNDER_REVIEW and actor.may("approvals:read"):
                    link_to(APPROVALS, "Approvals", ":material/how_to_reg:")
        tell()
        if item.result in AGREES or seen.close is not None:
            return
        about = About.of(seen.biller_type, item)
        if actor.may("reconciliation:import"):
            _act(actor, about, item)
        elif item.is_open:
            st.caption("Your role sees differences, and does not work them through.")


def _facts(item: Item, seen: DayView) -> dict[str, str]:
    line = "" if item.line_id is None else f"row {item.row:,}: **{amount(item.their_amount, seen.currency)}**"
    return {
        "Their line": f"{line}{', given back' if item.kind == 'REVERSAL' else ''}" if line else "in no line of the statement",
        "Their reference": code(item.their_reference) if item.their_reference else "",
        "Our reference in it": code(item.our_reference) if item.our_reference else "",
        "Account in it": code(item.account) if item.account else "",
        "Told at": moment_text(item.at) if item.at else "",
        "Our payment": f"{code(item.our_transaction_id)} **{amount(item.our_amount, seen.currency)}**" if item.our_transaction_id else "none was found",
        "Its account": code(item.account_number) if item.account_number else "",
        "It stands": stage_label(item.stage) if item.stage else "",
        "Submitted": moment_text(item.created_at) if item.created_at else "",
        "Found by": RULE_WORDS.get(item.rule.value, "") if item.rule else "",
        "What was made of it": f"{ACTS[item.act]} by {plain(item.noted_by)}, {moment_text(item.noted_at)}: {plain(item.told)}" if item.act else "",
    }


RULE_WORDS = {
    "OUR_REFERENCE": "our reference",
    "THEIR_REFERENCE": "their reference",
    "ACCOUNT": "account, amount and day",
    "PERSON": "a person paired them",
}


def tell() -> None:
    """What came of the last act: beside its difference, or above the list where the difference is another one by now."""
    complain(st.session_state.pop(REFUSED, None))
    if done := st.session_state.pop(DONE, None):
        st.success(done, icon=":material/check_circle:")


def _act(actor: Actor, about: About, item: Item) -> None:
    told = RESULTS[item.result]
    if item.is_proposed:
        st.caption(":material/how_to_reg: It is proposed, and waits for another manager on Approvals.")
    is_offered, why_not = reconciliation.can_propose(item) and not item.is_proposed, None
    if is_offered:
        why_not = reconciliation.why_no_proposal(actor, item) if actor.may("transactions:resolve") else "A manager proposes it, and another approves it."
    with st.container(horizontal=True, vertical_alignment="center"):
        if is_offered:
            says = "has it" if item.line_id is not None else "does not have it"
            st.button(
                f"Propose: the biller {says}",
                type="primary",
                icon=":material/gavel:",
                disabled=why_not is not None,
                help=why_not or "The statement's line goes along as evidence; another manager approves it.",
                on_click=_propose,
                args=(about,),
            )
        if told.breaks and item.transaction_id and item.is_open:
            st.button(
                "Keep as a break",
                type="primary",
                icon=":material/heart_broken:",
                help="Kept with the payment until somebody has seen to the money. The payment itself stays as it is.",
                on_click=_keep,
                args=(about,),
            )
    if why_not:
        st.caption(f"Off: {plain(why_not)}")
    if item.result is Result.THEIRS_ONLY or (item.result is Result.DUPLICATE and item.transaction_id is None):
        _pair(actor, item)
    with st.form("reconciliation-explain", border=False):
        st.text_area("Why is it so, or who sees to it?", key=WORDS, max_chars=LONGEST_TOLD, help="Kept with the day, and printed on its sheet.")
        with st.container(horizontal=True):
            st.form_submit_button("Explain", icon=":material/edit_note:", on_click=_explain, args=(about,))
            if item.transaction_id is None:
                st.form_submit_button("Hand on", icon=":material/forward:", on_click=_hand_on, args=(about,))


def _pair(actor: Actor, item: Item) -> None:
    if item.line_id is None:
        return
    found = {one.id: one for one in reconciliation.candidates(actor, item.line_id)}
    if not found:
        st.caption("No payment of ours has this account or this amount on these days.")
        return
    with st.form("reconciliation-pair-form", border=False):
        st.selectbox(
            "A payment of ours that it may be",
            list(found),
            index=None,
            format_func=lambda one: (
                f"{found[one].our_transaction_id} · {found[one].account_number} · {amount(found[one].amount, found[one].currency)}"
                f" · {moment_text(found[one].created_at)} · {stage_label(found[one].stage)}"
            ),
            key=PAIRED_WITH,
            placeholder="Same account or same amount, and in no line yet",
        )
        st.text_input("By what do you know?", key=PAIRED_BECAUSE, max_chars=LONGEST_TOLD)
        st.form_submit_button("Pair them", icon=":material/link:", on_click=_pair_them, args=(item.line_id,))


def for_all(actor: Actor, seen: DayView, result: Result) -> None:
    """One word for all that are open of a kind, and the proposals for all under review."""
    count = seen.figures.tallies[result].open if result in seen.figures.tallies else 0
    if count < 2 or seen.close is not None or not actor.may("reconciliation:import"):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if result is Result.UNDER_REVIEW and actor.may("transactions:resolve"):
            st.button(
                f"Propose all {count:,} as the statement says",
                icon=":material/gavel:",
                help="Each is proposed by itself, with its own line as evidence.",
                on_click=_propose_all,
                args=(seen.biller_type, seen.day.isoformat()),
            )
        if RESULTS[result].breaks:
            st.button(
                f"Keep all {count:,} as breaks",
                icon=":material/heart_broken:",
                help="Each is kept with its own payment until somebody has seen to the money. Lines without a payment of ours stay open.",
                on_click=_keep_all,
                args=(seen.biller_type, seen.day.isoformat(), result.value),
            )
        with st.popover(f"Explain all {count:,} …", icon=":material/edit_note:"), st.form("reconciliation-explain-all", border=False):
            st.text_area("Why are they so?", key=REASON_OF_ALL, max_chars=LONGEST_TOLD)
            st.form_submit_button(f"Explain all {count:,}", type="primary", on_click=_explain_all, args=(seen.biller_type, seen.day.isoformat(), result.value))


# ---- Doing it


def _told(done: str) -> None:
    st.session_state[DONE] = done


def _refused(error: BillersError) -> None:
    st.session_state[REFUSED] = error.sentence


@guarded("transactions:resolve")
def _propose(actor: Actor, about: About) -> None:
    try:
        reconciliation.propose(actor, about)
        _told("Proposed. Another manager decides, on the Approvals page.")
    except BillersError as error:
        _refused(error)


@guarded("transactions:resolve")
def _propose_all(actor: Actor, biller: str, day: str) -> None:
    try:
        made, refused = reconciliation.propose_all(actor, biller, date.fromisoformat(day))
        st.toast(f"{made:,} proposed. Another manager decides, on the Approvals page.", icon=":material/gavel:")
        if refused:
            st.session_state[REFUSED] = " ".join(refused[:3])
    except BillersError as error:
        _refused(error)


@guarded("reconciliation:import")
def _keep(actor: Actor, about: About) -> None:
    try:
        reconciliation.keep_as_break(actor, about)
        st.toast("Kept as a break with the payment.", icon=":material/check:")
    except BillersError as error:
        _refused(error)


@guarded("reconciliation:import")
def _keep_all(actor: Actor, biller: str, day: str, result: str) -> None:
    try:
        count = reconciliation.keep_all_as_breaks(actor, biller, date.fromisoformat(day), Result(result))
        st.toast(f"{count:,} kept as breaks with their payments.", icon=":material/check:")
    except BillersError as error:
        _refused(error)


@guarded("reconciliation:import")
def _explain(actor: Actor, about: About) -> None:
    try:
        reconciliation.explain(actor, about, st.session_state.get(WORDS))
        st.toast("Explained.", icon=":material/check:")
    except BillersError as error:
        _refused(error)


@guarded("reconciliation:import")
def _hand_on(actor: Actor, about: About) -> None:
    try:
        reconciliation.hand_on(actor, about, st.session_state.get(WORDS))
        st.toast("Handed on.", icon=":material/check:")
    except BillersError as error:
        _refused(error)


@guarded("reconciliation:import")
def _explain_all(actor: Actor, biller: str, day: str, result: str) -> None:
    try:
        count = reconciliation.explain_all(actor, biller, date.fromisoformat(day), Result(result), st.session_state.get(REASON_OF_ALL))
        st.toast(f"{count:,} explained.", icon=":material/check:")
    except BillersError as error:
        _refused(error)


@guarded("reconciliation:import")
def _pair_them(actor: Actor, line_id: int) -> None:
    chosen: uuid.UUID | None = st.session_state.get(PAIRED_WITH)
    if chosen is None:
        st.session_state[REFUSED] = "Choose a payment of ours first."
        return
    try:
        reconciliation.pair(actor, line_id, chosen, st.session_state.get(PAIRED_BECAUSE))
        st.toast("Paired.", icon=":material/link:")
    except BillersError as error:
        _refused(error)
