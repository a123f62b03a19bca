"""Configurations by a program: read, tried, and changed as far as one person may; the rest is proposed, and people decide."""

import uuid
from typing import Any

import pytest

from core.services import configuration_approvals
from tests.api.accounts import new_account
from tests.api.conftest import API, Bank, Program


@pytest.fixture
def setting_up(bank: Bank) -> Program:
    return bank.program("administrator")


def one_of(program: Program, biller: str) -> dict[str, Any]:
    return next(one for one in program.get("/configs").json()["items"] if one["content"]["biller_type"] == biller and one["is_approved"])


def test_what_is_read_has_no_secret_and_its_version_in_its_etag(setting_up: Program) -> None:
    one = one_of(setting_up, "LWB_POSTPAID")
    found = setting_up.get(f"/configs/{one['id']}")
    assert (found.json()["id"], found.headers["etag"]) == (one["id"], f'"{one["version"]}"')
    assert found.json()["holds_credentials"] is True
    assert "sandbox-lwb" not in found.text


def test_one_persons_change_is_saved_and_is_on_the_record_under_the_programs_name(bank: Bank, setting_up: Program) -> None:
    one = one_of(setting_up, "SRWB_POSTPAID")
    changed = setting_up.http.patch(f"{API}/configs/{one['id']}", json={"content": {"description": "Bills of Zomba."}}, headers={"If-Match": one["etag"]})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["configuration"]["content"]["description"], changed.json()["proposal"]) == ("Bills of Zomba.", None)
    assert changed.headers["etag"] == f'"{one["version"] + 1}"'
    with bank.connect() as connection:
        (who,) = connection.execute(
            "SELECT actor_name FROM audit_entries WHERE action = 'biller.changed' AND subject_id = %s ORDER BY seq DESC LIMIT 1", (one["id"],)
        ).fetchone()
    assert who.endswith(" by A test")


def test_what_takes_two_people_is_proposed_and_another_decides(bank: Bank, setting_up: Program) -> None:
    one = one_of(setting_up, "BWB_POSTPAID")
    change = {"content": {"validation_rules": {"second_person_above": "100000.00"}}, "reason": "Lower it for the holidays."}
    proposed = setting_up.http.patch(f"{API}/configs/{one['id']}", json=change, headers={"If-Match": one["etag"]})
    assert proposed.status_code == 202, proposed.text
    assert proposed.headers["location"] == proposed.json()["decided_at"] == f"/configurations?id={one['id']}"
    assert setting_up.get(f"/configs/{one['id']}").json()["content"] == one["content"]
    configuration_approvals.approve(bank.person("administrator"), proposed.json()["proposal"])
    rules = setting_up.get(f"/configs/{one['id']}").json()["content"]["validation_rules"]
    assert rules["second_person_above"] == "100000.00"
    assert rules["amount_min"] == one["content"]["validation_rules"]["amount_min"], "what was not sent stays"


def test_a_change_over_an_older_version_saves_nothing(setting_up: Program) -> None:
    one = one_of(setting_up, "SRWB_PREPAID")
    address = f"{API}/configs/{one['id']}"
    assert setting_up.http.patch(address, json={"content": {"description": "First."}}, headers={"If-Match": one["etag"]}).status_code == 200
    late = setting_up.http.patch(address, json={"content": {"description": "Second."}}, headers={"If-Match": one["etag"]})
    assert (late.status_code, late.json()["type"], late.headers["etag"]) == (412, f"{API}/docs#changed-meanwhile", f'"{one["version"] + 1}"')
    bare = setting_up.http.patch(address, json={"content": {"description": "Third."}})
    assert (bare.status_code, bare.json()["errors"][0]["header"]) == (400, "If-Match")


def test_a_draft_is_added_tried_and_proposed_and_offered_once_another_has_approved_it(bank: Bank, setting_up: Program) -> None:
    content = {**one_of(setting_up, "AIRTEL_VALIDATION")["content"], "display_name": "Airtel, the new address"}
    added = setting_up.post("/configs", {"content": content, "credentials": {"api_key": "sandbox-airtel"}})
    assert added.status_code == 201, added.text
    assert (added.json()["state"], added.json()["holds_credentials"]) == ("inactive", True)
    assert "sandbox-airtel" not in added.text
    address = added.headers["location"]
    tried = setting_up.http.post(f"{address}/test", json={"account": "0991000001"})
    assert tried.status_code == 200, tried.text
    assert [stage["stage"] for stage in tried.json()["stages"]][:2] == ["address", "connection"]
    switched = setting_up.http.patch(address, json={"is_active": True, "reason": "It answers."}, headers={"If-Match": added.headers["etag"]})
    assert switched.status_code == 202, switched.text
    assert setting_up.http.get(address).json()["state"] == "inactive"


def test_deactivating_takes_it_off_the_offer_and_deletes_nothing(bank: Bank, setting_up: Program, program: Program) -> None:
    one = one_of(setting_up, "MASM")
    address = f"{API}/configs/{one['id']}"
    off = setting_up.http.delete(address, headers={"If-Match": one["etag"]})
    assert (off.status_code, off.json()["state"]) == (200, "inactive")
    assert program.post("/account-lookup", {"biller": "MASM", "account": new_account(), "account_type": "MEMBER"}).status_code == 404
    again = setting_up.http.delete(address, headers={"If-Match": off.headers["etag"]})
    assert (again.status_code, again.json()["type"]) == (409, f"{API}/docs#conflict")
    # Two people said what it says: switching it on again is one person's.
    on = setting_up.http.patch(address, json={"is_active": True}, headers={"If-Match": off.headers["etag"]})
    assert (on.status_code, on.json()["configuration"]["state"]) == (200, "active")


def test_a_configuration_that_is_not_there(setting_up: Program) -> None:
    assert setting_up.get(f"/configs/{uuid.uuid4()}").status_code == 404
