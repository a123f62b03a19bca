"""The plan's five figures beside their targets. Each says how it is counted; a sign and a word stand beside each colour."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from core.access import Actor
from core.services import periods, statistics
from core.services.statistics import KPI_DAYS, TARGET_ANSWER_SECONDS, TARGET_CHANGES_RATE, TARGET_LIVE_SECONDS, TARGET_LOST, TARGET_SUCCESS_RATE, Kpis
from core.settings import settings
from core.ui.figure_words import count, counted, percent, seconds
from core.ui.keeping import BY_BILLERS
from core.ui.pieces import TRANSACTIONS
from core.ui.places import page_link
from core.ui.tiles import ENDED, payments_of
from core.ui.words import moment_text, zone

# What was counted stays until a transaction is made or moves, and never longer than this.
KEPT_SECONDS = 60

# What a figure is beside its target: the sign, its colour and its word.
LOOKS = {
    True: (":material/verified:", "green", "Met"),
    False: (":material/flag:", "red", "Missed"),
    None: (":material/hourglass_empty:", "gray", "Not known yet"),
}


@dataclass(frozen=True, slots=True)
class Beside:
    """One figure beside its target, in words. `is_met` is None where there is nothing to tell it from."""

    name: str
    actual: str
    target: str
    is_met: bool | None
    counted: str
    # The list behind it; empty where it was not counted from transactions.
    address: Mapping[str, Any] = field(default_factory=dict)


def show(actor: Actor, mark: tuple[object, ...], slot: int) -> None:
    found = _panel(actor, settings().dsn, mark, slot)
    with st.container(border=True, gap="small"):
        st.subheader(
            "Targets",
            anchor=False,
            help=f"The five figures this console is held to, each beside its target, over the last {KPI_DAYS} days. Each says how it is counted.",
        )
        with st.grid(len(found), min_column_width=150, gap="small"):
            for one in found:
                sign, colour, word = LOOKS[one.is_met]
                # Of its own only where there are two: each look sends all of it.
                with st.container(gap=None) if one.address else nullcontext():
                    st.markdown(
                        f":small[:gray[{one.name}]]  \n**{one.actual}** :{colour}-badge[{sign} {word}]  \n:small[:gray[target {one.target}]]", help=one.counted
                    )
                    if one.address:
                        page_link(TRANSACTIONS, label="Open", icon=":material/arrow_forward:", icon_position="right", query_params=dict(one.address))


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=8, ttl=2 * KEPT_SECONDS)
def _panel(actor: Actor, database: str, mark: tuple[object, ...], slot: int) -> Sequence[Beside]:
    """Counted once for everybody who looks."""
    del database, mark, slot
    return beside_targets(statistics.kpis(actor))


def beside_targets(found: Kpis) -> list[Beside]:
    """In the plan's order."""
    period = periods.last_days(KPI_DAYS, found.as_of, zone())
    changes, lost = found.changes, found.left_behind + found.sums_differ
    return [
        Beside(
            "Success rate",
            percent(found.success_rate),
            f"over {TARGET_SUCCESS_RATE:.0%}",
            None if found.success_rate is None else found.success_rate > TARGET_SUCCESS_RATE,
            f"Of {counted(found.ended, 'payment')} that ended in the last {KPI_DAYS} days, the part that was paid and stayed so.",
            payments_of(period, *ENDED),
        ),
        Beside(
            "Average answer",
            seconds(found.average_answer_ms),
            f"under {TARGET_ANSWER_SECONDS} s",
            None if found.average_answer_ms is None else found.average_answer_ms < 1000 * TARGET_ANSWER_SECONDS,
            f"How long billers took to answer {counted(found.calls, 'call')} that pay. A call that got no answer counts with its wait.",
            payments_of(period),
        ),
        Beside(
            "Configuration changes",
            percent(found.changes_rate),
            f"{TARGET_CHANGES_RATE:.0%} succeed",
            None if found.changes_rate is None else found.changes_rate >= TARGET_CHANGES_RATE,
            f"{counted(changes.saved, 'change')} saved, {count(changes.tested)} of them tested as saved, and of those {count(changes.passed)} passed their"
            " latest test.",
        ),
        Beside(
            "Lost",
            count(lost),
            str(TARGET_LOST),
            lost <= TARGET_LOST if found.verified_at or lost else None,
            f"{counted(found.left_behind, 'call')} that should have ended and nobody has seen to, and {counted(found.sums_differ, 'sum')} that"
            f" {'is' if found.sums_differ == 1 else 'are'} not what the transactions come to; compared last: {_compared(found)}.",
        ),
        Beside(
            "Change to screen",
            seconds(found.live_p99_ms),
            f"under {TARGET_LIVE_SECONDS} s",
            None if found.live_p99_ms is None else found.live_p99_ms < 1000 * TARGET_LIVE_SECONDS,
            f"From a change to the screen, within which 99 of 100 were, as the browsers measured it: {counted(found.live_measured, 'time')}.",
        ),
    ]


def _compared(found: Kpis) -> str:
    return moment_text(found.verified_at) if found.verified_at else "not yet"
