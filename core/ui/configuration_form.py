"""The form of a configuration: structured editors and the same content as JSON. Each field is checked as one types, and told of where it stands."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from core.access import Actor
from core.adapters import adapter_for
from core.errors import BillersError
from core.services import configuration_rules as rules
from core.services import configurations, four_eyes
from core.services.configuration_rules import LONGEST_REASON, RULES
from core.services.configurations import Configuration
from core.ui import configuration_draft
from core.ui.configuration_draft import Draft
from core.ui.configuration_fields import (
    ACCOUNTS,
    API,
    CREDENTIAL_HELP,
    ENDPOINT_HELP,
    FEATURES,
    IDENTITY,
    KIND_CODE_HELP,
    KIND_LABEL_HELP,
    KIND_METER_HELP,
    LIMITS,
    TRANSACTIONS,
    TYPE,
    Field,
    label_of,
    type_names,
)
from core.ui.configuration_proposal import REASON_EXAMPLE, REASON_HELP
from core.ui.pieces import code, complain, turn_to
from core.ui.session import guarded
from core.ui.words import plain

# What the next page says once, and whether it begins with a test.
NOTICE, TEST_NEXT = "configuration-notice", "configuration-test-next"

KINDS = f"{RULES}.account_types"

# What the test view tries: what was just proposed, where it is this.
TEST_CHANGE = "configuration-test-change"

TWO_PEOPLE_HELP = " A second person approves a change of it."

VOIDED = " The stored credentials were saved for the old host and are dropped: enter those of the new one under Settings."


def show_new(actor: Actor) -> None:
    """A configuration that does not exist yet. The address keeps which biller it is for."""
    st.title("New configuration", anchor=False)
    st.caption("It is saved switched off: test it, then activate it. Nothing is offered to operators before that.")
    names = type_names()
    asked = st.query_params.get("type", "")
    chosen = st.selectbox(
        TYPE.label,
        list(names),
        index=list(names).index(asked) if asked in names else 0,
        format_func=lambda one: names[one],
        key="configuration-type",
        on_change=lambda: st.query_params.update({"type": st.session_state["configuration-type"]}),
        help=TYPE.help,
    )
    show(configuration_draft.new_draft(chosen), None)


def show(draft: Draft, configuration: Configuration | None) -> None:
    found = draft.complaints()
    _tell_conflict(draft, configuration)
    as_json = _choose_editor(draft)
    if as_json:
        _json(draft, found)
    elif draft.raw is not None:
        _json_first(draft)
    else:
        _editors(draft, found, configuration)
    _credentials(draft, found, configuration)
    _finish(draft, found, configuration)


def _choose_editor(draft: Draft) -> bool:
    return (
        st.segmented_control(
            "Edit as",
            ["Form", "JSON"],
            default="Form",
            required=True,
            key=f"configuration-editor-{draft.config_id}",
            help="The same content both ways. JSON is for copying a whole configuration, or comparing it.",
        )
        == "JSON"
    )


def _tell_conflict(draft: Draft, configuration: Configuration | None) -> None:
    """Somebody else saved meanwhile: whoever typed here decides, and sees what they decide about."""
    if configuration is None or draft.shown == configuration.version:
        return
    who = plain(configuration.updated_by or "The system")
    with st.container(border=True):
        st.warning(
            f"{who} saved version {configuration.version} while you worked on version {draft.shown}. What you typed is still here, and is not saved.",
            icon=":material/group:",
        )
        changed = rules.differences(draft.base, configuration.content)
        st.markdown("Changed meanwhile: " + (", ".join(plain(label_of(path)) for path in changed) or "nothing in the settings; see Versions and History") + ".")
        with st.container(horizontal=True):
            st.button(f"Start again from version {configuration.version}", icon=":material/refresh:", on_click=configuration_draft.drop, args=(draft,))
            st.button(
                f"Keep what I typed, over version {configuration.version}",
                icon=":material/merge:",
                on_click=_rebase,
                args=(draft, configuration),
                help="Fields you did not change take the newer values; those you changed stay as you typed them.",
            )


def _rebase(draft: Draft, configuration: Configuration) -> None:
    """What was typed here over what is saved now, field by field."""
    mine = rules.differences(draft.base, draft.content)
    draft.content, draft.base, draft.shown = configuration.content, configuration.content, configuration.version
    for path, change in mine.items():
        draft.put(path, change["after"])
    draft.refusal, draft.serial = None, draft.serial + "+"


# ---- Structured editors


def _editors(draft: Draft, found: Mapping[str, str], configuration: Configuration | None) -> None:
    _section("Identity", draft, found, IDENTITY)
    with st.container(border=True):
        st.subheader("API", anchor=False)
        _fields(draft, found, API)
        if draft.moved and configuration and configuration.holds_credentials:
            st.warning(
                f"The host changes. The stored credentials were saved for {plain(rules.origin_of(configuration.snapshot.base_url))} and are dropped when"
                " this is saved: they are never sent anywhere else. Enter those of the new host below.",
                icon=":material/key_off:",
            )
        _endpoints(draft, found)
    _section("Transaction settings", draft, found, TRANSACTIONS)
    _features(draft, found)
    with st.container(border=True):
        st.subheader("Validation", anchor=False)
        st.markdown("**Account numbers**")
        _fields(draft, found, ACCOUNTS)
        _account_types(draft, found)
        st.markdown("**Amounts and answers**")
        _fields(draft, found, LIMITS)


def _section(title: str, draft: Draft, found: Mapping[str, str], fields: Sequence[Field]) -> None:
    with st.container(border=True):
        st.subheader(title, anchor=False)
        _fields(draft, found, fields)


def _fields(draft: Draft, found: Mapping[str, str], fields: Sequence[Field]) -> None:
    """Two beside each other, where there is room; in reading order, so that the focus goes that way too."""
    for pair in (fields[place : place + 2] for place in range(0, len(fields), 2)):
        for column, field in zip(st.columns(2), pair, strict=False):
            with column:
                _field(draft, field)
                _tell(draft, found, field.path)


def _tell(draft: Draft, found: Mapping[str, str], *paths: str) -> None:
    """The complaint about this field. What is merely not filled in yet is told of once saving was tried."""
    for path in paths:
        if path in found and (draft.tried or not draft.is_new or draft.get(path) not in ("", None)):
            complain(found[path])


def _key(draft: Draft, path: str) -> str:
    return f"configuration-{path}-{draft.serial}"


def _kept(draft: Draft, path: str, read: Callable[[Any], Any] = lambda value: value) -> Callable[[], None]:
    """Puts what a widget holds into the draft, before the page is drawn again."""

    def keep() -> None:
        draft.put(path, read(st.session_state[_key(draft, path)]))
        draft.refusal = None

    return keep


def _field(draft: Draft, field: Field) -> None:
    """Each kind of field by its own widget. A value that the widget itself cannot show is left to the JSON."""
    told = {"label": field.label, "help": field.help + (TWO_PEOPLE_HELP if four_eyes.takes_two([field.path]) else ""), "key": _key(draft, field.path)}
    value = draft.get(field.path)
    keep = _kept(draft, field.path)
    if field.kind in ("text", "area"):
        ask = st.text_input if field.kind == "text" else st.text_area
        live = {"live": True, "autocomplete": "off"} if field.kind == "text" else {"height": 68}
        ask(**told, value="" if value is None else str(value), on_change=_kept(draft, field.path, lambda text: (text or "").strip() or field.empty), **live)
    elif field.kind == "whole":
        st.number_input(**told, value=value, step=1, format="%d", on_change=keep)
    elif field.kind == "toggle":
        st.toggle(**told, value=bool(value), on_change=keep)
    elif field.kind == "choice":
        options = list(field.options(draft.content))
        st.selectbox(
            **told,
            options=options,
            index=options.index(value) if value in options else None,
            format_func=lambda one: field.words.get(one, one),
            on_change=keep,
        )
    else:
        options = list(dict.fromkeys([*field.options(draft.content), *(value or ())]))
        st.multiselect(**told, options=options, default=list(value or ()), on_change=_kept(draft, field.path, list))


def _endpoints(draft: Draft, found: Mapping[str, str]) -> None:
    """A row for each operation that the biller's class has; and for one that is stored and unknown, so that it can be taken away."""
    known = rules.expected(draft.content["biller_type"], rules.dialect_of(draft.content)).endpoints
    stored = draft.content.get("endpoints", {})
    st.markdown("**Endpoints**", help="Where each operation is sent to, below the base URL.")
    for name in dict.fromkeys([*known, *stored]):
        path = f"endpoints.{name}"
        label, value = st.columns([1, 3], vertical_alignment="center")
        label.markdown(code(name))
        with value:
            st.text_input(
                f"Endpoint {name}",
                value=str(stored.get(name, "")),
                key=_key(draft, path),
                on_change=_kept(draft, path, lambda text: (text or "").strip() or None),
                help=ENDPOINT_HELP.format(example="/soap"),
                placeholder="the usual one",
                label_visibility="collapsed",
                autocomplete="off",
                live=True,
            )
            complain(found.get(path))
    complain(found.get("endpoints"))


def _features(draft: Draft, found: Mapping[str, str]) -> None:
    with st.container(border=True):
        st.subheader("Features", anchor=False, help="What the biller's class can do. Switching something off takes it away here; nothing can be added.")
        features = draft.content.get("features", {})
        names = dict.fromkeys([*rules.features_of(adapter_for(draft.content["biller_type"])), *features])
        for place, name in enumerate(names):
            if place % 2 == 0:
                columns = st.columns(2)
            path = f"features.{name}"
            label, told = FEATURES.get(name, (name, "Not a feature of this biller. Switch it on or off to see what to do."))
            with columns[place % 2]:
                st.toggle(label, value=features.get(name) is not False, key=_key(draft, path), help=told, on_change=_kept(draft, path))
                complain(found.get(path))
        complain(found.get("features"))


def _account_types(draft: Draft, found: Mapping[str, str]) -> None:
    kinds = draft.get(KINDS) or []
    st.markdown("**Kinds of accounts**", help="Where the biller keeps several: operators choose one beside the number. None: there is one kind only.")
    for place, kind in enumerate(kinds):
        columns = st.columns([2, 3, 2, 1], vertical_alignment="bottom")
        for column, name, label, told in ((columns[0], "code", "Code", KIND_CODE_HELP), (columns[1], "label", "Label", KIND_LABEL_HELP)):
            column.text_input(
                label,
                value=str(kind.get(name, "")),
                key=_key(draft, f"{KINDS}-{place}-{name}"),
                help=told,
                on_change=_keep_kind,
                args=(draft, place, name),
                autocomplete="off",
                live=True,
            )
        columns[2].toggle(
            "Meter",
            value=bool(kind.get("is_meter")),
            key=_key(draft, f"{KINDS}-{place}-is_meter"),
            help=KIND_METER_HELP,
            on_change=_keep_kind,
            args=(draft, place, "is_meter"),
        )
        columns[3].button(
            "",
            icon=":material/delete:",
            key=_key(draft, f"{KINDS}-{place}-remove"),
            help="Remove this kind",
            type="tertiary",
            on_click=_remove_kind,
            args=(draft, place),
        )
    complain(found.get(KINDS))
    st.button("Add a kind", icon=":material/add:", type="tertiary", key=_key(draft, "add-kind"), on_click=_add_kind, args=(draft,))


def _keep_kind(draft: Draft, place: int, name: str) -> None:
    value = st.session_state[_key(draft, f"{KINDS}-{place}-{name}")]
    kinds = [dict(kind) for kind in draft.get(KINDS) or []]
    kinds[place][name] = value.strip() if isinstance(value, str) else bool(value)
    draft.put(KINDS, kinds)


def _add_kind(draft: Draft) -> None:
    draft.put(KINDS, [*(draft.get(KINDS) or []), {"code": "", "label": "", "is_meter": False}])


def _remove_kind(draft: Draft, place: int) -> None:
    kinds = list(draft.get(KINDS) or [])
    del kinds[place]
    draft.put(KINDS, kinds)
    # The rows below move up: their widgets are drawn anew.
    draft.serial += "-"


# ---- JSON


def _json(draft: Draft, found: Mapping[str, str]) -> None:
    key = _key(draft, "json")

    def take() -> None:
        draft.take_json(st.session_state[key])
        draft.refusal = None

    text = draft.raw if draft.raw is not None else rules.as_json(draft.content)
    st.text_area(
        "Configuration as JSON",
        value=text,
        height=480,
        key=key,
        on_change=take,
        help="All fields but the credentials. Ctrl+Enter takes it over. Unknown keys and keys that stand twice are refused.",
    )
    for path, sentence in found.items():
        if not path.startswith("credentials."):
            st.markdown(f":red[:material/error:] {'' if path == 'json' else code(path)} :red[{plain(sentence)}]")


def _json_first(draft: Draft) -> None:
    st.warning("The JSON has something in it that this form cannot show. Correct it there, or discard what was typed there.", icon=":material/data_object:")

    def discard() -> None:
        draft.raw = None

    st.button("Discard the JSON", icon=":material/delete:", on_click=discard)


# ---- Credentials


def _credentials(draft: Draft, found: Mapping[str, str], configuration: Configuration | None) -> None:
    """Write-only: what is stored is neither shown nor sent to this page."""
    stored = bool(configuration and configuration.holds_credentials)
    with st.container(border=True):
        st.subheader(
            "Credentials",
            anchor=False,
            help="What the biller asks of us. Sealed when saved; nobody can read them here, and only their change is kept in the history.",
        )
        if configuration and configuration.environment_credentials:
            st.info(
                f"Set where the console is started (BILLERS_CREDENTIALS_{configuration.snapshot.biller_type}): those go before what is stored here.",
                icon=":material/terminal:",
            )
        expected = rules.expected(draft.content["biller_type"], rules.dialect_of(draft.content))
        names = expected.credentials
        columns = st.columns(2)
        for place, name in enumerate(names):
            with columns[place % 2]:
                st.text_input(
                    _credential_label(name),
                    value=draft.credentials.get(name, ""),
                    key=_key(draft, f"credentials.{name}"),
                    type="password",
                    autocomplete="new-password",
                    placeholder="stored, empty keeps it" if stored and not draft.moved else "not stored",
                    help=CREDENTIAL_HELP,
                    on_change=_keep_credential,
                    args=(draft, name),
                )
                complain(found.get(f"credentials.{name}"))
        if not names:
            st.caption("This biller asks for none.")
        elif len(expected.alternatives) > 1:
            ways = "; or ".join(" and ".join(_credential_label(name) for name in alternative) for alternative in expected.alternatives)
            st.caption(f"Whichever the biller gave you: {ways}. Entering one kind replaces a stored one of another kind.")
        if stored and configuration:
            _offer_to_forget(draft, configuration)


def _offer_to_forget(draft: Draft, configuration: Configuration) -> None:
    label, meaning = "Remove the stored credentials", "Nothing is sent in their place until somebody enters new ones."
    if not configuration.is_approved:
        st.button(label, icon=":material/key_off:", type="tertiary", on_click=_forget_credentials, args=(draft, configuration), help=meaning)
        return
    with st.popover(f"{label} …", icon=":material/key_off:", type="tertiary", help="Asks for a reason first: a second person decides."):
        st.caption(f"{meaning} A second person decides; to have nothing sent meanwhile, pause the biller.")
        with st.form(f"forget-{configuration.id}", border=False):
            st.text_input(
                "Why remove them?", key=_forget_key(configuration), max_chars=LONGEST_REASON, placeholder=REASON_EXAMPLE, help=REASON_HELP, autocomplete="off"
            )
            st.form_submit_button("Propose to remove them", type="primary", icon=":material/group:", on_click=_forget_credentials, args=(draft, configuration))


def _forget_key(configuration: Configuration) -> str:
    return f"forget-reason-{configuration.id}"


def _credential_label(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("Api", "API").replace("Msisdn", "MSISDN").replace("Pin", "PIN")


def _keep_credential(draft: Draft, name: str) -> None:
    value = (st.session_state[_key(draft, f"credentials.{name}")] or "").strip()
    if value:
        draft.credentials[name] = value
    else:
        draft.credentials.pop(name, None)


@guarded("billers:configure")
def _forget_credentials(actor: Actor, draft: Draft, configuration: Configuration) -> None:
    try:
        saved = configurations.forget_credentials(actor, configuration.id, configuration.version, st.session_state.get(_forget_key(configuration)) or "")
    except BillersError as error:
        draft.refusal = error.sentence
        return
    if saved.proposal is None and draft.shown == configuration.version:
        draft.shown += 1
    st.session_state[NOTICE] = proposed_text(saved.proposal) if saved.proposal else "The stored credentials were removed."


# ---- Saving


def proposed_text(number: int) -> str:
    return f"Proposed as change {number}: another administrator decides about it on this page. Nothing has changed yet."


def _finish(draft: Draft, found: Mapping[str, str], configuration: Configuration | None) -> None:
    """The buttons work whatever was typed: what they refuse, they explain."""
    takes_two = {path: why for path, why in draft.takes_two(configuration).items() if path not in found}
    if takes_two:
        _tell_second_person(draft, takes_two)
    if draft.refusal:
        st.error(plain(draft.refusal), icon=":material/error:")
    if draft.tried and found:
        st.markdown("Correct first: " + ", ".join(plain(label_of(path)) for path in found) + ".")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Propose" if takes_two else "Save",
            type="primary",
            icon=":material/group:" if takes_two else ":material/save:",
            on_click=_save,
            args=(draft, False),
            shortcut="Ctrl+S",
            help="Another administrator decides. Nothing changes before." if takes_two else "A new version. Payments under way keep theirs.",
        )
        st.button(
            "Propose & test" if takes_two else "Save & test",
            icon=":material/network_check:",
            on_click=_save,
            args=(draft, True),
            help=f"{'Proposes it' if takes_two else 'Saves'}, then tries the biller with the example account.",
        )
        if draft.is_changed:
            st.button("Discard changes", icon=":material/undo:", type="tertiary", on_click=configuration_draft.drop, args=(draft,))
            st.caption("Not saved yet.", width="content")
        if draft.is_new and st.button("Back to the list", icon=":material/arrow_back:", type="tertiary"):
            turn_to()


def _tell_second_person(draft: Draft, takes_two: Mapping[str, str]) -> None:
    """Before anything is saved: what of it takes two people, and why it is wanted."""
    with st.container(border=True):
        st.info(
            "Another administrator decides about this, on this page: "
            + "; ".join(f"{plain(label_of(path))} ({why})" for path, why in takes_two.items())
            + ". What else you changed waits with it. Until then nothing changes, and payments go on as before.",
            title="Needs a second person",
            icon=":material/group:",
        )
        st.text_input(
            "Why?",
            value=draft.reason,
            key=_key(draft, "reason"),
            max_chars=LONGEST_REASON,
            placeholder=REASON_EXAMPLE,
            help=REASON_HELP,
            on_change=_keep_reason,
            args=(draft,),
            autocomplete="off",
        )


def _keep_reason(draft: Draft) -> None:
    draft.reason, draft.refusal = st.session_state[_key(draft, "reason")] or "", None


@guarded("billers:configure")
def _save(actor: Actor, draft: Draft, test: bool) -> None:
    """One call. What it refuses stays in the form, with the reason; what it saves is what the page shows next."""
    draft.tried = True
    if test and draft.config_id is not None and not draft.is_changed:
        st.session_state[TEST_NEXT] = draft.config_id
        st.query_params.from_dict({"id": str(draft.config_id), "tab": "test"})
        return
    try:
        content, entered = draft.written, draft.credentials or None
        if draft.config_id is None:
            saved = configurations.create(actor, content, entered)
        else:
            saved = configurations.edit(actor, draft.config_id, draft.shown, content, entered, draft.reason)
    except BillersError as error:
        draft.refusal = error.sentence
    else:
        configuration_draft.drop(draft)
        one = saved.configuration
        done = f"Saved as version {one.version}.{VOIDED if saved.credentials_voided else ''}"
        st.session_state[NOTICE] = proposed_text(saved.proposal) if saved.proposal else done
        st.session_state[TEST_NEXT] = one.id if test else None
        st.session_state[TEST_CHANGE] = saved.proposal if test else None
        st.query_params.from_dict({"id": str(one.id), **({"tab": "test"} if test else {})})
