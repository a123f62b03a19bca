"""What everybody does for themselves, and to nobody else."""

import pytest

from core.access import Actor
from core.errors import NotFound
from core.security.passwords import WeakPassword
from core.services import own_account, people, staff
from core.services.own_account import NotThePassword
from core.services.people import SignInRefused, TooManyTries
from tests.people.test_staff import signed_in, written
from tests.world import PASSWORD, AddPerson, Database

NEW = "lantern rain on the lake"


@pytest.fixture
def grace(add_person: AddPerson, quick_passwords: None) -> Actor:
    return add_person("operator", username="grace", display_name="Grace Banda")


def test_a_new_password_of_ones_own_keeps_this_browser_and_signs_the_others_out(database: Database, grace: Actor, limbani: Actor) -> None:
    here, there = signed_in("grace"), signed_in("grace")
    assert own_account.change_password(grace, here, PASSWORD, NEW) == 1
    assert people.actor_of(here) is not None
    assert people.actor_of(there) is None
    assert people.actor_of(signed_in("grace", NEW)) is not None
    with pytest.raises(SignInRefused):
        signed_in("grace", PASSWORD)
    assert written(database, "user.password_changed") == [{"username": "grace", "sessions_ended": 1}]
    with database.connect() as connection:
        assert NEW not in str(connection.execute("SELECT array_agg(one::text) FROM audit_entries one").fetchall())


def test_a_wrong_present_password_is_a_try_at_the_door(database: Database, grace: Actor) -> None:
    token = signed_in("grace")
    for _ in range(5):
        with pytest.raises(NotThePassword):
            own_account.change_password(grace, token, "not it at all", NEW)
    with pytest.raises(TooManyTries):
        own_account.change_password(grace, token, PASSWORD, NEW)
    assert len(written(database, "user.password_refused")) == 5


@pytest.mark.parametrize(("new", "why"), [("short", "at least"), ("Password2026!", "many people"), (PASSWORD, "the password you have")])
def test_the_policy_holds_for_ones_own_password_too(database: Database, grace: Actor, new: str, why: str) -> None:
    token = signed_in("grace")
    with pytest.raises(WeakPassword, match=why):
        own_account.change_password(grace, token, PASSWORD, new)
    assert people.actor_of(signed_in("grace")) is not None


def test_a_given_password_is_ones_own_once_changed(database: Database, grace: Actor, limbani: Actor) -> None:
    shown = staff.give_password(limbani, grace.id)
    token = signed_in("grace", shown)
    assert own_account.password_is_given(grace)
    own_account.change_password(grace, token, shown, NEW)
    assert not own_account.password_is_given(grace)


def test_one_sees_and_ends_ones_own_sessions_and_nobody_elses(database: Database, grace: Actor, limbani: Actor) -> None:
    here, there, other = signed_in("grace", agent="Firefox"), signed_in("grace", agent="Chromium"), signed_in("limbani")
    seen = own_account.sessions(grace, here)
    assert {(one.user_agent, one.is_this) for one in seen} == {("Firefox", True), ("Chromium", False)}
    own_account.end_session(grace, next(one.id for one in seen if not one.is_this))
    assert people.actor_of(there) is None
    assert people.actor_of(here) is not None
    with pytest.raises(NotFound):
        own_account.end_session(grace, own_account.sessions(limbani, other)[0].id)
    assert people.actor_of(other) is not None
