"""The facts of a transaction, and its timeline."""

from collections.abc import Mapping

import streamlit as st

from core.models import Transaction
from core.money import Money
from core.repositories.transactions import Story
from core.states import AT_REST, Stage, status_of
from core.ui.pieces import code, show_facts
from core.ui.tellings import lost_on_the_way
from core.ui.words import amount, clock_time, date_text, day, look, moment_text, plain, stage_label


def show(story: Story) -> None:
    one = story.transaction
    st.subheader("Facts", anchor=False)
    show_facts(
        {
            **key_facts(story),
            "Biller's reference": code(one.external_transaction_id) if one.external_transaction_id else "",
            "Code": _code(one),
            "Settled": moment_text(one.completed_at) if one.completed_at else "",
            "Next check": moment_text(one.next_action_at) if one.next_action_at and Stage(one.stage) not in AT_REST else "",
            "Second payment because": plain(one.duplicate_reason or ""),
        },
        alt="Facts of this transaction",
    )
    _bundles(one)


def key_facts(story: Story) -> dict[str, str]:
    """What somebody at a counter asks first; the rest is on the full page."""
    one, told = story.transaction, story.transaction.extra or {}
    return {
        "Status": _status(one),
        "Amount": f"**{amount(one.amount, one.currency)}**" if one.amount is not None else "",
        "Asked for": _money(one, "asked_amount"),
        "Amount due": _money(one, "amount_due", "amount_currency"),
        "Due by": date_text(str(told["due_date"])) if told.get("due_date") else "",
        "Charges": f"{charges}, part of the amount" if (charges := _money(one, "charges", "charges_currency")) else "",
        "Balance told": _money(one, "balance", "balance_currency"),
        "State told": plain(told.get("state") or ""),
        "From": _payer(one),
        "To": f"{plain(one.biller_name)}, account {plain(one.account_number)}",
        "Account type": plain(one.account_type.capitalize()) if one.account_type else "",
        "Meter": code(one.meter_number) if one.meter_number else "",
        "Customer": plain(one.customer_account_name or ""),
        "Invoice": code(number) if (number := one.invoice_number or told.get("invoice_number")) else "",
        "Bundle": plain(told.get("bundle_name") or one.bundle_id or ""),
        "Units": plain(told.get("units") or ""),
        # That there is one, and nothing of it: a token is cash.
        "Prepaid token": "there is one, sealed; it is opened with the receipt" if told.get("has_token") else "",
        "Our reference": code(one.our_transaction_id),
        "Submitted": f"{moment_text(one.created_at)}, by {plain(story.initiator or 'the system')}",
    }


def _bundles(one: Transaction) -> None:
    """What the biller offered, as it said it."""
    if not (offered := (one.extra or {}).get("bundles")):
        return
    st.subheader("Bundles offered", anchor=False)
    st.table(
        [
            {
                "Bundle": plain(bundle.get("name") or ""),
                "Data": plain(bundle.get("data") or "–"),
                "Valid for": plain(bundle.get("validity") or "–"),
                "Price": str(Money.from_text(str(bundle["price"]), bundle.get("currency") or one.currency)) if bundle.get("price") else "–",
            }
            for bundle in offered
        ],
        border="horizontal",
        alt="Bundles that the biller offers to this number",
    )


def _status(one: Transaction) -> str:
    """The public status, and beside it the stage where that says more."""
    detail = _label(one, one.stage)
    return look(one.status).badge + (f" :gray[{plain(detail)}]" if one.stage != one.status else "")


def _code(one: Transaction) -> str:
    """What the biller said last, or our name for what went wrong on the way; of a look-up nobody can have acted."""
    if not one.error_code or one.stage == Stage.REVERSED.value:
        # That of a reversal says only that it was done.
        return ""
    return code(one.error_code) + ("" if one.amount is None and lost_on_the_way(one) else f" {plain(one.error_message or '')}")


def _payer(one: Transaction) -> str:
    """The customer's side. Without core banking the till took the money, and there is no account to name."""
    if one.amount is None:
        return ""
    return f"account {plain(one.debit_account)} at the bank" if one.debit_account else "the customer, over the counter"


def _money(one: Transaction, name: str, currency: str = "") -> str:
    """An amount that the biller told, with its currency; nothing where it told none."""
    told = one.extra or {}
    return str(Money.from_text(str(told[name]), told.get(currency) or one.currency)) if told.get(name) else ""


def show_timeline(story: Story, newest: int = 0) -> None:
    """All of it, or only its newest events."""
    help_text = "Every change, who made it and why. Nothing here can be altered."
    if newest:
        # A heading would be smaller than its text in a drawer.
        st.markdown("**Timeline**", help=help_text)
    else:
        st.subheader("Timeline", anchor=False, help=help_text)
    if newest and len(story.events) > newest:
        st.caption(f"The last {newest} of {len(story.events)} changes.")
    last_day = ""
    for event in story.events[-newest:]:
        shown = look(status_of(Stage(event.to_stage)))
        # The day is told once, and again where a new one begins.
        day_told, last_day = (day(event.at) if day(event.at) != last_day else ""), day(event.at)
        with st.container(gap=None):
            st.markdown(f":{shown.colour}[{shown.icon}] **{clock_time(event.at)}** · {plain(_label(story.transaction, event.to_stage))} :gray[{day_told}]")
            st.caption(f"{plain(event.reason)} By {plain(event.actor_name)}.")


# A look-up goes through stages of the same names with another meaning.
QUESTION_LABELS: Mapping[str, str] = {"CREATED": "Asked", "ASKING": "Asking the biller", "COMPLETED": "Answered", "FAILED": "No answer"}


def _label(one: Transaction, stage: str) -> str:
    return stage_label(stage) if one.amount is not None else QUESTION_LABELS.get(stage, stage_label(stage))
