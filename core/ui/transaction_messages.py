"""Every message of a transaction: each request to the biller or to core banking, and what came of it, masked when it was kept."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.models import Answer, Attempt
from core.repositories.transactions import Story
from core.states import BANK_LEGS, LegKind, TransactionType
from core.ui.payload import readable
from core.ui.pieces import code, show_facts
from core.ui.tellings import BANK_OUTCOMES, BANK_VERBS, OUTCOMES, QUESTION_OUTCOMES, VERBS
from core.ui.words import clock_time, moment_text, plain


def show(story: Story) -> None:
    st.subheader(
        "Messages",
        anchor=False,
        help="Each request to the biller or core banking, and its answer. Credentials, PINs and tokens were masked before they were kept.",
    )
    if not story.attempts:
        st.caption("Nothing was sent yet.")
    moves_money = TransactionType(story.transaction.transaction_type).moves_money
    for number, (attempt, answers) in enumerate(story.attempts, 1):
        with st.expander(_attempt_title(number, attempt, answers), key=f"attempt-{attempt.id}"):
            _attempt(attempt, answers, (BANK_OUTCOMES if _at_the_bank(attempt) else OUTCOMES) if moves_money else QUESTION_OUTCOMES)


def _at_the_bank(attempt: Attempt) -> bool:
    return attempt.leg is not None and LegKind(attempt.leg) in BANK_LEGS


def _attempt_title(number: int, attempt: Attempt, answers: Sequence[Answer]) -> str:
    end = f"{answers[-1].outcome.replace('_', ' ').lower()}, {_seconds(answers[-1].duration_ms)}" if answers else "no answer yet"
    verb = BANK_VERBS.get((LegKind(attempt.leg), attempt.verb)) if attempt.leg else None
    return f"{number} · {verb or VERBS.get(attempt.verb, plain(attempt.verb))} · {clock_time(attempt.at)} · {end}"


def _seconds(duration_ms: int | None) -> str:
    if duration_ms is None:
        return "no time taken"
    return f"{duration_ms} ms" if duration_ms < 1000 else f"{duration_ms / 1000:.1f} s"


def _attempt(attempt: Attempt, answers: Sequence[Answer], outcomes: Mapping[str, str]) -> None:
    for answer in answers:
        show_facts(
            {
                "What it means": outcomes.get(answer.outcome, plain(answer.outcome)),
                "In words": plain(answer.message or "") if answer.code or attempt.leg else "",
                "Sent": f"{moment_text(attempt.at)}, under {code(attempt.reference)}",
                "Answered": f"{moment_text(answer.at)}, after {_seconds(answer.duration_ms)}",
                "HTTP status": str(answer.http_status) if answer.http_status else "none: no whole answer came",
                "Core banking's code" if _at_the_bank(attempt) else "Biller's code": code(answer.code) if answer.code else "",
                "What went wrong": code(answer.failure) if answer.failure else "",
                "Came late": "" if answer.in_time else "yes: kept as evidence, it moved nothing by itself",
            },
            alt="What came of this request",
        )
        for title, message in (("Request", answer.request), ("Answer", answer.response)):
            if message:
                st.caption(title)
                # Without colours: those of XML are too faint to read in either theme (below 4.5 to 1).
                st.code(readable(message), language=None, wrap_lines=True)
    if not answers:
        st.caption(f"On its way since {clock_time(attempt.at)}, under {code(attempt.reference)}. What was said is shown once it has ended.")
