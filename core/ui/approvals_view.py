"""What waits for a second person, and what was decided lately. It looks again by itself: two managers may sit before it."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.access import Actor
from core.models.proposals import Decision, ProposalKind
from core.services import approvals
from core.services.approvals import Waiting
from core.ui import approvals_card
from core.ui.pieces import FORM_WIDTH
from core.ui.session import guarded_fragment
from core.ui.tables import ROW_PIXELS, short_moment
from core.ui.words import amount, as_of

LOOK_EVERY_SECONDS = 5

KINDS = {
    ProposalKind.PAY: "Payment above the limit",
    ProposalKind.RESOLVE: "Resolution",
    ProposalKind.REVERSE: "Giving back",
    ProposalKind.WAIVE: "Waiver",
}
DECISIONS = {
    Decision.APPROVED: "✓ Approved",
    Decision.REJECTED: "✕ Rejected",
    Decision.WITHDRAWN: "↩ Withdrawn",
    Decision.EXPIRED: "◷ Out of time",
}

# Taller would push the rest of the page away; the grid scrolls.
MOST_ROWS_HIGH = 12


def show() -> None:
    guarded_fragment("approvals:read", run_every=LOOK_EVERY_SECONDS)(_page)()


def _page(actor: Actor) -> None:
    seen = approvals.overview(actor)
    if not seen.waiting:
        st.info(
            "Payments above a biller's limit, resolutions, reversals and waivers are shown here until somebody else than their proposer has decided.",
            title="Nothing waits for a second person",
            icon=":material/how_to_reg:",
        )
    with st.container(width=FORM_WIDTH):
        for one in seen.waiting:
            approvals_card.show(actor, one)
    _history(seen.decided)
    st.caption(f"{as_of(seen.as_of)}. This page follows by itself.")


def _history(decided: Sequence[Waiting]) -> None:
    st.subheader("Decided lately", anchor=False, help="The newest first. The whole of it stands in each payment's story and in the audit.")
    if not decided:
        st.caption("Nothing yet.")
        return
    text = st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame([_row(one) for one in decided], dtype=object),
        column_config={
            "Decided": text(width=124, help="In the bank's time zone."),
            "What": text(width=160),
            "Payment": text(width=152, help="Our reference."),
            "Amount": text(width=120, alignment="right"),
            "Proposed by": text(width=112),
            "Decision": text(width=112),
            "By": text(width=112, help="Nobody where its time ran out."),
            "Because": text(width=240, help="Why it was rejected."),
        },
        hide_index=True,
        row_height=ROW_PIXELS,
        height=ROW_PIXELS * (min(len(decided), MOST_ROWS_HIGH) + 1) + 3,
        alt="Proposals decided lately, newest first",
    )


def _row(one: Waiting) -> dict[str, str]:
    proposal, paid = one.proposal, one.transaction
    return {
        "Decided": short_moment(proposal.decided_at or proposal.created_at),
        "What": KINDS[ProposalKind(proposal.kind)],
        "Payment": paid.our_transaction_id,
        "Amount": amount(paid.amount, paid.currency),
        "Proposed by": one.by,
        "Decision": DECISIONS[Decision(proposal.decision)],
        "By": one.decided_by or "–",
        "Because": proposal.decided_because or "",
    }
