"""Several proposals approved at once: chosen one by one under what each says, with their number and sum told before, and what was left told after."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal

import streamlit as st

from core import clock
from core.access import Actor
from core.models.proposals import ProposalKind
from core.money import Money
from core.services import approvals
from core.services.approvals import Waiting
from core.ui import refusals
from core.ui.refusals import TOLD_FOR_SECONDS
from core.ui.session import guarded
from core.ui.words import plain

# What came of the last time, and when. It is told until it can have been read: the page draws itself anew every few seconds, and would take it away.
DONE, LEFT, TOLD_AT = "together-done", "together-left", "together-told-at"

# What is refused is refused for all of them.
TOGETHER = "together"

# How each kind is counted.
COUNTED: Mapping[ProposalKind, str] = {
    ProposalKind.PAY: "to pay",
    ProposalKind.RESOLVE: "to resolve",
    ProposalKind.REVERSE: "to give back",
    ProposalKind.WAIVE: "to waive",
}


def key_of(proposal_id: uuid.UUID) -> str:
    return f"choose-{proposal_id}"


def offer(mine: Sequence[Waiting]) -> None:
    """Above the cards: how many are chosen, what they come to, and the one button for all of them."""
    _tell()
    can = [seen for seen in mine if seen.why_no_approval is None]
    if len(can) < 2:
        return
    chosen = [seen for seen in can if st.session_state.get(key_of(seen.proposal.id))]
    with st.container(horizontal=True, vertical_alignment="center"):
        ids = tuple(seen.proposal.id for seen in chosen)
        label = f"Approve {len(chosen)} together: {total(chosen)}" if chosen else "Approve several together"
        st.button(
            label,
            key="approve-together",
            type="primary" if chosen else "secondary",
            icon=":material/done_all:",
            disabled=not chosen,
            help="Each is checked by itself. What has changed since is left, and told." if chosen else "Choose them below first.",
            on_click=_approve,
            args=(ids,),
        )
        every = tuple(seen.proposal.id for seen in can)
        st.button(f"Choose all {len(can)}", key="choose-all", type="tertiary", icon=":material/select_all:", on_click=_choose, args=(every,))
        if chosen:
            kinds = Counter(ProposalKind(seen.proposal.kind) for seen in chosen)
            st.caption(", ".join(f"{count} {COUNTED[kind]}" for kind, count in kinds.items()))


def choose(seen: Waiting) -> None:
    """In a card: only what this person could approve as it stands."""
    if seen.why_no_approval is None:
        st.checkbox("Choose, to approve several together", key=key_of(seen.proposal.id))


def total(chosen: Sequence[Waiting]) -> str:
    """Amounts of two currencies are told one after the other, never added up."""
    sums: dict[str, Decimal] = {}
    for seen in chosen:
        sums[seen.transaction.currency] = sums.get(seen.transaction.currency, Decimal(0)) + (seen.transaction.amount or Decimal(0))
    return " + ".join(str(Money(value, currency)) for currency, value in sorted(sums.items()))


def _forget() -> None:
    for told in (DONE, LEFT):
        st.session_state.pop(told, None)
    refusals.forget(TOGETHER)
    st.session_state[TOLD_AT] = clock.monotonic_seconds()


def _tell() -> None:
    if clock.monotonic_seconds() - st.session_state.get(TOLD_AT, 0.0) > TOLD_FOR_SECONDS:
        _forget()
    if done := st.session_state.get(DONE):
        st.success(done, icon=":material/done_all:")
    if left := st.session_state.get(LEFT):
        st.warning(left, title="Left as they were", icon=":material/rule:")
    refusals.tell(TOGETHER)


def _choose(proposal_ids: Sequence[uuid.UUID]) -> None:
    _forget()
    for one in proposal_ids:
        st.session_state[key_of(one)] = True


@guarded("transactions:approve")
def _approve(actor: Actor, proposal_ids: Sequence[uuid.UUID]) -> None:
    _forget()
    with refusals.beside(TOGETHER):
        left = approvals.approve_all(actor, proposal_ids)
        if done := len(proposal_ids) - len(left):
            st.session_state[DONE] = f"{done} of {len(proposal_ids)} approved."
        if left:
            st.session_state[LEFT] = "  \n".join(f"{plain(one.reference)}: {plain(one.why)}" for one in left)
