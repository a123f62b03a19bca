"""Where a payment stands while it is put together: the draft in the database, its id in the address, and which step that is."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import streamlit as st

from core.access import Actor
from core.services import drafts
from core.services.billers import BillerCard
from core.services.drafts import DraftView
from core.ui.pieces import id_in_address, turn_to
from core.wire.contract import Flow

# The second step is what the biller's flow needs; the others are everybody's.
BILL_LABELS: Mapping[Flow, str] = {Flow.PLAIN: "Amount", Flow.INVOICE: "Invoice", Flow.BUNDLE: "Bundle", Flow.NONE: "Amount"}


def draft_in_address(actor: Actor) -> DraftView | None:
    """The draft this page is about; None before anything was entered. Raises `NotFound` for anybody else's."""
    draft_id = id_in_address("draft")
    return drafts.find(actor, draft_id) if draft_id else None


def step_of(draft: DraftView | None) -> str:
    """A submitted draft always shows its result, whatever its form says."""
    if draft is None:
        return "account"
    if draft.transaction_id:
        return "result"
    step = draft.form.get("step")
    return step if step in ("amount", "debit", "review") and draft.form.get("lookup") else "account"


def card_of(draft: DraftView | None, cards: Sequence[BillerCard]) -> BillerCard | None:
    """The draft's biller, as it is configured now; None where it was switched off meanwhile."""
    return next((card for card in cards if draft and card.code == draft.form.get("biller")), None)


def show_steps(current: str, card: BillerCard | None) -> None:
    debit = {"debit": "Bank account"} if card and card.snapshot.debits_customer else {}
    steps = {"account": "Account", "amount": BILL_LABELS[card.flow if card else Flow.PLAIN], **debit, "review": "Review", "result": "Result"}
    if current not in steps:
        # Switched to another topology while somebody stood there.
        steps = {"account": "Account", "amount": "Amount", "debit": "Bank account", "review": "Review", "result": "Result"}
    names = list(steps)
    with st.container(horizontal=True, gap="small"):
        for number, (name, label) in enumerate(steps.items(), 1):
            if name == current:
                st.badge(f"{number} {label}", color="blue", icon=":material/edit:", width="content")
            elif number <= names.index(current):
                st.badge(f"{number} {label}", color="green", icon=":material/check:", width="content")
            else:
                st.badge(f"{number} {label}", color="gray", width="content")


def keep(actor: Actor, draft: DraftView | None, form: Mapping[str, Any]) -> NoReturn:
    """Writes what was entered, and shows the step it leads to. A frozen draft stays as it was: its copy goes on."""
    kept = drafts.save(actor, draft.id, form) if draft else drafts.begin(actor, form)
    turn_to(draft=str(kept.id))


def back(actor: Actor, draft: DraftView, step: str, label: str) -> None:
    if st.button(label, icon=":material/arrow_back:", type="tertiary", help="Nothing that was entered is lost."):
        keep(actor, draft, {"step": step})
