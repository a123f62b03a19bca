"""Paying, step by step: account, amount, review, result. Where it stands is the draft in the database and its id in the address: a reload loses nothing."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.access import Actor
from core.errors import BadInput, BillersError
from core.models import Transaction
from core.money import Money
from core.services import drafts, lookups, payments, transactions
from core.services.billers import BillerCard
from core.services.drafts import DraftView, Earlier, Review
from core.services.payments import DuplicateSuspected
from core.states import TERMINAL, Stage
from core.ui import forms, lookup_card
from core.ui.amount_words import in_words
from core.ui.pieces import FORM_WIDTH, PAYMENT, TRANSACTIONS, code, complain, id_in_address, link_to, show_facts, show_telling, turn_to
from core.ui.session import guarded, guarded_fragment
from core.ui.tellings import tell
from core.ui.words import ago, as_of, look, plain

STEPS = {"account": "Account", "amount": "Amount", "review": "Review", "result": "Result"}

LOOK_EVERY_SECONDS = 1

# Nothing moves by itself any more: settled, or left to people.
AT_REST = TERMINAL | {Stage.COMPLETED, Stage.REVIEW}


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
    return step if step in ("amount", "review") and draft.form.get("lookup") else "account"


def show_steps(current: str) -> None:
    names = list(STEPS)
    with st.container(horizontal=True, gap="small"):
        for number, (name, label) in enumerate(STEPS.items(), 1):
            if name == current:
                st.badge(f"{number} {label}", color="blue", icon=":material/edit:", width="content")
            elif number <= names.index(current):
                st.badge(f"{number} {label}", color="green", icon=":material/check:", width="content")
            else:
                st.badge(f"{number} {label}", color="gray", width="content")


def show(actor: Actor, draft: DraftView | None, cards: Sequence[BillerCard]) -> None:
    with st.container(width=FORM_WIDTH):
        step = step_of(draft)
        review, complaint = _review_of(actor, draft) if draft and step == "review" else (None, None)
        # What the review finds wrong is corrected where it was entered. Nothing is stored about it: a reload asks, and is told, again.
        step = "amount" if complaint else step
        show_steps(step)
        if draft is None or step == "account":
            _account_step(actor, draft, cards)
        elif review:
            _review_step(actor, review)
        elif step == "amount":
            _amount_step(actor, draft, cards, complaint)
        else:
            _result_step(actor, draft)


def _keep(actor: Actor, draft: DraftView | None, form: Mapping[str, Any]) -> None:
    """Writes what was entered, and shows the step it leads to. A frozen draft stays as it was: its copy goes on."""
    kept = drafts.save(actor, draft.id, form) if draft else drafts.begin(actor, form)
    turn_to(draft=str(kept.id))


# ---- 1 Biller and account


def _account_step(actor: Actor, draft: DraftView | None, cards: Sequence[BillerCard]) -> None:
    form = draft.form if draft else {}
    # A key of its own for each draft: two tabs, and a draft and its successor, never share what is typed.
    key = f"pay-{draft.id if draft else 'new'}"

    def act(biller: str, account: str) -> None:
        asked = lookups.ask(actor, biller, account)
        _keep(actor, draft, {"biller": biller, "account": account.strip(), "lookup": str(asked), "step": "looking"})

    biller = forms.account_form(
        key, [card for card in cards if card.takes_payments], act, biller=str(form.get("biller") or ""), account=str(form.get("account") or "")
    )
    if biller is None:
        return
    if draft and form.get("lookup"):
        _look_up(actor, draft)
    _offer_recent(actor, biller, key, act)
    forms.sandbox_accounts(actor, key, biller)


def _look_up(actor: Actor, draft: DraftView) -> None:
    """The answer moves on by itself, unless the person came back to this step to change something."""

    def move_on(_looked_up: Transaction) -> None:
        if draft.form.get("step") == "looking":
            _keep(actor, draft, {"step": "amount"})

    looked_up = lookup_card.watch(actor, uuid.UUID(str(draft.form["lookup"])), move_on)
    if lookup_card.answered(looked_up) and st.button(
        "Go on with this account", icon=":material/arrow_forward:", shortcut="Ctrl+Enter", help="Takes this answer as it is. Ctrl+Enter does the same."
    ):
        _keep(actor, draft, {"step": "amount"})


def _offer_recent(actor: Actor, biller: str, key: str, act: forms.Act) -> None:
    recent = lookups.recent_accounts(actor, biller)
    if not recent:
        return
    st.caption("Served lately", help="The accounts you served last at this biller. A click looks one up at once.")
    with st.container(horizontal=True, gap="small"):
        for one in recent:
            label = f"**{plain(one.account_number)}** · {plain(one.customer_name or '')}"
            if st.button(label, key=f"{key}-recent-{one.account_number}", icon=":material/history:"):
                try:
                    act(biller, one.account_number)
                except BadInput as error:
                    complain(error.sentence)


# ---- 2 Amount


def _amount_step(actor: Actor, draft: DraftView, cards: Sequence[BillerCard], complaint: str | None) -> None:
    looked_up = _answer_of(actor, draft)
    lookup_card.show(looked_up)
    if lookup_card.blocked(looked_up):
        st.warning("The biller says this account is not active: it may refuse the payment. Nothing is lost if it does.", icon=":material/block:")
    card = next((card for card in cards if card.code == draft.form.get("biller")), None)
    key = f"amount-{draft.id}"
    st.session_state.setdefault(key, str(draft.form.get("amount") or ""))
    with st.container(border=True):
        with st.form(f"{key}-form", border=False):
            typed = st.text_input(
                f"Amount in {looked_up.currency}",
                key=key,
                placeholder="for example 5475.50",
                help="In figures, with a point before the tambala: 5475.50 or 5,475.50.",
                autocomplete="off",
                icon=":material/payments:",
            )
            complain(complaint)
            if card and not complaint:
                st.caption(_limits(card), help="What this biller takes in one payment, as set in its configuration.")
            if st.form_submit_button("Review", type="primary", icon=":material/arrow_forward:", help="Nothing is paid yet. Enter does the same."):
                _keep(actor, draft, {"amount": (typed or "").strip(), "step": "review"})
        _offer_balance(actor, draft, looked_up)
    _back(actor, draft, "account", "Another account")


def _answer_of(actor: Actor, draft: DraftView) -> Transaction:
    looked_up = transactions.find(actor, uuid.UUID(str(draft.form["lookup"])))
    if not lookup_card.answered(looked_up):
        _keep(actor, draft, {"step": "account"})
    return looked_up


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
        _keep(actor, draft, {"amount": balance.text, "step": "review"})


def _back(actor: Actor, draft: DraftView, step: str, label: str) -> None:
    if st.button(label, icon=":material/arrow_back:", type="tertiary", help="Nothing that was entered is lost."):
        _keep(actor, draft, {"step": step})


# ---- 3 Review


def _review_of(actor: Actor, draft: DraftView) -> tuple[Review | None, str | None]:
    """The frozen draft, or what is wrong with it."""
    try:
        return drafts.freeze(actor, draft.id), None
    except BadInput as error:
        return None, error.sentence


def _review_step(actor: Actor, review: Review) -> None:
    payload, amount = review.draft.payload or {}, review.draft.amount
    with st.container(border=True):
        st.metric("Amount to pay", str(amount), help="What the biller is told to book, and what the customer hands over.")
        st.markdown(f"{in_words(amount)}.")
        show_facts(
            {
                "Customer": f"**{plain(payload.get('customer_name') or 'no name given')}**",
                "Account": plain(payload["account_number"]),
                "Biller": plain(payload["biller_name"]),
                **_balance_line(actor, payload),
            },
            alt="What will be paid",
        )
    _warn(review)
    _pay_form(review, amount)
    _back(actor, review.draft, "amount", "Change the amount")


def _balance_line(actor: Actor, payload: Mapping[str, Any]) -> dict[str, str]:
    looked_up = transactions.find(actor, uuid.UUID(payload["lookup"]))
    balance = lookup_card.balance_of(looked_up)
    return {"Balance": f"{balance} {as_of(looked_up.completed_at)}"} if balance else {}


def _warn(review: Review) -> None:
    if review.in_flight:
        st.error(
            f"{_told(review.in_flight)}. Wait for its end before you pay this account again.", title="Another payment is on its way", icon=":material/block:"
        )
        link_to(TRANSACTIONS, "Open the payment that is on its way", ":material/open_in_new:", id=str(review.in_flight.id))
    elif review.duplicate:
        st.warning(
            f"{_told(review.duplicate)}. If this one is meant as well, say why below.", title="The same amount was paid lately", icon=":material/content_copy:"
        )
        link_to(TRANSACTIONS, "Open the earlier payment", ":material/open_in_new:", id=str(review.duplicate.id))


def _told(seen: Earlier) -> str:
    """ "MWK 5,000.00 to this account 3 minutes ago by Grace, completed"."""
    return f"{seen.amount} to this account {ago(seen.at)} by {plain(seen.by or 'the system')}, {look(seen.status).label.lower()}"


def _pay_form(review: Review, amount: Money) -> None:
    key = f"reason-{review.draft.id}"
    with st.form(f"{key}-form", border=False):
        if review.duplicate and not review.in_flight:
            st.text_input(
                "Why a second payment?",
                key=key,
                max_chars=200,
                placeholder="for example: two bills of the same amount",
                help="Kept with the payment, for whoever asks later.",
                icon=":material/edit_note:",
            )
        complain(st.session_state.pop(f"refused-{review.draft.id}", None))
        # Ctrl+Enter and not Enter: whoever presses Enter twice on the amount has not read this yet.
        st.form_submit_button(
            f"Pay {amount}",
            type="primary",
            icon=":material/send:",
            shortcut="Ctrl+Enter",
            on_click=_pay,
            args=(review.draft.id,),
            disabled=review.in_flight is not None,
            help="Pays once, however often it is pressed. Ctrl+Enter does the same.",
        )


@guarded("transactions:pay")
def _pay(actor: Actor, draft_id: uuid.UUID) -> None:
    """One call, in a callback: it runs before anything is drawn, so that no second click can break it off."""
    try:
        payments.submit(actor, draft_id, st.session_state.get(f"reason-{draft_id}"))
    except DuplicateSuspected:
        # The warning above the button tells the rest.
        st.session_state[f"refused-{draft_id}"] = "Say why this second payment is meant."
    except BillersError as error:
        st.session_state[f"refused-{draft_id}"] = error.sentence


# ---- 4 Result


def _result_step(actor: Actor, draft: DraftView) -> None:
    if draft.transaction_id is None:
        return
    paid = transactions.find(actor, draft.transaction_id)
    open_still = Stage(paid.stage) not in AT_REST
    guarded_fragment("transactions:pay", run_every=LOOK_EVERY_SECONDS if open_still else None)(_result)(paid.id, open_still)
    with st.container(horizontal=True):
        if st.button("New payment", type="primary" if not open_still else "secondary", icon=":material/add:", shortcut="Alt+N", help="Alt+N does the same."):
            turn_to()
        if st.button("Same biller again", icon=":material/replay:", help="A new payment to this biller, another account or the same."):
            st.switch_page(PAYMENT, query_params={"draft": str(drafts.begin(actor, {"biller": paid.biller_type}).id)})
        if st.button("Open its story", icon=":material/history_edu:", help="Everything that happened to this payment, with every message."):
            st.switch_page(TRANSACTIONS, query_params={"id": paid.our_transaction_id})


def _result(actor: Actor, transaction_id: uuid.UUID, open_still: bool) -> None:
    paid = transactions.find(actor, transaction_id)
    if open_still and Stage(paid.stage) in AT_REST:
        st.rerun()
    show_telling(tell(paid, plain))
    show_facts(
        {
            "Amount": f"**{Money(paid.amount, paid.currency)}**" if paid.amount is not None else "",
            "Customer": plain(paid.customer_account_name or ""),
            "Account": f"{plain(paid.account_number)}, {plain(paid.biller_name)}",
            "Status": look(paid.status).badge,
            "Our reference": code(paid.our_transaction_id),
            "Biller's reference": code(paid.external_transaction_id) if paid.external_transaction_id else "",
            "Biller's code": code(paid.error_code) if paid.error_code else "",
        },
        alt="The payment and where it stands",
    )
    if open_still:
        st.caption(f"{as_of()}. This page shows the next answer by itself; you may also leave it, the payment goes on.")
    _offer_cancel(actor, paid)


def _offer_cancel(actor: Actor, paid: Transaction) -> None:
    action = next(action for action in payments.actions(actor, paid, retried=False) if action.name == "cancel")
    complain(st.session_state.pop(f"refused-{paid.id}", None))
    if action.why_not is None:
        st.button("Cancel the payment", icon=":material/block:", on_click=_cancel, args=(paid.id,), help="Possible as long as nothing was sent.")


@guarded("transactions:cancel_own")
def _cancel(actor: Actor, transaction_id: uuid.UUID) -> None:
    try:
        payments.cancel(actor, transaction_id)
    except BillersError as error:
        st.session_state[f"refused-{transaction_id}"] = error.sentence
