"""The look-up page's three parts: the question, the answer, and what this person asked lately."""

import uuid
from collections.abc import Sequence

import streamlit as st

from core.access import Actor
from core.errors import NotFound
from core.models import Transaction
from core.services import drafts, lookups
from core.services.billers import BillerCard
from core.states import Status
from core.ui import forms, lookup_card
from core.ui.pieces import PAYMENT, turn_to
from core.ui.tellings import is_refusal
from core.ui.words import ago, moment_text, plain

KEY = "lookup"


def ask(actor: Actor, cards: Sequence[BillerCard]) -> str | None:
    """The question; answers which biller is chosen."""

    def act(biller: str, account: str, account_type: str | None) -> None:
        turn_to(lookup=str(lookups.ask(actor, biller, account, account_type)), biller=biller)

    return forms.account_form(KEY, cards, act, biller=lookups.last_biller(actor) or "")


def show_answer(actor: Actor, lookup_id: uuid.UUID | None, cards: Sequence[BillerCard]) -> None:
    if lookup_id is None:
        return
    looked_up = lookup_card.watch(actor, lookup_id)
    if not lookup_card.is_lookup(looked_up):
        raise NotFound("This is no look-up. Open it under Transactions.")
    if not lookup_card.answered(looked_up) or not actor.may("transactions:pay"):
        return
    card = next((card for card in cards if card.code == looked_up.biller_type), None)
    if card and card.takes_payments:
        _offer_payment(actor, looked_up)
    elif card:
        st.caption(f"{plain(card.name)} takes no payments here: it only confirms whose number it is.")


def _offer_payment(actor: Actor, looked_up: Transaction) -> None:
    help_text = "Carries biller, account and this answer over; next is what to pay. Alt+P does the same."
    if st.button("Pay this account", type="primary", icon=":material/payments:", shortcut="Alt+P", help=help_text):
        form = {
            "biller": looked_up.biller_type,
            "account": looked_up.account_number,
            "account_type": looked_up.account_type,
            "lookup": str(looked_up.id),
            "step": "amount",
        }
        st.switch_page(PAYMENT, query_params={"draft": str(drafts.begin(actor, form).id)})


def show_recent(actor: Actor) -> None:
    """A click shows the answer again, as it was: nobody is asked anew."""
    recent = lookups.recent_lookups(actor)
    st.subheader("Recent", anchor=False, help="What you looked up last. A click shows that answer again, without asking the biller.")
    if not recent:
        st.caption("Nothing yet. Enter an account number above, and its answer stays at hand here.")
    with st.container(gap="xsmall"):
        for one in recent:
            _recent(one)


def _recent(one: Transaction) -> None:
    icon = {"COMPLETED": ":material/check_circle:", "FAILED": ":material/cancel:"}.get(one.status, ":material/sync:")
    name = plain(one.customer_account_name or _ending(one))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        label = f"**{plain(one.account_number)}** · {name}"
        if st.button(label, key=f"recent-{one.id}", icon=icon, type="tertiary", help=f"{plain(one.biller_name)}, {moment_text(one.created_at)}"):
            turn_to(lookup=str(one.id), biller=one.biller_type)
        st.caption(ago(one.created_at), width="content")


def _ending(one: Transaction) -> str:
    """In a word: what stands in place of a name."""
    if one.status != Status.FAILED.value:
        return "no answer yet"
    return "refused" if is_refusal(one) else "no answer"
