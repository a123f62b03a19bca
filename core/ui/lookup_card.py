"""What a biller said of an account, or that it has not answered yet: a card that watches one look-up until it is settled."""

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta

import streamlit as st

from core import clock
from core.access import Actor
from core.models import Transaction
from core.money import Money
from core.services import transactions
from core.settings import settings
from core.states import Stage, TransactionType
from core.ui.pieces import code, show_telling
from core.ui.session import guarded_fragment
from core.ui.tellings import lost_on_the_way, tell
from core.ui.words import as_of, date_text, plain

LOOK_EVERY_SECONDS = 0.5

# Below it an answer is on its way; above it somebody at a counter wonders.
PATIENCE = timedelta(seconds=3)

SETTLED = (Stage.COMPLETED.value, Stage.FAILED.value)

# Words of billers for the state of an account, with the colour they deserve. Any other is shown as it came.
STATES: Mapping[str, tuple[str, str, str]] = {
    "ACTIVE": ("Active", "green", ":material/check_circle:"),
    "BLOCKED": ("Blocked", "red", ":material/block:"),
    "SUSPENDED": ("Suspended", "red", ":material/block:"),
    "CLOSED": ("Closed", "gray", ":material/cancel:"),
}


def answered(looked_up: Transaction) -> bool:
    return looked_up.stage == Stage.COMPLETED.value


def is_lookup(transaction: Transaction) -> bool:
    return transaction.transaction_type == TransactionType.ACCOUNT_DETAILS.value


def due_of(fetched: Transaction) -> Money | None:
    """What the fetched invoice is for."""
    told = fetched.extra or {}
    return Money.from_text(told["amount_due"], told.get("amount_currency", fetched.currency)) if told.get("amount_due") else None


def balance_of(looked_up: Transaction) -> Money | None:
    """What the biller said is owed; below zero the customer has paid ahead."""
    told = looked_up.extra or {}
    return Money.from_text(told["balance"], told.get("balance_currency", looked_up.currency)) if told.get("balance") else None


def blocked(looked_up: Transaction) -> bool:
    return str((looked_up.extra or {}).get("state", "ACTIVE")).upper() != "ACTIVE"


def watch(actor: Actor, lookup_id: uuid.UUID, when_answered: Callable[[Transaction], None] | None = None) -> Transaction:
    """Shows the question's answer, and goes on looking until it is there; then the whole page is drawn once more, and `when_answered` may move on."""
    looked_up = transactions.find(actor, lookup_id)
    if answered(looked_up) and when_answered:
        when_answered(looked_up)
    waits = looked_up.stage not in SETTLED
    guarded_fragment("accounts:lookup", run_every=LOOK_EVERY_SECONDS if waits else None)(_card)(lookup_id, waits)
    return looked_up


def _card(actor: Actor, lookup_id: uuid.UUID, waits: bool) -> None:
    looked_up = transactions.find(actor, lookup_id)
    if waits and looked_up.stage in SETTLED:
        st.rerun()
    if answered(looked_up):
        show(looked_up)
    elif looked_up.stage == Stage.FAILED.value:
        _refusal(looked_up)
    else:
        _waiting(looked_up)


def show(answer: Transaction) -> None:
    """What was answered, by what was asked."""
    match TransactionType(answer.transaction_type):
        case TransactionType.GET_INVOICE:
            show_invoice(answer)
        case TransactionType.BUNDLE_DETAILS:
            st.caption(f"{plain(answer.biller_name)} offers {len((answer.extra or {}).get('bundles', []))} bundles, {as_of(answer.completed_at)}.")
        case _:
            show_account(answer)


def show_invoice(fetched: Transaction) -> None:
    """Number, what is due and by when."""
    told, due = fetched.extra or {}, due_of(fetched)
    with st.container(border=True), st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="content", gap="xsmall"):
            st.subheader(f"Invoice {plain(told.get('invoice_number', ''))}", anchor=False)
            st.markdown(f"{plain(fetched.customer_account_name or 'No name given')} · {plain(fetched.biller_name)} · {plain(fetched.account_number)}")
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                if told.get("due_date"):
                    st.badge(f"Due {date_text(told['due_date'])}", color="gray", icon=":material/event:", help="The day the biller wants it paid by.")
                st.caption(as_of(fetched.completed_at), width="content", help="When the biller made or told this invoice.")
        if due is not None:
            st.metric("To pay", str(due), help="What the invoice is for: it is paid exactly.", width="content")


def show_account(looked_up: Transaction) -> None:
    """Name, balance, state, and of when they are."""
    balance = balance_of(looked_up)
    with st.container(border=True), st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="content", gap="xsmall"):
            st.subheader(plain(looked_up.customer_account_name or "No name given"), anchor=False)
            kind = f" · {plain(looked_up.account_type.capitalize())}" if looked_up.account_type else ""
            st.markdown(f"{plain(looked_up.biller_name)} · account {plain(looked_up.account_number)}{kind}")
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                _state(looked_up)
                st.caption(as_of(looked_up.completed_at), width="content", help="When the biller answered. Look up again for a fresh answer.")
        if balance is not None:
            st.metric(
                "In credit by" if balance.amount < 0 else "Balance",
                str(Money(abs(balance.amount), balance.currency)),
                help="What the biller says is owed on this account. In credit: the customer has paid ahead.",
                width="content",
            )


def _state(looked_up: Transaction) -> None:
    told = str((looked_up.extra or {}).get("state", ""))
    if told:
        word, colour, icon = STATES.get(told.upper(), (plain(told), "gray", ":material/info:"))
        st.badge(word, color=colour, icon=icon, help="The account's state, as the biller says.")


def _refusal(looked_up: Transaction) -> None:
    show_telling(tell(looked_up, plain))
    if looked_up.error_code:
        st.caption(f"Code {code(looked_up.error_code)}{_said(looked_up)}", help="The biller's own code and words, or our name for what went wrong on the way.")


def _said(looked_up: Transaction) -> str:
    """The biller's own words. Ours about a request that got lost speak of payments, and would frighten here."""
    return f" · {plain(looked_up.error_message)}" if looked_up.error_message and not lost_on_the_way(looked_up) else ""


def _waiting(looked_up: Transaction) -> None:
    with st.container(border=True):
        biller = plain(looked_up.biller_name)
        if clock.now() - looked_up.created_at < PATIENCE:
            st.markdown(f":blue[:material/sync:] Asking {biller} about account {plain(looked_up.account_number)} …")
        else:
            st.markdown(f":orange[:material/hourglass_top:] {_why_slow(looked_up, biller)}")
        st.skeleton(height=64)


def _why_slow(looked_up: Transaction, biller: str) -> str:
    seconds = int((clock.now() - looked_up.created_at).total_seconds())
    if looked_up.stage == Stage.ASKING.value:
        return f"Still asking {biller} after {seconds} s. No money moves by asking: you may go on with other work, and find the answer under *Recent*."
    if not settings().enable_background_jobs:
        return f"Waiting for a worker: background jobs are off on this machine. {biller} is asked as soon as one runs."
    return f"Waiting for a worker for {seconds} s. {biller} is asked as soon as one is free."
