"""Looking after people: nobody to themselves, the last one stays, and each act is written down with what was before and after."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import SYSTEM, Actor
from core.errors import BadInput, BillersError, NotAllowed, NotFound, NotLegalNow, ProveAgain
from core.services import people, staff
from core.services.people import SignInRefused
from core.services.staff import NotOneself, TheLastOne
from tests.world import PASSWORD, AddPerson, Database, SetEnvironment


def signed_in(username: str, password: str = PASSWORD, agent: str = "Firefox") -> str:
    return people.redeem(people.sign_in(username, password, "10.0.0.7"), "10.0.0.7", agent)


def written(database: Database, action: str) -> list[dict[str, Any]]:
    with database.connect() as connection:
        return [row[0] for row in connection.execute("SELECT details FROM audit_entries WHERE action = %s ORDER BY seq", (action,))]


def test_somebody_who_is_added_signs_in_with_the_password_that_was_shown_once(database: Database, limbani: Actor) -> None:
    shown = staff.add(limbani, "Grace", "  Grace   Banda ", "operator", billers=["MASM", "LWB_POSTPAID"])
    actor = people.actor_of(signed_in("grace", shown))
    assert actor is not None
    assert (actor.display_name, actor.role, actor.billers) == ("Grace Banda", "operator", frozenset({"MASM", "LWB_POSTPAID"}))
    (member,) = [one for one in staff.everybody(limbani) if one.username == "Grace"]
    assert (member.billers, member.password_given, member.open_sessions, member.role_title) == (("LWB_POSTPAID", "MASM"), True, 1, "Operator")
    assert written(database, "user.added") == [
        {"username": "Grace", "display_name": "Grace Banda", "role": "operator", "billers": ["LWB_POSTPAID", "MASM"]},
    ]
    with database.connect() as connection:
        kept = "\n".join(str(row) for row in connection.execute("SELECT one::text FROM audit_entries one"))
    assert shown not in kept


def test_a_change_holds_in_the_session_that_is_open_and_tells_what_was_before(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace", display_name="Grace")
    token = signed_in("grace")
    staff.change(limbani, grace.id, display_name="Grace Banda", role="analyst", billers=["MASM"])
    actor = people.actor_of(token)
    assert actor is not None
    assert (actor.role, actor.billers, actor.may("transactions:pay"), actor.may("transactions:export")) == ("analyst", frozenset({"MASM"}), False, True)
    assert written(database, "user.changed") == [
        {
            "username": "grace",
            "before": {"display_name": "Grace", "role": "operator", "billers": []},
            "after": {"display_name": "Grace Banda", "role": "analyst", "billers": ["MASM"]},
        }
    ]
    staff.change(limbani, grace.id, display_name="Grace Banda", role="analyst", billers=[])
    assert written(database, "user.changed")[1] == {"username": "grace", "before": {"billers": ["MASM"]}, "after": {"billers": []}}
    staff.change(limbani, grace.id, display_name="Grace Banda", role="analyst", billers=[])
    assert len(written(database, "user.changed")) == 2


def test_nobody_does_any_of_it_to_themselves(database: Database, limbani: Actor, thokozani: Actor) -> None:
    with pytest.raises(NotOneself):
        staff.disable(limbani, limbani.id)
    with pytest.raises(NotOneself):
        staff.change(limbani, limbani.id, display_name="Limbani", role="manager", billers=[])
    with pytest.raises(NotOneself):
        staff.change(limbani, limbani.id, display_name="Limbani", role="administrator", billers=["MASM"])
    with pytest.raises(NotOneself):
        staff.give_password(limbani, limbani.id)
    staff.change(limbani, limbani.id, display_name="Limbani C.", role="administrator", billers=[])
    assert [one.display_name for one in staff.everybody(limbani)] == ["Limbani C.", "Thokozani Nyirenda"]


def test_the_last_who_looks_after_people_stays(database: Database, limbani: Actor, thokozani: Actor) -> None:
    staff.disable(limbani, thokozani.id)
    for act in (
        lambda: staff.disable(SYSTEM, limbani.id),
        lambda: staff.change(SYSTEM, limbani.id, display_name="L", role="operator", billers=[]),
        lambda: staff.change(SYSTEM, limbani.id, display_name="L", role="administrator", billers=["MASM"]),
    ):
        with pytest.raises(TheLastOne):
            act()
    assert staff.find(SYSTEM, "limbani").role == "administrator"
    staff.enable(limbani, thokozani.id)
    staff.disable(thokozani, limbani.id)
    assert written(database, "user.enabled") == [{"username": "thokozani"}]


def test_two_administrators_who_disable_each_other_at_once_leave_one(database: Database, limbani: Actor, thokozani: Actor) -> None:
    refused: list[BillersError] = []
    start = threading.Barrier(2)

    def disable(actor: Actor, other: Actor) -> None:
        start.wait()
        try:
            staff.disable(actor, other.id)
        except BillersError as error:
            refused.append(error)

    both = [threading.Thread(target=disable, args=pair) for pair in ((limbani, thokozani), (thokozani, limbani))]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [type(error) for error in refused] == [TheLastOne]
    assert [one.disabled for one in staff.everybody(SYSTEM)].count(False) == 1


def test_a_disabled_persons_session_is_over_and_what_they_had_is_theirs_again_when_enabled(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace")
    token = signed_in("grace")
    staff.disable(limbani, grace.id)
    assert people.actor_of(token) is None
    with pytest.raises(SignInRefused):
        signed_in("grace")
    staff.enable(limbani, grace.id)
    assert people.actor_of(token) is None
    assert people.actor_of(signed_in("grace")) is not None


def test_a_new_password_ends_the_sessions_and_lets_its_owner_try_at_once(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace")
    token = signed_in("grace")
    for _ in range(5):
        with pytest.raises(SignInRefused):
            people.sign_in("grace", "not it", None)
    shown = staff.give_password(limbani, grace.id)
    assert people.actor_of(token) is None
    assert people.actor_of(signed_in("grace", shown)) is not None
    assert staff.find(limbani, "grace").password_given


def test_one_session_is_ended_or_all_of_them(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace")
    first, second = signed_in("grace", agent="Firefox"), signed_in("grace", agent="Chromium")
    seen = staff.sessions_of(limbani, grace.id)
    assert {(one.user_agent, one.address) for one in seen} == {("Firefox", "10.0.0.7"), ("Chromium", "10.0.0.7")}
    staff.end_session(limbani, next(one.id for one in seen if one.user_agent == "Firefox"))
    assert people.actor_of(first) is None
    assert people.actor_of(second) is not None
    with pytest.raises(NotFound, match="over already"):
        staff.end_session(limbani, next(one.id for one in seen if one.user_agent == "Firefox"))
    assert staff.end_sessions(limbani, grace.id) == 1
    assert people.actor_of(second) is None
    assert staff.sessions_of(limbani, grace.id) == []
    assert [one["because"] for one in written(database, "session.ended")] == ["ended by limbani"]
    assert [one["sessions_ended"] for one in written(database, "session.all_ended")] == [1]


def test_a_session_that_idled_away_is_not_listed(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    grace = add_person("operator", username="grace")
    signed_in("grace")
    with database.connect() as connection:
        connection.execute("UPDATE user_sessions SET last_seen_at = now() - interval '31 minutes'")
    assert staff.sessions_of(limbani, grace.id) == []
    assert staff.find(limbani, "grace").open_sessions == 0


@pytest.mark.parametrize("role", ["operator", "analyst", "manager"])
def test_only_an_administrator_looks_after_people(database: Database, add_person: AddPerson, limbani: Actor, role: str) -> None:
    actor = replace(add_person(role), proved_at=clock.now())
    for act in (
        lambda: staff.everybody(actor),
        lambda: staff.sessions_of(actor, limbani.id),
        lambda: staff.add(actor, "x", "X", "operator"),
        lambda: staff.change(actor, actor.id, display_name="X", role="administrator", billers=[]),
        lambda: staff.disable(actor, limbani.id),
        lambda: staff.give_password(actor, limbani.id),
        lambda: staff.end_sessions(actor, limbani.id),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_an_administrator_of_some_billers_looks_after_nobody(database: Database, limbani: Actor) -> None:
    limited = replace(limbani, billers=frozenset({"MASM"}))
    with pytest.raises(NotAllowed):
        staff.add(limited, "grace", "Grace", "operator")


def test_a_window_left_open_changes_nobody(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    grace = add_person("operator")
    stale = replace(limbani, proved_at=clock.now() - timedelta(minutes=11))
    for act in (
        lambda: staff.add(stale, "x", "X", "operator"),
        lambda: staff.change(stale, grace.id, display_name="X", role="manager", billers=[]),
        lambda: staff.disable(stale, grace.id),
        lambda: staff.enable(stale, grace.id),
        lambda: staff.give_password(stale, grace.id),
        lambda: staff.end_sessions(stale, grace.id),
    ):
        with pytest.raises(ProveAgain):
            act()


def test_a_biller_that_does_not_exist_limits_nobody(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    grace = add_person("operator")
    with pytest.raises(BadInput, match="no biller NOBODY"):
        staff.change(limbani, grace.id, display_name="Grace", role="operator", billers=["NOBODY"])


def test_the_sandboxes_people_keep_the_passwords_on_the_screen(
    database: Database, limbani: Actor, add_person: AddPerson, set_environment: SetEnvironment
) -> None:
    grace = add_person("operator", sandbox=True)
    with pytest.raises(NotLegalNow, match="sign-in page"):
        staff.give_password(limbani, grace.id)
