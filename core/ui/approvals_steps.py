"""What takes two people, proposed from a transaction's page: what became of it, that it is given back, that its account may be paid meanwhile."""

import uuid
from collections.abc import Callable

import streamlit as st

from core.access import Actor
from core.models import Transaction
from core.services import approvals
from core.services.resolutions import Way
from core.ui import refusals
from core.ui.pieces import FORM_WIDTH, show_telling
from core.ui.session import guarded
from core.ui.tellings import tell
from core.ui.transaction_acts import confirm_facts, leave, why_not
from core.ui.transaction_place import elsewhere
from core.ui.words import plain

Step = Callable[[Actor, Transaction], None]

ANOTHER_DECIDES = "Another manager decides, on the Approvals page. Until then nothing changes."


def step_in_address() -> Step | None:
    """The question that the address asks about this transaction, if it asks one."""
    return next((step for name, step in STEPS.items() if name in st.query_params), None)


def _ask(actor: Actor, one: Transaction, name: str, title: str, refused: str, form: Step) -> None:
    if st.session_state.pop(f"proposed-{one.id}", False):
        elsewhere(id=one.our_transaction_id)
    with st.container(width=FORM_WIDTH):
        st.subheader(title, anchor=False)
        show_telling(tell(one, plain))
        confirm_facts(one)
        if why := why_not(actor, one, name):
            st.warning(f"{refused} {plain(why)}", icon=":material/block:")
        else:
            form(actor, one)
        leave(one, "Leave it as it is")


def _resolve_step(actor: Actor, one: Transaction) -> None:
    _ask(actor, one, "resolve", "What became of this payment?", "It cannot be resolved.", _resolve_form)


def _resolve_form(actor: Actor, one: Transaction) -> None:
    offered = approvals.ways(actor, one.id)
    biller = plain(one.biller_name)
    labels = {way.choice.value: way.label.format(biller=biller) for way, _ in offered}
    with st.form(f"resolve-{one.id}", border=False):
        st.radio(
            "The statement says",
            list(labels),
            format_func=labels.__getitem__,
            captions=[_caption(way, needs_number, biller) for way, needs_number in offered],
            index=None,
            key=f"resolve-choice-{one.id}",
        )
        st.text_area(
            "Evidence",
            key=f"resolve-evidence-{one.id}",
            max_chars=1_000,
            placeholder="the statement's date and line, for example, or who said it and when",
            help="What the other person compares: it is kept with the payment.",
        )
        if any(needs_number for _, needs_number in offered):
            st.text_input(
                "Number in the statement",
                key=f"resolve-number-{one.id}",
                max_chars=60,
                icon=":material/tag:",
                help="The biller's own reference of the payment, or core banking's number of the debit, where the choice above needs it.",
            )
        _end_of_form(one, "Propose it", _resolve)


def _caption(way: Way, needs_number: bool, biller: str) -> str:
    return way.means.format(biller=biller) + (" Needs the number in the statement." if needs_number else "")


def _reverse_step(actor: Actor, one: Transaction) -> None:
    _ask(actor, one, "reverse", "Have this payment given back?", "It cannot be given back.", _reverse_form)


def _reverse_form(_actor: Actor, one: Transaction) -> None:
    with st.form(f"reverse-{one.id}", border=False):
        _reason(one, "for example: paid to the wrong account, the customer was here")
        st.text_area("Evidence", key=f"reverse-evidence-{one.id}", max_chars=1_000, help="Whatever shows it, where there is something. Kept with the payment.")
        _end_of_form(one, "Propose to give it back", _reverse)


def _waive_step(actor: Actor, one: Transaction) -> None:
    _ask(actor, one, "waive", "Let this account be paid meanwhile?", "It cannot be waived.", _waive_form)


def _waive_form(_actor: Actor, one: Transaction) -> None:
    st.markdown(
        f"This payment stays under review. Other payments to account {plain(one.account_number)} are let go beside it: if {plain(one.biller_name)} has this"
        " one after all, the account is then paid more than once."
    )
    with st.form(f"waive-{one.id}", border=False):
        _reason(one, "for example: the customer is cut off today, and pays another bill")
        _end_of_form(one, "Propose to let it be paid", _waive)


def _reason(one: Transaction, example: str) -> None:
    st.text_input("Why?", key=f"propose-reason-{one.id}", max_chars=200, placeholder=example, icon=":material/edit_note:", help="Whoever decides goes by it.")


def _end_of_form(one: Transaction, label: str, act: Callable[[uuid.UUID], None]) -> None:
    refusals.tell(one.id)
    st.caption(ANOTHER_DECIDES)
    st.form_submit_button(label, type="primary", icon=":material/group:", on_click=act, args=(one.id,), shortcut="Ctrl+Enter")


STEPS: dict[str, Step] = {"resolve": _resolve_step, "reverse": _reverse_step, "waive": _waive_step}


# ---- Callbacks


def _propose(transaction_id: uuid.UUID, act: Callable[[], object]) -> None:
    """The next run of the page leads back to the transaction, where the proposal is seen waiting."""
    with refusals.beside(transaction_id):
        act()
        st.session_state[f"proposed-{transaction_id}"] = True


def _typed(name: str, transaction_id: uuid.UUID) -> str | None:
    return st.session_state.get(f"{name}-{transaction_id}")


@guarded("transactions:resolve")
def _resolve(actor: Actor, transaction_id: uuid.UUID) -> None:
    choice = _typed("resolve-choice", transaction_id)
    if choice is None:
        refusals.refuse(transaction_id, "Choose what the statement says.")
        return
    evidence, number = _typed("resolve-evidence", transaction_id), _typed("resolve-number", transaction_id)
    _propose(transaction_id, lambda: approvals.propose_resolution(actor, transaction_id, choice, evidence, number))


@guarded("transactions:reverse")
def _reverse(actor: Actor, transaction_id: uuid.UUID) -> None:
    reason, evidence = _typed("propose-reason", transaction_id), _typed("reverse-evidence", transaction_id)
    _propose(transaction_id, lambda: approvals.propose_reversal(actor, transaction_id, reason, evidence))


@guarded("transactions:waive")
def _waive(actor: Actor, transaction_id: uuid.UUID) -> None:
    reason = _typed("propose-reason", transaction_id)
    _propose(transaction_id, lambda: approvals.propose_waiver(actor, transaction_id, reason))
