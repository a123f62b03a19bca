"""What becomes of a configuration that people change: versions, differences, credentials that stay at home, and one active of a kind."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from core import db
from core.access import Actor
from core.errors import BadInput, Conflict, NotAllowed, NotFound
from core.ids import new_id
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.services import audit, billers, configuration_approvals, configurations
from core.services.configuration_rules import Invalid
from core.services.configurations import AnotherIsActive, Configuration
from tests.configurations.conftest import CREDENTIALS, LWB, OTHER_HOST, row, stored, switch_on, version
from tests.world import AddPerson, SetEnvironment

# ---- Making and changing


def test_a_new_configuration_is_switched_off_and_is_version_one(administrator: Actor, one: Configuration) -> None:
    assert (one.state, one.version, one.holds_credentials, one.updated_by) == ("inactive", 1, True, "Limbani Chirwa")
    assert one.id not in {card.code for card in billers.list_billers(administrator)}
    assert row(one.id).created_by == administrator.id


def test_whoever_may_not_configure_is_told_so(add_person: AddPerson, one: Configuration, content: dict[str, Any]) -> None:
    manager = add_person("manager")
    for act in (
        lambda: configurations.list_all(manager),
        lambda: configurations.create(manager, content),
        lambda: configurations.edit(manager, one.id, 1, content),
        lambda: configurations.activate(manager, one.id, 1),
        lambda: configurations.pause(manager, one.id, 1, "Because."),
    ):
        with pytest.raises(NotAllowed, match="configure billers"):
            act()


def test_what_cannot_be_used_is_not_saved(administrator: Actor, one: Configuration) -> None:
    with pytest.raises(Invalid) as refused:
        configurations.edit(administrator, one.id, 1, {**one.content, "timeout_ms": 5})
    assert set(refused.value.complaints) == {"timeout_ms"}
    assert "Nothing was saved: 1 field needs correcting." in refused.value.sentence
    assert row(one.id).version == 1


def test_a_change_is_a_new_version_and_the_old_one_says_what_it_said(administrator: Actor, one: Configuration) -> None:
    saved = configurations.edit(administrator, one.id, 1, {**one.content, "timeout_ms": 5_000}).configuration
    assert saved.version == 2
    assert version(one.id, 1).snapshot["timeout_ms"] == 30_000
    assert version(one.id, 2).snapshot["timeout_ms"] == 5_000
    newest, oldest = configurations.versions(administrator, one.id)
    assert (newest.number, newest.by, newest.changes) == (2, "Limbani Chirwa", {"timeout_ms": {"before": 30_000, "after": 5_000}})
    assert oldest.changes == {}


def test_saving_what_is_saved_already_makes_no_version(administrator: Actor, one: Configuration) -> None:
    with pytest.raises(BadInput, match="Nothing was changed"):
        configurations.edit(administrator, one.id, 1, one.content)
    assert row(one.id).version == 1


def test_the_biller_of_a_configuration_stays(administrator: Actor, one: Configuration) -> None:
    configurations.edit(administrator, one.id, 1, {**one.content, "biller_type": "BWB_POSTPAID", "retry_attempts": 1})
    assert row(one.id).biller_type == LWB


def test_the_audit_tells_who_and_what_before_and_after(administrator: Actor, one: Configuration) -> None:
    changed = {**one.content, "retry_attempts": 5, "validation_rules": {**one.content["validation_rules"], "amount_max": "2000.00"}}
    configurations.edit(administrator, one.id, 1, changed, {"password": "another-lantern"})
    newest, created = configurations.acts(administrator, one.id)
    assert (newest.action, newest.by, newest.version) == ("biller.changed", "Limbani Chirwa", 2)
    assert newest.changes == {
        "retry_attempts": {"before": 3, "after": 5},
        "validation_rules.amount_max": {"before": "1000000.00", "after": "2000.00"},
        "authentication": "changed",
    }
    assert created.action == "biller.created"
    assert created.changes["base_url"] == {"before": None, "after": "https://api.lwb.example/v2"}
    audit.seal_all()
    assert audit.verify().ok


def test_no_secret_is_in_the_audit_or_in_a_version(administrator: Actor, one: Configuration) -> None:
    configurations.edit(administrator, one.id, 1, one.content, {"password": "another-lantern"})
    with db.unit_of_work() as session:
        told = " ".join(str(line) for line in session.execute(text("SELECT details FROM audit_entries")).scalars())
        told += " ".join(str(line) for line in session.execute(text("SELECT (snapshot, authentication)::text FROM biller_config_versions")).scalars())
        told += " ".join(str(line) for line in session.execute(text("SELECT b::text FROM biller_configs b")).scalars())
    assert "lantern" not in told


def test_a_configuration_that_is_not_there_is_told_so(administrator: Actor) -> None:
    with pytest.raises(NotFound, match="no configuration under this address"):
        configurations.find(administrator, new_id())


# ---- Two administrators


def test_who_saves_over_somebody_elses_version_is_told_and_saves_nothing(administrator: Actor, colleague: Actor, one: Configuration) -> None:
    configurations.edit(colleague, one.id, 1, {**one.content, "timeout_ms": 5_000})
    with pytest.raises(Conflict, match="Tiyamike Gondwe changed this configuration while it was open here: it was at version 1, and is at 2 now"):
        configurations.edit(administrator, one.id, 1, {**one.content, "timeout_ms": 9_000})
    assert row(one.id).timeout_ms == 5_000


def test_of_two_who_save_at_once_one_is_kept_whole_and_the_other_is_told(administrator: Actor, colleague: Actor, one: Configuration) -> None:
    outcomes = at_once(
        lambda: configurations.edit(administrator, one.id, 1, {**one.content, "timeout_ms": 5_000, "retry_attempts": 5}),
        lambda: configurations.edit(colleague, one.id, 1, {**one.content, "timeout_ms": 9_000, "retry_attempts": 9}),
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Saved"]
    kept = row(one.id)
    assert (kept.timeout_ms, kept.retry_attempts) in ((5_000, 5), (9_000, 9))
    assert kept.version == 2


def test_of_two_who_activate_two_configurations_of_one_biller_at_once_one_is_told(
    administrator: Actor, colleague: Actor, one: Configuration, content: dict[str, Any]
) -> None:
    other = configurations.create(colleague, {**content, "display_name": "LWB, new system"}).configuration
    first, second = (configurations.propose_activation(by, each.id, 1, "It is tested.") for by, each in ((administrator, one), (colleague, other)))
    outcomes = at_once(lambda: configuration_approvals.approve(colleague, first), lambda: configuration_approvals.approve(administrator, second))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AnotherIsActive", "int"]
    assert sum(row(each.id).is_active for each in (one, other)) == 1


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What came of acts that began together: what each answered, or what it raised."""
    together, outcomes = threading.Barrier(len(acts)), []

    def do(act: Callable[[], object]) -> None:
        together.wait()
        try:
            outcomes.append(act())
        except (Conflict, BadInput) as error:
            outcomes.append(error)

    threads = [threading.Thread(target=do, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


# ---- Switches


def test_an_active_one_is_offered_and_a_second_one_is_refused_by_name(
    administrator: Actor, colleague: Actor, active: Configuration, content: dict[str, Any]
) -> None:
    assert LWB in {card.code for card in billers.list_billers(administrator)}
    other = configurations.create(administrator, {**content, "display_name": "LWB, new system"}).configuration
    with pytest.raises(AnotherIsActive, match=r"“LWB postpaid” is active for Lilongwe Water Board.* Deactivate that one first\."):
        switch_on(administrator, colleague, other)
    configurations.deactivate(administrator, active.id, 2)
    (waits,) = configuration_approvals.waiting(colleague)
    assert configuration_approvals.approve(colleague, waits.number) == 2
    assert configurations.find(administrator, other.id).state == "active"
    configurations.deactivate(administrator, other.id, 2)
    assert configurations.activate(administrator, active.id, 3).state == "active", "two people have looked at it before"


def test_what_could_not_be_saved_cannot_be_activated(administrator: Actor, active: Configuration, set_environment: SetEnvironment) -> None:
    configurations.deactivate(administrator, active.id, 2)
    set_environment(billers_allowed_hosts="[]")
    with pytest.raises(Invalid, match="not on the list of allowed hosts"):
        configurations.activate(administrator, active.id, 3)
    assert not row(active.id).is_active


def test_a_pause_has_a_reason_that_operators_read_and_each_switch_is_a_version(administrator: Actor, active: Configuration) -> None:
    paused = configurations.pause(administrator, active.id, 2, "  Maintenance   until 14:00 ")
    assert (paused.state, paused.paused_because, paused.version) == ("paused", "Maintenance until 14:00.", 3)
    (card,) = [card for card in billers.list_billers(administrator) if card.code == LWB]
    assert card.paused_because == "Maintenance until 14:00."
    with pytest.raises(BadInput, match=r"is paused: Maintenance until 14:00. Try again later."), db.unit_of_work() as session:
        billers.chosen(administrator, session, LWB)
    resumed = configurations.resume(administrator, active.id, 3)
    assert (resumed.state, resumed.version, resumed.paused_because) == ("active", 4, None)
    assert [act.action for act in configurations.acts(administrator, active.id)][:3] == ["biller.resumed", "biller.paused", "biller.activated"]
    assert configurations.acts(administrator, active.id)[1].reason == "Maintenance until 14:00."


@pytest.mark.parametrize("reason", ["", "  ", "x", "y" * 201, "bell\a rings"])
def test_a_pause_without_a_sentence_is_refused(administrator: Actor, active: Configuration, reason: str) -> None:
    with pytest.raises(BadInput, match="Say why in one sentence"):
        configurations.pause(administrator, active.id, 2, reason)
    assert row(active.id).paused_at is None


def test_a_switch_that_is_turned_already_is_told_and_changes_nothing(administrator: Actor, one: Configuration) -> None:
    for act in (lambda: configurations.deactivate(administrator, one.id, 1), lambda: configurations.resume(administrator, one.id, 1)):
        with pytest.raises(Conflict):
            act()
    with pytest.raises(BadInput, match="nothing to pause"):
        configurations.pause(administrator, one.id, 1, "Maintenance.")
    assert row(one.id).version == 1


def test_a_switch_turned_over_an_unseen_version_is_refused(administrator: Actor, colleague: Actor, one: Configuration) -> None:
    configurations.edit(colleague, one.id, 1, {**one.content, "timeout_ms": 5_000})
    with pytest.raises(Conflict, match="Tiyamike Gondwe"):
        configurations.propose_activation(administrator, one.id, 1, "It is tested.")
    assert not row(one.id).is_active


# ---- Credentials


def test_credentials_are_sealed_to_their_row_and_kept_when_none_are_entered(administrator: Actor, one: Configuration) -> None:
    assert stored(one.id) == CREDENTIALS
    configurations.edit(administrator, one.id, 1, {**one.content, "base_url": "https://api.lwb.example/v3"})
    assert stored(one.id) == CREDENTIALS


def test_one_credential_can_be_changed_without_the_others(administrator: Actor, one: Configuration) -> None:
    configurations.edit(administrator, one.id, 1, one.content, {"password": "another"})
    assert stored(one.id) == {"username": "billers", "password": "another"}


def test_another_host_voids_the_stored_credentials(administrator: Actor, one: Configuration) -> None:
    saved = configurations.edit(administrator, one.id, 1, {**one.content, "base_url": OTHER_HOST})
    assert saved.credentials_voided
    assert (stored(one.id), saved.configuration.holds_credentials) == ({}, False)
    assert version(one.id, 2).authentication is None
    # A payment that was drafted before goes to the old host, with what was stored for it.
    assert version(one.id, 1).authentication is not None
    assert configurations.acts(administrator, one.id)[0].changes["authentication"] == "removed, since the host changed"


def test_another_host_takes_only_what_is_entered_for_it(administrator: Actor, one: Configuration) -> None:
    saved = configurations.edit(administrator, one.id, 1, {**one.content, "base_url": OTHER_HOST}, {"username": "new"})
    assert not saved.credentials_voided
    assert stored(one.id) == {"username": "new"}


def test_credentials_can_be_removed(administrator: Actor, one: Configuration) -> None:
    assert not configurations.forget_credentials(administrator, one.id, 1).configuration.holds_credentials
    assert stored(one.id) == {}
    assert configurations.versions(administrator, one.id)[0].changes == {"authentication": {"before": "stored", "after": None}}


def test_a_credential_the_biller_is_not_asked_for_is_refused(administrator: Actor, one: Configuration) -> None:
    with pytest.raises(Invalid) as refused:
        configurations.edit(administrator, one.id, 1, one.content, {"pin": "1234"})
    assert set(refused.value.complaints) == {"credentials.pin"}


# ---- The list


def test_the_list_has_everything_but_the_credentials(administrator: Actor, one: Configuration) -> None:
    found = {each.id: each for each in configurations.list_all(administrator)}
    assert found[one.id] == configurations.find(administrator, one.id)
    assert "lantern" not in repr(found)
    assert found[one.id].last_test is None


def test_what_a_form_shows_is_what_is_stored(administrator: Actor, one: Configuration) -> None:
    with db.unit_of_work() as session:
        config = Billers(session).with_id(one.id)
        assert config is not None
        assert Snapshot.model_validate(one.content) == Snapshot.of(config)


def test_corrected_credentials_are_tried_at_once_although_the_circuit_is_open(administrator: Actor, one: Configuration) -> None:
    with db.unit_of_work() as session:
        session.execute(text("INSERT INTO breakers VALUES (:biller, now(), now() + interval '1 hour', 'It refuses our credentials.')"), {"biller": LWB})
    open_for = text("SELECT probe_at > clock_timestamp() FROM breakers")
    configurations.edit(administrator, one.id, 1, {**one.content, "timeout_ms": 5_000})
    with db.unit_of_work() as session:
        assert session.execute(open_for).scalar_one() is True
    configurations.edit(administrator, one.id, 2, {**one.content, "timeout_ms": 5_000}, {"password": "a new one"})
    with db.unit_of_work() as session:
        assert session.execute(open_for).scalar_one() is False
