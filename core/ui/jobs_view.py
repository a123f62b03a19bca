"""Work in the background on the screen: what does not go by itself first, then what comes by the clock, then what else works, and what ran lately."""

import streamlit as st

from core.access import Actor
from core.models.jobs import JobState
from core.repositories.jobs import QueuedJob
from core.services import jobs
from core.services.jobs import MOST_LISTED, Overview
from core.ui import jobs_beside, jobs_schedules
from core.ui.jobs_words import STATES, took, tries
from core.ui.jobs_words import title as title_of
from core.ui.notices import attempt, show_notices
from core.ui.pieces import complain, link_to_record
from core.ui.session import guarded, guarded_fragment
from core.ui.words import as_of, moment_text, plain

LOOKS_EVERY_SECONDS = 5

STATE, PILLS = "state", "jobs-state"

NEVER_BEGAN = "This version of the console knows no such job. Cancel it, or run the version that put it in."


def show() -> None:
    st.title("Jobs", anchor=False)
    guarded_fragment("jobs:read", run_every=LOOKS_EVERY_SECONDS)(_follow)()


def _follow(actor: Actor) -> None:
    show_notices()
    seen = jobs.overview(actor)
    st.caption(f"What works behind the console, {as_of(seen.as_of)}. This looks again every {LOOKS_EVERY_SECONDS} seconds.")
    if not seen.programs:
        st.warning(
            "Jobs wait until a worker runs: `billers worker` starts one, and it brings its program for jobs along.",
            title="Nobody works on jobs just now",
            icon=":material/engineering:",
        )
    _list(actor, seen)
    jobs_schedules.show(actor)
    jobs_beside.show(actor, seen.beside)
    jobs_schedules.show_runs(actor)


# ---- Where jobs stand


def _list(actor: Actor, seen: Overview) -> None:
    asked = st.query_params.get(STATE, "")
    chosen = st.pills(
        "Where they stand",
        list(STATES),
        default=JobState(asked) if asked in list(JobState) else None,
        format_func=lambda one: f"{STATES[one].icon} {STATES[one].label} {seen.counts.get(one, 0):,}",
        key=PILLS,
        on_change=_narrow,
        help="What was done is not among them: it stands under what ran lately.",
    )
    found = jobs.listed(actor, [chosen] if chosen else tuple(STATES))
    if not found:
        _nothing(chosen)
    for one in found:
        _job(actor, one)
    if len(found) == MOST_LISTED:
        st.caption(f"The first {MOST_LISTED} are shown.")


def _narrow() -> None:
    chosen = st.session_state[PILLS]
    st.query_params.from_dict({STATE: chosen.value} if chosen else {})


def _nothing(chosen: JobState | None) -> None:
    if chosen is None:
        st.success("Everything is done: nothing waits, runs, failed or is dead.", icon=":material/check_circle:")
    else:
        st.info(f"No job is {STATES[chosen].label.lower()}." if chosen is not JobState.FAILED else "No job has failed.", icon=":material/filter_alt_off:")


def _job(actor: Actor, one: QueuedJob) -> None:
    look = STATES[one.state]
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{plain(title_of(one.name))}** {look.badge}", help=look.meaning)
        st.caption(" · ".join(_facts(one)))
        if one.state is not JobState.RUNNING:
            complain(one.told or (NEVER_BEGAN if one.state is JobState.DEAD else None))
        with st.container(horizontal=True, vertical_alignment="center"):
            if actor.may("jobs:manage"):
                _buttons(one)
            link_to_record(actor, "job", one.id)


def _facts(one: QueuedJob) -> list[str]:
    said = [f"Job {one.id}", tries(one.tries)]
    if one.state is JobState.RUNNING and one.started_at:
        said.append(f"began {moment_text(one.started_at)}" + (f" at {plain(one.worker)}" if one.worker else ""))
    elif one.started_at:
        said.append(f"last {moment_text(one.started_at)}" + (f", took {took(one.started_at, one.ended_at)}" if one.ended_at else ""))
    else:
        said.append(f"since {moment_text(one.queued_at)}")
    if one.state is JobState.FAILED:
        said.append(f"next try {moment_text(one.due_at)}" if one.due_at else "next try as soon as somebody has a hand free")
    return said


def _buttons(one: QueuedJob) -> None:
    if one.state in (JobState.FAILED, JobState.DEAD):
        label = "Try now" if one.state is JobState.FAILED else "Try once more"
        st.button(label, icon=":material/replay:", key=f"retry-{one.id}", on_click=_retry, args=(one.id,), help="It is written down that you asked for it.")
    if one.state is not JobState.RUNNING:
        st.button(
            "Cancel",
            icon=":material/block:",
            key=f"cancel-{one.id}",
            on_click=_cancel,
            args=(one.id,),
            help="It is not run, or not tried again. Its schedule goes on and brings the next one.",
        )


@guarded("jobs:manage")
def _retry(actor: Actor, job: int) -> None:
    def act() -> str:
        jobs.retry(actor, job)
        return f"Job {job} is tried as soon as somebody has a hand free."

    attempt(act)


@guarded("jobs:manage")
def _cancel(actor: Actor, job: int) -> None:
    def act() -> str:
        jobs.cancel(actor, job)
        return f"Job {job} is cancelled."

    attempt(act)
