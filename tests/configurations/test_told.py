"""A change of a configuration that waits is told to those who decide, and what came of it to whoever proposed it; never what it says."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.access import Actor
from core.models.notifications import Happening
from core.services import configuration_approvals, configurations, notifications
from core.services.configurations import Configuration
from tests.configurations.conftest import LWB, OTHER_HOST
from tests.configurations.test_four_eyes import WHY, propose, raw
from tests.world import Database, SetEnvironment

WAITING, DECIDED = Happening.APPROVAL_WAITING.value, Happening.APPROVAL_DECIDED.value
NOT_YET = "The letter is not signed."

Decide = Callable[[Actor, Actor, Database, int], None]


@pytest.fixture
def told(administrator: Actor, database: Database, set_environment: SetEnvironment) -> Callable[[], list[Any]]:
    """Everything that there is to be told, in order."""
    set_environment(billers_notification_hosts='["hooks.bank.example"]')
    channel, _ = notifications.add_webhook(administrator, "Ledger", "https://hooks.bank.example/billers")
    for event in (Happening.APPROVAL_WAITING, Happening.APPROVAL_DECIDED):
        notifications.subscribe(administrator, event, channel)
    return lambda: raw(database, "SELECT event, biller_type, facts FROM notification_events ORDER BY at")


def approved(_by: Actor, second: Actor, _database: Database, number: int) -> None:
    configuration_approvals.approve(second, number)


def rejected(_by: Actor, second: Actor, _database: Database, number: int) -> None:
    configuration_approvals.reject(second, number, NOT_YET)


def run_out(_by: Actor, _second: Actor, database: Database, number: int) -> None:
    raw(database, "ALTER TABLE configuration_proposals DISABLE TRIGGER USER")
    raw(database, "UPDATE configuration_proposals SET expires_at = now() - interval '1 s' WHERE number = %s", number)
    raw(database, "ALTER TABLE configuration_proposals ENABLE TRIGGER USER")
    assert configuration_approvals.expire_old() == 1


@pytest.mark.parametrize(
    ("decide", "outcome"),
    [
        (approved, "Approved by {second}."),
        (rejected, "Rejected by {second}: The letter is not signed."),
        (run_out, "Nobody decided in time, and it is not done."),
    ],
)
def test_a_change_that_waits_is_told_and_what_came_of_it_to_its_maker(
    administrator: Actor,
    colleague: Actor,
    active: Configuration,
    database: Database,
    told: Callable[[], list[Any]],
    decide: Decide,
    outcome: str,
) -> None:
    number = propose(administrator, active, base_url=OTHER_HOST)
    ((event, biller, facts),) = told()
    assert (event, biller, facts["reference"], facts["by"], facts["reason"]) == (WAITING, LWB, f"Change {number}", administrator.display_name, WHY)
    assert facts["what"] == "a change of a configuration"
    decide(administrator, colleague, database, number)
    event, biller, facts = told()[-1]
    assert (event, biller, facts["reference"], facts["maker"]) == (DECIDED, LWB, f"Change {number}", str(administrator.id))
    assert facts["outcome"] == outcome.format(second=colleague.display_name)
    assert OTHER_HOST not in json.dumps([one for *_, one in told()])


def test_a_first_activation_is_told_and_what_one_takes_back_oneself_is_not(administrator: Actor, one: Configuration, told: Callable[[], list[Any]]) -> None:
    number = configurations.propose_activation(administrator, one.id, one.version, WHY)
    configuration_approvals.withdraw(administrator, number)
    ((event, _, facts),) = told()
    assert (event, facts["what"]) == (WAITING, "that a configuration is switched on")
