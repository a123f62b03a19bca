"""An act on many, or a change of a rule, as both people read it: what was shown, why it takes two, until when, and the buttons to decide."""

import uuid
from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from core.access import Actor
from core.models import Transaction
from core.models.bulk import BulkKind
from core.models.proposals import Decision
from core.models.wider_proposals import WiderKind
from core.money import Money
from core.services import wider_approvals
from core.services.approval_rules import SAYS, Content
from core.services.wider_approvals import Part, Wider
from core.ui import refusals
from core.ui.approvals_card import APPROVALS, DECIDED
from core.ui.pieces import TRANSACTIONS, code, link_to, show_facts
from core.ui.session import guarded
from core.ui.words import ago, moment_text, plain

# What a rule may say, as its table and a change of it call it.
SAYING: Mapping[str, str] = {
    "pays_alone": "One person pays up to",
    "duplicates": "A second payment of the same bill",
    "duplicates_above": "With a second person above",
    "bulk_rows": "Payments at once, up to",
    "bulk_sum": "Sum at once, up to",
}
DUPLICATES: Mapping[str, str] = {"REASON": "wants a reason", "SECOND_PERSON": "takes a second person"}
UNSAID = "–"

ICONS: Mapping[WiderKind, str] = {WiderKind.BULK: ":material/checklist:", WiderKind.RULE: ":material/gavel:"}
MEANS: Mapping[WiderKind, str] = {
    WiderKind.BULK: "All of it is carried out, row by row. Each row is checked again when its turn comes, and what has changed by then is left and told.",
    WiderKind.RULE: "The rule says this from the next payment on. A limit in a biller's own configuration still holds where it is smaller.",
}

# An act as the story of one of its payments calls it.
WITH_OTHERS: Mapping[BulkKind, str] = {
    BulkKind.RETRY: "Pay it again, together with others",
    BulkKind.CANCEL: "Stop it, together with others",
    BulkKind.REVERSE: "Give it back, together with others",
}


def said(content: Content, name: str, currency: str) -> str:
    """What a rule says of one thing, as text."""
    value = content.get(name)
    if value is None:
        return UNSAID
    if name == "duplicates":
        return DUPLICATES[value]
    return f"{value:,}" if name == "bulk_rows" else str(Money.from_text(value, currency))


def title_of(seen: Wider) -> str:
    """In markdown, escaped."""
    change = "Change " if seen.kind is WiderKind.RULE else ""
    title = str(seen.shown["title"])
    return f"{ICONS[seen.kind]} {change}{plain(title[:1].lower() + title[1:] if change else title)}"


def show(actor: Actor, seen: Wider) -> None:
    """A proposal that waits, whole: the page's card."""
    proposal = seen.proposal
    with st.container(border=True):
        st.subheader(title_of(seen), anchor=False)
        st.caption(f"Proposed by {plain(seen.by)} {ago(proposal.created_at)}. It waits until {moment_text(proposal.expires_at)}.")
        if seen.kind is WiderKind.RULE:
            st.table(change_rows(seen.shown), border="horizontal", hide_index=True, alt="What the rule says, and what it would say")
        show_facts(_facts(seen), alt="What was shown to whoever proposed it")
        _checked(seen)
        _decide(actor, seen)


def change_rows(shown: Mapping[str, Content]) -> list[dict[str, str]]:
    """Only what would change."""
    before, after, currency = shown["before"], shown["after"], shown["rule"]["currency"]
    return [
        {"The rule says": SAYING[name], "Now": said(before, name, currency), "Then": said(after, name, currency)}
        for name in SAYS
        if before.get(name) != after.get(name)
    ]


def _facts(seen: Wider) -> dict[str, str]:
    shown = seen.shown
    if seen.kind is WiderKind.RULE:
        version = shown["rule"]["version"]
        return {
            "Over": f"version {version}" if version else "no rule",
            "Reason": plain(seen.proposal.reason),
            "Once approved": MEANS[seen.kind],
        }
    oldest = shown["oldest"]
    return {
        "Payments": f"**{shown['rows']:,}**, **{shown['sum']}**",
        "Which": plain(shown["selection"][:1].upper() + shown["selection"][1:]),
        "Oldest": f"{code(oldest['reference'])}, {moment_text(datetime.fromisoformat(oldest['at']))}",
        "Takes two because": plain(" ".join(shown["why"])),
        "Reason": plain(seen.proposal.reason),
        "Once approved": MEANS[seen.kind],
    }


def _checked(seen: Wider) -> None:
    if seen.changed:
        st.warning(
            "What was shown is no longer what is there. It can be rejected, and proposed anew.", title="It has changed since", icon=":material/sync_problem:"
        )
        return
    digest = code(seen.proposal.shown_hash.hex()[:16])
    help_text = "The first part of the SHA-256 of everything that was shown; of an act on many, of every row with its amount."
    st.caption(f":green[:material/verified:] The same as when it was proposed: {digest}", help=help_text)


def _decide(actor: Actor, seen: Wider) -> None:
    refusals.tell(seen.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Approve",
            key=f"approve-{seen.id}",
            type="primary",
            icon=":material/check:",
            disabled=seen.why_no_approval is not None,
            help=seen.why_no_approval or MEANS[seen.kind],
            on_click=_approve,
            args=(seen.id,),
        )
        with st.popover("Reject …", icon=":material/close:", disabled=seen.why_not is not None, help=seen.why_not or "Asks for a reason first."):
            _reject_form(seen.id)
        if seen.is_own:
            withdraw = "Takes your proposal back. Nothing of it is done."
            st.button("Withdraw", key=f"withdraw-{seen.id}", icon=":material/undo:", help=withdraw, on_click=_withdraw, args=(seen.id,))
        if seen.kind is WiderKind.BULK and actor.may("transactions:cancel"):
            link_to(TRANSACTIONS, "Open its rows", ":material/open_in_new:", bulk=seen.proposal.subject)
    if seen.why_not:
        st.caption(f"Off: {plain(seen.why_not)}")


# ---- Beside a payment that is a row of it


def tell_of(actor: Actor, one: Transaction) -> None:
    """Who had it done together with others, whether that waits for a second person, and how it ended: on the transaction's own page."""
    for part in wider_approvals.about(actor, one.id):
        if part.proposal.decision == Decision.OPEN.value:
            _tell_waiting(actor, part)
        else:
            _tell_decided(part)


def _tell_waiting(actor: Actor, part: Part) -> None:
    proposal = part.proposal
    st.info(
        f"Proposed by {plain(part.by)} {ago(proposal.created_at)}; it waits until {moment_text(proposal.expires_at)}. {plain(proposal.reason)}",
        title=f"{WITH_OTHERS[part.act]}: a second person decides",
        icon=":material/group:",
    )
    if actor.may("approvals:read"):
        link_to(APPROVALS, "Open the Approvals page", ":material/how_to_reg:")


def _tell_decided(part: Part) -> None:
    proposal = part.proposal
    how = DECIDED[Decision(proposal.decision)].format(by=plain(part.decided_by or "nobody"), because=plain(proposal.decided_because or ""))
    came = f" {plain(part.told)}" if part.told else ""
    words = f"proposed by {plain(part.by)}, {how} {moment_text(proposal.decided_at)}. {plain(proposal.reason)}{came}"
    st.caption(f"{ICONS[WiderKind.BULK]} {WITH_OTHERS[part.act]}: {words}")


# ---- Deciding


def _reject_form(proposal_id: uuid.UUID) -> None:
    with st.form(f"reject-form-{proposal_id}", border=False):
        st.text_input("Why not?", key=f"reject-reason-{proposal_id}", max_chars=200, icon=":material/edit_note:", help="Told to whoever proposed it, and kept.")
        st.form_submit_button("Reject", type="primary", icon=":material/close:", on_click=_reject, args=(proposal_id,))


@guarded("approvals:read")
def _approve(actor: Actor, proposal_id: uuid.UUID) -> None:
    with refusals.beside(proposal_id):
        wider_approvals.approve(actor, proposal_id)
        st.toast("Approved.", icon=":material/check:")


@guarded("approvals:read")
def _reject(actor: Actor, proposal_id: uuid.UUID) -> None:
    with refusals.beside(proposal_id):
        wider_approvals.reject(actor, proposal_id, st.session_state.get(f"reject-reason-{proposal_id}"))
        st.toast("Rejected.", icon=":material/close:")


@guarded("approvals:read")
def _withdraw(actor: Actor, proposal_id: uuid.UUID) -> None:
    with refusals.beside(proposal_id):
        wider_approvals.withdraw(actor, proposal_id)
        st.toast("Withdrawn.", icon=":material/undo:")
