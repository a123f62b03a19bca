"""Tokens of programs: a part of their owner's rights of this moment, for a while, and never a person's proof."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from starlette.applications import Starlette

from core import clock
from core.access import PERMISSIONS, Actor
from core.api.routes import ROUTES
from core.errors import BadInput, NotAllowed, NotFound, ProveAgain
from core.security.sessions import cookie_name
from core.services import api_tokens, configuration_approvals, configurations, roles, staff
from core.services.api_tokens import LONGEST_DAYS, LONGEST_DAYS_PROVED, MARK, NOT_FOR_PROGRAMS, PROVED_ONCE, actor_of_token
from core.services.approvals import OneOfTheTwo
from tests.people.test_staff import signed_in, written
from tests.world import AddPerson, Database, SetEnvironment


@pytest.fixture
def mphatso(add_person: AddPerson, quick_passwords: None) -> Actor:
    return replace(add_person("manager", username="mphatso", display_name="Mphatso Mwale"), proved_at=clock.now())


def test_a_token_acts_as_its_owner_with_what_was_chosen(database: Database, mphatso: Actor) -> None:
    made = api_tokens.make(mphatso, "Nightly export", ["transactions:read", "transactions:export"], 30)
    actor = actor_of_token(made.secret, "10.0.0.9")
    assert actor is not None
    assert (actor.id, actor.username, actor.permissions) == (mphatso.id, "mphatso by Nightly export", {"transactions:read", "transactions:export"})
    assert (actor.address, actor.proved_at) == ("10.0.0.9", None)
    (seen,) = api_tokens.own(mphatso)
    assert (seen.name, seen.is_alive, seen.last_address) == ("Nightly export", True, "10.0.0.9")
    assert seen.last_used_at is not None
    assert seen.expires_at - seen.created_at == timedelta(days=30)


def test_of_a_token_only_a_hash_is_kept(database: Database, mphatso: Actor) -> None:
    made = api_tokens.make(mphatso, "Nightly export", ["transactions:read"], 30)
    assert made.secret.startswith(MARK)
    assert len(made.secret) == len(MARK) + 43
    with database.connect() as connection:
        names = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        kept = "\n".join(str(row) for name in names for row in connection.execute(f'SELECT one::text FROM "{name}" one'))
    assert "Nightly export" in kept
    assert made.secret not in kept
    assert made.secret[len(MARK) + 4 :] not in kept
    assert written(database, "api_key.made") == [{"name": "Nightly export", "scopes": ["transactions:read"], "days": 30}]


@pytest.mark.parametrize("bearer", [None, "", MARK, "billers_" + "x" * 43, "Bearer billers_", "nothing of ours", "billers_\0"])
def test_what_is_no_token_opens_nothing(database: Database, bearer: str | None) -> None:
    assert actor_of_token(bearer) is None


def test_a_token_is_over_when_revoked_expired_or_its_owner_gone(database: Database, mphatso: Actor, limbani: Actor) -> None:
    tokens = [api_tokens.make(mphatso, f"Program {number}", ["transactions:read"], 1) for number in range(3)]
    api_tokens.revoke(mphatso, tokens[0].id)
    with database.connect() as connection:
        connection.execute("UPDATE api_tokens SET created_at = now() - interval '2 days', expires_at = now() WHERE id = %s", (tokens[1].id,))
    assert [actor_of_token(one.secret) is None for one in tokens] == [True, True, False]
    staff.disable(limbani, mphatso.id)
    assert actor_of_token(tokens[2].secret) is None
    assert not any(one.is_alive for one in api_tokens.everybodys(limbani))
    staff.enable(limbani, mphatso.id)
    assert actor_of_token(tokens[2].secret) is not None


def test_what_the_owner_may_no_longer_do_the_token_may_not_either(database: Database, mphatso: Actor, limbani: Actor) -> None:
    made = api_tokens.make(mphatso, "Nightly export", ["transactions:read", "transactions:export"], 30)
    held = next(one.permissions for one in roles.everything(limbani) if one.code == "manager")
    roles.change(limbani, "manager", held, "Manager", held - {"transactions:export"})
    actor = actor_of_token(made.secret)
    assert actor is not None
    assert actor.permissions == {"transactions:read"}
    staff.change(limbani, mphatso.id, display_name="Mphatso", role="manager", billers=["MASM"])
    actor = actor_of_token(made.secret)
    assert actor is not None
    assert actor.billers == {"MASM"}


def test_nobody_gives_a_program_what_they_do_not_hold_or_what_is_for_people(database: Database, mphatso: Actor, limbani: Actor) -> None:
    for stray in ("people:read", "transactions:approve", "transactions:resolve", "people:sign_in", "heads:off"):
        with pytest.raises(NotAllowed):
            api_tokens.make(mphatso, "Greedy", ["transactions:read", stray], 30)
    assert PERMISSIONS.keys() >= NOT_FOR_PROGRAMS
    assert "people:read" in api_tokens.grantable(limbani)


def test_every_act_that_asks_for_a_fresh_proof_is_closed_to_programs(database: Database, limbani: Actor, add_person: AddPerson) -> None:
    grace = add_person("operator")
    program = replace(limbani, username="limbani by Program", proved_at=None)
    with pytest.raises(ProveAgain):
        staff.disable(program, grace.id)
    with pytest.raises(ProveAgain):
        api_tokens.make(program, "Another", ["transactions:read"], 30)


# ---- A right whose acts ask for a proof, given with the token


@pytest.fixture
def configurer(database: Database, limbani: Actor, set_environment: SetEnvironment) -> Actor:
    """A program that may configure billers, as a request with its token acts."""
    set_environment(billers_allowed_hosts='["masm.invalid"]')
    made = api_tokens.make(limbani, "Set-up", ["billers:configure"], LONGEST_DAYS_PROVED)
    actor = actor_of_token(made.secret)
    assert actor is not None
    return actor


def test_a_program_that_may_configure_is_made_under_a_proof_and_for_a_shorter_time(database: Database, limbani: Actor) -> None:
    with pytest.raises(BadInput, match=f"holds {LONGEST_DAYS_PROVED} days"):
        api_tokens.make(limbani, "Set-up", ["billers:configure"], LONGEST_DAYS_PROVED + 1)
    with pytest.raises(ProveAgain):
        api_tokens.make(replace(limbani, proved_at=None), "Set-up", ["billers:configure"], 30)
    assert PROVED_ONCE.isdisjoint(NOT_FOR_PROGRAMS)
    assert "billers:approve" in NOT_FOR_PROGRAMS


def test_a_program_changes_what_one_person_may_and_proposes_what_takes_two(configurer: Actor, limbani: Actor) -> None:
    one = next(one for one in configurations.list_all(configurer) if one.snapshot.biller_type == "MASM")
    worded = configurations.edit(configurer, one.id, one.version, {**one.content, "description": "Health cover."})
    assert worded.configuration.snapshot.description == "Health cover."
    # Two people said what it says, as of a biller that is in use.
    version = worded.configuration.version
    moved = {**worded.configuration.content, "duplicate_window_minutes": 3}
    proposed = configurations.edit(configurer, one.id, version, moved, reason="Fewer questions at the counter.")
    assert proposed.proposal is not None
    assert proposed.configuration.snapshot == worded.configuration.snapshot
    # Nobody decides about their own, whichever of their hands made it; and a program decides about nothing.
    with pytest.raises(OneOfTheTwo):
        configuration_approvals.approve(limbani, proposed.proposal)
    with pytest.raises(NotAllowed):
        configuration_approvals.approve(configurer, proposed.proposal)


def test_the_proof_of_a_token_is_good_for_that_right_alone(configurer: Actor, limbani: Actor, add_person: AddPerson) -> None:
    stolen = replace(configurer, permissions=limbani.permissions)
    with pytest.raises(ProveAgain):
        staff.disable(stolen, add_person("operator").id)
    with pytest.raises(ProveAgain):
        configuration_approvals.approve(stolen, 1)


@pytest.mark.parametrize(
    ("name", "scopes", "days", "why"),
    [
        ("", ["transactions:read"], 30, "which program"),
        ("x", [], 30, "at least one"),
        ("x", ["transactions:read"], 0, "between 1 and 365"),
        ("x", ["transactions:read"], LONGEST_DAYS + 1, "between 1 and 365"),
    ],
)
def test_a_token_without_a_name_an_end_or_a_purpose_is_refused(database: Database, mphatso: Actor, name: str, scopes: list[str], days: int, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        api_tokens.make(mphatso, name, scopes, days)


def test_one_revokes_ones_own_and_an_administrator_anybodys(database: Database, mphatso: Actor, limbani: Actor, add_person: AddPerson) -> None:
    made = api_tokens.make(mphatso, "Nightly export", ["transactions:read"], 30)
    with pytest.raises(NotFound):
        api_tokens.revoke(add_person("manager"), made.id)
    api_tokens.revoke(limbani, made.id)
    assert actor_of_token(made.secret) is None
    assert written(database, "api_key.revoked") == [{"name": "Nightly export", "owner": str(mphatso.id)}]


def test_an_operator_has_no_tokens(database: Database, add_person: AddPerson) -> None:
    with pytest.raises(NotAllowed):
        api_tokens.make(replace(add_person("operator"), proved_at=clock.now()), "x", ["transactions:read"], 30)


# ---- On the routes


def get(path: str, **headers: str) -> httpx.Response:
    """One request of a program, or of a browser, to the console's own routes."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=Starlette(routes=ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="https://console.test") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(ask())


EXPORT = "/export/transactions.csv"


def test_a_program_takes_an_export_with_its_token_from_anywhere(database: Database, mphatso: Actor) -> None:
    made = api_tokens.make(mphatso, "Nightly export", ["transactions:export", "billers:read", "transactions:read"], 30)
    bearer = {"authorization": f"Bearer {made.secret}", "sec_fetch_site": "cross-site"}
    taken = get(EXPORT, **bearer)
    assert taken.status_code == 200
    assert taken.text.startswith("\ufeff")
    assert get(EXPORT, authorization="Bearer billers_wrong").status_code == 401
    assert get(EXPORT, sec_fetch_site="cross-site").status_code == 403
    api_tokens.revoke(mphatso, made.id)
    assert get(EXPORT, **bearer).status_code == 401
    with database.connect() as connection:
        who = connection.execute("SELECT actor_name FROM audit_entries WHERE action = 'transactions.exported'").fetchall()
    assert who == [("mphatso by Nightly export",)]


def test_a_token_is_held_to_its_scopes_on_the_routes(database: Database, mphatso: Actor) -> None:
    made = api_tokens.make(mphatso, "Reader", ["transactions:read"], 30)
    assert get(EXPORT, authorization=f"Bearer {made.secret}").status_code == 403


def test_a_wrong_token_is_not_helped_by_a_cookie(database: Database, mphatso: Actor) -> None:
    cookie = f"{cookie_name()}={signed_in('mphatso')}"
    assert get(EXPORT, cookie=cookie).status_code == 200
    assert get(EXPORT, cookie=cookie, authorization="Bearer billers_wrong").status_code == 401
