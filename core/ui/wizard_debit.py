"""The customer's account at the bank, where the biller's topology has a debit: typed, its balance asked at once, and the account it goes to shown."""

from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from core.access import Actor
from core.errors import BadInput, NotFound
from core.services import balances, core_banking, drafts
from core.services.balances import BankAccount
from core.services.billers import BillerCard
from core.services.drafts import DraftView
from core.ui import forms
from core.ui.pieces import code, complain, show_facts, turn_to
from core.ui.wizard_draft import back, card_of, keep
from core.ui.words import as_of, plain


def is_missing(draft: DraftView, card: BillerCard | None) -> bool:
    """This biller is paid out of an account at the bank, and nobody said yet out of which."""
    return card is not None and card.snapshot.debits_customer and draft.debit is None


def show(actor: Actor, draft: DraftView, cards: Sequence[BillerCard], complaint: str | None) -> None:
    card = card_of(draft, cards)
    if card is None:
        st.error("This biller was switched off meanwhile. Choose another, or ask an administrator.", icon=":material/domain_disabled:")
    elif not core_banking.is_on():
        st.error(plain(drafts.without_core_banking(card.snapshot)), title="Core banking is off", icon=":material/account_balance:")
    else:
        _ask(actor, draft, card, complaint)
        _answer(actor, draft, complaint)
        forms.sandbox_accounts(actor, f"debit-{draft.id}", core_banking.CODE)
    back(actor, draft, "amount", "Back to what is paid")


def _ask(actor: Actor, draft: DraftView, card: BillerCard, complaint: str | None) -> None:
    key = f"debit-{draft.id}"
    st.session_state.setdefault(f"{key}-account", draft.debit.number if draft.debit else "")
    with st.container(border=True), st.form(f"{key}-form", border=False):
        typed = st.text_input(
            "Customer's account at the bank",
            key=f"{key}-account",
            placeholder="for example 2010000001",
            help="The account that is debited, as on the customer's card or book. Up to 16 letters and digits; blanks do not matter. Example: 2010000001.",
            autocomplete="off",
            icon=":material/account_balance:",
        )
        below = st.container()
        with below:
            complain(complaint)
        # The bank's own account is configured: a till cannot send the money elsewhere.
        st.markdown(f"Goes to {code(card.snapshot.credit_account or '–')}, the bank's account for {plain(card.name)}.")
        if st.form_submit_button(
            "Ask the balance",
            type="primary",
            icon=":material/arrow_forward:",
            help="Core banking tells name and balance; nothing is debited yet. Enter does the same.",
        ):
            with below:
                try:
                    with st.spinner("Asking core banking…"):
                        found = balances.ask(actor, typed or "")
                    # Whose balance is known goes on by itself; the review says so if it does not suffice.
                    _go(actor, draft, found, "review" if found.told == "known" else "debit")
                except (BadInput, NotFound) as error:
                    complain(error.sentence)


def _go(actor: Actor, draft: DraftView, found: BankAccount, step: str) -> NoReturn:
    turn_to(draft=str(drafts.charge(actor, draft.id, found, step).id))


def _answer(actor: Actor, draft: DraftView, complaint: str | None) -> None:
    """What core banking told last. A balance that nobody knows stops nobody: core banking decides about the debit."""
    found = draft.debit
    if found is None:
        return
    if found.told == "unknown":
        st.warning(
            f"{plain(found.sentence)} You may go on: core banking decides when the account is debited, and nothing is paid where it refuses.",
            title="Balance not known",
            icon=":material/help:",
        )
    else:
        show_facts(told_of(found), alt="The customer's account at the bank")
    if not complaint and st.button(
        "Go on without the balance" if found.told == "unknown" else "Go on with this account",
        icon=":material/arrow_forward:",
        shortcut="Ctrl+Enter",
        help="Takes this account to the review. Nothing is debited yet. Ctrl+Enter does the same.",
    ):
        keep(actor, draft, {"step": "review"})


def told_of(found: BankAccount) -> dict[str, str]:
    """Whose account it is and what can be used of it, of when."""
    name = f"{plain(found.name)}, " if found.name else ""
    known = f"{found.useable} {as_of(found.at)}" if found.useable else f"not known, {as_of(found.at)}"
    return {"Debited": f"{name}account {plain(found.number)} at the bank", "Can be used": known}
