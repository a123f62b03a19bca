"""A change of a configuration that waits for a second person, as both read it: before and after, why, until when, and the buttons to decide."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.access import Actor
from core.models.configuration_proposals import ConfigurationStep
from core.services import configuration_approvals
from core.services import configuration_rules as rules
from core.services.configuration_approvals import Waiting
from core.ui import refusals
from core.ui.configuration_fields import label_of
from core.ui.configuration_looks import change_rows
from core.ui.pieces import code, turn_to
from core.ui.session import guarded
from core.ui.words import ago, moment_text, plain

# What the page says once after a decision.
DECIDED = "configuration-decided"

LONGEST = 200

REASON_HELP = "Whoever decides goes by it, and it is kept. 3 to 200 characters. Example: Letter of the water board of 20 Nov."
REASON_EXAMPLE = "for example: letter of the water board of 20 Nov"


def fields_of(paths: Sequence[str] | Mapping[str, object]) -> str:
    """`Base URL, Largest amount`, escaped."""
    return ", ".join(plain(label_of(path)) for path in paths)


# ---- All that wait


def strip(waiting: Sequence[Waiting]) -> None:
    """On the list: what waits, the one that ends first in front, and the way to each."""
    if not waiting:
        return
    count = len(waiting)
    with st.container(border=True):
        st.markdown(f":orange-badge[:material/group: {count} {'change waits' if count == 1 else 'changes wait'} for a second person]")
        for seen in waiting:
            own = " Yours: another administrator decides." if seen.is_own else ""
            with st.container(horizontal=True, vertical_alignment="center"):
                opens = st.button(f"Open change {seen.number}", key=f"open-change-{seen.number}", icon=":material/how_to_reg:", type="tertiary")
                st.markdown(
                    f"**{plain(seen.name)}**: {_what(seen)}  \n:gray[Proposed by {plain(seen.by)} {ago(seen.created_at)}, until"
                    f" {moment_text(seen.expires_at)}.{own}]"
                )
            if opens:
                turn_to(id=str(seen.config_id))


def _what(seen: Waiting) -> str:
    if seen.step is ConfigurationStep.ACTIVATE:
        return "is to be activated for the first time"
    restored = f", restored from version {seen.restores}" if seen.restores else ""
    return f"{fields_of(seen.changes)}{restored}"


# ---- One of them


def show(seen: Waiting) -> None:
    """Above the configuration it is about."""
    with st.container(border=True):
        st.subheader(f"Change {seen.number} waits for a second person", anchor=False)
        st.caption(f"Proposed by {plain(seen.by)} {ago(seen.created_at)} over version {seen.version}. It waits until {moment_text(seen.expires_at)}.")
        st.markdown(f"**Why:** {plain(seen.reason)}")
        _contents(seen)
        _checked(seen)
        refusals.tell(_act_on(seen.number))
        _buttons(seen)


def _contents(seen: Waiting) -> None:
    if seen.step is ConfigurationStep.ACTIVATE:
        holds = "Credentials are stored." if seen.holds_credentials else "No credentials are stored."
        st.markdown(f"It is to be offered to operators for the first time, with everything it says. {holds}")
    else:
        st.table(
            [{name: plain(value) for name, value in line.items()} | {"Takes two": _why(seen, path)} for path, line in _lines(seen)],
            border="horizontal",
            hide_index=True,
            alt="What would change, before and after",
        )
        if seen.restores:
            st.caption(f"It would say again what it said at version {seen.restores}.")
        if "base_url" in seen.changes:
            st.warning(
                f"Payments would go to {plain(rules.origin_of(seen.content['base_url']))}. Ask the biller by a way you know, not by one named in the request.",
                icon=":material/call:",
            )
            if seen.environment_variable:
                st.warning(
                    f"What {code(seen.environment_variable)} says where the console is started would be sent there, too. Have it changed with this.",
                    icon=":material/terminal:",
                )
    with st.expander("All that it would say", icon=":material/data_object:", expanded=seen.step is ConfigurationStep.ACTIVATE):
        st.code(rules.as_json(seen.content), language="json", height=320)


def _lines(seen: Waiting) -> list[tuple[str, dict[str, str]]]:
    return list(zip(seen.changes, change_rows(seen.changes), strict=True))


def _why(seen: Waiting, path: str) -> str:
    return seen.takes_two.get(path, "–")


def _checked(seen: Waiting) -> None:
    if seen.changed:
        st.warning(
            "The configuration has another version by now. This change can be rejected or withdrawn, and proposed anew.",
            title="It has changed since",
            icon=":material/sync_problem:",
        )
    else:
        st.caption(
            f":green[:material/verified:] The same as when it was proposed: {code(seen.shown_hash[:16])}",
            help="The first part of the SHA-256 of everything that was shown to whoever proposed it.",
        )


def _buttons(seen: Waiting) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Approve",
            key=f"approve-change-{seen.number}",
            type="primary",
            icon=":material/check:",
            disabled=seen.why_no_approval is not None,
            help=seen.why_no_approval or "It becomes the next version at once. Payments under way keep theirs.",
            on_click=_approve,
            args=(seen.number,),
        )
        with st.popover("Reject …", icon=":material/close:", disabled=seen.why_not is not None, help=seen.why_not or "Asks for a reason first."):
            _reject_form(seen)
        if seen.is_own:
            st.button(
                "Withdraw",
                key=f"withdraw-change-{seen.number}",
                icon=":material/undo:",
                help="Takes your change back. The configuration stays as it is.",
                on_click=_withdraw,
                args=(seen.number,),
            )
        if st.button("Test it", key=f"test-change-{seen.number}", icon=":material/network_check:", help="Tries what is proposed, before it is approved."):
            turn_to(id=str(seen.config_id), tab="test")
    if seen.why_not:
        st.caption(f"Off: {plain(seen.why_not)}")


def _reject_form(seen: Waiting) -> None:
    with st.form(f"reject-change-form-{seen.number}", border=False):
        st.text_input("Why not?", key=_because(seen.number), max_chars=LONGEST, help="Told to whoever proposed it, and kept. Example: Not announced.")
        st.form_submit_button("Reject", type="primary", icon=":material/close:", on_click=_reject, args=(seen.number,))


def _act_on(number: int) -> str:
    return f"change-{number}"


def _because(number: int) -> str:
    return f"reject-change-reason-{number}"


@guarded("billers:approve")
def _approve(actor: Actor, number: int) -> None:
    with refusals.beside(_act_on(number)):
        version = configuration_approvals.approve(actor, number)
        st.session_state[DECIDED] = f"Approved. It is version {version} now."


@guarded("billers:approve")
def _reject(actor: Actor, number: int) -> None:
    with refusals.beside(_act_on(number)):
        configuration_approvals.reject(actor, number, st.session_state.get(_because(number)))
        st.session_state[DECIDED] = "Rejected. The configuration stays as it is."


@guarded("billers:configure")
def _withdraw(actor: Actor, number: int) -> None:
    with refusals.beside(_act_on(number)):
        configuration_approvals.withdraw(actor, number)
        st.session_state[DECIDED] = "Withdrawn. The configuration stays as it is."
