"""The inbox of what takes two people: what waits for this person, what they proposed, what was decided, and the rules. It looks again by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import streamlit as st

from core.access import Actor
from core.models.proposals import Decision, ProposalKind
from core.models.wider_proposals import WiderKind
from core.services import approvals, wider_approvals
from core.services.approvals import Approvals, Waiting
from core.services.wider_approvals import Wider
from core.ui import approvals_card, approvals_rules, approvals_together, approvals_wider
from core.ui.pieces import FORM_WIDTH
from core.ui.session import guarded_fragment
from core.ui.tables import ROW_PIXELS, short_moment
from core.ui.words import amount, as_of

LOOK_EVERY_SECONDS = 5

KINDS: Mapping[ProposalKind | WiderKind, str] = {
    ProposalKind.PAY: "Payment",
    ProposalKind.RESOLVE: "Resolution",
    ProposalKind.REVERSE: "Giving back",
    ProposalKind.WAIVE: "Waiver",
    WiderKind.BULK: "Act on many",
    WiderKind.RULE: "Rule",
}
DECISIONS = {
    Decision.APPROVED: "✓ Approved",
    Decision.REJECTED: "✕ Rejected",
    Decision.WITHDRAWN: "↩ Withdrawn",
    Decision.EXPIRED: "◷ Out of time",
}

# Taller would push the rest of the page away; the grid scrolls.
MOST_ROWS_HIGH = 12

PART, REFERENCE = "part", "approvals-reference"


def show(actor: Actor) -> None:
    asked = st.query_params.get(PART, "")
    chosen = st.segmented_control(
        "Part",
        list(PARTS),
        default=asked if asked in PARTS else next(iter(PARTS)),
        format_func=lambda part: PARTS[part][0],
        key="approvals-part",
        label_visibility="collapsed",
        required=True,
        on_change=_turn,
    )
    part = chosen or next(iter(PARTS))
    if part == "rules":
        approvals_rules.show(actor)
        return
    st.text_input(
        "Search by our reference",
        key=REFERENCE,
        max_chars=60,
        width=320,
        icon=":material/search:",
        label_visibility="collapsed",
        placeholder="Our reference, or how it begins",
        help="Shows only what is about payments whose reference begins so.",
    )
    guarded_fragment("approvals:read", run_every=LOOK_EVERY_SECONDS)(_page)(part)


def _turn() -> None:
    st.query_params.from_dict({PART: st.session_state["approvals-part"]})


def _page(actor: Actor, part: str) -> None:
    reference = str(st.session_state.get(REFERENCE) or "")
    seen = approvals.overview(actor, reference)
    PARTS[part][1](actor, seen, is_narrowed=bool(reference.strip()))
    st.caption(f"{as_of(seen.as_of)}. This page follows by itself.")


# ---- What waits


def _inbox(actor: Actor, seen: Approvals, *, is_narrowed: bool) -> None:
    wider = [] if is_narrowed else wider_approvals.waiting(actor)
    mine, mine_wider = seen.to_decide, [one for one in wider if one.why_not is None]
    others = [one for one in seen.waiting if one.why_not is not None and one.proposal.proposed_by != actor.id]
    others_wider = [one for one in wider if one.why_not is not None and not one.is_own]
    if is_narrowed and not seen.waiting:
        st.info("Nothing that waits is about a payment under this reference.", icon=":material/search_off:")
    elif not seen.waiting and not wider:
        st.info(
            "Payments above a limit, resolutions, reversals, waivers, acts on many and changes of the rules are shown here until somebody else than their"
            " proposer has decided.",
            title="Nothing waits for a second person",
            icon=":material/how_to_reg:",
        )
    elif not mine and not mine_wider:
        st.info("What waits is somebody else's to decide.", title="Nothing waits for you", icon=":material/how_to_reg:")
    with st.container(width=FORM_WIDTH):
        approvals_together.offer(mine)
        for one in mine_wider:
            approvals_wider.show(actor, one)
        for waiting in mine:
            approvals_card.show(actor, waiting, choosable=len(mine) > 1)
        if others or others_wider:
            st.subheader("Somebody else decides", anchor=False)
        for one in others_wider:
            approvals_wider.show(actor, one)
        for waiting in others:
            approvals_card.show(actor, waiting)


# ---- What one proposed


def _proposed(actor: Actor, seen: Approvals, *, is_narrowed: bool) -> None:
    wider = [] if is_narrowed else wider_approvals.own(actor)
    still_open = [one for one in seen.proposed if one.proposal.decision == Decision.OPEN.value]
    still_open_wider = [one for one in wider if one.proposal.decision == Decision.OPEN.value]
    if not seen.proposed and not wider:
        st.info("What you propose is shown here, with what came of it.", title="You proposed nothing lately", icon=":material/outgoing_mail:")
        return
    with st.container(width=FORM_WIDTH):
        for one in still_open_wider:
            approvals_wider.show(actor, one)
        for waiting in still_open:
            approvals_card.show(actor, waiting)
    st.subheader("What came of the others", anchor=False, help="Of what you proposed, the last that was decided first.")
    _grid(_lines([one for one in seen.proposed if one not in still_open], [one for one in wider if one not in still_open_wider]))


# ---- What was decided


def _decided(actor: Actor, seen: Approvals, *, is_narrowed: bool) -> None:
    st.caption("The newest first. The whole of it stands in each payment's story and in the audit.")
    _grid(_lines(seen.decided, [] if is_narrowed else wider_approvals.decided(actor)))


Part = Callable[..., None]

PARTS: Mapping[str, tuple[str, Part]] = {
    "inbox": ("Mine to decide", _inbox),
    "mine": ("I proposed", _proposed),
    "decided": ("Decided", _decided),
    "rules": ("Rules", approvals_rules.show),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A decided proposal, of whichever kind, as a row."""

    at: datetime
    what: str
    about: str
    amount: str
    by: str
    decision: str
    decided_by: str | None
    because: str | None


def _lines(some: Sequence[Waiting], wider: Sequence[Wider]) -> list[Line]:
    """Both kinds in one list, the newest first."""
    lines = [
        Line(
            one.proposal.decided_at or one.proposal.created_at,
            KINDS[ProposalKind(one.proposal.kind)],
            one.transaction.our_transaction_id,
            amount(one.transaction.amount, one.transaction.currency),
            one.by,
            one.proposal.decision,
            one.decided_by,
            one.proposal.decided_because,
        )
        for one in some
    ]
    for one in wider:
        at = one.proposal.decided_at or one.proposal.created_at
        about, total = str(one.shown["title"]), str(one.shown.get("sum") or "")
        lines.append(Line(at, KINDS[one.kind], about, total, one.by, one.proposal.decision, one.decided_by, one.proposal.decided_because))
    return sorted(lines, key=lambda line: line.at, reverse=True)


def _grid(lines: Sequence[Line]) -> None:
    if not lines:
        st.caption("Nothing yet.")
        return
    text = st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame([_row(line) for line in lines], dtype=object),
        column_config={
            "Decided": text(width=124, help="In the bank's time zone."),
            "What": text(width=104),
            "About": text(width=160, help="Our reference, or what an act or a rule is called."),
            "Amount": text(width=120, alignment="right"),
            "Proposed by": text(width=112),
            "Decision": text(width=112),
            "By": text(width=112, help="Nobody where its time ran out."),
            "Because": text(width=240, help="Why it was rejected."),
        },
        hide_index=True,
        row_height=ROW_PIXELS,
        height=ROW_PIXELS * (min(len(lines), MOST_ROWS_HIGH) + 1) + 3,
        alt="Proposals decided lately, newest first",
    )


def _row(line: Line) -> dict[str, str]:
    return {
        "Decided": short_moment(line.at),
        "What": line.what,
        "About": line.about,
        "Amount": line.amount,
        "Proposed by": line.by,
        "Decision": DECISIONS[Decision(line.decision)],
        "By": line.decided_by or "–",
        "Because": line.because or "",
    }
