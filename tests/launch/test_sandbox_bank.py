"""Sandbox mode brings core banking along, unless the environment decided otherwise."""

from core.settings import choose_sandbox, settings
from tests.world import SetEnvironment

DECIDED = ("T24_API_URL", "T24_API_KEY", "T24_INQUIRY_CERTIFIED", "T24_MAX_PROCESSING_SECONDS", "BILLERS_SANDBOX", "BILLERS_SECURE_COOKIES")


def start(set_environment: SetEnvironment, **environment: object) -> None:
    """What the launcher does first; the test's end takes all of it away again."""
    set_environment(**dict.fromkeys(DECIDED, "to be taken away"))
    set_environment(**dict.fromkeys(DECIDED))
    set_environment(**environment)
    choose_sandbox()


def test_the_sandboxs_core_banking_is_on_with_its_key_and_its_promise(set_environment: SetEnvironment) -> None:
    start(set_environment, billers_sandbox_port=9601)
    chosen = settings()
    assert (chosen.t24_api_url, chosen.t24_api_key) == ("http://127.0.0.1:9601/t24", "sandbox-t24-key")
    assert (chosen.t24_inquiry_certified, chosen.t24_max_processing_seconds) == (True, 30)


def test_an_environment_that_names_another_core_banking_keeps_it(set_environment: SetEnvironment) -> None:
    start(set_environment, t24_api_url="https://t24.bank.example", t24_api_key="theirs")
    chosen = settings()
    assert (chosen.t24_api_url, chosen.t24_api_key) == ("https://t24.bank.example", "theirs")
    assert (chosen.t24_inquiry_certified, chosen.t24_max_processing_seconds) == (False, None)


def test_an_empty_address_leaves_it_off(set_environment: SetEnvironment) -> None:
    start(set_environment, t24_api_url="")
    assert settings().t24_api_url == ""


def test_outside_sandbox_mode_nobody_switches_it_on(set_environment: SetEnvironment) -> None:
    start(set_environment, billers_sandbox="false")
    assert settings().t24_api_url == ""
    assert not settings().t24_inquiry_certified
