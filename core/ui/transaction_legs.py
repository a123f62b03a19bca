"""The movements of money of a payment, side by side: the bank's on the left, the biller's on the right, each with how it stands in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from core.models import Leg, Transaction
from core.repositories.transactions import Story
from core.states import BANK_LEGS, LegKind, Stage, Topology
from core.ui.pieces import code, show_facts
from core.ui.words import Colour, amount, moment_text, plain

L, S = LegKind, Stage


@dataclass(frozen=True, slots=True)
class Standing:
    """How one movement stands: colour, word and icon together."""

    word: str
    colour: Colour
    icon: str


DONE, GIVEN_BACK = ":material/check_circle:", ":material/undo:"
NOT_YET = Standing("Not sent yet", "gray", ":material/schedule:")
NEVER = Standing("Never sent", "gray", ":material/block:")
REVIEW = Standing("Under review", "violet", ":material/gavel:")
DEBITED = Standing("Debited", "green", DONE)
PAID = Standing("Paid", "green", DONE)
NOT_DEBITED = Standing("Not debited", "red", ":material/cancel:")
NOT_PAID = Standing("Not paid", "red", ":material/cancel:")
BACK = Standing("Given back", "violet", GIVEN_BACK)
BACK_BY_BILLER = Standing("Given back by the biller", "violet", GIVEN_BACK)


def _busy(word: str) -> Standing:
    return Standing(word, "blue", ":material/sync:")


def _doubt(word: str) -> Standing:
    return Standing(word, "orange", ":material/help:")


def _of(standing: Standing, *stages: Stage) -> dict[Stage, Standing]:
    return dict.fromkeys(stages, standing)


# Where a payment stands says how each of its movements does. A stage that is not listed says nothing of this one: it was never sent.
BEFORE = (S.CREATED, S.AWAITING_APPROVAL, S.QUEUED)
DEBITING = (S.DEBIT_SENDING, S.DEBIT_ACCEPTED, S.DEBIT_RETRY, S.DEBIT_UNKNOWN)
PAYING = (S.PAY_SENDING, S.PAY_ACCEPTED, S.PAY_UNKNOWN, S.PAY_RETRY, S.PAY_REJECTED)
REVERSING = (S.REVERSAL_SENDING, S.REVERSAL_UNKNOWN)
PAID_BACK = (S.REFUND_SENDING, S.REFUND_UNKNOWN)
AFTER = (S.COMPLETED, S.REVERSAL_REQUESTED, S.PAY_REVERSAL_SENDING, S.PAY_REVERSAL_UNKNOWN, *PAID_BACK, S.REVIEW_REVERSAL)

STANDINGS: Mapping[LegKind, Mapping[Stage, Standing]] = {
    L.DEBIT: {
        **_of(NOT_YET, *BEFORE),
        S.DEBIT_SENDING: _busy("Being debited"),
        S.DEBIT_ACCEPTED: _busy("Taken, not posted yet"),
        S.DEBIT_RETRY: Standing("Not sent, trying again", "gray", ":material/schedule:"),
        S.DEBIT_UNKNOWN: _doubt("Being confirmed"),
        **_of(DEBITED, S.DEBITED, *PAYING, *REVERSING, *AFTER, S.REVERSED),
        S.REVIEW: REVIEW,
        S.FAILED: NOT_DEBITED,
    },
    L.PAY: {
        **_of(NOT_YET, *BEFORE),
        **_of(Standing("Waits for the debit", "gray", ":material/schedule:"), *DEBITING),
        S.DEBITED: Standing("Next", "gray", ":material/schedule:"),
        S.PAY_SENDING: _busy("Being paid"),
        S.PAY_ACCEPTED: _busy("Accepted, not yet paid"),
        S.PAY_UNKNOWN: _doubt("Being confirmed"),
        S.PAY_RETRY: Standing("Not sent, trying again", "gray", ":material/schedule:"),
        **_of(NOT_PAID, S.PAY_REJECTED, *REVERSING, S.FAILED, S.REVERSED),
        **_of(PAID, *AFTER),
        S.REVIEW: REVIEW,
    },
    L.REVERSAL: {
        S.REVERSAL_SENDING: _busy("Being given back"),
        S.REVERSAL_UNKNOWN: _doubt("Being confirmed"),
        S.REVIEW: REVIEW,
        S.REVERSED: BACK,
    },
    L.PAY_REVERSAL: {
        S.REVERSAL_REQUESTED: NOT_YET,
        S.PAY_REVERSAL_SENDING: _busy("Being asked for"),
        S.PAY_REVERSAL_UNKNOWN: _doubt("Being confirmed"),
        **_of(BACK_BY_BILLER, *PAID_BACK, S.REVERSED),
        S.REVIEW_REVERSAL: REVIEW,
        S.COMPLETED: Standing("Not given back", "gray", ":material/block:"),
    },
    L.REFUND: {
        S.REFUND_SENDING: _busy("Being credited"),
        S.REFUND_UNKNOWN: _doubt("Being confirmed"),
        S.REVIEW_REVERSAL: REVIEW,
        S.REVERSED: Standing("Credited", "violet", GIVEN_BACK),
    },
}

TITLES: Mapping[LegKind, str] = {
    L.DEBIT: "Debit at the bank",
    L.PAY: "Payment to the biller",
    L.REVERSAL: "Debit given back",
    L.PAY_REVERSAL: "Payment given back by the biller",
    L.REFUND: "Refund to the customer",
}


def standing(one: Transaction, leg: Leg, legs: Mapping[LegKind, Leg]) -> Standing:
    """How this movement stands, as the payment's stage and its other movements tell it."""
    kind, stage = LegKind(leg.kind), Stage(one.stage)
    if kind is L.PAY and stage is S.REVERSED and (given := legs.get(L.PAY_REVERSAL)) and given.sends:
        return PAID
    if kind is L.PAY and stage is S.REVIEW and not leg.sends:
        # The debit is what nobody knows.
        return NEVER
    if kind is L.DEBIT and stage is S.REVIEW and leg.external_id and not leg.tainted:
        return DEBITED
    found = STANDINGS[kind].get(stage, NEVER)
    return NEVER if found in (NOT_PAID, NOT_DEBITED) and not leg.sends else found


def show(story: Story) -> None:
    """A movement that nothing was sent of is not shown, unless it is one of the two that make a payment."""
    one, legs = story.transaction, {LegKind(leg.kind): leg for leg in story.legs}
    shown = [kind for kind in LegKind if kind in legs and (legs[kind].sends or kind in (L.DEBIT, L.PAY))]
    if not shown:
        return
    st.subheader(
        "Movements of money", anchor=False, help="One for each account that is debited or credited: the bank's on the left, the biller's on the right."
    )
    sides = [side for side in ([kind for kind in shown if kind in BANK_LEGS], [kind for kind in shown if kind not in BANK_LEGS]) if side]
    for column, side in zip(st.columns(len(sides)), sides, strict=True):
        with column:
            _side(one, [legs[kind] for kind in side], legs)


def _side(one: Transaction, side: Sequence[Leg], legs: Mapping[LegKind, Leg]) -> None:
    for leg in side:
        with st.container(border=True):
            _leg(one, leg, standing(one, leg, legs))


def _leg(one: Transaction, leg: Leg, stands: Standing) -> None:
    kind = LegKind(leg.kind)
    st.markdown(f"**{TITLES[kind]}**")
    with st.container(horizontal=True, gap="small"):
        st.badge(stands.word, icon=stands.icon, color=stands.colour, help="How this movement stands now.")
        if leg.tainted:
            st.badge("In doubt", icon=":material/help:", color="orange", help="A request of it ended without a clear answer, and nothing has settled that yet.")
    whose = "Core banking's number" if kind in BANK_LEGS else "Biller's reference"
    show_facts(
        {
            **_accounts(one, kind),
            "Reference": code(leg.reference),
            whose: code(leg.external_id) if leg.external_id else "",
            "Sent": _times(leg.sends),
            "Asked about": _times(leg.inquiries) if leg.inquiries else "",
            "Last sent": moment_text(leg.last_sent_at) if leg.last_sent_at else "",
            "Last asked": moment_text(leg.last_asked_at) if leg.last_asked_at else "",
            "Never seen, in a row": str(leg.not_found_in_a_row) if leg.not_found_in_a_row else "",
        },
        alt=TITLES[kind],
    )


def _accounts(one: Transaction, kind: LegKind) -> dict[str, str]:
    """Out of which account and into which. The bank's service bus does both in the payment itself."""
    money = {"Amount": amount(one.amount, one.currency)}
    customer, suspense, biller = code(one.debit_account or ""), code(one.credit_account or ""), f"{plain(one.biller_name)}, account {plain(one.account_number)}"
    match kind:
        case L.DEBIT:
            return {**money, "From": f"{customer} of the customer", "To": f"{suspense} of the bank"}
        case L.REVERSAL | L.REFUND:
            return {**money, "From": f"{suspense} of the bank", "To": f"{customer} of the customer"}
        case L.PAY if one.topology == Topology.COMPOSITE.value and one.debit_account:
            return {**money, "From": f"{customer} of the customer, by way of {suspense}", "To": biller}
        case L.PAY:
            return {**money, "To": biller}
        case _:
            return {**money, "From": biller}


def _times(count: int) -> str:
    return {0: "not yet", 1: "once", 2: "twice"}.get(count, f"{count} times")
