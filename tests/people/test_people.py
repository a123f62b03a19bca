"""Looking after people from the command line, and what the seeds bring."""

import json
import stat

import pytest

from core.access import PERMISSIONS, SYSTEM
from core.errors import BadInput, Misconfigured, NotFound
from core.security import passwords
from core.services import people, seeds, staff
from core.services.people import SignInRefused
from core.services.seeds import SANDBOX_PEOPLE
from core.settings import settings
from tests.world import PASSWORD, AddPerson, Database, SetEnvironment

SECRET = "granite-lantern-violet"


def test_outside_sandbox_mode_nobody_exists_until_somebody_is_added(database: Database) -> None:
    assert staff.everybody(SYSTEM) == []
    staff.add(SYSTEM, "grace", "Grace Banda", "operator", SECRET)
    assert [(person.username, person.display_name, person.role, person.disabled) for person in staff.everybody(SYSTEM)] == [
        ("grace", "Grace Banda", "operator", False)
    ]
    assert people.actor_of(people.redeem(people.sign_in("grace", SECRET, None), None, None)) is not None


@pytest.mark.parametrize(
    ("username", "name", "role", "password", "why"),
    [
        ("", "Grace", "operator", SECRET, "one word"),
        ("grace banda", "Grace", "operator", SECRET, "one word"),
        ("gr\nace", "Grace", "operator", SECRET, "one word"),
        ("g" * 101, "Grace", "operator", SECRET, "one word"),
        ("grace", " ", "operator", SECRET, "name"),
        ("grace", "Grace", "king", SECRET, "no role 'king'.*operator"),
        ("grace", "Grace", "operator", "short", "at least"),
        ("TAKEN", "Grace", "operator", SECRET, "already"),
    ],
)
def test_a_person_who_cannot_be_added_is_refused_with_the_reason(
    database: Database, add_person: AddPerson, username: str, name: str, role: str, password: str, why: str
) -> None:
    add_person("operator", username="taken")
    with pytest.raises(BadInput, match=why):
        staff.add(SYSTEM, username, name, role, password)
    assert len(staff.everybody(SYSTEM)) == 1


def test_looking_for_somebody_who_is_not_there_says_so(database: Database) -> None:
    with pytest.raises(NotFound, match="nobody called grace"):
        staff.disable(SYSTEM, staff.find(SYSTEM, "grace").id)
    with pytest.raises(NotFound, match="nobody called grace"):
        staff.give_password(SYSTEM, staff.find(SYSTEM, "grace").id, SECRET)


def test_what_is_done_to_people_is_written_down_without_their_passwords(database: Database) -> None:
    staff.add(SYSTEM, "grace", "Grace Banda", "operator", SECRET)
    staff.give_password(SYSTEM, staff.find(SYSTEM, "grace").id, SECRET + "-2")
    staff.disable(SYSTEM, staff.find(SYSTEM, "grace").id)
    with database.connect() as connection:
        rows = connection.execute("SELECT action, actor_name, details::text FROM audit_entries WHERE subject_type = 'user' ORDER BY seq").fetchall()
    assert [(action, actor) for action, actor, _ in rows] == [("user.added", "system"), ("user.password_set", "system"), ("user.disabled", "system")]
    assert not any(SECRET in details for _, _, details in rows)


# Seeds.


def test_the_roles_in_the_database_are_those_of_the_seeds(database: Database) -> None:
    with database.connect() as connection:
        rows = connection.execute("SELECT role, permission FROM role_permissions").fetchall()
    assert set(rows) == {(role, permission) for role, (_, permissions) in seeds.read_roles().items() for permission in permissions}


def test_every_permission_is_somebodys(database: Database) -> None:
    held = set().union(*(permissions for _, permissions in seeds.read_roles().values()))
    assert held == set(PERMISSIONS)


def test_a_role_with_an_unknown_permission_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "roles.toml").write_text('[king]\ntitle = "King"\npermissions = ["heads:off"]\n')
    with pytest.raises(Misconfigured, match="heads:off"):
        seeds.read_roles(tmp_path / "roles.toml")


def test_loading_twice_changes_nothing(database: Database) -> None:
    assert seeds.load() == []


def test_a_role_that_was_changed_by_hand_is_put_right(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("INSERT INTO role_permissions VALUES ('analyst', 'transactions:pay')")
        connection.execute("DELETE FROM role_permissions WHERE role = 'operator' AND permission = 'transactions:pay'")
    assert len(seeds.load()) == 2
    assert seeds.load() == []


def test_the_sandbox_brings_people_with_passwords_that_work(database: Database, set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    set_environment(billers_sandbox="true")
    assert len(seeds.load()) >= len(SANDBOX_PEOPLE)
    path = seeds.sign_ins_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = json.loads(path.read_text())
    assert [(row["username"], row["name"], row["role"]) for row in rows] == list(SANDBOX_PEOPLE)
    for row in rows:
        actor = people.actor_of(people.redeem(people.sign_in(row["username"], row["password"], None), None, None))
        assert actor is not None
        assert actor.role == row["role"]

    before = path.read_bytes()
    assert seeds.load() == []
    assert path.read_bytes() == before


def test_when_the_file_of_sign_ins_is_lost_new_passwords_are_made(database: Database, set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    set_environment(billers_sandbox="true")
    seeds.load()
    old = seeds.sandbox_sign_ins()
    seeds.sign_ins_path().unlink()
    assert len(seeds.load()) == len(SANDBOX_PEOPLE)
    new = seeds.sandbox_sign_ins()
    people.sign_in("grace", new[0]["password"], None)
    with pytest.raises(SignInRefused):
        people.sign_in("grace", old[0]["password"], None)


def test_a_real_person_of_a_sandbox_name_is_left_alone(
    database: Database, add_person: AddPerson, set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    add_person("operator", username="Grace")
    set_environment(billers_sandbox="true")
    seeds.load()
    people.sign_in("grace", PASSWORD, None)
    assert "grace" not in {row["username"] for row in seeds.sandbox_sign_ins()}


def test_outside_sandbox_mode_no_sign_in_is_shown_though_the_file_is_there(
    database: Database, set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    set_environment(billers_sandbox="true")
    seeds.load()
    set_environment(billers_sandbox="false")
    assert seeds.sign_ins_path().exists()
    assert seeds.sandbox_sign_ins() == []
    assert not settings().billers_sandbox
