"""Roles are data: who edits which, what nobody may hold together, and what the seeds leave alone."""

from dataclasses import replace
from typing import Any

import pytest

from core import clock
from core.access import PERMISSIONS, SYSTEM, Actor
from core.errors import BadInput, NotAllowed, NotLegalNow, ProveAgain
from core.services import people, roles, seeds, staff
from core.services.roles import MOVES_MONEY, SETS_UP, ChangedMeanwhile, KeptApart
from core.services.staff import NotOneself, TheLastOne
from tests.people.test_staff import signed_in, written
from tests.world import AddPerson, Database


def role(actor: Actor, code: str) -> roles.Seen:
    return next(one for one in roles.everything(actor) if one.code == code)


def test_an_edited_role_holds_at_once_and_in_open_sessions(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    add_person("analyst", username="chikondi")
    token = signed_in("chikondi")
    held = role(limbani, "analyst").permissions
    roles.change(limbani, "analyst", held, "Analyst", (held - {"transactions:export"}) | {"receipts:print"})
    actor = people.actor_of(token)
    assert actor is not None
    assert (actor.may("transactions:export"), actor.may("receipts:print")) == (False, True)
    assert written(database, "role.changed") == [
        {"before": {"title": "Analyst"}, "after": {"title": "Analyst"}, "added": ["receipts:print"], "removed": ["transactions:export"]}
    ]


def test_the_seeds_leave_what_people_said_and_the_page_tells_the_difference(database: Database, limbani: Actor) -> None:
    held = role(limbani, "analyst").permissions
    roles.change(limbani, "analyst", held, "Analyst", (held - {"transactions:export"}) | {"receipts:print"})
    assert seeds.load() == []
    seen = role(limbani, "analyst")
    assert (seen.added, seen.missing, seen.edited_by) == (frozenset({"receipts:print"}), frozenset({"transactions:export"}), "Limbani Chirwa")
    roles.as_delivered(limbani, "analyst")
    seen = role(limbani, "analyst")
    assert (seen.permissions, seen.edited_at) == (held, None)
    # From now on the seeds keep it again.
    with database.connect() as connection:
        connection.execute("DELETE FROM role_permissions WHERE role = 'analyst' AND permission = 'transactions:export'")
    assert seeds.load() == [f"Role analyst: {len(held)} permissions."]


def test_nobody_edits_their_own_role(database: Database, limbani: Actor) -> None:
    held = role(limbani, "administrator").permissions
    for act in (
        lambda: roles.change(limbani, "administrator", held, "Administrator", held | {"audit:verify"}),
        lambda: roles.as_delivered(limbani, "administrator"),
        lambda: roles.delete(limbani, "administrator"),
    ):
        with pytest.raises(NotOneself):
            act()


def test_whoever_sets_up_does_not_move_money(database: Database, limbani: Actor) -> None:
    for one in SETS_UP:
        for other in MOVES_MONEY:
            with pytest.raises(KeptApart, match="two roles"):
                roles.create(limbani, "Everything", [one, other])
    held = role(limbani, "manager").permissions
    with pytest.raises(KeptApart):
        roles.change(limbani, "manager", held, "Manager", held | {"people:manage"})
    assert role(limbani, "manager").permissions == held


def test_what_is_delivered_keeps_apart_what_is_to_be_kept_apart() -> None:
    assert [code for code, (_, held) in seeds.read_roles().items() if roles.kept_apart(held)] == []
    assert PERMISSIONS.keys() >= SETS_UP | MOVES_MONEY


def test_a_change_over_somebody_elses_change_is_refused(database: Database, limbani: Actor, thokozani: Actor) -> None:
    shown = role(limbani, "analyst").permissions
    roles.change(thokozani, "analyst", shown, "Analyst", shown - {"views:save"})
    with pytest.raises(ChangedMeanwhile):
        roles.change(limbani, "analyst", shown, "Analyst", shown - {"reports:read"})


def test_a_role_of_the_banks_own_lives_and_goes(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    code = roles.create(limbani, "Branch supervisor", ["transactions:read", "accounts:lookup"])
    assert code == "branch_supervisor"
    seen = role(limbani, code)
    assert (seen.permissions, seen.delivered) == (frozenset({"transactions:read", "accounts:lookup", "people:sign_in"}), None)
    with pytest.raises(BadInput, match="already"):
        roles.create(limbani, "Branch  Supervisor", ["transactions:read"])
    grace = add_person("operator", username="grace")
    staff.change(limbani, grace.id, display_name="Grace", role=code, billers=[])
    with pytest.raises(NotLegalNow, match="1 person has"):
        roles.delete(limbani, code)
    staff.change(limbani, grace.id, display_name="Grace", role="operator", billers=[])
    roles.delete(limbani, code)
    assert code not in {one.code for one in roles.everything(limbani)}
    assert seeds.load() == []


def test_a_delivered_role_does_not_go(database: Database, limbani: Actor) -> None:
    with pytest.raises(NotLegalNow, match="delivered"):
        roles.delete(limbani, "analyst")


def test_the_last_role_that_looks_after_people_keeps_doing_so(database: Database, limbani: Actor) -> None:
    held = role(limbani, "administrator").permissions
    with pytest.raises(TheLastOne):
        roles.change(SYSTEM, "administrator", held, "Administrator", held - {"people:manage"})


@pytest.mark.parametrize(
    ("title", "permissions", "why"), [("", ["audit:read"], "title"), ("King", ["heads:off"], "heads:off"), ("…", ["audit:read"], "letters")]
)
def test_a_role_that_cannot_be_is_refused_with_the_reason(database: Database, limbani: Actor, title: str, permissions: list[str], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        roles.create(limbani, title, permissions)


def test_roles_are_edited_by_whoever_may_and_lately_proved_who_they_are(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    acts: list[Any] = [
        lambda actor: roles.create(actor, "X", ["audit:read"]),
        lambda actor: roles.change(actor, "analyst", [], "X", ["audit:read"]),
        lambda actor: roles.as_delivered(actor, "analyst"),
        lambda actor: roles.delete(actor, "analyst"),
    ]
    for act in acts:
        with pytest.raises(NotAllowed):
            act(replace(add_person("manager"), proved_at=clock.now()))
        with pytest.raises(ProveAgain):
            act(replace(limbani, proved_at=None))
