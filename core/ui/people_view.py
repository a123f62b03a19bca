"""One person: what they may do and see, how they sign in, where they are signed in. And somebody who is yet to be added."""

import uuid
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from core.access import Actor
from core.errors import BillersError, NotFound, ProveAgain
from core.services import billers, proofs, roles, staff
from core.services.staff import Member
from core.ui import people_sessions
from core.ui.people_words import ALL_BILLERS, scope, state
from core.ui.pieces import AUDIT, FORM_WIDTH, code, link_to, turn_to
from core.ui.session import guarded
from core.ui.words import plain

# In this window's memory: what was done, what was refused, and a password that is shown this once: whose, and what it is.
NOTICE, REFUSED, SHOWN = "people-notice", "people-refused", "people-password-shown"

# Who was just added: their page comes next.
ADDED = "people-added"

NAME_HELP = "As others see it: beside payments, and on receipts."

# The fields, each with whose it is.
NEW = "new"
USERNAME, NAME, ROLE, BILLERS = "person-username", "person-name", "person-role", "person-billers"


def show(actor: Actor, person_id: uuid.UUID) -> None:
    back()
    member = next((one for one in staff.everybody(actor) if one.id == person_id), None)
    if member is None:
        raise NotFound("There is no such person. Choose one from the list.")
    has_code, names = bool(proofs.is_enrolled([member.id])), billers.biller_names(actor)
    look, sees = state(member), plain(scope(member.billers, names)) if member.billers else ALL_BILLERS.lower()
    st.title(plain(member.display_name), anchor=False)
    st.markdown(
        f"{look.badge} {plain(member.role_title)} · signs in as {code(member.username)} · sees {sees}"
        + (" · :orange-badge[:material/science: Sandbox]" if member.sandbox else "")
    )
    notices()
    _password_once(member)
    if actor.may("people:manage"):
        with st.container(width=FORM_WIDTH):
            _rights(actor, member, names)
            _signing_in(actor, member, has_code=has_code)
    with st.container(width=FORM_WIDTH):
        _sessions(actor, member)
    if actor.may("audit:read"):
        link_to(AUDIT, "What they did, and what was done about them", ":material/policy:", subject=f"user:{member.id}")


def back(label: str = "People", **address: str) -> None:
    if st.button(label, icon=":material/arrow_back:", type="tertiary", help="Back to the list."):
        turn_to(**address)


def notices() -> None:
    """What came of the last act."""
    if done := st.session_state.pop(NOTICE, None):
        st.success(plain(done), icon=":material/check_circle:")
    if refused := st.session_state.pop(REFUSED, None):
        st.error(plain(refused), icon=":material/error:")


def _password_once(member: Member) -> None:
    """Until the page is left: nobody can show it again."""
    whose, password = st.session_state.get(SHOWN) or (None, None)
    if whose != member.id or password is None:
        return
    with st.container(border=True, width=FORM_WIDTH):
        st.markdown(f"**{plain(member.display_name)} signs in with this password.** Tell them in person or on the telephone; it is shown this once.")
        st.code(password, language=None)
        st.caption("They are asked to choose one of their own.")
        st.button("I have told them", icon=":material/check:", key="password-told", on_click=lambda: st.session_state.pop(SHOWN, None))


# ---- What they may do and see


def _rights(actor: Actor, member: Member, names: Mapping[str, str]) -> None:
    is_self = actor.id == member.id
    titles = {one.code: one.title for one in roles.everything(actor)}
    key = _as_shown(member)
    with st.form(f"rights-{key}"):
        st.subheader("Rights", anchor=False)
        if is_self:
            st.caption("Your role and your billers are another administrator's to change.")
        st.text_input("Name", value=member.display_name, key=f"{NAME}-{key}", max_chars=staff.LONGEST_NAME, help=NAME_HELP)
        _choose_role(titles, member.role, key, disabled=is_self)
        _choose_billers(names, member.billers, key, disabled=is_self)
        st.form_submit_button("Save", type="primary", icon=":material/save:", on_click=_save, args=(member,))


def _as_shown(member: Member) -> str:
    """Other fields for another person, and for the same as somebody else changed them: what was typed over something else is not typed over this."""
    return f"{member.id}-{hash((member.display_name, member.role, member.billers))}"


def _choose_role(titles: Mapping[str, str], role: str, key: str, *, disabled: bool = False) -> None:
    st.selectbox(
        "Role",
        list(titles),
        index=list(titles).index(role),
        format_func=lambda code: plain(titles[code]),
        key=f"{ROLE}-{key}",
        disabled=disabled,
        help="What they may do, at once and in every open window. Each role's rights stand under Roles.",
    )


def _choose_billers(names: Mapping[str, str], chosen: Sequence[str], key: str, *, disabled: bool = False) -> None:
    st.multiselect(
        "Billers",
        list(names),
        default=list(chosen),
        format_func=lambda code: plain(names.get(code, code)),
        key=f"{BILLERS}-{key}",
        placeholder=ALL_BILLERS,
        disabled=disabled,
        help="None chosen: all of them. Of billers that are not chosen they see no payment, no figure and no name, and rights over all billers at once"
        " (people, configurations, the record) lapse for them.",
    )


@guarded("people:manage")
def _save(actor: Actor, member: Member) -> None:
    typed, key = st.session_state, _as_shown(member)
    # A widget that is off has no say: what it shows is what there is.
    is_self = actor.id == member.id
    role, limits = (member.role, member.billers) if is_self else (typed[f"{ROLE}-{key}"], typed[f"{BILLERS}-{key}"])
    if attempt(lambda: staff.change(actor, member.id, display_name=typed[f"{NAME}-{key}"], role=role, billers=limits)):
        typed[NOTICE] = "Saved. It holds at once, in every window they have open."


# ---- How they sign in


def _signing_in(actor: Actor, member: Member, *, has_code: bool) -> None:
    is_self = actor.id == member.id
    with st.container(border=True):
        st.subheader("Signing in", anchor=False)
        told = "A code from an app is asked for beside the password." if has_code else "By password alone: no sign-in code is set up."
        given = " The password was given to them, and whoever gave it knows it." if member.password_given else ""
        st.markdown(f"{told}{given}")
        if member.sandbox:
            st.caption("One of the sandbox's people: their password stands on the sign-in page.")
        if is_self:
            st.caption("Your own password and code are under My account.")
            return
        with st.container(horizontal=True):
            if not member.sandbox:
                with st.popover("New password …", icon=":material/key:"):
                    st.markdown("A password is made up and shown once. They are signed out everywhere, and may try at once.")
                    st.button("Make it", type="primary", icon=":material/key:", key="new-password", on_click=_give_password, args=(member,))
            if has_code:
                with st.popover("Take the code away …", icon=":material/phonelink_erase:", help="For somebody whose phone is lost."):
                    st.markdown("Make sure that it is them who asks. They sign in by password alone until they set up another.")
                    st.button("Take it away", type="primary", icon=":material/phonelink_erase:", key="reset-code", on_click=_reset_code, args=(member,))
            if member.disabled:
                st.button("Let sign in again", icon=":material/how_to_reg:", key="enable", on_click=_enable, args=(member,), help="With the password they had.")
            else:
                with st.popover("Disable …", icon=":material/block:"):
                    st.markdown("They are signed out everywhere within moments, sign in no longer, and their programs' tokens open nothing.")
                    st.button("Disable", type="primary", icon=":material/block:", key="disable", on_click=_disable, args=(member,))


@guarded("people:manage")
def _give_password(actor: Actor, member: Member) -> None:
    def give() -> None:
        st.session_state[SHOWN] = (member.id, staff.give_password(actor, member.id))

    attempt(give)


@guarded("people:manage")
def _reset_code(actor: Actor, member: Member) -> None:
    if attempt(lambda: proofs.reset(actor, member.username)):
        st.session_state[NOTICE] = f"{member.display_name} signs in without a code until they set up another."


@guarded("people:manage")
def _disable(actor: Actor, member: Member) -> None:
    if attempt(lambda: staff.disable(actor, member.id)):
        st.session_state[NOTICE] = f"{member.display_name} is signed out, and signs in no longer."


@guarded("people:manage")
def _enable(actor: Actor, member: Member) -> None:
    if attempt(lambda: staff.enable(actor, member.id)):
        st.session_state[NOTICE] = f"{member.display_name} may sign in again."


# ---- Where they are signed in


def _sessions(actor: Actor, member: Member) -> None:
    found, may_end = staff.sessions_of(actor, member.id), actor.may("people:manage")
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Signed in", anchor=False)
            if may_end and len(found) > 1 and actor.id != member.id:
                st.button("End all", icon=":material/logout:", key="end-all", on_click=_end_all, args=(member,), help="Signs them out everywhere.")
        if not found:
            st.caption("In no browser at this moment.")
        people_sessions.rows(found, _end, may_end=may_end and actor.id != member.id)


@guarded("people:manage")
def _end(actor: Actor, session_id: uuid.UUID) -> None:
    if attempt(lambda: staff.end_session(actor, session_id)):
        st.session_state[NOTICE] = "That browser is signed out."


@guarded("people:manage")
def _end_all(actor: Actor, member: Member) -> None:
    if attempt(lambda: staff.end_sessions(actor, member.id)):
        st.session_state[NOTICE] = f"{member.display_name} is signed out everywhere."


# ---- Somebody new


def show_new(actor: Actor) -> None:
    back()
    st.title("Add a person", anchor=False)
    notices()
    titles, names = {one.code: one.title for one in roles.everything(actor)}, billers.biller_names(actor)
    with st.form("new-person", width=FORM_WIDTH):
        st.text_input("Name", key=f"{NAME}-{NEW}", max_chars=staff.LONGEST_NAME, placeholder="Grace Banda", help=NAME_HELP)
        st.text_input("User name", key=f"{USERNAME}-{NEW}", max_chars=60, placeholder="grace", help="One word: what they sign in with.")
        _choose_role(titles, "operator" if "operator" in titles else next(iter(titles)), NEW)
        _choose_billers(names, (), NEW)
        st.form_submit_button("Add", type="primary", icon=":material/person_add:", on_click=_add)
    if whose := st.session_state.pop(ADDED, None):
        turn_to(person=str(whose))


@guarded("people:manage")
def _add(actor: Actor) -> None:
    typed = st.session_state

    def add() -> None:
        username, name, role, limits = (typed[f"{field}-{NEW}"] for field in (USERNAME, NAME, ROLE, BILLERS))
        password = staff.add(actor, username, name, role, billers=limits)
        made = staff.find(actor, username)
        typed[SHOWN], typed[ADDED] = (made.id, password), made.id

    attempt(add)


def attempt(act: Callable[[], object]) -> bool:
    """Does it, and says why not where it is refused. A proof that is wanted is asked for by the page itself."""
    try:
        act()
    except ProveAgain:
        return False
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence
        return False
    return True
