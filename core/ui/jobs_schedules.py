"""What comes by the clock: each kind with its last run and its next, a way to have it done now, and what ran lately of all of them."""

import streamlit as st

from core.access import Actor
from core.models.jobs import RunOutcome
from core.services import jobs
from core.services.job_table import KINDS
from core.services.jobs import Scheduled
from core.ui.jobs_words import outcome, title, took
from core.ui.notices import attempt
from core.ui.session import guarded
from core.ui.tables import ROW_PIXELS
from core.ui.words import moment_text, plain

MOST_PIXELS = 420

KIND = "jobs-runs-kind"


def show(actor: Actor) -> None:
    st.subheader("Schedules", anchor=False, help="What comes by the clock. What was missed within the hour is made up for when a worker is back.")
    with st.grid(3, min_column_width=300, gap="small"):
        for one in jobs.schedules(actor):
            _schedule(actor, one)


def _schedule(actor: Actor, one: Scheduled) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{one.kind.title}** :gray-badge[:material/update: {one.kind.rhythm.words}]")
        st.caption(one.kind.does)
        st.markdown(f"Last: {_last(one)}  \nNext: {moment_text(one.next_at)}")
        if actor.may("jobs:manage"):
            st.button("Run now", icon=":material/play_arrow:", key=f"run-{one.name}", on_click=_run, args=(one.name,), help="Once, beside its schedule.")


def _last(one: Scheduled) -> str:
    run = one.last
    if run is None:
        return "never yet"
    said = f"{moment_text(run.started_at)}, {outcome(run)}"
    if run.ended_at is None:
        return said
    told = plain(run.told or "")
    return f"{said} in {took(run.started_at, run.ended_at)}. " + (told if run.outcome == RunOutcome.DONE else f":red[{told}]")


@guarded("jobs:manage")
def _run(actor: Actor, name: str) -> None:
    def act() -> str:
        return f"{title(name)}: job {jobs.run_now(actor, name)} runs as soon as somebody has a hand free."

    attempt(act)


def show_runs(actor: Actor) -> None:
    """The latest runs, of all kinds or of one."""
    st.subheader("What ran lately", anchor=False, help="What was done is kept for two days, what failed for ninety; of each kind the last run stays.")
    kinds: list[str | None] = [None, *KINDS]
    chosen = st.selectbox("Kind", kinds, format_func=lambda one: title(one) if one else "All kinds", key=KIND, width=260)
    found = jobs.runs(actor, chosen)
    if not found:
        st.info("Nothing ran yet.", icon=":material/hourglass_empty:")
        return
    st.dataframe(
        [
            {
                "Began": moment_text(run.started_at),
                "What": title(run.name),
                "Outcome": outcome(run),
                "What came of it": run.told or "",
                "Took": took(run.started_at, run.ended_at),
                "Try": str(run.attempt),
                "Job": str(run.job),
                "At": run.worker,
            }
            for run in found
        ],
        hide_index=True,
        height=min(MOST_PIXELS, ROW_PIXELS * (len(found) + 1) + 3),
        row_height=ROW_PIXELS,
        column_config={"What came of it": st.column_config.TextColumn(width="large"), "Try": st.column_config.TextColumn(width="small")},
        alt="Runs of jobs, the latest first",
    )
