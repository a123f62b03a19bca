"""The configurations as an administrator works with them: the list, the form in both its shapes, the switches, the test and the history."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import Unavailable
from core.models.snapshot import Snapshot, ValidationRules
from core.security import vault
from core.services import billers, configurations, connection_tests
from core.services.configuration_rules import RULES
from core.services.configurations import Configuration
from core.ui.configuration_fields import FEATURES, SECTIONS, TYPE, label_of
from core.wire.contract import Verb
from tests.pages.conftest import LWB, Till, button, labels, said
from tests.world import SetEnvironment

OTHER = "https://api.elsewhere.example/v2"


@pytest.fixture
def admin(sit_down: Callable[..., Till], set_environment: SetEnvironment) -> Till:
    set_environment(billers_allowed_hosts='["lwb-postpaid.invalid", "api.elsewhere.example"]')
    vault.ensure_ring()
    return sit_down("administrator", "Limbani Chirwa")


@pytest.fixture
def one(admin: Till) -> Configuration:
    """Lilongwe Water Board as it was seeded, and active."""
    return next(found for found in configurations.list_all(admin.actor) if found.snapshot.biller_type == LWB)


def now(admin: Till, one: Configuration) -> Configuration:
    return configurations.find(admin.actor, one.id)


def field(window: AppTest, label: str, kind: str = "text_input") -> Any:
    """The one field of this name."""
    (found,) = [each for each in getattr(window, kind) if each.label == label]
    return found


def type_into(window: AppTest, **values: str) -> None:
    """`Base_URL="https://…"`: typed one after the other, as a person does."""
    for label, value in values.items():
        field(window, label.replace("_", " ")).set_value(value).run()


def open_one(admin: Till, one: Configuration, **more: str) -> AppTest:
    return admin.open("configurations", id=str(one.id), **more)


# ---- The list


def test_the_list_tells_name_type_state_address_and_last_test(admin: Till, one: Configuration) -> None:
    configurations.pause(admin.actor, one.id, one.version, "Maintenance until 14:00.")
    window = admin.open("configurations")
    frame = window.dataframe[0].value
    assert list(frame.columns) == ["Name", "Type", "State", "Base URL", "Last test", "Changed", "Test", "Switch"]
    row = frame[frame["Type"] == LWB].iloc[0]
    assert (row["Name"], row["State"], row["Base URL"], row["Last test"], row["Switch"]) == (
        "LWB postpaid",
        ["‖ Paused"],
        "https://lwb-postpaid.invalid",
        "never tested",
        "Resume",
    )
    assert "1 paused" in said(window)


def test_a_list_of_nothing_says_what_to_do(admin: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configurations, "list_all", lambda _: [])
    assert "No biller is configured yet. Make the first configuration" in said(admin.open("configurations"))


@pytest.mark.parametrize("role", ["operator", "analyst", "manager"])
def test_whoever_may_not_configure_does_not_get_there(sit_down: Callable[..., Till], role: str) -> None:
    window = sit_down(role).open("transactions")
    with pytest.raises(ValueError, match="configurations"):
        window.switch_page("pages/configurations.py")


def test_an_address_that_leads_nowhere_says_so(admin: Till) -> None:
    assert "This address leads nowhere" in said(admin.open("configurations", id="x"))
    assert "There is no configuration under this address" in said(admin.open("configurations", id=str(uuid.uuid4())))


def test_a_database_that_is_down_is_a_sentence_and_never_a_trace(admin: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(configurations, "list_all", down)
    assert "The database cannot be reached. Nothing was lost" in said(admin.open("configurations"))


# ---- The form


def test_every_field_of_the_model_is_asked_for_with_its_meaning_and_an_example() -> None:
    asked = {each.path: each for fields in SECTIONS.values() for each in fields}
    apart = {"biller_type", "endpoints", "features", RULES, f"{RULES}.account_types"}
    assert set(asked) | apart == set(Snapshot.model_fields) | {f"{RULES}.{name}" for name in ValidationRules.model_fields}
    for each in [*asked.values(), TYPE]:
        assert "Example: " in each.help, each.path
        assert label_of(each.path) == each.label
    assert set(FEATURES) == {*(verb.value for verb in Verb), "balance_check"}


def test_what_is_typed_is_checked_at_once_beside_its_field_and_kept(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Base_URL="https://api.evil.example", Pattern="([0-9]+)+")
    told = said(window)
    assert "'api.evil.example' is not on the list of allowed hosts" in told
    assert "A repeat must not vary inside another repeat" in told
    assert field(window, "Base URL").value == "https://api.evil.example"
    assert now(admin, one).version == one.version


def test_a_refused_save_says_which_fields_and_loses_nothing(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Short_name="LWB, renamed", Least_amount="0")
    save(window)
    assert "Nothing was saved: 1 field needs correcting." in said(window)
    assert "Correct first: Least amount." in said(window)
    assert (field(window, "Short name").value, field(window, "Least amount").value) == ("LWB, renamed", "0")
    type_into(window, Least_amount="50.00")
    save(window)
    assert "Saved as version 2." in said(window)
    assert now(admin, one).snapshot.display_name == "LWB, renamed"


def save(window: AppTest) -> None:
    (found,) = [each for each in window.button if each.label == "Save"]
    found.click().run()


def test_numbers_choices_and_switches_are_saved_as_what_they_are(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    field(window, "Time-out in ms", "number_input").set_value(5_000).run()
    field(window, "Usual currency", "selectbox").set_value("USD").run()
    assert "The usual currency must be one of those supported." in said(window)
    field(window, "Supported currencies", "multiselect").set_value(["MWK", "USD"]).run()
    field(window, "Give a completed payment back", "toggle").set_value(False).run()
    field(window, "Codes not believed", "multiselect").set_value(["PENDING"]).run()
    type_into(window, **{"Endpoint status": "/inquiry"})
    save(window)
    saved = now(admin, one).snapshot
    assert (saved.timeout_ms, saved.default_currency, saved.supported_currencies) == (5_000, "USD", ["MWK", "USD"])
    assert (saved.features["reverse"], saved.endpoints["status"], saved.validation_rules.removed_codes) == (False, "/inquiry", ("PENDING",))


def test_kinds_of_accounts_are_added_changed_and_removed(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    for code, label in (("M", "Meter"), ("GROUP", "Group")):
        button(window, "Add a kind").click().run()
        [each for each in window.text_input if each.label == "Code"][-1].set_value(code).run()
        [each for each in window.text_input if each.label == "Label"][-1].set_value(label).run()
    next(each for each in window.toggle if each.label == "Meter").set_value(True).run()
    save(window)
    kinds = now(admin, one).snapshot.validation_rules.account_types
    assert [(kind.code, kind.label, kind.is_meter) for kind in kinds] == [("M", "Meter", True), ("GROUP", "Group", False)]
    next(each for each in window.button if each.help == "Remove this kind").click().run()
    save(window)
    assert [kind.code for kind in now(admin, one).snapshot.validation_rules.account_types] == ["GROUP"]


def test_what_was_typed_outlives_another_tab_and_can_be_discarded(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Short_name="LWB, renamed")
    window.segmented_control(key="configuration-tab").set_value("history").run()
    assert window.query_params["tab"] == "history"
    window.segmented_control(key="configuration-tab").set_value("settings").run()
    assert field(window, "Short name").value == "LWB, renamed"
    button(window, "Discard changes").click().run()
    assert field(window, "Short name").value == "LWB postpaid"


def test_the_same_content_as_json_both_ways(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Short_name="LWB, renamed")
    editor = f"configuration-editor-{one.id}"
    window.segmented_control(key=editor).set_value("JSON").run()
    area = field(window, "Configuration as JSON", "text_area")
    assert '"display_name": "LWB, renamed"' in area.value
    area.set_value(area.value.replace('"timeout_ms": 30000', '"timeout_ms": 7000')).run()
    window.segmented_control(key=editor).set_value("Form").run()
    assert field(window, "Time-out in ms", "number_input").value == 7_000
    save(window)
    assert (now(admin, one).snapshot.timeout_ms, now(admin, one).snapshot.display_name) == (7_000, "LWB, renamed")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"timeout_ms": 30000', '"timeout_ms": 30000, "timeout_ms": 1', "The key 'timeout_ms' stands twice"),
        ('"timeout_ms": 30000', '"timeout_ms": 30000, "colour": "blue"', "There is no setting named 'colour'."),
        ('"timeout_ms": 30000', '"timeout_ms": ', "This is not JSON yet"),
        ('"timeout_ms": 30000', '"timeout_ms": "soon"', "Write a whole number of milliseconds"),
        ('"LWB_POSTPAID"', '"BWB_POSTPAID"', "The biller cannot be changed here"),
    ],
)
def test_json_that_cannot_be_taken_over_is_told_kept_and_not_saved(admin: Till, one: Configuration, old: str, new: str, words: str) -> None:
    window = open_one(admin, one)
    editor = f"configuration-editor-{one.id}"
    window.segmented_control(key=editor).set_value("JSON").run()
    area = field(window, "Configuration as JSON", "text_area")
    area.set_value(area.value.replace(old, new, 1)).run()
    assert words in said(window)
    if "cannot be changed" not in words:
        save(window)
        assert now(admin, one).version == one.version
    window.segmented_control(key=editor).set_value("Form").run()
    assert "The JSON has something in it that this form cannot show." in said(window)
    window.segmented_control(key=editor).set_value("JSON").run()
    assert new.split(",")[-1].strip() in field(window, "Configuration as JSON", "text_area").value
    window.segmented_control(key=editor).set_value("Form").run()
    button(window, "Discard the JSON").click().run()
    assert field(window, "Time-out in ms", "number_input").value == 30_000


def test_a_new_configuration_is_made_switched_off(admin: Till, one: Configuration) -> None:
    window = admin.open("configurations", new="1", type=LWB)
    save(window)
    assert "Correct first: Name, Short name, Base URL, Example." in said(window)
    type_into(
        window, Name="Lilongwe Water Board", Short_name="LWB, new system", Base_URL=OTHER, Example="70000001", Username="billers", Password="entered-secret"
    )
    save(window)
    assert "Saved as version 1." in said(window)
    made = configurations.find(admin.actor, uuid.UUID(window.query_params["id"]))
    assert (made.state, made.snapshot.display_name, made.holds_credentials) == ("inactive", "LWB, new system", True)
    button(window, "Activate").click().run()
    button(window, "Yes, activate").click().run()
    assert "“LWB postpaid” is active for Lilongwe Water Board" in said(window)
    assert now(admin, made).state == "inactive"


# ---- Credentials


def test_credentials_are_entered_and_never_shown(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Username="billers", Password="entered-secret")
    save(window)
    assert now(admin, one).holds_credentials
    assert [field(window, name).value for name in ("Username", "Password")] == ["", ""]
    assert field(window, "Password").placeholder == "stored, empty keeps it"
    for tab in ("settings", "test", "versions", "history"):
        shown = open_one(admin, one, tab=tab)
        assert "entered-secret" not in said(shown) + str(shown.main)
    button(window, "Remove the stored credentials").click().run()
    assert "The stored credentials were removed." in said(window)
    assert not now(admin, one).holds_credentials


def test_another_host_is_told_of_before_and_after_it_voids_them(admin: Till, one: Configuration) -> None:
    configurations.edit(admin.actor, one.id, one.version, one.content, {"username": "billers", "password": "x" * 8})
    window = open_one(admin, one)
    type_into(window, Base_URL=OTHER)
    assert "The host changes. The stored credentials were saved for https://lwb-postpaid.invalid and are dropped when you save" in said(window)
    save(window)
    assert "The stored credentials were saved for the old host and are dropped" in said(window)
    assert not now(admin, one).holds_credentials


# ---- Two administrators


def test_what_somebody_else_saved_meanwhile_is_told_and_ones_own_is_kept(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Short_name="Mine")
    configurations.edit(admin.actor, one.id, one.version, {**one.content, "timeout_ms": 5_000})
    save(window)
    assert "Nothing was saved. Look at what is saved now before you decide." in said(window)
    assert "saved version 2 while you worked on version 1" in said(window)
    assert "Changed meanwhile: Time-out in ms." in said(window)
    assert field(window, "Short name").value == "Mine"
    button(window, "Keep what I typed, over version 2").click().run()
    save(window)
    assert (now(admin, one).snapshot.display_name, now(admin, one).snapshot.timeout_ms, now(admin, one).version) == ("Mine", 5_000, 3)


def test_one_can_start_again_from_what_is_saved(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Short_name="Mine")
    configurations.edit(admin.actor, one.id, one.version, {**one.content, "display_name": "Theirs"})
    window.run()
    button(window, "Start again from version 2").click().run()
    assert field(window, "Short name").value == "Theirs"


def test_what_was_not_touched_follows_what_is_saved(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    configurations.edit(admin.actor, one.id, one.version, {**one.content, "display_name": "Theirs"})
    window.run()
    assert field(window, "Short name").value == "Theirs"
    assert "while you worked" not in said(window)


# ---- Switches


def test_a_pause_asks_for_its_reason_and_operators_read_it(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    button(window, "Pause").click().run()
    assert window.query_params["do"] == "pause"
    button(window, "Yes, pause").click().run()
    assert "Say why in one sentence" in said(window)
    field(window, "Reason").set_value("Maintenance until 14:00")
    button(window, "Yes, pause").click().run()
    assert "Paused just now: Maintenance until 14:00." in said(window)
    assert "do" not in window.query_params
    assert next(card for card in billers.list_billers(admin.actor) if card.code == LWB).paused_because == "Maintenance until 14:00."
    button(window, "Resume").click().run()
    button(window, "Yes, resume").click().run()
    assert now(admin, one).state == "active"


def test_deactivating_says_what_becomes_of_what_waits(sit_down: Callable[..., Till], admin: Till, one: Configuration) -> None:
    sit_down("operator").pay()
    window = open_one(admin, one, do="deactivate")
    assert "1 payment waits in the queue now and will fail." in said(window)
    button(window, "Leave it as it is").click().run()
    assert now(admin, one).state == "active"
    button(window, "Deactivate").click().run()
    button(window, "Yes, deactivate").click().run()
    assert "Deactivated. Nobody is offered it any more." in said(window)
    assert "Activate" in labels(window)


def test_activating_what_was_never_tested_is_warned_of(admin: Till, one: Configuration) -> None:
    configurations.deactivate(admin.actor, one.id, one.version)
    window = open_one(admin, one, do="activate")
    assert "This version has not passed a connection test (never tested). Test it first." in said(window)
    button(window, "Yes, activate").click().run()
    assert now(admin, one).state == "active"


def test_a_switch_that_another_window_turned_is_told(admin: Till, one: Configuration) -> None:
    configurations.deactivate(admin.actor, one.id, one.version)
    assert "This is inactive already: there is nothing to deactivate." in said(open_one(admin, one, do="deactivate"))


def test_a_confirmation_counts_for_the_version_that_was_shown(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one, do="deactivate")
    configurations.edit(admin.actor, one.id, one.version, {**one.content, "timeout_ms": 5_000})
    button(window, "Yes, deactivate").click().run()
    assert "it was at version 1, and is at 2 now" in said(window)
    assert now(admin, one).state == "active"


# ---- Tests


def test_a_test_tells_each_stage_and_stays_in_the_history(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one, tab="test")
    assert "Never tested." in said(window)
    button(window, "Test connection").click().run()
    told = said(window)
    assert "Did not pass" in told
    assert "The host's name could not be found." in told
    assert "Look-up · not reached." in told.replace("**", "")
    assert "test ✕ address" in told
    assert len(window.dataframe[0].value) == 1
    assert len(connection_tests.history(admin.actor, one.id)) == 1


def test_a_biller_with_a_debit_asks_for_an_account_at_the_bank_and_tells_of_its_stages(
    admin: Till, one: Configuration, set_environment: SetEnvironment
) -> None:
    window = open_one(admin, one, tab="test")
    assert "Test account at the bank" not in [each.label for each in window.text_input]
    set_environment(t24_api_url="http://127.0.0.1:1/t24")
    configurations.edit(admin.actor, one.id, one.version, {**one.content, "topology": "SEPARATE", "credit_account": "MWK1280600010001"})
    window = open_one(admin, one, tab="test")
    button(window, "Test connection").click().run()
    assert "Enter the number of the customer's account at the bank." in said(window)
    field(window, "Test account at the bank").set_value("2010000001")
    button(window, "Test connection").click().run()
    told = said(window).replace("**", "")
    assert "Core banking · not reached." in told
    assert "Dry run of a debit · not reached." in told


def test_a_bad_test_account_is_told_beside_it(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one, tab="test")
    field(window, "Test account (account number)").set_value("12")
    button(window, "Test connection").click().run()
    assert "This is not an account number of Lilongwe Water Board" in said(window)
    assert connection_tests.history(admin.actor, one.id) == []


def test_save_and_test_does_both(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Short_name="LWB, renamed")
    button(window, "Save & test").click().run()
    assert window.query_params["tab"] == "test"
    assert "Saved as version 2." in said(window)
    (test,) = connection_tests.history(admin.actor, one.id)
    assert (test.version, test.typed_only) == (2, False)
    window.run()
    assert len(connection_tests.history(admin.actor, one.id)) == 1


def test_what_is_only_typed_can_be_tested_and_is_told_apart(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Base_URL=OTHER)
    window.segmented_control(key="configuration-tab").set_value("test").run()
    button(window, "Test what is typed").click().run()
    assert "With values that are not saved: https://api.elsewhere.example/v2" in said(window)
    assert connection_tests.history(admin.actor, one.id)[0].typed_only
    assert now(admin, one).last_test is None
    window.segmented_control(key="configuration-tab").set_value("settings").run()
    assert field(window, "Base URL").value == OTHER


# ---- Versions and history


def test_versions_tell_before_and_after_and_the_address_keeps_which(admin: Till, one: Configuration) -> None:
    configurations.edit(admin.actor, one.id, 1, {**one.content, "timeout_ms": 5_000})
    configurations.edit(admin.actor, one.id, 2, {**one.content, "timeout_ms": 9_000})
    window = open_one(admin, one, tab="versions")
    assert window.table[0].value.to_dict("records") == [{"Field": "Time\\-out in ms", "Before": "5000", "After": "9000"}]
    window.selectbox(key=f"configuration-version-{one.id}").set_value(2).run()
    assert window.query_params["version"] == "2"
    assert window.table[0].value.to_dict("records")[0]["Before"] == "30000"
    assert '"timeout_ms": 5000' in window.code[0].value
    assert "The first version" in said(open_one(admin, one, tab="versions", version="1"))


def test_the_history_tells_who_did_what_and_when(admin: Till, one: Configuration) -> None:
    configurations.edit(admin.actor, one.id, 1, {**one.content, "retry_attempts": 5}, {"username": "a", "password": "entered-secret"})
    configurations.pause(admin.actor, one.id, 2, "**Maintenance** until 14:00.")
    window = open_one(admin, one, tab="history")
    told = said(window)
    for words in ("**Paused: **Maintenance** until 14:00.**", "**Changed**", "**Added from the seeds**", "Limbani Chirwa · version 2", " CAT"):
        assert words in told, words
    rows = window.table[0].value.to_dict("records")
    assert {"Field": "Credentials", "Before": "", "After": "changed"} in rows
    assert any(row["Field"] == "Quick attempts" and (row["Before"], row["After"]) == ("3", "5") for row in rows)
    assert any("\\*\\*Maintenance\\*\\*" in each.value for each in window.markdown)
