"""One proposal as people read it: what was shown to whoever proposed it, what is asked for, who may decide until when, and the buttons for it."""

import uuid
from collections.abc import Mapping

import streamlit as st

from core.access import Actor
from core.models import Proposal, Transaction
from core.models.proposals import Decision, ProposalKind
from core.money import Money
from core.services import approvals
from core.services.approvals import Waiting
from core.services.resolutions import WAYS, Way
from core.settings import CHECKOUT
from core.states import LegKind, TransactionType
from core.ui import approvals_together, refusals
from core.ui.pieces import TRANSACTIONS, code, link_to, show_facts
from core.ui.session import guarded
from core.ui.words import TYPE_LABELS, ago, moment_text, plain, stage_label

APPROVALS = CHECKOUT / "pages" / "approvals.py"

# What is asked for, and what an approval then does. `{amount}` and `{biller}` are the payment's.
TITLES: Mapping[ProposalKind, tuple[str, str, str]] = {
    ProposalKind.PAY: (":material/payments:", "Pay {amount} to {biller}", "It is sent to {biller}."),
    ProposalKind.RESOLVE: (":material/gavel:", "Resolve {amount} to {biller}", "The payment is settled as proposed."),
    ProposalKind.REVERSE: (":material/undo:", "Give {amount} back", "{biller} is asked to give the payment back."),
    ProposalKind.WAIVE: (":material/alt_route:", "Let this account be paid", "Other payments to this account are let go, although this one is under review."),
}

# How a decision is told after who proposed it.
DECIDED: Mapping[Decision, str] = {
    Decision.APPROVED: "approved by {by}",
    Decision.REJECTED: "rejected by {by} ({because})",
    Decision.WITHDRAWN: "withdrawn by {by}",
    Decision.EXPIRED: "out of time",
}

LEG_WORDS: Mapping[LegKind, str] = {
    LegKind.DEBIT: "debit",
    LegKind.PAY: "payment",
    LegKind.REVERSAL: "debit given back",
    LegKind.PAY_REVERSAL: "payment given back",
    LegKind.REFUND: "refund",
}


def title_of(proposal: Proposal) -> str:
    """In markdown, escaped."""
    icon, words, _ = TITLES[ProposalKind(proposal.kind)]
    return f"{icon} {words.format(**_names(proposal))}"


def _names(proposal: Proposal) -> dict[str, str]:
    paid = proposal.shown.get("paid") or {}
    money = str(Money.from_text(paid["amount"], paid["currency"])) if paid.get("amount") else "a payment"
    return {"amount": money, "biller": plain(paid.get("biller_name") or "the biller")}


def way_of(proposal: Proposal) -> Way | None:
    """The choice as it was offered: its label and what it does."""
    asked = (way for ways in WAYS.values() for way in ways if way.choice.value == proposal.choice)
    topology = (proposal.shown.get("paid") or {}).get("topology")
    return next((way for way in asked if topology in {one.value for one in way.topologies}), None)


def show(actor: Actor, seen: Waiting, *, choosable: bool = False) -> None:
    """A proposal that waits, whole: the page's card. One that is `choosable` can be approved with others."""
    proposal = seen.proposal
    with st.container(border=True):
        st.subheader(title_of(proposal), anchor=False)
        st.caption(f"Proposed by {plain(seen.by)} {ago(proposal.created_at)}. It waits until {moment_text(proposal.expires_at)}.")
        show_facts(facts_of(proposal), alt="What was shown to whoever proposed it")
        _checked(seen)
        if choosable:
            approvals_together.choose(seen)
        _decide(actor, seen)


def facts_of(proposal: Proposal) -> dict[str, str]:
    """What was shown, from the proposal's own frozen record, and what is asked for."""
    paid, stands = proposal.shown.get("paid") or {}, proposal.shown.get("stands") or {}
    way = way_of(proposal)
    return {
        "Amount": f"**{_names(proposal)['amount']}**" if paid.get("amount") else "",
        "Customer": plain(paid.get("customer_account_name") or "no name given"),
        "Account": " · ".join(plain(one) for one in (paid.get("account_number"), (paid.get("account_type") or "").capitalize()) if one),
        "Biller": plain(paid.get("biller_name") or ""),
        "Kind": TYPE_LABELS[TransactionType(paid["transaction_type"])] if paid.get("transaction_type") else "",
        "Invoice": code(paid["invoice_number"]) if paid.get("invoice_number") else "",
        "Bundle": code(paid["bundle_id"]) if paid.get("bundle_id") else "",
        "Debited": code(paid["debit_account"]) if paid.get("debit_account") else "",
        "Credited": code(paid["credit_account"]) if paid.get("credit_account") else "",
        "Our reference": code(paid.get("our_transaction_id") or ""),
        "It stood": stage_label(str(stands.get("stage") or proposal.stage)),
        "Movements": _movements(proposal) if proposal.kind != ProposalKind.PAY.value else "",
        "Second payment because": plain(paid.get("duplicate_reason") or ""),
        "Reason": plain(proposal.reason),
        "Evidence": plain(proposal.evidence or ""),
        "Number in the statement": code(proposal.reference) if proposal.reference else "",
        "Once approved": _outcome(proposal, way),
    }


def _movements(proposal: Proposal) -> str:
    """Which legs were sent, and which of them nobody is certain of."""
    told = []
    for kind in LegKind:
        leg = (proposal.shown.get("legs") or {}).get(kind.value) or {}
        if leg.get("sends"):
            doubt = ", in doubt" if leg.get("tainted") else ""
            number = f", number {plain(leg['external_id'])}" if leg.get("external_id") else ""
            told.append(f"{LEG_WORDS[kind]} sent{doubt}{number}")
    return "; ".join(told) or "none was sent"


def _outcome(proposal: Proposal, way: Way | None) -> str:
    _, _, means = TITLES[ProposalKind(proposal.kind)]
    return (way.means if way else means).format(**_names(proposal))


def _checked(seen: Waiting) -> None:
    digest = code(seen.proposal.shown_hash.hex()[:16])
    if seen.changed:
        st.warning(
            "What was shown is no longer what is there. It can be rejected, and proposed anew.", title="It has changed since", icon=":material/sync_problem:"
        )
    else:
        st.caption(
            f":green[:material/verified:] The same as when it was proposed: {digest}", help="The first part of the SHA-256 of everything that was shown."
        )


# ---- Beside the transaction it is about


def tell_of(actor: Actor, one: Transaction) -> None:
    """Who proposed what, until when it waits, and how it ended: on the transaction's own page."""
    for seen in approvals.about(actor, one.id):
        proposal = seen.proposal
        if proposal.decision == Decision.OPEN.value:
            _tell_waiting(actor, seen)
        else:
            said = DECIDED[Decision(proposal.decision)].format(by=plain(seen.decided_by or "nobody"), because=plain(proposal.decided_because or ""))
            st.caption(f"{title_of(proposal)}: proposed by {plain(seen.by)}, {said} {moment_text(proposal.decided_at)}. {plain(proposal.reason)}")


def _tell_waiting(actor: Actor, seen: Waiting) -> None:
    proposal, way = seen.proposal, way_of(seen.proposal)
    said = f"{way.label.format(**_names(proposal))}. {plain(proposal.evidence or '')}" if way else plain(proposal.reason)
    st.info(
        f"Proposed by {plain(seen.by)} {ago(proposal.created_at)}; it waits until {moment_text(proposal.expires_at)}. {said}",
        title=f"{title_of(proposal).partition(' ')[2]}: a second person decides",
        icon=":material/group:",
    )
    refusals.tell(proposal.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        if proposal.proposed_by == actor.id:
            withdraw_button(proposal)
        if actor.may("approvals:read"):
            link_to(APPROVALS, "Open the Approvals page", ":material/how_to_reg:")


# ---- Deciding


def _decide(actor: Actor, seen: Waiting) -> None:
    proposal = seen.proposal
    refusals.tell(proposal.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Approve",
            key=f"approve-{proposal.id}",
            type="primary",
            icon=":material/check:",
            disabled=seen.why_no_approval is not None,
            help=seen.why_no_approval or _outcome(proposal, way_of(proposal)),
            on_click=_approve,
            args=(proposal.id,),
        )
        with st.popover("Reject …", icon=":material/close:", disabled=seen.why_not is not None, help=seen.why_not or "Asks for a reason first."):
            _reject_form(proposal)
        if proposal.proposed_by == actor.id:
            withdraw_button(proposal)
        link_to(TRANSACTIONS, "Open its story", ":material/open_in_new:", id=str(proposal.transaction_id))
    if seen.why_not:
        st.caption(f"Off: {plain(seen.why_not)}")


def _reject_form(proposal: Proposal) -> None:
    with st.form(f"reject-form-{proposal.id}", border=False):
        st.text_input("Why not?", key=f"reject-reason-{proposal.id}", max_chars=200, icon=":material/edit_note:", help="Told to whoever proposed it, and kept.")
        st.form_submit_button("Reject", type="primary", icon=":material/close:", on_click=_reject, args=(proposal.id,))


def withdraw_button(proposal: Proposal) -> None:
    st.button(
        "Withdraw",
        key=f"withdraw-{proposal.id}",
        icon=":material/undo:",
        help="Takes your proposal back. A payment that waits for it is cancelled: nothing was sent.",
        on_click=_withdraw,
        args=(proposal.id,),
    )


@guarded("transactions:approve")
def _approve(actor: Actor, proposal_id: uuid.UUID) -> None:
    with refusals.beside(proposal_id):
        approvals.approve(actor, proposal_id)
        st.toast("Approved.", icon=":material/check:")


@guarded("transactions:approve")
def _reject(actor: Actor, proposal_id: uuid.UUID) -> None:
    with refusals.beside(proposal_id):
        approvals.reject(actor, proposal_id, st.session_state.get(f"reject-reason-{proposal_id}"))
        st.toast("Rejected.", icon=":material/close:")


@guarded("transactions:cancel_own")
def _withdraw(actor: Actor, proposal_id: uuid.UUID) -> None:
    with refusals.beside(proposal_id):
        approvals.withdraw(actor, proposal_id)
        st.toast("Withdrawn.", icon=":material/undo:")
