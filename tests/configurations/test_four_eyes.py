"""What takes two administrators: what is proposed, who may decide, what is shown and frozen, and that nothing of it happens before."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core import clock, db
from core.access import STEP_UP_LIFE, SYSTEM, Actor
from core.adapters import adapters
from core.errors import BadInput, BillersError, NotAllowed, NotFound, NotLegalNow, ProveAgain
from core.models.configuration_proposals import ConfigurationStep
from core.models.snapshot import Snapshot, ValidationRules
from core.security import vault
from core.services import audit, configuration_approvals, configurations, four_eyes
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.services.configuration_rules import RULES, Invalid, features_of
from core.services.configurations import Configuration, NeverApproved
from tests.configurations.conftest import CREDENTIALS, HOST, OTHER_HOST, row, seeded, stored, switch_on, version
from tests.world import AddPerson, Database, SetEnvironment

WHY = "Letter of the water board of 20 Nov."

Change = dict[str, Any]


def rules_with(one: Configuration, **changes: Any) -> Change:
    return {RULES: {**one.content[RULES], **changes}}


def propose(by: Actor, one: Configuration, credentials: dict[str, str] | None = None, **changes: Any) -> int:
    saved = configurations.edit(by, one.id, one.version, {**one.content, **changes}, credentials, WHY)
    assert saved.proposal is not None
    return saved.proposal


def raw(database: Database, statement: str, *values: object) -> list[Any]:
    with database.connect() as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


# ---- Which fields: a table that leaves nothing out


def test_each_field_of_a_configuration_is_decided_about_by_one_or_by_two_and_by_none_twice() -> None:
    assert not set(four_eyes.TWO_PEOPLE) & set(four_eyes.ONE_PERSON)
    known = {*Snapshot.model_fields, "authentication"} - {RULES} | {f"{RULES}.{name}" for name in ValidationRules.model_fields}
    listed = {*four_eyes.TWO_PEOPLE, *four_eyes.ONE_PERSON, *four_eyes.FIXED}
    assert known <= listed
    assert listed - known == {"features.status", "features.reverse"}
    assert {f"features.{name}" for adapter in adapters().values() for name in features_of(adapter)} >= listed - known


def test_what_nobody_has_thought_of_takes_two() -> None:
    assert four_eyes.takes_two(["colour", "description", "endpoints.payment", "features.lookup", "features.status"]) == {
        "colour": four_eyes.RESULTS,
        "endpoints.payment": four_eyes.ADDRESS,
        "features.status": four_eyes.RESULTS,
    }


ASTRAY: dict[str, Callable[[Configuration], Change]] = {
    "address": lambda _: {"base_url": "https://api.lwb.example/v3"},
    "another host": lambda _: {"base_url": OTHER_HOST},
    "an endpoint": lambda one: {"endpoints": {**one.content["endpoints"], "payment": "/pay"}},
    "dialect": lambda _: {"dialect": "esb"},
    "result codes": lambda one: rules_with(one, removed_codes=["PENDING"]),
    "a certificate": lambda _: {"inquiry_certified": True, "max_processing_seconds": 5},
    "the question": lambda _: {"features": {"status": False}},
    "least amount": lambda one: rules_with(one, amount_min="1.00"),
    "largest amount": lambda one: rules_with(one, amount_max="9000000.00"),
    "the limit for one person": lambda one: rules_with(one, second_person_above="999999.00"),
    "duplicates": lambda _: {"duplicate_window_minutes": 0},
    "currency": lambda _: {"default_currency": "USD", "supported_currencies": ["USD"]},
    "suspense account": lambda _: {"credit_account": "MWK1280600010009"},
}


@pytest.mark.parametrize("change", ASTRAY.values(), ids=ASTRAY)
def test_what_could_send_money_astray_waits_for_a_second_person(
    administrator: Actor, colleague: Actor, active: Configuration, change: Callable[[Configuration], Change]
) -> None:
    number = propose(administrator, active, **change(active))
    assert configurations.find(administrator, active.id) == active, "nothing was saved"
    assert configuration_approvals.approve(colleague, number) == 3
    assert configurations.find(administrator, active.id).content == {**active.content, **change(active)}


AT_ONCE: dict[str, Callable[[Configuration], Change]] = {
    "names": lambda _: {"biller_name": "Lilongwe Water", "display_name": "LWB"},
    "help": lambda one: {"description": None, **rules_with(one, account_help="6 to 12 digits", account_label="Bill number")},
    "pattern": lambda one: rules_with(one, account_pattern="[0-9]{8}"),
    "pace": lambda _: {"timeout_ms": 5_000, "retry_attempts": 1, "concurrency": 2, "expires_after_minutes": 5},
    "an offer": lambda _: {"features": {"lookup": False, "balance_check": False}},
}


@pytest.mark.parametrize("change", AT_ONCE.values(), ids=AT_ONCE)
def test_what_only_words_something_or_holds_payments_back_is_saved_at_once(
    administrator: Actor, active: Configuration, change: Callable[[Configuration], Change]
) -> None:
    saved = configurations.edit(administrator, active.id, 2, {**active.content, **change(active)})
    assert (saved.proposal, saved.configuration.version) == (None, 3)


def test_a_name_and_an_address_in_one_save_wait_together(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    number = propose(administrator, active, display_name="LWB, moved", base_url="https://api.lwb.example/v3")
    assert row(active.id).display_name == "LWB postpaid"
    (waits,) = configuration_approvals.waiting(colleague)
    assert (set(waits.changes), set(waits.takes_two)) == ({"display_name", "base_url"}, {"base_url"})
    configuration_approvals.approve(colleague, number)
    assert row(active.id).display_name == "LWB, moved"


def test_what_takes_two_is_told_its_reason_is_missing(administrator: Actor, active: Configuration) -> None:
    with pytest.raises(BadInput, match="A reason is needed"):
        configurations.edit(administrator, active.id, 2, {**active.content, "base_url": OTHER_HOST})
    assert configuration_approvals.waiting(administrator) == []


def test_what_cannot_be_used_is_not_proposed_either(administrator: Actor, active: Configuration) -> None:
    with pytest.raises(Invalid, match="not on the list of allowed hosts"):
        configurations.edit(administrator, active.id, 2, {**active.content, "base_url": "https://evil.example"}, None, WHY)
    assert configuration_approvals.waiting(administrator) == []


# ---- A draft, and its activation


def test_a_draft_is_edited_freely_and_two_people_have_it_activated(administrator: Actor, colleague: Actor, one: Configuration) -> None:
    assert not one.is_approved
    edited = configurations.edit(administrator, one.id, 1, {**one.content, "base_url": OTHER_HOST}, {"username": "a", "password": "b"}).configuration
    assert edited.version == 2
    with pytest.raises(NeverApproved, match="another administrator approves it"):
        configurations.activate(administrator, one.id, 2)
    number = configurations.propose_activation(administrator, one.id, 2, "It is tested.")
    waits = configuration_approvals.about(colleague, one.id)
    assert waits is not None
    assert (waits.step, waits.content["base_url"], waits.holds_credentials) == (ConfigurationStep.ACTIVATE, OTHER_HOST, True)
    with pytest.raises(OneOfTheTwo, match="You proposed it"):
        configuration_approvals.approve(administrator, number)
    configuration_approvals.approve(colleague, number)
    switched = configurations.find(administrator, one.id)
    assert (switched.state, switched.is_approved, switched.version) == ("active", True, 3)


def test_once_approved_it_stays_under_four_eyes_switched_off_too(administrator: Actor, active: Configuration) -> None:
    """Or whoever switches it off, points it elsewhere and switches it on again would have needed nobody."""
    off = configurations.deactivate(administrator, active.id, 2)
    propose(administrator, off, base_url=OTHER_HOST)
    assert configurations.activate(administrator, active.id, 3).snapshot.base_url == HOST
    assert row(active.id).base_url == HOST


def test_what_the_seeds_brought_was_loaded_by_whoever_runs_the_machine(administrator: Actor) -> None:
    found = seeded(administrator)
    assert found.is_approved
    assert propose(administrator, found, base_url=HOST)
    assert row(found.id).base_url == "https://lwb-postpaid.invalid"


def test_a_draft_that_changed_after_its_activation_was_proposed_is_not_activated(administrator: Actor, colleague: Actor, one: Configuration) -> None:
    number = configurations.propose_activation(administrator, one.id, 1, "It is tested.")
    configurations.edit(administrator, one.id, 1, {**one.content, "base_url": OTHER_HOST})
    with pytest.raises(ChangedSince):
        configuration_approvals.approve(colleague, number)
    assert not row(one.id).is_active


# ---- Who decides


def test_one_proposes_another_approves_and_both_stand_in_the_version_and_in_the_audit(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    number = propose(administrator, active, base_url="https://api.lwb.example/v3")
    configuration_approvals.approve(colleague, number)
    newest = configurations.versions(administrator, active.id)[0]
    assert (newest.by, newest.approved_by, newest.proposal, newest.reason) == ("Limbani Chirwa", "Tiyamike Gondwe", number, WHY)
    assert newest.changes == {"base_url": {"before": HOST, "after": "https://api.lwb.example/v3"}}
    saved, approved, proposed, *_ = configurations.acts(administrator, active.id)
    assert [(act.action, act.by) for act in (saved, approved, proposed)] == [
        ("biller.changed", "Tiyamike Gondwe"),
        ("biller.change_approved", "Tiyamike Gondwe"),
        ("biller.change_proposed", "Limbani Chirwa"),
    ]
    assert saved.changes == proposed.changes == newest.changes
    assert {act.details["proposal"] for act in (saved, approved, proposed)} == {number}
    audit.seal_all()
    assert audit.verify().ok


def test_nobody_approves_or_rejects_their_own(administrator: Actor, active: Configuration, database: Database) -> None:
    number = propose(administrator, active, base_url=OTHER_HOST)
    for act in (lambda: configuration_approvals.approve(administrator, number), lambda: configuration_approvals.reject(administrator, number, "No.")):
        with pytest.raises(OneOfTheTwo, match="You proposed it: another administrator decides"):
            act()
    # The database says the same to whoever comes by another way.
    with pytest.raises(psycopg.errors.CheckViolation, match="two_people"):
        raw(database, "UPDATE configuration_proposals SET decision = 'approved', decided_at = now(), decided_by = proposed_by WHERE number = %s", number)
    assert row(active.id).base_url == HOST


def test_who_holds_no_such_right_neither_sees_nor_decides(administrator: Actor, active: Configuration, add_person: AddPerson) -> None:
    number = propose(administrator, active, base_url=OTHER_HOST)
    manager = add_person("manager")
    for act in (
        lambda: configuration_approvals.waiting(manager),
        lambda: configuration_approvals.about(manager, active.id),
        lambda: configuration_approvals.approve(manager, number),
        lambda: configuration_approvals.reject(manager, number, "No."),
        lambda: configuration_approvals.withdraw(manager, number),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_window_left_open_neither_changes_nor_decides(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    number = propose(administrator, active, base_url=OTHER_HOST)
    stale = [replace(actor, proved_at=clock.now() - STEP_UP_LIFE - timedelta(seconds=1)) for actor in (administrator, colleague)]
    for act in (
        lambda: configurations.edit(stale[0], active.id, 2, {**active.content, "timeout_ms": 5_000}),
        lambda: configurations.restore(stale[0], active.id, 2, 1),
        lambda: configurations.clone(stale[0], active.id),
        lambda: configuration_approvals.approve(stale[1], number),
        lambda: configuration_approvals.reject(stale[1], number, "Not known to the water board."),
    ):
        with pytest.raises(ProveAgain):
            act()
    assert row(active.id).version == 2


def test_a_rejection_has_a_reason_and_leaves_everything_as_it_was(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    number = propose(administrator, active, {"password": "another-lantern"}, base_url="https://api.lwb.example/v3")
    with pytest.raises(BadInput, match="A reason is needed"):
        configuration_approvals.reject(colleague, number, " ")
    configuration_approvals.reject(colleague, number, "The water board knows nothing of it.")
    assert configurations.find(administrator, active.id) == active
    assert configurations.acts(administrator, active.id)[0].reason == "The water board knows nothing of it."
    for again in (lambda: configuration_approvals.approve(colleague, number), lambda: configuration_approvals.reject(colleague, number, "Again.")):
        with pytest.raises(NotLegalNow, match="decided meanwhile"):
            again()


def test_ones_own_can_be_withdrawn_and_nobody_elses(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    number = propose(administrator, active, base_url=OTHER_HOST)
    with pytest.raises(OneOfTheTwo, match="Another administrator can reject it"):
        configuration_approvals.withdraw(colleague, number)
    configuration_approvals.withdraw(administrator, number)
    assert configuration_approvals.waiting(colleague) == []
    assert propose(administrator, active, base_url=OTHER_HOST) != number


def test_whoever_runs_the_machine_is_the_second_person_of_a_bank_with_one_administrator(administrator: Actor, active: Configuration) -> None:
    number = propose(administrator, active, base_url="https://api.lwb.example/v3")
    assert configuration_approvals.approve(SYSTEM, number) == 3
    assert configurations.versions(administrator, active.id)[0].approved_by == "whoever runs the machine"


def test_a_program_proposes_nothing(active: Configuration) -> None:
    with pytest.raises(NotAllowed, match="A person proposes this"):
        configurations.edit(SYSTEM, active.id, 2, {**active.content, "base_url": OTHER_HOST}, None, WHY)


def test_of_two_who_approve_at_once_one_is_told_and_there_is_one_version(
    administrator: Actor, colleague: Actor, add_person: AddPerson, active: Configuration
) -> None:
    number, third = propose(administrator, active, base_url="https://api.lwb.example/v3"), add_person("administrator")
    together, told = threading.Barrier(2), []

    def decide(by: Actor) -> None:
        together.wait()
        try:
            told.append(configuration_approvals.approve(by, number))
        except BillersError as error:
            told.append(type(error).__name__)

    threads = [threading.Thread(target=decide, args=(by,)) for by in (colleague, third)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, told)) == ["3", "NotLegalNow"]
    assert row(active.id).version == 3


def test_a_number_that_is_none_is_told_so(colleague: Actor) -> None:
    with pytest.raises(NotFound, match="no change 404"):
        configuration_approvals.approve(colleague, 404)


# ---- What was shown is what is approved


def test_one_change_waits_at_a_time(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    number = propose(administrator, active, base_url=OTHER_HOST)
    with pytest.raises(NotLegalNow, match=f"Change {number} of this configuration waits for a second person already"):
        propose(colleague, active, topology="NONE", credit_account="MWK1280600010009")


def test_of_a_configuration_that_has_another_version_by_now_a_proposal_is_only_rejected_or_withdrawn(
    administrator: Actor, colleague: Actor, active: Configuration
) -> None:
    number = propose(administrator, active, base_url="https://api.lwb.example/v3")
    configurations.pause(administrator, active.id, 2, "Maintenance until 14:00.")
    (waits,) = configuration_approvals.waiting(colleague)
    assert waits.changed
    assert waits.why_no_approval is not None
    with pytest.raises(ChangedSince):
        configuration_approvals.approve(colleague, number)
    configuration_approvals.reject(colleague, number, "It was paused since.")
    assert row(active.id).base_url == HOST


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE configuration_proposals SET content = content || \'{"base_url": "https://api.elsewhere.example"}\'',
        "UPDATE configuration_proposals SET shown = '{}'",
        "UPDATE configuration_proposals SET reason = 'Another.'",
        "UPDATE configuration_proposals SET expires_at = expires_at + interval '1 year'",
        "UPDATE configuration_proposals SET authentication = 'v1.k1.AAAA'",
        "UPDATE configuration_proposals SET authentication = NULL",
        "DELETE FROM configuration_proposals",
        "TRUNCATE configuration_proposals CASCADE",
    ],
)
def test_what_was_proposed_cannot_be_changed_in_the_database_either(administrator: Actor, active: Configuration, database: Database, statement: str) -> None:
    propose(administrator, active, {"password": "another-lantern"})
    with pytest.raises(psycopg.Error) as refused:
        raw(database, statement)
    assert refused.value.sqlstate in ("BM002", "BM003")


def test_a_row_that_was_changed_behind_the_versions_is_noticed(administrator: Actor, colleague: Actor, active: Configuration, database: Database) -> None:
    number = propose(administrator, active, **rules_with(active, amount_max="9000000.00"))
    raw(database, "UPDATE biller_configs SET base_url = 'https://api.elsewhere.example/v2' WHERE id = %s", active.id)
    with pytest.raises(ChangedSince):
        configuration_approvals.approve(colleague, number)


def test_a_host_that_is_allowed_no_more_is_not_approved(administrator: Actor, colleague: Actor, active: Configuration, set_environment: SetEnvironment) -> None:
    number = propose(administrator, active, base_url=OTHER_HOST)
    set_environment(billers_allowed_hosts='["api.lwb.example"]')
    with pytest.raises(Invalid, match="not on the list of allowed hosts"):
        configuration_approvals.approve(colleague, number)


def test_a_proposal_ends_by_itself(administrator: Actor, colleague: Actor, active: Configuration, database: Database) -> None:
    number = propose(administrator, active, {"password": "another-lantern"})
    assert configuration_approvals.expire_old() == 0
    raw(database, "ALTER TABLE configuration_proposals DISABLE TRIGGER hold_the_configuration_proposal")
    raw(database, "UPDATE configuration_proposals SET expires_at = now() - interval '1 second'")
    raw(database, "ALTER TABLE configuration_proposals ENABLE TRIGGER hold_the_configuration_proposal")
    with pytest.raises(NotLegalNow, match="Its time is over"):
        configuration_approvals.approve(colleague, number)
    assert configuration_approvals.expire_old() == 1
    assert raw(database, "SELECT decision, authentication FROM configuration_proposals WHERE kind = 'CHANGE'") == [("expired", None)]
    assert (configurations.acts(administrator, active.id)[0].action, stored(active.id)) == ("biller.change_expired", CREDENTIALS)


# ---- Credentials


def test_proposed_credentials_wait_sealed_at_their_own_place_and_are_shown_to_nobody(
    administrator: Actor, colleague: Actor, active: Configuration, database: Database
) -> None:
    number = propose(administrator, active, {"password": "another-lantern"})
    (waits,) = configuration_approvals.waiting(colleague)
    assert waits.changes == {"authentication": "changed"}
    assert waits.brings_credentials
    ((envelope, proposal_id),) = raw(database, "SELECT authentication, id FROM configuration_proposals WHERE decision = 'open'")
    assert vault.open_secret(envelope, "configuration_proposals", proposal_id, "authentication") == {"password": "another-lantern"}
    with pytest.raises(vault.CannotOpen):
        vault.open_secret(envelope, "biller_configs", active.id, "authentication")
    told = repr(waits) + json.dumps(raw(database, "SELECT to_jsonb(p) FROM configuration_proposals p"))
    told += json.dumps(raw(database, "SELECT details FROM audit_entries"))
    assert "lantern" not in told
    assert stored(active.id) == CREDENTIALS
    configuration_approvals.approve(colleague, number)
    assert stored(active.id) == {"username": "billers", "password": "another-lantern"}
    assert raw(database, "SELECT authentication FROM configuration_proposals WHERE kind = 'CHANGE'") == [(None,)]


def test_removing_them_takes_two_as_well(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    saved = configurations.forget_credentials(administrator, active.id, 2, "The password was written on a wall.")
    assert (saved.proposal is not None, stored(active.id)) == (True, CREDENTIALS)
    configuration_approvals.approve(colleague, saved.proposal or 0)
    assert stored(active.id) == {}


def test_another_host_voids_them_by_this_way_too(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    number = propose(administrator, active, base_url=OTHER_HOST)
    (waits,) = configuration_approvals.waiting(colleague)
    assert waits.changes["authentication"] == "removed, since the host changed"
    configuration_approvals.approve(colleague, number)
    assert (row(active.id).base_url, stored(active.id)) == (OTHER_HOST, {})
    assert version(active.id, 3).authentication is None


def test_another_host_gets_only_what_was_entered_for_it_by_this_way_too(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    configuration_approvals.approve(colleague, propose(administrator, active, {"username": "new"}, base_url=OTHER_HOST))
    assert stored(active.id) == {"username": "new"}


# ---- Clone


def test_a_clone_says_the_same_and_is_a_draft_without_credentials(administrator: Actor, active: Configuration) -> None:
    made = configurations.clone(administrator, active.id)
    assert made.content == {**active.content, "display_name": "Copy of LWB postpaid"}
    assert (made.state, made.version, made.is_approved, made.holds_credentials) == ("inactive", 1, False, False)
    assert version(made.id, 1).authentication is None
    (act,) = configurations.acts(administrator, made.id)
    assert (act.action, act.details["cloned"], act.details["cloned_version"]) == ("biller.cloned", str(active.id), 2)
    with pytest.raises(NeverApproved):
        configurations.activate(administrator, made.id, 1)


# ---- Restore


def test_restoring_what_one_person_may_change_is_a_version_of_its_own(administrator: Actor, active: Configuration) -> None:
    configurations.edit(administrator, active.id, 2, {**active.content, "timeout_ms": 5_000})
    assert configurations.what_restoring_changes(administrator, active.id, 2) == configurations.Preview({"timeout_ms": {"before": 5_000, "after": 30_000}}, {})
    saved = configurations.restore(administrator, active.id, 3, 2)
    assert (saved.configuration.version, saved.configuration.snapshot.timeout_ms, saved.proposal) == (4, 30_000, None)
    assert configurations.acts(administrator, active.id)[0].details["restores"] == 2
    with pytest.raises(BadInput, match="Nothing was changed"):
        configurations.restore(administrator, active.id, 4, 2)
    with pytest.raises(NotFound, match="no version 9"):
        configurations.restore(administrator, active.id, 4, 9)


def test_restoring_what_takes_two_takes_two(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    configuration_approvals.approve(colleague, propose(administrator, active, **rules_with(active, amount_max="2000.00")))
    saved = configurations.restore(administrator, active.id, 3, 2, WHY)
    assert saved.proposal is not None
    (waits,) = configuration_approvals.waiting(colleague)
    assert (waits.restores, set(waits.takes_two)) == (2, {f"{RULES}.amount_max"})
    configuration_approvals.approve(colleague, saved.proposal)
    assert configurations.find(administrator, active.id).content == active.content


def test_a_host_that_comes_back_brings_what_was_entered_for_it_and_the_other_hosts_go(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    configuration_approvals.approve(colleague, propose(administrator, active, {"username": "else", "password": "elsewhere"}, base_url=OTHER_HOST))
    saved = configurations.restore(administrator, active.id, 3, 2, WHY)
    (waits,) = configuration_approvals.waiting(colleague)
    assert waits.changes["authentication"] == "those of version 2"
    assert stored(active.id) == {"username": "else", "password": "elsewhere"}
    configuration_approvals.approve(colleague, saved.proposal or 0)
    assert (row(active.id).base_url, stored(active.id)) == (HOST, CREDENTIALS)


def test_on_the_same_host_a_restore_brings_no_old_password_back(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    configuration_approvals.approve(colleague, propose(administrator, active, {"password": "newer"}, **rules_with(active, amount_max="2000.00")))
    saved = configurations.restore(administrator, active.id, 3, 2, WHY)
    configuration_approvals.approve(colleague, saved.proposal or 0)
    assert stored(active.id)["password"] == "newer"


def test_a_version_of_another_host_without_credentials_voids_those_that_are_stored(administrator: Actor, colleague: Actor, one: Configuration) -> None:
    """The draft's first version had none; what was entered since for another host does not follow it back."""
    bare = configurations.clone(administrator, one.id)
    active = switch_on(administrator, colleague, bare)
    configuration_approvals.approve(colleague, propose(administrator, active, {"username": "else", "password": "elsewhere"}, base_url=OTHER_HOST))
    saved = configurations.restore(administrator, active.id, 3, 1, WHY)
    configuration_approvals.approve(colleague, saved.proposal or 0)
    assert (row(active.id).base_url, stored(active.id)) == (HOST, {})


def test_a_restore_over_an_unseen_version_is_refused(administrator: Actor, colleague: Actor, active: Configuration) -> None:
    configurations.edit(colleague, active.id, 2, {**active.content, "timeout_ms": 5_000})
    with pytest.raises(BillersError, match="Tiyamike Gondwe changed this configuration"):
        configurations.restore(administrator, active.id, 2, 1)


def test_the_configuration_itself_never_shows_what_waits(administrator: Actor, active: Configuration) -> None:
    propose(administrator, active, {"password": "another-lantern"}, base_url=OTHER_HOST)
    with db.unit_of_work() as session:
        told = session.execute(
            text("SELECT to_jsonb(c)::text || (SELECT string_agg(to_jsonb(v)::text, '') FROM biller_config_versions v) FROM biller_configs c")
        )
        assert "elsewhere" not in " ".join(told.scalars())
