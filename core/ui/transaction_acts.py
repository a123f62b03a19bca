"""What may be done about a transaction: each possible, or off with its reason; whatever cannot be taken back is asked about first."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.access import Actor
from core.models import Transaction
from core.repositories.transactions import Story
from core.services import payments, transactions
from core.services.payments import Action, DuplicateSuspected
from core.states import Stage
from core.ui import approvals_card, approvals_wider, refusals
from core.ui.pieces import FORM_WIDTH, code, show_facts, show_telling
from core.ui.session import guarded
from core.ui.tellings import tell
from core.ui.transaction_place import elsewhere
from core.ui.words import ago, amount, look, moment_text, plain


@dataclass(frozen=True, slots=True)
class Act:
    """A button: the name its service knows it by, and its words. Each but the first leads to a question before anything is done."""

    name: str
    label: str
    icon: str
    help: str


CHECK = Act("check", "Check now", ":material/help:", "Asks at once what became of it, at most every ten seconds.")
ALONE = (
    Act("retry", "Retry", ":material/replay:", "Pays the same bill again, as a new payment linked to this one. Asks before it does."),
    Act("cancel", "Cancel", ":material/block:", "Stops it before anything is sent. Asks before it does."),
)
# Shown to whoever may propose them: to anybody else they could never be more than off.
BY_TWO = (
    Act("resolve", "Resolve", ":material/gavel:", "Says with a statement what became of it. Another manager decides."),
    Act("reverse", "Reverse", ":material/undo:", "Proposes that the biller gives the payment back. Another manager decides."),
    Act("waive", "Waive", ":material/alt_route:", "Proposes that its account may be paid although it is under review. Another manager decides."),
)


def offer(actor: Actor, story: Story) -> None:
    """Each possible, or off with its reason beside it. The services hold the same rules."""
    one = story.transaction
    if one.amount is None or one.demo:
        return
    possible = {action.name: action for action in payments.actions(actor, one, retried=story.child is not None)}
    refusals.tell(one.id)
    approvals_card.tell_of(actor, one)
    approvals_wider.tell_of(actor, one)
    asking = [*ALONE, *(act for act in BY_TWO if actor.may(f"transactions:{act.name}"))]
    with st.container(horizontal=True):
        _button(possible[CHECK.name], CHECK.label, CHECK.icon, CHECK.help, on_click=_check, args=(one.id,))
        for act in asking:
            if _button(possible[act.name], f"{act.label} …", act.icon, act.help):
                elsewhere(id=one.our_transaction_id, **{act.name: "1"})
    off = [f"*{act.label}*: {plain(possible[act.name].why_not)}" for act in (CHECK, *asking) if possible[act.name].why_not]
    if off:
        st.caption("Off: " + " ".join(off))


def _button(action: Action, label: str, icon: str, help_text: str, on_click: Callable[..., object] | None = None, args: tuple[object, ...] = ()) -> bool:
    return st.button(
        label, icon=icon, disabled=action.why_not is not None, help=action.why_not or help_text, on_click=on_click, args=args, key=f"act-{action.name}"
    )


@guarded("transactions:check")
def _check(actor: Actor, transaction_id: uuid.UUID) -> None:
    with refusals.beside(transaction_id):
        if payments.check_now(actor, transaction_id):
            st.toast("The biller is being asked.", icon=":material/help:")
        else:
            st.toast("It was asked less than ten seconds ago, or is being asked just now.", icon=":material/schedule:")


def confirm_facts(one: Transaction) -> None:
    show_facts(
        {
            "Amount": f"**{amount(one.amount, one.currency)}**",
            "Customer": plain(one.customer_account_name or ""),
            "Account": f"{plain(one.account_number)}, {plain(one.biller_name)}",
            "Our reference": code(one.our_transaction_id),
            "Status": look(one.status).badge,
            "Submitted": f"{moment_text(one.created_at)}, {ago(one.created_at)}",
        },
        alt="The payment this is about",
    )


def why_not(actor: Actor, one: Transaction, name: str, retried: bool = False) -> str | None:
    return next(action.why_not for action in payments.actions(actor, one, retried=retried) if action.name == name)


def retry_step(actor: Actor, one: Transaction) -> None:
    """The original's details, then the question. The new payment has its own id, draft and references."""
    child = transactions.story(actor, one.id).child
    if child is not None:
        elsewhere(id=child.our_transaction_id)
    with st.container(width=FORM_WIDTH):
        st.subheader("Pay this again?", anchor=False)
        show_telling(tell(one, plain))
        confirm_facts(one)
        if why := why_not(actor, one, "retry"):
            st.warning(f"It cannot be retried. {plain(why)}", icon=":material/block:")
        else:
            _retry_form(actor, one)
        leave(one, "Leave it as it is")


def _retry_form(actor: Actor, one: Transaction) -> None:
    duplicate = st.session_state.get(f"duplicate-{one.id}")
    if duplicate:
        st.warning(plain(duplicate), title="The same amount was paid lately", icon=":material/content_copy:")
    with st.form(f"retry-{one.id}", border=False):
        if duplicate:
            st.text_input("Why a second payment?", key=f"retry-reason-{one.id}", max_chars=200, icon=":material/edit_note:", help="Kept with the payment.")
        refusals.tell(one.id)
        st.form_submit_button(
            f"Pay {amount(one.amount, one.currency)} again", type="primary", icon=":material/replay:", on_click=_retry, args=(one.id,), shortcut="Ctrl+Enter"
        )


@guarded("transactions:retry")
def _retry(actor: Actor, transaction_id: uuid.UUID) -> None:
    """One call. Ten clicks and two operators get the same child, and the next run of the page opens it."""
    with refusals.beside(transaction_id):
        try:
            payments.retry(actor, transaction_id, st.session_state.get(f"retry-reason-{transaction_id}"))
        except DuplicateSuspected as error:
            st.session_state[f"duplicate-{transaction_id}"] = error.sentence


def cancel_step(actor: Actor, one: Transaction) -> None:
    with st.container(width=FORM_WIDTH):
        if Stage(one.stage) is Stage.CANCELLED:
            elsewhere(id=one.our_transaction_id)
        st.subheader("Stop this payment?", anchor=False)
        confirm_facts(one)
        refusals.tell(one.id)
        if why := why_not(actor, one, "cancel"):
            st.warning(f"It cannot be cancelled. {plain(why)}", icon=":material/block:")
        else:
            st.button("Cancel the payment", type="primary", icon=":material/block:", on_click=cancel, args=(one.id,), shortcut="Ctrl+Enter")
        leave(one, "Let it go on")


@guarded("transactions:cancel_own")
def cancel(actor: Actor, transaction_id: uuid.UUID) -> None:
    """A callback: what speaks against it is told by `refusals.tell`, beside the payment."""
    with refusals.beside(transaction_id):
        payments.cancel(actor, transaction_id)


def leave(one: Transaction, label: str) -> None:
    if st.button(label, icon=":material/arrow_back:", type="tertiary"):
        elsewhere(id=one.our_transaction_id)
