"""The last two steps: the review, which freezes what will be paid, and the result, which watches what becomes of it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.access import Actor
from core.documents.amount_words import in_words
from core.errors import BadInput
from core.models import Transaction
from core.money import Money
from core.services import core_banking, drafts, payments, transactions
from core.services.drafts import DebitRefused, DraftView, Earlier, Review
from core.services.payments import DuplicateSuspected
from core.states import AT_REST, Stage
from core.ui import lookup_card, receipt_view, refusals, transaction_acts, wizard_debit
from core.ui.live import followed
from core.ui.pieces import PAYMENT, TRANSACTIONS, code, link_to, show_facts, show_telling, turn_to
from core.ui.session import guarded, guarded_fragment
from core.ui.tellings import lost_on_the_way, of_the_bank, tell
from core.ui.wizard_draft import back
from core.ui.words import ago, as_of, date_text, look, plain

# Somebody stands at the counter and waits for this answer.
AWAITED = followed("transactions:pay", poll_seconds=1, gap_seconds=0.5)

# ---- 3 Review


@dataclass(frozen=True, slots=True)
class Complaint:
    """What keeps a draft from its review, and the step where it is corrected."""

    sentence: str
    step: str


def review_of(actor: Actor, draft: DraftView) -> tuple[Review | None, Complaint | None]:
    """The frozen draft, or what is wrong with it."""
    try:
        return drafts.freeze(actor, draft.id), None
    except DebitRefused as error:
        return None, Complaint(error.sentence, "debit")
    except BadInput as error:
        return None, Complaint(error.sentence, "amount")


def review_step(actor: Actor, review: Review) -> None:
    payload, amount = review.draft.payload or {}, review.draft.amount
    with st.container(border=True):
        taken = "what the customer's account is debited" if review.snapshot.debits_customer else "what the customer hands over"
        st.metric("Amount to pay", str(amount), help=f"What the biller is told to book, and {taken}.")
        st.markdown(f"{in_words(amount)}.")
        show_facts(
            {
                "Customer": f"**{plain(payload.get('customer_name') or 'no name given')}**",
                "Meter" if payload.get("meter_number") else "Account": " · ".join(
                    plain(one) for one in (payload["account_number"], (payload.get("account_type") or "").capitalize()) if one
                ),
                "Biller": plain(payload["biller_name"]),
                **_bill_lines(payload),
                **_balance_line(actor, payload),
                **_debit_lines(review),
            },
            alt="What will be paid",
        )
        _tell_counter(review)
    if review.second_person:
        why = " ".join(map(plain, review.second_person))
        st.info(f"{why} Nothing is sent until another person has approved it.", title="It needs a second person", icon=":material/group:")
    _warn(review)
    _pay_form(review, amount)
    with st.container(horizontal=True):
        back(actor, review.draft, "amount", _change(payload))
        if review.snapshot.debits_customer:
            back(actor, review.draft, "debit", "Another bank account")


def _debit_lines(review: Review) -> dict[str, str]:
    """Out of which account, and into which: where the topology has a debit."""
    payload, debit = review.draft.payload or {}, review.draft.debit
    if not review.snapshot.debits_customer or debit is None:
        return {}
    return {**wizard_debit.told_of(debit), "Credited": f"{code(payload.get('credit_account') or '')}, the bank's account for {plain(payload['biller_name'])}"}


def _tell_counter(review: Review) -> None:
    """Who takes the money. Without a debit it is the person at the till."""
    if not review.snapshot.debits_customer:
        why = "It is paid without a debit at the bank" if core_banking.is_on() else "Core banking is off"
        st.caption(f":material/payments: {why}: take the money at the counter.")
    elif review.draft.debit and review.draft.debit.told == "unknown":
        st.caption(":orange[:material/help:] The balance is not known: core banking decides, and nothing is paid where it refuses.")


def _change(payload: Mapping[str, Any]) -> str:
    return {"CONFIRM_INVOICE": "Another invoice", "CONFIRM_BUNDLE": "Another bundle"}.get(payload["transaction_type"], "Change the amount")


def _bill_lines(payload: Mapping[str, Any]) -> dict[str, str]:
    """What only an invoice or a bundle has."""
    return {
        "Invoice": code(payload["invoice_number"]) if payload.get("invoice_number") else "",
        "Due": date_text(payload["due_date"]) if payload.get("due_date") else "",
        "Bundle": plain(payload.get("bundle_name") or ""),
        "Charges in it": str(Money.from_text(payload["charges"], payload["currency"])) if payload.get("charges") else "",
    }


def _balance_line(actor: Actor, payload: Mapping[str, Any]) -> dict[str, str]:
    # An invoice says what is owed by itself.
    if not payload.get("lookup") or payload.get("invoice_number"):
        return {}
    looked_up = transactions.find(actor, uuid.UUID(payload["lookup"]))
    balance = lookup_card.balance_of(looked_up)
    return {"Balance": f"{balance} {as_of(looked_up.completed_at)}"} if balance else {}


def _warn(review: Review) -> None:
    if taken := review.invoice_taken:
        st.error(f"{_told(taken)}. An invoice is paid once.", title="This invoice is paid already, or being paid", icon=":material/block:")
        link_to(TRANSACTIONS, "Open the payment of this invoice", ":material/open_in_new:", id=str(taken.id))
    elif review.in_flight:
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
        if review.duplicate and not (review.in_flight or review.invoice_taken):
            st.text_input(
                "Why a second payment?",
                key=key,
                max_chars=200,
                placeholder="for example: two bills of the same amount",
                help="Kept with the payment, for whoever asks later.",
                icon=":material/edit_note:",
            )
        refusals.tell(review.draft.id)
        # Ctrl+Enter and not Enter: whoever presses Enter twice on the amount has not read this yet.
        st.form_submit_button(
            f"Pay {amount}",
            type="primary",
            icon=":material/send:",
            shortcut="Ctrl+Enter",
            on_click=_pay,
            args=(review.draft.id,),
            disabled=bool(review.in_flight or review.invoice_taken),
            help="Pays once, however often it is pressed. Ctrl+Enter does the same.",
        )


@guarded("transactions:pay")
def _pay(actor: Actor, draft_id: uuid.UUID) -> None:
    """One call, in a callback: it runs before anything is drawn, so that no second click can break it off."""
    with refusals.beside(draft_id):
        try:
            payments.submit(actor, draft_id, st.session_state.get(f"reason-{draft_id}"))
        except DuplicateSuspected:
            # The warning above the button tells the rest.
            refusals.refuse(draft_id, "Say why this second payment is meant.")


# ---- 4 Result


def result_step(actor: Actor, draft: DraftView) -> None:
    if draft.transaction_id is None:
        return
    paid = transactions.find(actor, draft.transaction_id)
    open_still = Stage(paid.stage) not in AT_REST
    (AWAITED if open_still else guarded_fragment("transactions:pay"))(_result)(paid.id, open_still)
    if not open_still:
        receipt_view.offer(actor, paid)
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
            "Meter" if paid.meter_number else "Account": f"{plain(paid.account_number)}, {plain(paid.biller_name)}",
            **_sold_lines(paid),
            **_debited_line(paid),
            "Status": look(paid.status).badge,
            "Our reference": code(paid.our_transaction_id),
            "Biller's reference": code(paid.external_transaction_id) if paid.external_transaction_id else "",
            **_refused_with(paid),
        },
        alt="The payment and where it stands",
    )
    if open_still:
        st.caption(f"{as_of()}. This page shows the next answer by itself; you may also leave it, the payment goes on.")
    _offer_cancel(actor, paid)


def _debited_line(paid: Transaction) -> dict[str, str]:
    return {"Debited": f"account {plain(paid.debit_account)} at the bank"} if paid.debit_account else {}


def _refused_with(paid: Transaction) -> dict[str, str]:
    """Whoever refused it, by its own code; what was given back was refused by nobody."""
    if not paid.error_code or lost_on_the_way(paid) or paid.stage == Stage.REVERSED:
        return {}
    return {"Core banking's code" if of_the_bank(paid) else "Biller's code": code(paid.error_code)}


def _sold_lines(paid: Transaction) -> dict[str, str]:
    """What was bought, and what the biller stated with its confirmation."""
    told = paid.extra or {}
    return {
        "Invoice": code(paid.invoice_number) if paid.invoice_number else "",
        "Bundle": plain(told.get("bundle_name") or ""),
        "Units": plain(told.get("units") or ""),
        "Charges in it": str(Money.from_text(told["charges"], paid.currency)) if told.get("charges") else "",
    }


def _offer_cancel(actor: Actor, paid: Transaction) -> None:
    action = next(action for action in payments.actions(actor, paid, retried=False) if action.name == "cancel")
    refusals.tell(paid.id)
    if action.why_not is None:
        st.button(
            "Cancel the payment", icon=":material/block:", on_click=transaction_acts.cancel, args=(paid.id,), help="Possible as long as nothing was sent."
        )
