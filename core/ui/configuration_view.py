"""One configuration: how it stands, what may be done with it, and four views of it: settings, test, versions, history. All of it in the address."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.services import configuration_approvals, configurations, connection_tests
from core.services import configuration_rules as rules
from core.services.configuration_approvals import Waiting
from core.services.configuration_rules import LONGEST_REASON
from core.services.configurations import Configuration
from core.services.connection_tests import Tried
from core.settings import settings
from core.states import Topology
from core.ui import configuration_form, configuration_proposal, refusals
from core.ui.configuration_draft import Draft, draft_of
from core.ui.configuration_form import NOTICE, TEST_CHANGE, TEST_NEXT, proposed_text
from core.ui.configuration_looks import STAGES, STATES, change_rows, result_text, what_happened
from core.ui.configuration_proposal import DECIDED, REASON_EXAMPLE, REASON_HELP, fields_of
from core.ui.pieces import FORM_WIDTH, complain, link_to_record, turn_to
from core.ui.session import guarded
from core.ui.tables import ROW_PIXELS
from core.ui.words import ago, as_of, moment_text, plain

# One of the sandbox's, and how such a number looks.
BANK_EXAMPLE = "2010000001"

TABS: Mapping[str, str] = {"settings": "Settings", "test": "Test", "versions": "Versions", "history": "History"}


@dataclass(frozen=True, slots=True)
class Switch:
    """Something done with a whole configuration, once it is confirmed."""

    label: str
    icon: str
    question: str
    means: str
    done: str
    act: Callable[..., Configuration]


SWITCHES: Mapping[str, Switch] = {
    "activate": Switch(
        "Activate",
        ":material/play_circle:",
        "Activate this configuration?",
        "Operators are offered this biller at once, and payments go out.",
        "Activated. Operators are offered it now.",
        configurations.activate,
    ),
    "pause": Switch(
        "Pause",
        ":material/pause_circle:",
        "Pause this biller?",
        "Payments that wait stay in the queue, and nobody can submit new ones. What is already with the biller is still asked about.",
        "Paused. Operators read the reason.",
        configurations.pause,
    ),
    "resume": Switch(
        "Resume",
        ":material/resume:",
        "Resume this biller?",
        "Payments that wait are sent at once, as far as their time is not up.",
        "Resumed.",
        configurations.resume,
    ),
    "deactivate": Switch(
        "Deactivate",
        ":material/stop_circle:",
        "Deactivate this configuration?",
        "Operators are no longer offered it. Payments that wait fail, with no money moved. What is already with the biller is still asked about.",
        "Deactivated. Nobody is offered it any more.",
        configurations.deactivate,
    ),
}

OFFERED: Mapping[str, tuple[str, ...]] = {"inactive": ("activate",), "active": ("pause", "deactivate"), "paused": ("resume", "deactivate")}


def show(actor: Actor, config_id: uuid.UUID) -> None:
    if st.button("Configurations", icon=":material/arrow_back:", type="tertiary", help="Back to the list. What you typed here is kept in this window."):
        turn_to()
    one = configurations.find(actor, config_id)
    _head(one)
    # Kept for the run after the test, where it is still news.
    notice = st.session_state.get(NOTICE) if st.session_state.get(TEST_NEXT) == one.id else st.session_state.pop(NOTICE, None)
    for told in (notice, st.session_state.pop(DECIDED, None)):
        if told:
            st.success(plain(told), icon=":material/check_circle:")
    if waits := configuration_approvals.about(actor, one.id):
        configuration_proposal.show(waits)
    if (asked := st.query_params.get("do")) in SWITCHES:
        _confirm(actor, one, str(asked))
    elif asked == RESTORE:
        _confirm_restore(actor, one, st.query_params.get("version", ""))
    tab = _choose_tab()
    draft = draft_of(one)
    if tab == "test":
        _test(actor, one, draft, waits)
    else:
        {"settings": _settings, "versions": _versions, "history": _history}[tab](actor, one, draft)


def _head(one: Configuration) -> None:
    look = STATES[one.state]
    draft = "" if one.is_approved else " :gray-badge[:material/edit_note: Draft: nobody else has looked at it yet]"
    st.title(plain(one.snapshot.display_name), anchor=False)
    by = f" by {plain(one.updated_by)}" if one.updated_by else ""
    tested = plain(result_text(one.last_test, one.version)) if one.last_test is None else f"test {plain(result_text(one.last_test, one.version))}"
    st.markdown(f"{look.badge}{draft} {plain(one.snapshot.biller_name)} · version {one.version}, {moment_text(one.updated_at)}{by} · {tested}")
    if one.paused_because and one.paused_at:
        st.warning(f"Paused {ago(one.paused_at)}: {plain(one.paused_because)}", icon=":material/pause_circle:")
    with st.container(horizontal=True):
        for name in OFFERED[one.state]:
            switch = SWITCHES[name]
            kind = "primary" if name in ("activate", "resume") else "secondary"
            if st.button(switch.label, icon=switch.icon, type=kind, help=f"{switch.means} Asks before it does so."):
                turn_to(**{**_address(), "do": name})
        st.button("Clone", icon=":material/content_copy:", on_click=_clone, args=(one.id,), help="Another one that says the same: off, no credentials.")


@guarded("billers:configure")
def _clone(actor: Actor, config_id: uuid.UUID) -> None:
    made = configurations.clone(actor, config_id)
    st.session_state[NOTICE] = f"Cloned as “{made.snapshot.display_name}”: switched off, and without credentials. Nobody is offered it before two people agree."
    st.query_params.from_dict({"id": str(made.id)})


def _address() -> dict[str, str]:
    return {name: st.query_params[name] for name in ("id", "tab") if name in st.query_params}


def _choose_tab() -> str:
    """The address is the only memory of which view is open."""
    asked = st.query_params.get("tab", "settings")
    tab, key = asked if asked in TABS else "settings", "configuration-tab"
    if st.session_state.get(key) != tab:
        st.session_state[key] = tab

    def remember() -> None:
        st.query_params["tab"] = st.session_state[key]

    st.segmented_control("View", list(TABS), format_func=lambda one: TABS[one], key=key, required=True, label_visibility="collapsed", on_change=remember)
    return tab


# ---- Switching


def _confirm(actor: Actor, one: Configuration, name: str) -> None:
    switch = SWITCHES[name]
    if name not in OFFERED[one.state]:
        st.info(f"This is {STATES[one.state].label.lower()} already: there is nothing to {switch.label.lower()}.", icon=":material/info:")
        return
    with st.container(border=True, width=FORM_WIDTH):
        st.subheader(switch.question, anchor=False)
        st.markdown(switch.means)
        if name in ("pause", "deactivate") and (count := configurations.unsent(actor, one.id)):
            fate = "will fail" if name == "deactivate" else "will wait"
            st.warning(f"{count} {'payment waits' if count == 1 else 'payments wait'} in the queue now and {fate}.", icon=":material/schedule:")
        if name == "activate" and not (one.last_test and one.last_test.passed and one.last_test.version == one.version):
            st.warning(
                f"This version has not passed a connection test ({plain(result_text(one.last_test, one.version))}). Test it first.",
                icon=":material/network_check:",
            )
        proposes = name == "activate" and not one.is_approved
        if proposes:
            st.info(
                "Another administrator looks at everything it says and decides. Nobody is offered it before.",
                title="Needs a second person",
                icon=":material/group:",
            )
        with st.form(f"confirm-{name}", border=False):
            if name == "pause":
                st.text_input(
                    "Reason",
                    key=_reason_key(one.id),
                    max_chars=LONGEST_REASON,
                    placeholder="for example: Lilongwe Water Board maintains its system until 14:00.",
                    help="One sentence that operators read to customers. Up to 200 characters. Example: Maintenance until 14:00.",
                    autocomplete="off",
                )
            if proposes:
                _ask_why(one)
            refusals.tell(_what(name, one.id))
            with st.container(horizontal=True):
                if proposes:
                    st.form_submit_button(
                        "Propose to activate", type="primary", icon=":material/group:", on_click=_propose_activation, args=(one.id, one.version)
                    )
                else:
                    st.form_submit_button(f"Yes, {switch.label.lower()}", type="primary", icon=switch.icon, on_click=_act, args=(name, one.id, one.version))
                st.form_submit_button("Leave it as it is", icon=":material/arrow_back:", on_click=_leave)


def _ask_why(one: Configuration) -> None:
    st.text_input("Why?", key=_why_key(one.id), max_chars=LONGEST_REASON, placeholder=REASON_EXAMPLE, help=REASON_HELP, autocomplete="off")


def _why_key(config_id: uuid.UUID) -> str:
    return f"why-{config_id}"


@guarded("billers:configure")
def _propose_activation(actor: Actor, config_id: uuid.UUID, shown: int) -> None:
    with refusals.beside(_what("activate", config_id)):
        number = configurations.propose_activation(actor, config_id, shown, st.session_state.get(_why_key(config_id)) or "")
        st.session_state[NOTICE] = proposed_text(number)
        _leave()


def _reason_key(config_id: uuid.UUID) -> str:
    return f"pause-reason-{config_id}"


@guarded("billers:configure")
def _act(actor: Actor, name: str, config_id: uuid.UUID, shown: int) -> None:
    """For the version that was in front of whoever confirmed it."""
    switch = SWITCHES[name]
    reason = (st.session_state.get(_reason_key(config_id)) or "",) if name == "pause" else ()
    with refusals.beside(_what(name, config_id)):
        switch.act(actor, config_id, shown, *reason)
        st.session_state[NOTICE] = switch.done
        _leave()


def _what(act: str, config_id: uuid.UUID) -> str:
    return f"{act}-{config_id}"


def _leave() -> None:
    st.query_params.from_dict(_address())


# ---- Restoring

RESTORE = "restore"


def _confirm_restore(actor: Actor, one: Configuration, version: str) -> None:
    """What would differ from what is saved now, before anything is."""
    number = int(version) if version.isdecimal() and len(version) < 9 else 0
    with st.container(border=True, width=FORM_WIDTH):
        st.subheader(f"Restore version {number}?", anchor=False)
        preview = configurations.what_restoring_changes(actor, one.id, number)
        if not preview.changes:
            st.info("The settings are those of this version already: there is nothing to restore.", icon=":material/info:")
            return
        st.markdown("It becomes a new version with what this one said. Payments under way keep theirs.")
        _before_and_after(change_rows(preview.changes))
        if preview.takes_two:
            st.info(
                f"Another administrator decides, because of: {fields_of(preview.takes_two)}. Until then nothing changes.",
                title="Needs a second person",
                icon=":material/group:",
            )
        with st.form("confirm-restore", border=False):
            if preview.takes_two:
                _ask_why(one)
            refusals.tell(_what(RESTORE, one.id))
            with st.container(horizontal=True):
                st.form_submit_button(
                    "Propose to restore it" if preview.takes_two else "Yes, restore it",
                    type="primary",
                    icon=":material/settings_backup_restore:",
                    on_click=_restore,
                    args=(one.id, one.version, number),
                )
                st.form_submit_button("Leave it as it is", icon=":material/arrow_back:", on_click=_leave)


@guarded("billers:configure")
def _restore(actor: Actor, config_id: uuid.UUID, shown: int, number: int) -> None:
    with refusals.beside(_what(RESTORE, config_id)):
        saved = configurations.restore(actor, config_id, shown, number, st.session_state.get(_why_key(config_id)) or "")
        restored = f"Version {number} is restored: its settings are version {saved.configuration.version} now."
        st.session_state[NOTICE] = proposed_text(saved.proposal) if saved.proposal else restored
        _leave()


# ---- The views


def _settings(_actor: Actor, one: Configuration, draft: Draft) -> None:
    configuration_form.show(draft, one)


def _test(actor: Actor, one: Configuration, draft: Draft, waits: Waiting | None) -> None:
    _ask_test(actor, one, draft, waits)
    history = connection_tests.history(actor, one.id)
    if not history:
        st.info("Never tested. A test asks the biller about an account it knows; it pays nothing.", icon=":material/network_check:")
        return
    _stages(history[0], one)
    st.subheader("Earlier tests", anchor=False)
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "When": moment_text(test.at),
                    "By": test.by,
                    "Version": f"{test.version}, changed values" if test.typed_only else str(test.version),
                    "Result": result_text(test),
                    "Told": (test.failed_at or test.stages[-1]).told if test.stages else "",
                }
                for test in history
            ],
            dtype=object,
        ),
        hide_index=True,
        height=min(ROW_PIXELS * (len(history) + 1) + 3, 420),
        column_config={
            "When": st.column_config.TextColumn(width=190),
            "By": st.column_config.TextColumn(width=120),
            "Told": st.column_config.TextColumn(width="large"),
        },
        alt="Connection tests of this configuration, newest first",
    )


def _ask_test(actor: Actor, one: Configuration, draft: Draft, waits: Waiting | None) -> None:
    """The question, and the test itself where it was asked for: what it says of a bad account stands beside the field."""
    kinds, account_rules = one.snapshot.validation_rules.account_types, one.snapshot.validation_rules
    typed = draft.is_changed
    with st.form("connection-test", width=FORM_WIDTH):
        st.text_input(
            f"Test account ({plain(account_rules.account_label.lower())})",
            value=account_rules.account_example,
            key=f"test-account-{one.id}",
            help="An account that the biller keeps for tests; it is asked about, never paid. Written as operators write it. Example: "
            f"{plain(account_rules.account_example or '70000001')}.",
            autocomplete="off",
        )
        if kinds:
            st.segmented_control(
                "Kind of account",
                [kind.code for kind in kinds],
                default=kinds[0].code,
                required=True,
                key=f"test-kind-{one.id}",
                help="Which kind the number is of. Example: M.",
            )
        if _debits(one, draft, waits):
            st.text_input(
                "Test account at the bank",
                value=BANK_EXAMPLE if settings().billers_sandbox else "",
                key=f"test-bank-account-{one.id}",
                help=f"An account that the bank keeps for tests: core banking says whether it would debit it, and debits nothing. Example: {BANK_EXAMPLE}.",
                autocomplete="off",
            )
        below = st.container()
        with st.container(horizontal=True, vertical_alignment="center"):
            asked = st.form_submit_button(
                "Test connection", type="primary", icon=":material/network_check:", help="Tries the saved values: address, connection, credentials, look-up."
            )
            asked_typed = typed and st.form_submit_button(
                "Test what is typed",
                icon=":material/edit_note:",
                help="Tries the values in Settings that are not saved yet. Stored credentials go to their own host only.",
            )
            asked_change = waits and st.form_submit_button(
                f"Test change {waits.number}",
                icon=":material/group:",
                help="Tries what waits for a second person. The credentials that came with it go to the host in it, and stored ones to their own only.",
            )
    if st.session_state.pop(TEST_NEXT, None) == one.id:
        asked_change = waits is not None and st.session_state.pop(TEST_CHANGE, None) == waits.number
        asked = not asked_change
    if not asked and not asked_typed and not asked_change:
        return
    with below:
        try:
            with st.spinner("Asking the biller…", show_time=True):
                _run(actor, one, draft if asked_typed else None, waits if asked_change else None)
        except BillersError as error:
            complain(error.sentence)
        else:
            # What stands above tells of the last test, too.
            st.rerun()


def _debits(one: Configuration, draft: Draft, waits: Waiting | None) -> bool:
    """Saved, typed or proposed: each may be tested."""
    asked = (draft.get("topology"), waits.content["topology"] if waits else None)
    return one.snapshot.debits_customer or any(topology in (Topology.SEPARATE.value, Topology.COMPOSITE.value) for topology in asked)


def _run(actor: Actor, one: Configuration, draft: Draft | None, waits: Waiting | None) -> None:
    account = st.session_state.get(f"test-account-{one.id}") or ""
    kind = st.session_state.get(f"test-kind-{one.id}")
    bank_account = st.session_state.get(f"test-bank-account-{one.id}") or ""
    if draft is None:
        connection_tests.run(actor, one.id, account, kind, bank_account=bank_account, proposal=waits.number if waits else None)
    else:
        connection_tests.run(actor, one.id, account, kind, bank_account=bank_account, typed=draft.written, credentials=draft.credentials)


def _stages(test: Tried, one: Configuration) -> None:
    """Stage by stage: sign, word and time; what was not reached any more is said, too."""
    with st.container(border=True, width=FORM_WIDTH):
        sign, word = (":green[:material/check_circle:]", "Passed") if test.passed else (":red[:material/cancel:]", "Did not pass")
        st.markdown(f"{sign} **{word}** in {test.milliseconds} ms :gray[· version {test.version} · {moment_text(test.at)} · {plain(test.by)}]")
        tried = {each.stage: each for each in test.stages}
        not_asked = {connection_tests.Stage.TYPED, *(() if one.snapshot.debits_customer else connection_tests.BANK_STAGES)}
        for stage, (title, question) in STAGES.items():
            result = tried.get(stage)
            if result is None:
                if stage not in not_asked and not test.passed:
                    st.markdown(f":gray[:material/remove: **{title}** · not reached. {question}]")
                continue
            icon = (
                ":blue[:material/edit_note:]"
                if stage is connection_tests.Stage.TYPED
                else ":green[:material/check:]"
                if result.passed
                else ":red[:material/close:]"
            )
            took = (
                f":gray[{result.milliseconds} ms]"
                if result.milliseconds is not None
                else ":gray[with the look-up]"
                if stage is connection_tests.Stage.AUTHENTICATION
                else ""
            )
            st.markdown(f"{icon} **{title}** {took}  \n{plain(result.told)}")


def _versions(actor: Actor, one: Configuration, _draft: Draft) -> None:
    """What each version changed of the one before, and all that it says."""
    found = configurations.versions(actor, one.id)
    numbers = [version.number for version in found]
    asked = st.query_params.get("version", "")
    chosen = int(asked) if asked.isdecimal() and int(asked) in numbers else numbers[0]
    key = f"configuration-version-{one.id}"
    if st.session_state.get(key) not in numbers or asked:
        st.session_state[key] = chosen

    def remember() -> None:
        st.query_params["version"] = str(st.session_state[key])

    names = {version.number: f"{version.number} · {moment_text(version.at)} · {version.by or 'the system'}" for version in found}
    number = st.selectbox(
        "Version",
        numbers,
        format_func=lambda each: names[each],
        key=key,
        on_change=remember,
        width=FORM_WIDTH,
        help="Newest first. A payment keeps the version it was drafted under. Example: 3.",
    )
    version = next(each for each in found if each.number == number)
    if version.proposal:
        st.markdown(
            f":material/group: Change {version.proposal}, proposed by {plain(version.by or 'somebody')} and approved by"
            f" {plain(version.approved_by or 'somebody')}: {plain(version.reason or '')}"
        )
    if version.changes:
        st.markdown(f"**Changed in version {version.number}**")
        _before_and_after(change_rows(version.changes))
    elif version.number == numbers[-1]:
        st.caption("The first version: nothing came before it.")
    else:
        st.caption("The settings are those of the version before: it was switched on, off, paused or resumed. The history tells which.")
    if version.number != one.version and st.button(
        f"Restore version {version.number} …",
        icon=":material/settings_backup_restore:",
        help="Shows what would differ from what is saved now, and asks before it does so.",
    ):
        turn_to(id=str(one.id), tab="versions", version=str(version.number), do=RESTORE)
    with st.expander(f"All of version {version.number}", icon=":material/data_object:"):
        st.code(rules.as_json(version.content), language="json", height=420)


def _before_and_after(rows: list[dict[str, str]]) -> None:
    st.table(
        [{name: plain(value) for name, value in row.items()} for row in rows], border="horizontal", hide_index=True, alt="What was changed, before and after"
    )


def _history(actor: Actor, one: Configuration, _draft: Draft) -> None:
    """Who did what, and when: as the audit has it."""
    acts = configurations.acts(actor, one.id)
    st.caption(f"Newest first, {as_of()}. Kept in the audit chain; of credentials only that they changed.")
    link_to_record(actor, "biller", one.id)
    for act in acts:
        about = f"{moment_text(act.at)} · {act.by}{f' · version {act.version}' if act.version else ''}"
        rows = change_rows(act.changes)
        with st.container(border=True):
            st.markdown(f"**{plain(what_happened(act))}**  \n:gray[{plain(about)}]")
            if rows and act.action != "biller.created":
                _before_and_after(rows)
