"""A configuration tried on the real sandbox, and where each kind of trouble ends it."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.access import Actor
from core.errors import BadInput, NotAllowed
from core.services import configurations, connection_tests
from core.services.configuration_rules import Invalid
from core.services.configurations import Configuration
from core.services.connection_tests import Stage, Tried
from core.wire.accidents import ACCIDENTS
from tests.sandbox.running_sandbox import Sandbox
from tests.world import AddPerson, SetEnvironment

ACCOUNT = "70000001"

Make = Callable[..., Configuration]


class Ear(socketserver.TCPServer):
    """A host that is not the biller: it hears a request, and hangs up."""

    allow_reuse_address = True

    def __init__(self) -> None:
        self.heard = b""
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.port = self.server_address[1]

    def finish_request(self, request: Any, client_address: Any) -> None:
        while b"\r\n\r\n" not in self.heard:
            self.heard += request.recv(4096)


@pytest.fixture
def ear() -> Iterator[Ear]:
    with Ear() as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def passed(test: Tried) -> list[tuple[Stage, bool]]:
    return [(one.stage, one.passed) for one in test.stages]


def test_all_four_stages_pass_and_the_answer_is_told(administrator: Actor, on_sandbox: Make, sandbox: Sandbox) -> None:
    one = on_sandbox()
    test = connection_tests.run(administrator, one.id, ACCOUNT)
    assert test.passed
    assert passed(test) == [(Stage.ADDRESS, True), (Stage.CONNECTION, True), (Stage.AUTHENTICATION, True), (Stage.LOOKUP, True)]
    assert test.stages[-1].told.startswith("Found: ")
    assert "MWK" in test.stages[-1].told
    assert all(stage.milliseconds is not None for stage in test.stages if stage.stage is not Stage.AUTHENTICATION)
    assert configurations.find(administrator, one.id).last_test == test


def test_a_wrong_password_ends_it_at_authentication(administrator: Actor, on_sandbox: Make) -> None:
    test = connection_tests.run(administrator, on_sandbox("wrong-password").id, ACCOUNT)
    assert passed(test) == [(Stage.ADDRESS, True), (Stage.CONNECTION, True), (Stage.AUTHENTICATION, False)]
    assert test.failed_at is not None
    assert "does not accept these credentials" in test.failed_at.told
    assert "wrong-password" not in repr(test)


def test_no_credentials_end_it_at_authentication_in_other_words(administrator: Actor, on_sandbox: Make) -> None:
    one = on_sandbox()
    configurations.forget_credentials(administrator, one.id, 1)
    test = connection_tests.run(administrator, one.id, ACCOUNT)
    assert test.failed_at is not None
    assert (test.failed_at.stage, test.failed_at.told[:45]) == (Stage.AUTHENTICATION, "The biller asks for credentials, and none wer")


def test_a_dead_port_ends_it_at_the_connection(administrator: Actor, on_sandbox: Make) -> None:
    test = connection_tests.run(administrator, on_sandbox(base_url="http://127.0.0.1:1/lwb_postpaid").id, ACCOUNT)
    assert passed(test) == [(Stage.ADDRESS, True), (Stage.CONNECTION, False)]
    assert test.failed_at is not None
    assert "Nothing accepts a connection there." in test.failed_at.told


def test_a_page_instead_of_an_answer_ends_it_at_the_look_up(administrator: Actor, on_sandbox: Make, sandbox: Sandbox) -> None:
    sandbox.next("html_page_200", operation="GetAccountDetails")
    test = connection_tests.run(administrator, on_sandbox().id, ACCOUNT)
    assert passed(test)[-2:] == [(Stage.AUTHENTICATION, True), (Stage.LOOKUP, False)]
    assert test.failed_at is not None
    assert "not one of this biller's dialect" in test.failed_at.told


def test_an_account_the_biller_does_not_know_ends_it_at_the_look_up_with_its_code(administrator: Actor, on_sandbox: Make) -> None:
    test = connection_tests.run(administrator, on_sandbox().id, "999999")
    assert test.failed_at is not None
    assert test.failed_at.stage is Stage.LOOKUP
    assert "refuses this account (ACCOUNT_NOT_FOUND)" in test.failed_at.told


def test_a_host_that_is_not_allowed_any_more_ends_it_at_the_address(administrator: Actor, on_sandbox: Make, set_environment: SetEnvironment) -> None:
    one = on_sandbox()
    set_environment(billers_sandbox="false")
    test = connection_tests.run(administrator, one.id, ACCOUNT)
    assert passed(test) == [(Stage.ADDRESS, False)]
    assert "BILLERS_ALLOWED_HOSTS" in test.stages[0].told


def test_a_name_that_leads_nowhere_ends_it_at_the_address(administrator: Actor, on_sandbox: Make, set_environment: SetEnvironment) -> None:
    set_environment(billers_allowed_hosts='["nowhere.invalid"]')
    test = connection_tests.run(administrator, on_sandbox(base_url="https://nowhere.invalid/x").id, ACCOUNT)
    assert passed(test) == [(Stage.ADDRESS, False)]
    assert "could not be found" in test.stages[0].told


def test_a_test_never_pays(administrator: Actor, on_sandbox: Make, sandbox: Sandbox) -> None:
    before = len(sandbox.lines("requests"))
    connection_tests.run(administrator, on_sandbox().id, ACCOUNT)
    (sent,) = sandbox.lines("requests")[before:]
    assert sent["operation"] == "GetAccountDetails"
    assert not any(line["account"] == ACCOUNT for line in sandbox.lines("ledger"))


@pytest.mark.parametrize("name", list(ACCIDENTS))
def test_no_accident_is_told_as_if_money_might_have_moved(name: str) -> None:
    told = connection_tests._advice(name)
    assert "acted" not in told
    assert len(told) > 20


@pytest.mark.parametrize("name", [name for name, one in ACCIDENTS.items() if one.outcome_class == "NOT_SENT"])
def test_what_was_never_sent_ends_a_stage_before_the_credentials(name: str) -> None:
    assert connection_tests._stage_of(name) in (Stage.ADDRESS, Stage.CONNECTION)


# ---- The bank's side, where the topology has a debit

AT_THE_BANK = [(Stage.ADDRESS, True), (Stage.CONNECTION, True), (Stage.AUTHENTICATION, True), (Stage.LOOKUP, True)]
SUSPENSE, CUSTOMER = "MWK1280600010001", "2010000001"


@pytest.fixture
def separate(on_sandbox: Make, sandbox: Sandbox, set_environment: SetEnvironment) -> Configuration:
    """A biller paid out of an account at the sandbox's bank."""
    set_environment(t24_api_url=f"http://127.0.0.1:{sandbox.port}/t24", t24_api_key="sandbox-t24-key")
    return on_sandbox(topology="SEPARATE", credit_account=SUSPENSE)


def test_core_banking_is_asked_after_the_biller_and_a_debit_is_only_tried(administrator: Actor, separate: Configuration, sandbox: Sandbox) -> None:
    posted = sandbox.lines("ledger", "T24")
    test = connection_tests.run(administrator, separate.id, ACCOUNT, bank_account=CUSTOMER)
    assert passed(test) == [*AT_THE_BANK, (Stage.BALANCE, True), (Stage.DRY_RUN, True)]
    assert f"knows the account {SUSPENSE} (BILLERS SUSPENSE)" in test.stages[-2].told
    assert test.stages[-1].told == "It would debit MWK 100.00 from 2010000001. Nothing was debited: it was asked as a dry run."
    assert sandbox.lines("ledger", "T24") == posted
    assert connection_tests.history(administrator, separate.id)[0] == test


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"t24_api_key": "wrong"}, "does not accept this console's key. Correct T24_API_KEY"),
        ({"t24_api_url": "http://127.0.0.1:1/t24"}, "could not be reached. Check T24_API_URL"),
        ({"t24_api_url": None}, "Core banking is off on this machine."),
    ],
)
def test_trouble_with_core_banking_ends_it_there_and_says_what_to_correct(
    administrator: Actor, separate: Configuration, set_environment: SetEnvironment, environment: dict[str, str | None], words: str
) -> None:
    set_environment(**environment)
    test = connection_tests.run(administrator, separate.id, ACCOUNT, bank_account=CUSTOMER)
    assert passed(test) == [*AT_THE_BANK, (Stage.BALANCE, False)]
    assert words in test.stages[-1].told
    assert "wrong" not in test.stages[-1].told


def test_a_suspense_account_the_bank_does_not_have_ends_it_at_core_banking(administrator: Actor, on_sandbox: Make, separate: Configuration) -> None:
    one = on_sandbox(topology="SEPARATE", credit_account="MWK9999999999999")
    test = connection_tests.run(administrator, one.id, ACCOUNT, bank_account=CUSTOMER)
    assert passed(test)[-1] == (Stage.BALANCE, False)
    assert "does not know the account MWK9999999999999. Correct the account credited." in test.stages[-1].told


@pytest.mark.parametrize("account", ["2020000001", "2020000002", "2020000004"])
def test_an_account_that_would_not_be_debited_ends_it_at_the_dry_run(administrator: Actor, separate: Configuration, account: str) -> None:
    test = connection_tests.run(administrator, separate.id, ACCOUNT, bank_account=account)
    assert passed(test)[-1] == (Stage.DRY_RUN, False)
    assert f"would not debit MWK 100.00 from {account}" in test.stages[-1].told


def test_of_a_biller_without_a_debit_the_bank_is_not_asked(administrator: Actor, separate: Configuration, on_sandbox: Make, sandbox: Sandbox) -> None:
    before = len(sandbox.lines("requests", "T24"))
    assert connection_tests.run(administrator, on_sandbox().id, ACCOUNT, bank_account=CUSTOMER).passed
    assert len(sandbox.lines("requests", "T24")) == before


def test_a_debit_is_not_tried_on_what_can_be_no_account(administrator: Actor, separate: Configuration) -> None:
    with pytest.raises(BadInput, match="account at the bank"):
        connection_tests.run(administrator, separate.id, ACCOUNT)
    assert connection_tests.history(administrator, separate.id) == []


# ---- What is only typed


def test_typed_values_are_tried_with_the_stored_credentials_as_long_as_the_host_stays(administrator: Actor, on_sandbox: Make) -> None:
    one = on_sandbox()
    test = connection_tests.run(administrator, one.id, ACCOUNT, typed={**one.content, "timeout_ms": 9_000})
    assert test.passed
    assert test.typed_only
    assert configurations.find(administrator, one.id).last_test is None
    assert configurations.find(administrator, one.id).snapshot.timeout_ms == 30_000


def test_a_stored_secret_is_never_sent_to_a_host_it_was_not_saved_for(administrator: Actor, on_sandbox: Make, ear: Ear) -> None:
    one = on_sandbox()
    typed = {**one.content, "base_url": f"http://127.0.0.1:{ear.port}/lwb_postpaid"}
    test = connection_tests.run(administrator, one.id, ACCOUNT, typed=typed)
    assert "Without credentials: the stored ones belong to http://127.0.0.1" in test.stages[0].told
    assert ear.heard
    assert b"authorization" not in ear.heard.lower()


def test_what_is_entered_for_another_host_is_sent_there_alone(administrator: Actor, on_sandbox: Make, ear: Ear) -> None:
    one = on_sandbox()
    typed = {**one.content, "base_url": f"http://127.0.0.1:{ear.port}/lwb_postpaid"}
    connection_tests.run(administrator, one.id, ACCOUNT, typed=typed, credentials={"username": "new", "password": "entered"})
    assert b"Basic bmV3OmVudGVyZWQ=" in ear.heard


def test_the_environments_credentials_are_not_sent_to_a_host_that_is_only_typed(
    administrator: Actor, on_sandbox: Make, ear: Ear, set_environment: SetEnvironment
) -> None:
    one = on_sandbox()
    set_environment(billers_credentials_lwb_postpaid='{"username": "env", "password": "env-secret"}')
    connection_tests.run(administrator, one.id, ACCOUNT, typed={**one.content, "base_url": f"http://127.0.0.1:{ear.port}/lwb_postpaid"})
    assert b"authorization" not in ear.heard.lower()


def test_typed_values_that_could_not_be_saved_are_not_tried(administrator: Actor, on_sandbox: Make, sandbox: Sandbox) -> None:
    one, before = on_sandbox(), len(sandbox.lines("requests"))
    with pytest.raises(Invalid):
        connection_tests.run(administrator, one.id, ACCOUNT, typed={**one.content, "timeout_ms": 1})
    assert len(sandbox.lines("requests")) == before


# ---- History


def test_every_test_is_kept_newest_first_and_in_the_audit(administrator: Actor, on_sandbox: Make) -> None:
    one = on_sandbox()
    connection_tests.run(administrator, one.id, "999999")
    connection_tests.run(administrator, one.id, ACCOUNT)
    history = connection_tests.history(administrator, one.id)
    assert [test.passed for test in history] == [True, False]
    assert {(test.by, test.version) for test in history} == {("Limbani Chirwa", 1)}
    told = [(act.action, act.details["passed"], act.details["failed_at"]) for act in configurations.acts(administrator, one.id)[:2]]
    assert told == [("biller.tested", True, None), ("biller.tested", False, "lookup")]


def test_an_account_the_biller_cannot_have_is_told_before_anything_is_asked(administrator: Actor, on_sandbox: Make) -> None:
    one = on_sandbox()
    with pytest.raises(BadInput, match="This is not an account number of Lilongwe Water Board"):
        connection_tests.run(administrator, one.id, "12")
    assert connection_tests.history(administrator, one.id) == []


def test_with_every_question_switched_off_there_is_nothing_to_test(administrator: Actor, on_sandbox: Make) -> None:
    one = on_sandbox(features={"lookup": False})
    with pytest.raises(BadInput, match="Switch the look-up on to test it"):
        connection_tests.run(administrator, one.id, ACCOUNT)


def test_only_who_may_configure_may_test(add_person: AddPerson, on_sandbox: Make) -> None:
    with pytest.raises(NotAllowed):
        connection_tests.run(add_person("manager"), on_sandbox().id, ACCOUNT)
