"""Roles: what each may do, how it differs from what was delivered, and its rights to tick. A change is looked through once more before it holds."""

from collections.abc import Collection

import streamlit as st

from core.access import PERMISSIONS, Actor
from core.errors import NotFound
from core.services import proofs, roles
from core.services.roles import LONGEST_TITLE, USES_THE_CONSOLE, Seen
from core.ui.people_view import NOTICE, attempt, back, notices
from core.ui.people_words import by_subject, rights, what
from core.ui.pieces import FORM_WIDTH, turn_to
from core.ui.session import guarded
from core.ui.words import moment_text, plain

TITLE, RIGHT = "role-title", "role-right"

# What is looked through: the role, and what it would hold. And a role that was just made.
LOOKED_AT, MADE = "role-looked-at", "role-made"

# What was ticked, for whoever goes on editing after the second look.
TICKED = "role-ticked"


def show(actor: Actor) -> None:
    found = roles.everything(actor)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption("What people may do goes by their role. The roles that were delivered follow the console's versions until somebody edits them.")
        if actor.may("people:roles") and st.button("New role", icon=":material/add:", help="One of the bank's own, beside those that were delivered."):
            turn_to(new="role")
    notices()
    for one in found:
        with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(gap=None):
                people = f"{one.people} {'person' if one.people == 1 else 'people'}"
                st.markdown(f"**{plain(one.title)}** :gray[{people} · {len(one.permissions)} rights]{_badges(one)}")
                st.caption(plain(", ".join(by_subject(one.permissions))))
            if st.button("Open", key=f"open-role-{one.code}", icon=":material/arrow_forward:", width="content"):
                turn_to(role=one.code)


def _badges(one: Seen) -> str:
    own = " :violet-badge[The bank's own]" if one.delivered is None else ""
    edited = " :orange-badge[:material/edit: Edited]" if one.delivered is not None and one.edited_at else ""
    counts = " ".join([*([f"{len(one.added)} more"] if one.added else []), *([f"{len(one.missing)} fewer"] if one.missing else [])])
    code = " :blue-badge[:material/verified_user: Sign-in code]" if one.asks_for_code else ""
    return own + edited + code + (f" :gray[{counts} than delivered]" if counts else "")


# ---- One role


def show_one(actor: Actor, code: str) -> None:
    back("Roles", tab="roles")
    one = next((role for role in roles.everything(actor) if role.code == code), None)
    if one is None:
        raise NotFound("There is no such role any more. Choose one from the list.")
    st.title(plain(one.title), anchor=False)
    people = f"{one.people} {'person has' if one.people == 1 else 'people have'} it"
    by = f" · edited by {plain(one.edited_by or 'the system')}, {moment_text(one.edited_at)}" if one.edited_at else ""
    st.markdown(f"{people}{by}{_badges(one)}")
    notices()
    if why := _why_not(actor, one):
        st.info(why, icon=":material/lock:")
    looked_at, ticked = (_of(one, st.session_state.get(name)) for name in (LOOKED_AT, TICKED))
    if looked_at and not why:
        _second_look(one, *looked_at)
        return
    title, held = ticked or (one.title, one.permissions)
    with st.form(f"role-{_as_shown(one)}", width=FORM_WIDTH):
        _fields(_as_shown(one), title, held, disabled=why is not None)
        if not why:
            st.form_submit_button("Look it through", type="primary", icon=":material/visibility:", on_click=_look, args=(one,))
    with st.container(horizontal=True):
        if actor.may("people:roles"):
            _code_asked_for(one)
        if not why:
            _other_acts(one)


def _of(one: Seen, kept: tuple[str, str, frozenset[str]] | None) -> tuple[str, frozenset[str]] | None:
    """What this window keeps of this role, if it is of this one: a title and rights."""
    return (kept[1], kept[2]) if kept and kept[0] == one.code else None


def _why_not(actor: Actor, one: Seen) -> str | None:
    if not actor.may("people:roles"):
        return "Your role does not include editing roles."
    if actor.role == one.code:
        return "This is your own role: somebody with another one edits it. Nobody gives rights to themselves."
    return None


def _as_shown(one: Seen) -> str:
    """Other fields once it holds other rights: what was ticked over something else is not ticked over this."""
    return f"{one.code}-{hash((one.title, one.permissions))}"


def _fields(key: str, title: str, held: Collection[str], *, disabled: bool = False) -> None:
    st.text_input("Title", value=title, key=f"{TITLE}-{key}", max_chars=LONGEST_TITLE, disabled=disabled, help="As it stands beside people.")
    for heading, permissions in by_subject(PERMISSIONS).items():
        st.markdown(f"**{heading}**")
        with st.container(gap="xsmall"):
            for name in permissions:
                if name != USES_THE_CONSOLE:
                    st.checkbox(what(name), value=name in held, key=f"{RIGHT}-{key}-{name}", disabled=disabled)


def _typed(key: str) -> tuple[str, frozenset[str]]:
    state = st.session_state
    held = {name for name in PERMISSIONS if state.get(f"{RIGHT}-{key}-{name}")} | {USES_THE_CONSOLE}
    return state.get(f"{TITLE}-{key}") or "", frozenset(held)


@guarded("people:roles")
def _look(_actor: Actor, one: Seen) -> None:
    title, held = _typed(_as_shown(one))
    if (title, held) == (one.title, one.permissions):
        st.session_state[NOTICE] = "Nothing was changed."
    else:
        st.session_state[LOOKED_AT] = (one.code, title, held)


def _second_look(one: Seen, title: str, held: frozenset[str]) -> None:
    """What would be different, before it is: it holds for everybody with the role, in every window they have open."""
    gained, lost = held - one.permissions, one.permissions - held
    with st.container(border=True, width=FORM_WIDTH):
        st.subheader("Is this what you mean?", anchor=False)
        if title != one.title:
            st.markdown(f"It is called **{plain(title)}** from now on.")
        if gained:
            st.markdown(f":green-badge[:material/add: {len(gained)} gained] They may also {plain(rights(gained))}.")
        if lost:
            st.markdown(f":red-badge[:material/remove: {len(lost)} lost] They may no longer {plain(rights(lost))}.")
        people = "nobody yet" if not one.people else f"{one.people} {'person' if one.people == 1 else 'people'}"
        st.caption(f"It concerns {people}, at once and in every open window. From now on it is the bank's own: new versions of the console leave it as it is.")
        with st.container(horizontal=True):
            st.button("Save", type="primary", icon=":material/save:", key="role-save", on_click=_save, args=(one, title, held))
            st.button("Go on editing", key="role-edit-on", on_click=_edit_on)


def _edit_on() -> None:
    """With everything as it was ticked."""
    st.session_state[TICKED] = st.session_state.pop(LOOKED_AT, None)


@guarded("people:roles")
def _save(actor: Actor, one: Seen, title: str, held: frozenset[str]) -> None:
    if attempt(lambda: roles.change(actor, one.code, one.permissions, title, held)):
        for name in (LOOKED_AT, TICKED):
            st.session_state.pop(name, None)
        st.session_state[NOTICE] = "Saved. It holds at once, for everybody who has this role."


def _code_asked_for(one: Seen) -> None:
    """Also of one's own role: it takes no right from anybody, and gives none."""
    if one.asks_for_code:
        with st.popover("Ask for no code …", icon=":material/no_encryption:"):
            st.markdown("Who has this role may sign in by password alone. A code that somebody set up is still asked for.")
            st.button("Ask for none", type="primary", key="role-no-code", on_click=_ask_for_code, args=(one, False))
        return
    with st.popover("Ask for a sign-in code …", icon=":material/verified_user:"):
        st.markdown("Who has this role signs in with a code from an app beside the password. Who has none yet sets it up before they can do anything else.")
        st.button("Ask for it", type="primary", icon=":material/verified_user:", key="role-code", on_click=_ask_for_code, args=(one, True))


@guarded("people:roles")
def _ask_for_code(actor: Actor, one: Seen, asked: bool) -> None:
    if attempt(lambda: proofs.require_code(actor, one.code, asked)):
        st.session_state[NOTICE] = "A code is asked for, from this moment on." if asked else "No code is asked for any more."


def _other_acts(one: Seen) -> None:
    with st.container(horizontal=True):
        if one.delivered is not None and one.edited_at:
            with st.popover("As delivered …", icon=":material/restart_alt:"):
                gained, lost = one.missing, one.added
                st.markdown(
                    f"Back to what was delivered{f': also {plain(rights(gained))}' if gained else ''}{f'; no longer {plain(rights(lost))}' if lost else ''}."
                )
                st.button("Set it back", type="primary", icon=":material/restart_alt:", key="role-as-delivered", on_click=_as_delivered, args=(one,))
        if one.delivered is None and not one.people:
            with st.popover("Delete …", icon=":material/delete:"):
                st.markdown("Nobody has this role.")
                st.button("Delete it", type="primary", icon=":material/delete:", key="role-delete", on_click=_delete, args=(one,))


@guarded("people:roles")
def _as_delivered(actor: Actor, one: Seen) -> None:
    if attempt(lambda: roles.as_delivered(actor, one.code)):
        st.session_state[NOTICE] = "It is as it was delivered, and follows the console's versions again."


@guarded("people:roles")
def _delete(actor: Actor, one: Seen) -> None:
    if attempt(lambda: roles.delete(actor, one.code)):
        st.session_state[NOTICE] = f"{one.title} is gone."
        st.query_params.from_dict({"tab": "roles"})


# ---- A new one


def show_new(actor: Actor) -> None:
    back("Roles", tab="roles")
    st.title("New role", anchor=False)
    notices()
    if why := None if actor.may("people:roles") else "Your role does not include editing roles.":
        st.info(why, icon=":material/lock:")
        return
    with st.form("new-role", width=FORM_WIDTH):
        _fields("new", "", ())
        st.form_submit_button("Make it", type="primary", icon=":material/add:", on_click=_create)
    if made := st.session_state.pop(MADE, None):
        turn_to(role=made)


@guarded("people:roles")
def _create(actor: Actor) -> None:
    title, held = _typed("new")

    def create() -> None:
        st.session_state[MADE] = roles.create(actor, title, held)
        st.session_state[NOTICE] = "Made. Give it to people on their own page."

    attempt(create)
