"""The configurations as an administrator works with them: the list, the form in both its shapes, the switches, the test and the history."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import Unavailable
from core.models.snapshot import Snapshot, ValidationRules
from core.security import vault
from core.services import billers, configuration_approvals, configurations, connection_tests
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
def second(admin: Till, sit_down: Callable[..., Till]) -> Till:
    """Another administrator: what one proposes, the other decides about."""
    return sit_down("administrator", "Thokozani Nyirenda")


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


def propose(window: AppTest, why: str = "Letter of the water board of 20 Nov.") -> None:
    """As it is done where the form says that it needs a second person."""
    assert "Another administrator decides about this, on this page" in said(window)
    field(window, "Why?").set_value(why).run()
    save(window, "Propose")


def approve(second: Till, one: Configuration) -> AppTest:
    """Another administrator opens the configuration, and finds what waits."""
    window = open_one(second, one)
    button(window, "Approve").click().run()
    assert "Approved. It is version" in said(window)
    return window


def test_a_refused_save_says_which_fields_and_loses_nothing(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Short_name="LWB, renamed", Least_amount="0")
    save(window)
    assert "Nothing was saved: 1 field needs correcting." in said(window)
    assert "Correct first: Least amount." in said(window)
    assert (field(window, "Short name").value, field(window, "Least amount").value) == ("LWB, renamed", "0")
    type_into(window, Least_amount="100.00")
    save(window)
    assert "Saved as version 2." in said(window)
    assert now(admin, one).snapshot.display_name == "LWB, renamed"


def save(window: AppTest, label: str = "Save") -> None:
    (found,) = [each for each in window.button if each.label == label]
    found.click().run()


def test_numbers_choices_and_switches_are_saved_as_what_they_are(admin: Till, second: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    field(window, "Time-out in ms", "number_input").set_value(5_000).run()
    field(window, "Usual currency", "selectbox").set_value("USD").run()
    assert "The usual currency must be one of those supported." in said(window)
    field(window, "Supported currencies", "multiselect").set_value(["MWK", "USD"]).run()
    field(window, "Give a completed payment back", "toggle").set_value(False).run()
    field(window, "Codes not believed", "multiselect").set_value(["PENDING"]).run()
    type_into(window, **{"Endpoint status": "/inquiry"})
    told = said(window)
    for words in ("Usual currency (how much may be paid, and by whom alone)", "Endpoint status (where payments and credentials are sent)"):
        assert words in told, words
    assert "Time-out in ms (" not in told, "what one person may change is not told of"
    propose(window)
    assert "Proposed as change 1: another administrator decides about it on this page. Nothing has changed yet." in said(window)
    assert now(admin, one) == one
    approve(second, one)
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


def test_a_new_configuration_is_made_switched_off_and_two_people_switch_it_on(admin: Till, second: Till, one: Configuration) -> None:
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
    assert "Draft: nobody else has looked at it yet" in said(window)
    button(window, "Activate").click().run()
    button(window, "Propose to activate").click().run()
    assert "A reason is needed" in said(window)
    field(window, "Why?").set_value("The water board's new system is tested.")
    button(window, "Propose to activate").click().run()
    assert "Proposed as change 1" in said(window)
    other = open_one(second, made)
    assert "It is to be offered to operators for the first time, with everything it says. Credentials are stored." in said(other)
    button(other, "Approve").click().run()
    assert "“LWB postpaid” is active for Lilongwe Water Board" in said(other)
    assert now(admin, made).state == "inactive"
    configurations.deactivate(admin.actor, one.id, one.version)
    approve(second, made)
    assert now(admin, made).state == "active"


# ---- Credentials


def test_credentials_are_entered_and_never_shown(admin: Till, second: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Username="billers", Password="entered-secret")
    propose(window)
    assert not now(admin, one).holds_credentials
    approve(second, one)
    assert now(admin, one).holds_credentials
    window = open_one(admin, one)
    assert [field(window, name).value for name in ("Username", "Password")] == ["", ""]
    assert field(window, "Password").placeholder == "stored, empty keeps it"
    for tab in ("settings", "test", "versions", "history"):
        shown = open_one(admin, one, tab=tab)
        assert "entered-secret" not in said(shown) + str(shown.main)
    window = open_one(admin, one)
    field(window, "Why remove them?").set_value("They are written on a wall.")
    button(window, "Propose to remove them").click().run()
    assert "Proposed as change 2" in said(window)
    assert now(admin, one).holds_credentials
    approve(second, one)
    assert not now(admin, one).holds_credentials


def test_of_a_draft_one_person_removes_them(admin: Till, one: Configuration) -> None:
    draft = configurations.create(admin.actor, {**one.content, "display_name": "LWB, new"}, {"username": "billers", "password": "x" * 8}).configuration
    window = open_one(admin, draft)
    button(window, "Remove the stored credentials").click().run()
    assert "The stored credentials were removed." in said(window)
    assert not now(admin, draft).holds_credentials


def by_two(admin: Till, second: Till, one: Configuration, credentials: dict[str, str] | None = None, **changes: Any) -> Configuration:
    """A change that takes two people, without their windows."""
    now_saved = now(admin, one)
    saved = configurations.edit(admin.actor, one.id, now_saved.version, {**now_saved.content, **changes}, credentials, "As the biller wrote.")
    assert saved.proposal is not None
    configuration_approvals.approve(second.actor, saved.proposal)
    return now(admin, one)


def test_another_host_is_told_of_before_and_after_it_voids_them(admin: Till, second: Till, one: Configuration) -> None:
    by_two(admin, second, one, {"username": "billers", "password": "x" * 8})
    window = open_one(admin, one)
    type_into(window, Base_URL=OTHER)
    assert "The host changes. The stored credentials were saved for https://lwb-postpaid.invalid and are dropped when this is saved" in said(window)
    propose(window)
    other = open_one(second, one)
    assert {"Field": "Credentials", "Before": "", "After": "removed, since the host changed"}.items() <= other.table[0].value.to_dict("records")[1].items()
    assert "Payments would go to https://api.elsewhere.example." in said(other)
    approve(second, one)
    assert not now(admin, one).holds_credentials


# ---- Two people


def test_what_waits_stands_on_the_list_and_leads_to_it(admin: Till, second: Till, one: Configuration) -> None:
    assert "waits for a second person" not in said(second.open("configurations"))
    window = open_one(admin, one)
    type_into(window, Largest_amount="9000000.00")
    propose(window)
    listed = second.open("configurations")
    assert "1 change waits for a second person" in said(listed)
    assert "**LWB postpaid**: Largest amount" in said(listed)
    button(listed, "Open change 1").click().run()
    assert listed.query_params["id"] == str(one.id)
    told = said(listed)
    for words in (
        "Change 1 waits for a second person",
        "Proposed by Limbani Chirwa",
        "**Why:** Letter of the water board of 20 Nov.",
        "The same as when it was",
    ):
        assert words in told, words
    (line,) = listed.table[0].value.to_dict("records")
    assert (line["Field"], line["After"], line["Takes two"]) == ("Largest amount", "9000000\\.00", "how much may be paid, and by whom alone")


def test_credentials_of_the_environment_that_would_go_to_another_host_are_told_of(
    admin: Till, second: Till, one: Configuration, set_environment: SetEnvironment
) -> None:
    """They are nobody's to void here: whoever runs the machine set them."""
    saved = configurations.edit(admin.actor, one.id, one.version, {**one.content, "base_url": OTHER}, None, "As the biller wrote.")
    assert saved.proposal is not None
    assert "says where the console is started" not in said(open_one(second, one))
    set_environment(billers_credentials_lwb_postpaid='{"username": "env", "password": "env-secret"}')
    told = said(open_one(second, one))
    assert "What `BILLERS_CREDENTIALS_LWB_POSTPAID` says where the console is started would be sent there, too." in told
    assert "env-secret" not in told


def test_nobody_approves_their_own_and_everybody_can_take_theirs_back(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Largest_amount="9000000.00")
    propose(window)
    assert button(window, "Approve").disabled
    assert "Off: You proposed it: another administrator decides." in said(window)
    button(window, "Withdraw").click().run()
    assert "Withdrawn. The configuration stays as it is." in said(window)
    assert now(admin, one) == one


def test_a_change_is_rejected_with_a_reason_that_the_history_keeps(admin: Till, second: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Largest_amount="9000000.00")
    propose(window)
    other = open_one(second, one)
    save(other, "Reject")
    assert "A reason is needed" in said(other)
    field(other, "Why not?").set_value("The board knows nothing of it.")
    save(other, "Reject")
    assert "Rejected. The configuration stays as it is." in said(other)
    assert now(admin, one) == one
    assert "Change 1 rejected: The board knows nothing of it." in said(open_one(admin, one, tab="history"))


def test_a_change_of_a_version_that_is_gone_can_only_be_turned_down(admin: Till, second: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Largest_amount="9000000.00")
    propose(window)
    configurations.pause(admin.actor, one.id, one.version, "Maintenance until 14:00.")
    other = open_one(second, one)
    assert button(other, "Approve").disabled
    assert "The configuration has another version by now." in said(other)


def test_a_reason_that_is_missing_is_asked_for_and_nothing_is_lost(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Largest_amount="9000000.00")
    save(window, "Propose")
    assert "A reason is needed" in said(window)
    assert field(window, "Largest amount").value == "9000000.00"
    propose(window)
    assert "Proposed as change 1" in said(window)


def test_what_is_proposed_is_tested_before_it_is_approved(admin: Till, second: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    type_into(window, Base_URL=OTHER)
    field(window, "Why?").set_value("The board has moved.").run()
    button(window, "Propose & test").click().run()
    assert "As change 1 proposes it: https://api.elsewhere.example/v2" in said(window)
    other = open_one(second, one)
    button(other, "Test it").click().run()
    button(other, "Test change 1").click().run()
    tests = connection_tests.history(admin.actor, one.id)
    assert [(test.by, test.typed_only) for test in tests] == [("Thokozani Nyirenda", True), ("Limbani Chirwa", True)]


def test_a_clone_is_a_draft_beside_it(admin: Till, one: Configuration) -> None:
    window = open_one(admin, one)
    button(window, "Clone").click().run()
    made = configurations.find(admin.actor, uuid.UUID(window.query_params["id"]))
    assert (made.snapshot.display_name, made.state, made.is_approved) == ("Copy of LWB postpaid", "inactive", False)
    assert "Cloned as “Copy of LWB postpaid”: switched off, and without credentials." in said(window)
    type_into(window, Largest_amount="9000000.00")
    save(window)
    assert "Saved as version 2." in said(window)


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
    admin: Till, second: Till, one: Configuration, set_environment: SetEnvironment
) -> None:
    window = open_one(admin, one, tab="test")
    assert "Test account at the bank" not in [each.label for each in window.text_input]
    set_environment(t24_api_url="http://127.0.0.1:1/t24")
    by_two(admin, second, one, topology="SEPARATE", credit_account="MWK1280600010001")
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


def test_a_version_tells_who_approved_it_and_can_be_restored_by_two(admin: Till, second: Till, one: Configuration) -> None:
    limits = one.content[RULES]
    by_two(admin, second, one, **{RULES: {**limits, "amount_max": "2000.00"}})
    window = open_one(admin, one, tab="versions")
    assert "Change 1, proposed by Limbani Chirwa and approved by Thokozani Nyirenda: As the biller wrote." in said(window)
    window.selectbox(key=f"configuration-version-{one.id}").set_value(1).run()
    button(window, "Restore version 1 …").click().run()
    assert "Another administrator decides, because of: Largest amount." in said(window)
    assert window.table[0].value.to_dict("records")[0]["Before"] == "2000\\.00"
    field(window, "Why?").set_value("It was a mistake.")
    button(window, "Propose to restore it").click().run()
    assert "Proposed as change 2" in said(window)
    other = approve(second, one)
    assert now(admin, one).content == one.content
    assert "Changed, restored from version 1 as change 2 proposed it" in said(open_one(second, one, tab="history"))
    assert other.query_params["id"] == str(one.id)


def test_a_version_that_differs_in_little_is_restored_by_one(admin: Till, one: Configuration) -> None:
    configurations.edit(admin.actor, one.id, 1, {**one.content, "timeout_ms": 5_000})
    window = open_one(admin, one, tab="versions", version="1", do="restore")
    button(window, "Yes, restore it").click().run()
    assert "Version 1 is restored: its settings are version 3 now." in said(window)
    assert "there is nothing to restore" in said(open_one(admin, one, tab="versions", version="1", do="restore"))
    assert "This configuration has no version 77." in said(open_one(admin, one, tab="versions", version="77", do="restore"))


def test_the_history_tells_who_did_what_and_when(admin: Till, second: Till, one: Configuration) -> None:
    by_two(admin, second, one, {"username": "a", "password": "entered-secret"}, retry_attempts=5)
    configurations.pause(admin.actor, one.id, 2, "**Maintenance** until 14:00.")
    window = open_one(admin, one, tab="history")
    told = said(window)
    for words in (
        "**Paused: **Maintenance** until 14:00.**",
        "**Changed as change 1 proposed it**",
        "**Added from the seeds**",
        "Thokozani Nyirenda · version 2",
        "**Change 1 approved**",
        " CAT",
    ):
        assert words in told, words
    rows = window.table[0].value.to_dict("records")
    assert {"Field": "Credentials", "Before": "", "After": "changed"} in rows
    assert any(row["Field"] == "Quick attempts" and (row["Before"], row["After"]) == ("3", "5") for row in rows)
    assert any("\\*\\*Maintenance\\*\\*" in each.value for each in window.markdown)
