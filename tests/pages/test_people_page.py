"""The People page and My account, as an administrator and everybody else use them."""

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Actor
from core.security import passwords
from core.services import api_tokens, own_account, people, roles, staff
from core.ui import session
from tests.pages.conftest import Till, button, labels, said
from tests.people.test_staff import signed_in
from tests.world import PASSWORD, AddPerson, Database

SitDown = Callable[..., Till]


@pytest.fixture
def limbani(sit_down: SitDown, monkeypatch: pytest.MonkeyPatch) -> Till:
    monkeypatch.setattr(passwords, "COST", 4)
    return sit_down("administrator", "Limbani Chirwa")


@pytest.fixture
def grace(add_person: AddPerson) -> Actor:
    return add_person("operator", username="grace", display_name="Grace Banda")


def field(window: AppTest, kind: str, label: str) -> Any:
    found = [one for one in window.get(kind) if one.label == label]
    assert len(found) == 1, [one.label for one in window.get(kind)]
    return found[0]


def press(window: AppTest, label: str) -> AppTest:
    button(window, label).click()
    window.run()
    assert not window.exception
    return window


def codes(window: AppTest) -> list[str]:
    return [one.value for one in window.code]


# ---- The list


def test_the_list_tells_who_everybody_is_and_what_they_see(limbani: Till, grace: Actor) -> None:
    staff.change(limbani.actor, grace.id, display_name="Grace Banda", role="operator", billers=["MASM"])
    signed_in("grace")
    window = limbani.open("people")
    rows = {row["Name"]: row for row in window.dataframe[0].value.to_dict("records")}
    assert (rows["Grace Banda"]["Role"], rows["Grace Banda"]["Signed in"], rows["Grace Banda"]["Sign-in code"]) == ("Operator", "1", "–")
    assert rows["Grace Banda"]["Billers"] != "All billers"
    assert rows["Limbani Chirwa"]["Billers"] == "All billers"
    assert "2 may sign in" in said(window)


# ---- One person


def test_a_person_is_added_and_signs_in_with_the_password_that_is_shown_once(limbani: Till) -> None:
    window = limbani.open("people", new="person")
    field(window, "text_input", "Name").input("Chisomo Moyo")
    field(window, "text_input", "User name").input("chisomo")
    field(window, "selectbox", "Role").select("analyst")
    field(window, "multiselect", "Billers").select("MASM")
    press(window, "Add")
    (password,) = codes(window)
    assert "Chisomo Moyo" in said(window)
    actor = people.actor_of(signed_in("chisomo", password))
    assert actor is not None
    assert (actor.role, actor.billers) == ("analyst", frozenset({"MASM"}))
    press(window, "I have told them")
    assert codes(window) == []


def test_what_cannot_be_is_told_and_nothing_typed_is_lost(limbani: Till, grace: Actor) -> None:
    window = limbani.open("people", new="person")
    field(window, "text_input", "Name").input("Another Grace")
    field(window, "text_input", "User name").input("GRACE")
    press(window, "Add")
    assert "There is a GRACE already" in said(window)
    assert field(window, "text_input", "Name").value == "Another Grace"


def test_role_and_billers_are_changed_on_the_persons_page(limbani: Till, grace: Actor) -> None:
    window = limbani.open("people", person=str(grace.id))
    field(window, "selectbox", "Role").select("analyst")
    field(window, "multiselect", "Billers").select("MASM")
    press(window, "Save")
    assert "Saved" in said(window)
    member = staff.find(limbani.actor, "grace")
    assert (member.role, member.billers) == ("analyst", ("MASM",))


def test_ones_own_role_and_billers_are_not_ones_own_to_change(limbani: Till) -> None:
    window = limbani.open("people", person=str(limbani.actor.id))
    assert field(window, "selectbox", "Role").disabled
    assert field(window, "multiselect", "Billers").disabled
    assert not {"Disable", "Make it", "End all"} & set(labels(window))
    field(window, "text_input", "Name").input("Limbani C.")
    press(window, "Save")
    assert staff.find(limbani.actor, limbani.actor.username).display_name == "Limbani C."


def test_a_person_is_disabled_and_let_in_again(limbani: Till, grace: Actor) -> None:
    token = signed_in("grace")
    window = limbani.open("people", person=str(grace.id))
    press(window, "Disable")
    assert people.actor_of(token) is None
    assert "signs in no longer" in said(window)
    press(window, "Let sign in again")
    assert people.actor_of(signed_in("grace")) is not None


def test_a_new_password_is_shown_once_to_whoever_gives_it(limbani: Till, grace: Actor) -> None:
    window = limbani.open("people", person=str(grace.id))
    press(window, "Make it")
    (password,) = codes(window)
    assert re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){3}", password)
    assert people.actor_of(signed_in("grace", password)) is not None
    assert codes(limbani.open("people", person=str(grace.id))) == []


def test_a_browser_is_signed_out_from_the_persons_page(limbani: Till, grace: Actor) -> None:
    first, second = signed_in("grace", agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"), signed_in("grace", agent="")
    window = limbani.open("people", person=str(grace.id))
    assert "Firefox on Linux" in said(window)
    which = next(one.id for one in staff.sessions_of(limbani.actor, grace.id) if "Firefox" in (one.user_agent or ""))
    window.button(key=f"end-session-{which}").click()
    window.run()
    assert people.actor_of(first) is None
    assert people.actor_of(second) is not None
    signed_in("grace")
    window.run()
    press(window, "End all")
    assert people.actor_of(second) is None


def test_a_proof_that_is_too_old_is_asked_for_and_nothing_is_done(limbani: Till, grace: Actor) -> None:
    limbani.actor = replace(limbani.actor, proved_at=None)
    window = limbani.open("people", person=str(grace.id))
    press(window, "Disable")
    assert "fresh proof" in said(window), said(window)
    assert not staff.find(limbani.actor, "grace").disabled


def test_a_person_who_is_not_there_is_said_so(limbani: Till) -> None:
    assert "There is no such person" in said(limbani.open("people", person=str(uuid.uuid4())))


# ---- Roles


def tick(window: AppTest, label: str, *, on: bool) -> None:
    box = field(window, "checkbox", label)
    box.check() if on else box.uncheck()


def test_a_role_is_looked_through_before_it_is_saved(limbani: Till) -> None:
    window = limbani.open("people", role="analyst")
    tick(window, "Print receipts", on=True)
    tick(window, "Export transactions", on=False)
    press(window, "Look it through")
    assert "print receipts" in said(window), said(window)
    assert "no longer export transactions" in said(window)
    held = {one.code: one.permissions for one in roles.everything(limbani.actor)}["analyst"]
    assert "receipts:print" not in held
    press(window, "Go on editing")
    assert (field(window, "checkbox", "Print receipts").value, field(window, "checkbox", "Export transactions").value) == (True, False)
    press(window, "Look it through")
    press(window, "Save")
    held = {one.code: one.permissions for one in roles.everything(limbani.actor)}["analyst"]
    assert ("receipts:print" in held, "transactions:export" in held) == (True, False)
    assert "1 more 1 fewer than delivered" in said(window)
    press(window, "Set it back")
    assert not field(window, "checkbox", "Print receipts").value


def test_rights_that_are_kept_apart_are_refused_in_words(limbani: Till) -> None:
    window = limbani.open("people", role="manager")
    tick(window, "Say what each role may do", on=True)
    press(window, "Look it through")
    press(window, "Save")
    assert "belong to two roles" in said(window)


def test_ones_own_role_is_shown_and_not_edited(limbani: Till) -> None:
    window = limbani.open("people", role="administrator")
    assert "somebody with another one edits it" in said(window)
    assert all(box.disabled for box in window.checkbox)
    assert "Look it through" not in labels(window)


def test_a_sign_in_code_is_asked_for_of_a_role_and_no_longer(limbani: Till) -> None:
    window = limbani.open("people", role="manager")
    press(window, "Ask for it")
    assert "A code is asked for" in said(window)
    assert {one.code: one.asks_for_code for one in roles.everything(limbani.actor)}["manager"]
    press(window, "Ask for none")
    assert not {one.code: one.asks_for_code for one in roles.everything(limbani.actor)}["manager"]


def test_a_role_of_the_banks_own_is_made_and_deleted(limbani: Till) -> None:
    window = limbani.open("people", new="role")
    field(window, "text_input", "Title").input("Branch supervisor")
    tick(window, "See transactions", on=True)
    press(window, "Make it")
    assert "The bank's own" in said(window)
    assert window.query_params["role"] == "branch_supervisor"
    press(window, "Delete it")
    assert "branch_supervisor" not in {one.code for one in roles.everything(limbani.actor)}


def test_the_roles_are_listed_with_who_has_them(limbani: Till, grace: Actor) -> None:
    window = limbani.open("people", tab="roles")
    assert "Operator 1 person" in said(window).replace("*", "").replace(":gray[", "")
    assert window.button(key="open-role-operator")


# ---- Tokens


def test_everybodys_tokens_are_seen_and_revoked(limbani: Till, sit_down: SitDown) -> None:
    mphatso = sit_down("manager", "Mphatso Mwale").actor
    made = api_tokens.make(mphatso, "Nightly [export](x)", ["transactions:read"], 30)
    window = limbani.open("people", tab="tokens")
    assert "Nightly [export](x)" in said(window)
    assert made.secret not in said(window)
    window.button(key=f"revoke-{made.id}").click()
    window.run()
    assert api_tokens.actor_of_token(made.secret) is None
    assert "Revoked" in said(window)


# ---- My account


def test_a_token_of_ones_own_is_shown_once(sit_down: SitDown, monkeypatch: pytest.MonkeyPatch) -> None:
    mphatso = sit_down("manager", "Mphatso Mwale")
    monkeypatch.setattr(session, "token", lambda: None)
    window = mphatso.open("account")
    field(window, "text_input", "Which program is it for?").input("Nightly export")
    field(window, "multiselect", "What it may do").select("transactions:export")
    button(window, "Make it").click()
    window.run()
    (secret,) = [one for one in codes(window) if one.startswith(api_tokens.MARK)]
    actor = api_tokens.actor_of_token(secret)
    assert actor is not None
    assert actor.permissions == {"transactions:export"}
    press(window, "I have kept it")
    assert codes(window) == []


def test_ones_own_password_is_changed_with_the_one_that_one_has(sit_down: SitDown, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    till = sit_down("operator", "Grace Banda")
    token = signed_in(till.actor.username)
    monkeypatch.setattr(session, "token", lambda: token)
    window = till.open("account")

    def change(current: str, new: str, again: str) -> None:
        for label, value in (("The password you have", current), ("A new one", new), ("The new one again", again)):
            field(window, "text_input", label).input(value)
        press(window, "Change it")

    change(PASSWORD, "lantern rain on the lake", "lantern rain on the late")
    assert "not typed the same twice" in said(window)
    change("not what it is", "lantern rain on the lake", "lantern rain on the lake")
    assert "not the password you have" in said(window)
    change(PASSWORD, "Password2026!", "Password2026!")
    assert "many people have" in said(window)
    change(PASSWORD, "lantern rain on the lake", "lantern rain on the lake")
    assert "Your password is changed" in said(window)
    assert people.actor_of(token) is not None
    assert people.actor_of(signed_in(till.actor.username, "lantern rain on the lake")) is not None
    assert field(window, "text_input", "A new one").value == ""


def test_ones_other_browsers_are_seen_and_signed_out(sit_down: SitDown, monkeypatch: pytest.MonkeyPatch) -> None:
    till = sit_down("operator", "Grace Banda")
    here, there = signed_in(till.actor.username), signed_in(till.actor.username)
    monkeypatch.setattr(session, "token", lambda: here)
    window = till.open("account")
    assert "This browser" in said(window)
    (other,) = [one.id for one in own_account.sessions(till.actor, here) if not one.is_this]
    window.button(key=f"end-session-{other}").click()
    window.run()
    assert people.actor_of(there) is None
    assert people.actor_of(here) is not None


def test_whoever_was_given_a_password_is_asked_for_one_of_their_own(limbani: Till, sit_down: SitDown, monkeypatch: pytest.MonkeyPatch) -> None:
    till = sit_down("operator", "Grace Banda")
    shown = staff.give_password(limbani.actor, till.actor.id)
    token = signed_in(till.actor.username, shown)
    monkeypatch.setattr(session, "token", lambda: token)
    window = till.open("account")
    assert "Your password was given to you" in said(window)
    for label, value in (("The password you have", shown), ("A new one", "lantern rain on the lake"), ("The new one again", "lantern rain on the lake")):
        field(window, "text_input", label).input(value)
    press(window, "Change it")
    assert "Your password was given to you" not in said(window)


def test_whoever_is_limited_reads_to_what_and_is_offered_nothing_else(sit_down: SitDown) -> None:
    till = sit_down("operator", "Grace Banda")
    till.actor = replace(till.actor, billers=frozenset({"MASM"}))
    window = till.open("lookup")
    assert "Sees" in said(window)
    offered = {option for one in window.get("selectbox") for option in one.options}
    assert any("Medical Aid" in option for option in offered)
    assert not any("Water" in option for option in offered)


def test_a_limited_persons_reports_page_says_of_what_it_is(sit_down: SitDown) -> None:
    till = sit_down("analyst", "Chikondi Phiri")
    till.actor = replace(till.actor, billers=frozenset({"MASM"}))
    assert "of the billers you see" in said(till.open("reports"))
