"""What must be on the record: each act is done as people do it, and then found on the audit's page by the words somebody would look for it with."""

from typing import Any

import pytest

from core.access import Actor
from core.errors import BillersError, NotAllowed
from core.repositories.exports import Profile
from core.services import approvals, audit, audit_exports, configurations, exports, people, reports, staff, tokens
from core.services.asked import Asked as Filter
from core.services.denials import DENIALS
from core.ui import audit_looks
from tests.approvals.conftest import Desk, desk  # noqa: F401 - fixtures
from tests.configurations.conftest import CREDENTIALS, administrator, content, one  # noqa: F401 - fixtures
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.receipts.conftest import Counter, counter  # noqa: F401 - fixtures
from tests.world import PASSWORD, AddPerson, Database


@pytest.fixture
def manager(database: Database, add_person: AddPerson) -> Actor:
    return add_person("manager", username="mphatso")


def found(manager: Actor, line: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Who, what and the details of each entry that the page shows for this line, the oldest first."""
    page = audit.look(manager, audit.Asked(line))
    assert not page.complaints, page.complaints
    return [(entry.actor_name, entry.action, entry.details) for entry in reversed(page.entries)]


def test_signing_in_and_out(manager: Actor, add_person: AddPerson) -> None:
    add_person("operator", username="grace")
    token = people.redeem(people.sign_in("grace", PASSWORD, "10.1.2.3"), "10.1.2.3", "Browser/1")
    people.sign_out(token)
    assert [(who, what) for who, what, _ in found(manager, "who:grace action:session")] == [
        ("grace", "session.opened"),
        ("grace", "session.ended"),
    ]


def test_being_refused_and_throttled_at_the_door_by_a_name_that_nobody_has(manager: Actor) -> None:
    for _ in range(30):
        with pytest.raises(BillersError):
            people.sign_in("nobody-here", "wrong", "10.1.2.4")
    told = [what for _, what, _ in found(manager, "action:sign_in about:username:nobody-here")]
    assert told[0] == "sign_in.refused"
    assert told[-1] == "sign_in.throttled"


def test_a_refusal(manager: Actor, add_person: AddPerson) -> None:
    DENIALS.forget()
    grace = add_person("operator", username="grace")
    with pytest.raises(NotAllowed):
        configurations.list_all(grace)
    assert [(who, what) for who, what, _ in found(manager, "action:access about:permission:billers:configure")] == [("grace", "access.denied")]


def test_exports_of_transactions_and_of_the_record_itself(manager: Actor) -> None:
    for begin in (lambda: exports.begin(manager, Filter(), Profile.DATA), lambda: audit_exports.begin(manager, audit.Asked("action:audit"))):
        running = begin()
        while running.next_block():
            pass
        running.end()
    acts = found(manager, "who:mphatso about:export")
    assert [what for _, what, _ in acts] == ["transactions.export_begun", "transactions.exported", "audit.export_begun", "audit.exported"]
    assert acts[1][2]["complete"]
    assert acts[3][2]["search"] == "action:audit"


def test_a_report_that_was_taken(manager: Actor) -> None:
    reports.take(manager, reports.ReportKind.DAILY, "2026-11-20", reports.ReportFormat.CSV)
    assert [what for _, what, _ in found(manager, "who:mphatso action:report")] == ["report.made", "report.taken"]


def test_a_token_that_was_revealed_with_its_reason_and_without_itself(counter: Counter) -> None:  # noqa: F811
    sold = counter.sell()
    told = tokens.reveal(counter.limbani, sold, "the customer lost the slip")
    ((who, what, details),) = found(counter.limbani, f"action:token who:{counter.limbani.username} lost slip")
    assert (who, what, details["reason"]) == (counter.limbani.username, "token.revealed", "the customer lost the slip")
    assert told not in str(details)


def test_a_proposal_and_its_approval(desk: Desk) -> None:  # noqa: F811
    made = desk.pay()
    approvals.approve(desk.thoko, desk.open(made).id)
    acts = found(desk.thoko, f"about:transaction:{made} action:proposal")
    assert [(who, what) for who, what, _ in acts] == [(desk.grace.username, "proposal.made"), (desk.thoko.username, "proposal.approved")]


def test_a_changed_configuration_with_before_and_after_and_secrets_only_as_changed(
    manager: Actor,
    administrator: Actor,  # noqa: F811
    one: configurations.Configuration,  # noqa: F811
    content: dict[str, Any],  # noqa: F811
) -> None:
    configurations.edit(administrator, one.id, one.version, {**content, "description": "Bills."}, {**CREDENTIALS, "password": "violet-anchor"}, "New password.")
    acts = found(manager, f"about:biller:{one.id} action:biller.changed")
    assert len(acts) == 1
    _, _, details = acts[0]
    assert ("description", "Water bills of Lilongwe.", "Bills.") in audit_looks.changes_of(details)
    shown = str(audit_looks.changes_of(details)) + str(audit_looks.facts_of(details))
    assert "changed" in shown
    for secret in (CREDENTIALS["password"], "violet-anchor"):
        assert secret not in shown
        assert secret not in str(details)


def test_people_who_were_added_changed_given_a_password_and_disabled(manager: Actor, add_person: AddPerson) -> None:
    boss = add_person("administrator", username="tiyamike")
    given = staff.add(boss, "limbani", "Limbani Chirwa", "operator")
    (limbani,) = [person for person in staff.everybody(boss) if person.username == "limbani"]
    staff.change(boss, limbani.id, display_name="Limbani Chirwa", role="analyst", billers=())
    staff.give_password(boss, limbani.id)
    staff.disable(boss, limbani.id)
    acts = found(manager, "about:user:limbani")
    assert [what for _, what, _ in acts] == ["user.added", "user.changed", "user.password_set", "user.disabled"]
    assert audit_looks.changes_of(acts[1][2]) == [("role", "operator", "analyst")]
    assert {who for who, _, _ in acts} == {"tiyamike"}
    assert given not in str(acts)
