"""The second step: what is paid. An amount, an invoice the biller makes, or one of its bundles; each flow has one function, found in a table."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from core.access import Actor
from core.errors import BadInput, NotFound
from core.models import Transaction
from core.money import Money
from core.services import lookups, transactions
from core.services.billers import BillerCard
from core.services.drafts import DraftView
from core.settings import settings
from core.ui import lookup_card
from core.ui.pieces import complain
from core.ui.wizard_draft import back, card_of, keep
from core.ui.words import plain
from core.wire.contract import Flow

# Cards in a row of the bundle grid: three are read at a glance, and stand below each other on a telephone.
BUNDLES_IN_A_ROW = 3


def show(actor: Actor, draft: DraftView, cards: Sequence[BillerCard], complaint: str | None) -> None:
    looked_up = transactions.find(actor, uuid.UUID(str(draft.form["lookup"])))
    if not lookup_card.answered(looked_up):
        keep(actor, draft, {"step": "account"})
    lookup_card.show(looked_up)
    if lookup_card.blocked(looked_up):
        st.warning("The biller says this account is not active: it may refuse the payment. Nothing is lost if it does.", icon=":material/block:")
    card = card_of(draft, cards)
    if card is None:
        st.error("This biller was switched off meanwhile. Choose another, or ask an administrator.", icon=":material/domain_disabled:")
    else:
        BILLS[card.flow](actor, draft, card, looked_up, complaint)
    back(actor, draft, "account", "Another account")


# ---- An amount


def _amount(actor: Actor, draft: DraftView, card: BillerCard, looked_up: Transaction, complaint: str | None) -> None:
    with st.container(border=True):
        _amount_form(draft, card, complaint, lambda typed: keep(actor, draft, {"amount": typed, "step": "review"}))
        _offer_balance(actor, draft, looked_up)


def _amount_form(draft: DraftView, card: BillerCard, complaint: str | None, act: Callable[[str], None], label: str = "Review") -> None:
    key = f"amount-{draft.id}"
    st.session_state.setdefault(key, str(draft.form.get("amount") or ""))
    with st.form(f"{key}-form", border=False):
        typed = st.text_input(
            f"Amount in {card.snapshot.default_currency}",
            key=key,
            placeholder="for example 5475.50",
            help="In figures, with a point before the tambala: 5475.50 or 5,475.50.",
            autocomplete="off",
            icon=":material/payments:",
        )
        below = st.container()
        with below:
            complain(complaint)
        if not complaint:
            st.caption(_limits(card), help="What this biller takes in one payment, as set in its configuration.")
        if st.form_submit_button(label, type="primary", icon=":material/arrow_forward:", help="Nothing is paid yet. Enter does the same."):
            try:
                act((typed or "").strip())
            except (BadInput, NotFound) as error:
                with below:
                    complain(error.sentence)


def _limits(card: BillerCard) -> str:
    rules, currency = card.snapshot.validation_rules, card.snapshot.default_currency
    second = f" Above {Money(rules.second_person_above, currency)} a second person is needed." if rules.second_person_above else ""
    return f"{plain(card.name)} takes {Money(rules.amount_min, currency)} to {Money(rules.amount_max, currency)}.{second}"


def _offer_balance(actor: Actor, draft: DraftView, looked_up: Transaction) -> None:
    balance = lookup_card.balance_of(looked_up)
    if balance is None or balance.amount <= 0:
        return
    help_text = "Takes the balance the biller told as the amount, and goes on to the review. Alt+B does the same."
    if st.button(f"Pay the whole balance, {balance}", icon=":material/done_all:", shortcut="Alt+B", help=help_text):
        # What stands in the field follows, for whoever comes back to it.
        keep(actor, draft, {"amount": balance.text, "step": "review"})


# ---- An invoice


def _invoice(actor: Actor, draft: DraftView, card: BillerCard, looked_up: Transaction, complaint: str | None) -> None:
    """Fetched by itself where the biller knows what is owed; made for an amount where it asks one."""

    def fetch(amount: str | None = None) -> None:
        asked = lookups.ask_invoice(actor, card.code, looked_up.account_number, amount)
        keep(actor, draft, {"invoice": str(asked), "amount": amount, "step": "amount"})

    if card.asks_amount_for_invoice:
        with st.container(border=True):
            _amount_form(draft, card, complaint, fetch, label="Fetch the invoice")
    else:
        complain(complaint)
        if not draft.form.get("invoice"):
            _at_once(fetch)
    if draft.form.get("invoice"):
        _fetched(actor, draft, None if card.asks_amount_for_invoice else fetch)


def _fetched(actor: Actor, draft: DraftView, fetch_again: Callable[[], None] | None) -> None:
    """A fresh answer moves on by itself; whoever came back to this step decides."""

    def move_on(_invoice: Transaction) -> None:
        if draft.form.get("step") == "amount" and draft.form.get("seen") != draft.form.get("invoice"):
            keep(actor, draft, {"step": "review", "seen": draft.form.get("invoice")})

    fetched = lookup_card.watch(actor, uuid.UUID(str(draft.form["invoice"])), move_on)
    if lookup_card.answered(fetched) and st.button(
        "Review this invoice", type="primary", icon=":material/arrow_forward:", shortcut="Ctrl+Enter", help="Nothing is paid yet. Ctrl+Enter does the same."
    ):
        keep(actor, draft, {"step": "review"})
    if fetch_again and fetched.stage in lookup_card.SETTLED and st.button("Fetch it anew", icon=":material/refresh:", help="Asks the biller once more."):
        _at_once(fetch_again)


def _at_once(ask: Callable[[], None]) -> None:
    try:
        ask()
    except (BadInput, NotFound) as error:
        complain(error.sentence)


# ---- A bundle


def _bundle(actor: Actor, draft: DraftView, card: BillerCard, looked_up: Transaction, complaint: str | None) -> None:
    def fetch() -> None:
        keep(actor, draft, {"bundles": str(lookups.ask_bundles(actor, card.code, looked_up.account_number)), "step": "amount"})

    complain(complaint)
    if not draft.form.get("bundles"):
        _at_once(fetch)
        return
    listed = lookup_card.watch(actor, uuid.UUID(str(draft.form["bundles"])))
    if lookup_card.answered(listed):
        if settings().billers_sandbox:
            st.caption(":orange[:material/science:] Illustrative: names, contents and prices of these bundles are the sandbox's, not the network's.")
        _grid(actor, draft, (listed.extra or {}).get("bundles", []))
    if listed.stage in lookup_card.SETTLED and st.button("Ask for the list anew", icon=":material/refresh:", help="Prices and offers change."):
        _at_once(fetch)


def _grid(actor: Actor, draft: DraftView, bundles: Sequence[Mapping[str, Any]]) -> None:
    if not bundles:
        st.info("No bundle is offered to this number just now.", icon=":material/inbox:")
    for start in range(0, len(bundles), BUNDLES_IN_A_ROW):
        for column, bundle in zip(st.columns(BUNDLES_IN_A_ROW), bundles[start : start + BUNDLES_IN_A_ROW], strict=False):
            with column, st.container(border=True, height="stretch"):
                _offer(actor, draft, bundle)


def _offer(actor: Actor, draft: DraftView, bundle: Mapping[str, Any]) -> None:
    price = Money.from_text(bundle["price"], bundle["currency"])
    chosen = bundle["id"] == draft.form.get("bundle")
    st.markdown(f"**{plain(bundle['name'])}**")
    st.metric("Price", str(price), label_visibility="collapsed", help="What the customer pays: nothing is added.")
    with st.container(horizontal=True, gap="small"):
        if bundle.get("data"):
            st.badge(plain(bundle["data"]), icon=":material/data_usage:", color="blue", help="What it holds, in the biller's words.")
        if bundle.get("validity"):
            st.badge(plain(bundle["validity"]), icon=":material/schedule:", color="gray", help="How long it lasts, in the biller's words.")
    label = f"{plain(bundle['name'])} for {price}"
    if st.button("Choose", key=f"bundle-{bundle['id']}", type="primary" if chosen else "secondary", width="stretch", help=f"Takes {label} to the review."):
        keep(actor, draft, {"bundle": bundle["id"], "step": "review"})


def _none(actor: Actor, draft: DraftView, card: BillerCard, looked_up: Transaction, complaint: str | None) -> None:
    st.info(f"{plain(card.name)} takes no payments here: it only confirms whose number it is.", icon=":material/info:")


BILLS: Mapping[Flow, Callable[[Actor, DraftView, BillerCard, Transaction, str | None], None]] = {
    Flow.PLAIN: _amount,
    Flow.INVOICE: _invoice,
    Flow.BUNDLE: _bundle,
    Flow.NONE: _none,
}
