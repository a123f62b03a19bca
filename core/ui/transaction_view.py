"""One transaction, on its own page and beside the list: a sentence, and below it what its other rooms show."""

import uuid

import streamlit as st

from core.access import Actor
from core.errors import NotFound
from core.models import Transaction
from core.money import Money
from core.repositories.transactions import Story
from core.services import payments, transactions
from core.services.payments import ASKABLE
from core.states import AT_REST, Stage, TransactionType
from core.ui import approvals_steps, receipt_view, refusals, transaction_acts, transaction_facts, transaction_legs, transaction_messages
from core.ui.live import followed
from core.ui.pieces import code, complain, link_to_record, show_facts, show_telling
from core.ui.session import guarded, guarded_dialog, guarded_fragment
from core.ui.tellings import tell
from core.ui.transaction_place import PEEK, elsewhere
from core.ui.words import TYPE_LABELS, ago, as_of, look, moment_text, plain

# Whoever opened one that is not settled waits for its end.
FOLLOWED = followed("transactions:read", poll_seconds=2, gap_seconds=0.5)

# How often one was looked at beside the list: a grid of another key is a grid without a selection.
PEEKS = "peeks"

# The newest of them are enough beside the list.
SHORT_TIMELINE = 4


def show(actor: Actor, asked: str) -> None:
    _back_to_list()
    transaction = _found(actor, asked)
    st.title(_title(transaction), anchor=False)
    if "retry" in st.query_params and not transaction.demo:
        transaction_acts.retry_step(actor, transaction)
    elif "cancel" in st.query_params and not transaction.demo:
        transaction_acts.cancel_step(actor, transaction)
    elif (step := approvals_steps.step_in_address()) and not transaction.demo:
        step(actor, transaction)
    else:
        _check_on_opening(actor, transaction)
        open_still = Stage(transaction.stage) not in AT_REST
        (FOLLOWED if open_still else guarded_fragment("transactions:read"))(_story)(transaction.id, open_still)
        link_to_record(actor, "transaction", transaction.id)


def _found(actor: Actor, asked: str) -> Transaction:
    """By our reference, which people read out, or by the internal id."""
    try:
        return transactions.find(actor, uuid.UUID(asked))
    except ValueError:
        return transactions.by_reference(actor, asked)


def _title(transaction: Transaction) -> str:
    kind = TYPE_LABELS[TransactionType(transaction.transaction_type)]
    money = f" of {Money(transaction.amount, transaction.currency)}" if transaction.amount is not None else ""
    return f"{kind}{money}"


def _back_to_list() -> None:
    if st.button("Transactions", icon=":material/arrow_back:", type="tertiary", help="Back to the list, with its filter as it was."):
        elsewhere()


def _check_on_opening(actor: Actor, transaction: Transaction) -> None:
    """Whoever opens a payment in doubt wants to know: the biller is asked at once, once a visit (rule 7 limits it further)."""
    seen = f"asked-{transaction.id}"
    if transaction.stage in {stage.value for stage in ASKABLE} and actor.may("transactions:check") and seen not in st.session_state:
        st.session_state[seen] = True
        payments.check_now(actor, transaction.id)


# ---- Beside the list


def peek(reference: str) -> None:
    """Opens the drawer: it stands in the address like everything else."""
    st.query_params[PEEK] = reference


def _put_back() -> None:
    st.query_params.pop(PEEK, None)
    st.session_state[PEEKS] = st.session_state.get(PEEKS, 0) + 1


def drawer(actor: Actor, reference: str) -> None:
    """The transaction in short, to the right of the list it was picked from."""
    try:
        one = _found(actor, reference)
    except NotFound as error:
        complain(error.sentence)
        return
    guarded_dialog(_title(one), "transactions:read", position="right", width="medium", on_dismiss=_put_back)(_drawer)(one.id)


def _drawer(actor: Actor, transaction_id: uuid.UUID) -> None:
    open_still = Stage(transactions.find(actor, transaction_id).stage) not in AT_REST
    (FOLLOWED if open_still else guarded_fragment("transactions:read"))(_short)(transaction_id, open_still)


def _short(actor: Actor, transaction_id: uuid.UUID, open_still: bool) -> None:
    story = transactions.story(actor, transaction_id)
    one = story.transaction
    _mark(one)
    show_telling(tell(one, plain))
    _contradictions(actor, story)
    transaction_acts.offer(actor, story)
    receipt_view.offer(actor, one)
    show_facts(transaction_facts.key_facts(story), alt="Key facts of this transaction")
    transaction_facts.show_timeline(story, SHORT_TIMELINE)
    if st.button("Open the full page", icon=":material/open_in_full:", width="stretch", help="Every fact, both legs, every message."):
        elsewhere(id=one.our_transaction_id)
    # Once it has settled the list behind is left as it was: it says by itself that something changed.
    follows = open_still and Stage(one.stage) not in AT_REST
    st.caption(as_of(story.as_of) + (". This follows by itself until it is settled." if follows else "."))


# ---- The story


def _mark(one: Transaction) -> None:
    if one.demo:
        st.badge("Demonstration", icon=":material/theater_comedy:", color="violet", help="Made up to show how the console looks. Nothing can be done about it.")


def _story(actor: Actor, transaction_id: uuid.UUID, open_still: bool) -> None:
    story = transactions.story(actor, transaction_id)
    transaction = story.transaction
    if open_still and Stage(transaction.stage) in AT_REST:
        st.rerun()
    _mark(transaction)
    show_telling(tell(transaction, plain))
    _contradictions(actor, story)
    transaction_acts.offer(actor, story)
    receipt_view.offer(actor, transaction)
    _relatives(story)
    left, right = st.columns([3, 2], gap="large")
    with left:
        transaction_facts.show(story)
        transaction_legs.show(story)
    with right:
        transaction_facts.show_timeline(story)
    transaction_messages.show(story)
    st.caption(as_of(story.as_of) + (". This page follows by itself until it is settled." if open_still else "."))


def _contradictions(actor: Actor, story: Story) -> None:
    """What speaks against an end. The payment stays as it is; a person sees to the money."""
    for found in story.breaks:
        if found.closed_at is None:
            st.error(
                f"{plain(found.told)} Found {ago(found.found_at, story.as_of)} ({moment_text(found.found_at)}); a manager sees to it.",
                title="Later evidence contradicts this payment's end",
                icon=":material/report:",
            )
            if actor.may("transactions:resolve"):
                _see_to(found.id)
        else:
            st.caption(f"Contradicted {moment_text(found.found_at)}, and seen to {moment_text(found.closed_at)}: {plain(found.closed_because or '')}")


def _see_to(break_id: uuid.UUID) -> None:
    with st.popover("It is seen to …", icon=":material/task_alt:"):
        example = "Credit note 4711, agreed with the biller"
        st.text_input("What was done about the money", key=f"seen-{break_id}", max_chars=transactions.LONGEST_WORDS, placeholder=example)
        refusals.tell(break_id)
        st.button("Close it", key=f"close-{break_id}", type="primary", on_click=_close, args=(break_id,))


@guarded("transactions:resolve")
def _close(actor: Actor, break_id: uuid.UUID) -> None:
    with refusals.beside(break_id):
        transactions.see_to(actor, break_id, st.session_state.get(f"seen-{break_id}"))


def _relatives(story: Story) -> None:
    for other, words in ((story.parent, "This payment retries"), (story.child, "It was retried by")):
        if other is not None:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"{words} {code(other.our_transaction_id)} {look(other.status).badge}", width="content")
                if st.button("Open it", key=f"open-{other.id}", icon=":material/open_in_new:", type="tertiary"):
                    elsewhere(id=other.our_transaction_id)
