"""Paying, step by step: account, what is paid, out of which account, review, result. Where it stands is the draft in the database: a reload loses nothing."""

import uuid
from collections.abc import Sequence

import streamlit as st

from core.access import Actor
from core.errors import BadInput, NotFound
from core.models import Transaction
from core.services import lookups
from core.services.billers import BillerCard
from core.services.drafts import DraftView
from core.ui import forms, lookup_card, wizard_bill, wizard_debit, wizard_end
from core.ui.pieces import FORM_WIDTH, complain
from core.ui.wizard_draft import card_of, keep, show_steps, step_of
from core.ui.words import plain


def show(actor: Actor, draft: DraftView | None, cards: Sequence[BillerCard]) -> None:
    step = step_of(draft)
    if draft and step == "review" and wizard_debit.is_missing(draft, card_of(draft, cards)):
        step = "debit"
    review, complaint = wizard_end.review_of(actor, draft) if draft and step == "review" else (None, None)
    # What the review finds wrong is corrected where it was entered. Nothing is stored about it: a reload asks, and is told, again.
    step = complaint.step if complaint else step
    if draft is None or step == "account":
        _account_step(actor, draft, cards)
        return
    with st.container(width=FORM_WIDTH):
        show_steps(step, card_of(draft, cards))
        if review:
            wizard_end.review_step(actor, review)
        elif step == "amount":
            wizard_bill.show(actor, draft, cards, complaint.sentence if complaint else None)
        elif step == "debit":
            wizard_debit.show(actor, draft, cards, complaint.sentence if complaint else None)
        else:
            wizard_end.result_step(actor, draft)


def _account_step(actor: Actor, draft: DraftView | None, cards: Sequence[BillerCard]) -> None:
    form = draft.form if draft else {}
    # A key of its own for each draft: two tabs, and a draft and its successor, never share what is typed.
    key = f"pay-{draft.id if draft else 'new'}"

    def act(biller: str, account: str, account_type: str | None) -> None:
        asked = lookups.ask(actor, biller, account, account_type)
        # What was fetched for another account counts no more.
        fetched = {"invoice": None, "bundles": None, "bundle": None}
        keep(actor, draft, {"biller": biller, "account": account.strip(), "account_type": account_type, "lookup": str(asked), "step": "looking", **fetched})

    typed = {name: str(form.get(name) or "") for name in ("biller", "account", "account_type")}
    typed["biller"] = typed["biller"] or lookups.last_biller(actor) or ""
    question, at_hand = st.columns([5, 3], gap="large")
    with question:
        steps = st.container()
        biller = forms.account_form(key, cards, act, paying=True, **typed)
        with steps:
            show_steps("account", next((card for card in cards if card.code == biller), None))
        if biller and draft and form.get("lookup"):
            _look_up(actor, draft)
    with at_hand:
        if biller:
            _offer_recent(actor, biller, key, act)
            forms.sandbox_accounts(actor, key, biller)


def _look_up(actor: Actor, draft: DraftView) -> None:
    """The answer moves on by itself, unless the person came back to this step to change something."""

    def move_on(_looked_up: Transaction) -> None:
        if draft.form.get("step") == "looking":
            keep(actor, draft, {"step": "amount"})

    looked_up = lookup_card.watch(actor, uuid.UUID(str(draft.form["lookup"])), move_on)
    if lookup_card.answered(looked_up) and st.button(
        "Go on with this account", icon=":material/arrow_forward:", shortcut="Ctrl+Enter", help="Takes this answer as it is. Ctrl+Enter does the same."
    ):
        keep(actor, draft, {"step": "amount"})


def _offer_recent(actor: Actor, biller: str, key: str, act: forms.Act) -> None:
    recent = lookups.recent_accounts(actor, biller)
    st.subheader("Served lately", anchor=False, help="The accounts you served last at this biller. A click looks one up at once.")
    if not recent:
        st.caption("Nobody yet at this biller. Whose account you look up stays at hand here.")
    with st.container(gap="xsmall"):
        for one in recent:
            label = f"**{plain(one.account_number)}** · {plain(one.customer_name or '')}"
            if st.button(label, key=f"{key}-recent-{one.account_number}", icon=":material/history:", type="tertiary"):
                try:
                    act(biller, one.account_number, one.account_type)
                except (BadInput, NotFound) as error:
                    complain(error.sentence)
