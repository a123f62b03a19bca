"""Two administrators before one database, a configuration that may be saved, and a sandbox to try it on."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core import db
from core.access import Actor
from core.models import BillerConfig, BillerConfigVersion
from core.repositories.billers import Billers
from core.security import vault
from core.services import configuration_approvals, configurations
from core.services.configurations import Configuration
from tests.sandbox.running_sandbox import PASSWORD as SANDBOX_PASSWORD
from tests.sandbox.running_sandbox import Sandbox
from tests.world import AddPerson, Database, SetEnvironment

LWB = "LWB_POSTPAID"
HOST = "https://api.lwb.example/v2"
OTHER_HOST = "https://api.elsewhere.example/v2"
CREDENTIALS = {"username": "billers", "password": "granite-lantern"}


@pytest.fixture
def administrator(database: Database, add_person: AddPerson, set_environment: SetEnvironment) -> Actor:
    set_environment(billers_allowed_hosts='["api.lwb.example", "api.elsewhere.example"]')
    vault.ensure_ring()
    return add_person("administrator", display_name="Limbani Chirwa")


@pytest.fixture
def colleague(administrator: Actor, add_person: AddPerson) -> Actor:
    return add_person("administrator", display_name="Tiyamike Gondwe")


@pytest.fixture
def content() -> dict[str, Any]:
    """A whole configuration of Lilongwe Water Board, as JSON has it."""
    return {
        "biller_type": LWB,
        "biller_name": "Lilongwe Water Board",
        "display_name": "LWB postpaid",
        "description": "Water bills of Lilongwe.",
        "base_url": HOST,
        "endpoints": {"account_details": "/soap", "payment": "/soap"},
        "dialect": "soap",
        "features": {"balance_check": True},
        "validation_rules": {"account_pattern": "[0-9]{6,12}", "account_example": "70000001", "amount_min": "100.00", "amount_max": "1000000.00"},
    }


@pytest.fixture
def one(administrator: Actor, content: dict[str, Any]) -> Configuration:
    """A configuration with credentials, switched off."""
    return configurations.create(administrator, content, CREDENTIALS).configuration


def switch_on(by: Actor, second: Actor, one: Configuration) -> Configuration:
    """A draft offered to operators, as two people do it: version 2, if it was at 1."""
    configuration_approvals.approve(second, configurations.propose_activation(by, one.id, one.version, "It is tested."))
    return configurations.find(by, one.id)


@pytest.fixture
def active(administrator: Actor, colleague: Actor, one: Configuration) -> Configuration:
    """A configuration that two people switched on, at version 2: from here on it takes two to change what it pays where."""
    return switch_on(administrator, colleague, one)


def row(config_id: uuid.UUID) -> BillerConfig:
    with db.unit_of_work() as session:
        found = Billers(session).with_id(config_id)
        assert found is not None
        return found


def version(config_id: uuid.UUID, number: int) -> BillerConfigVersion:
    with db.unit_of_work() as session:
        found = Billers(session).version(config_id, number)
        assert found is not None
        return found


def stored(config_id: uuid.UUID) -> dict[str, Any]:
    """The credentials as a worker would open them; none where there are none."""
    envelope = row(config_id).authentication
    return {} if envelope is None else vault.open_secret(envelope, "biller_configs", config_id, "authentication")


def seeded(actor: Actor, biller_type: str = LWB) -> Configuration:
    """The configuration that came with the seeds."""
    return next(found for found in configurations.list_all(actor) if found.snapshot.biller_type == biller_type)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("configurations") / "sandbox")
    sandbox.start()
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.control("DELETE", "/faults")
    return running


@pytest.fixture
def on_sandbox(administrator: Actor, content: dict[str, Any], sandbox: Sandbox, set_environment: SetEnvironment) -> Callable[..., Configuration]:
    """`on_sandbox(password="wrong")`: a configuration that points at the sandbox's Lilongwe Water Board."""

    def make(password: str = SANDBOX_PASSWORD, **changes: Any) -> Configuration:
        set_environment(billers_sandbox="true")
        pointed = {**content, "base_url": f"http://127.0.0.1:{sandbox.port}/lwb_postpaid", **changes}
        return configurations.create(administrator, pointed, {"username": "billers", "password": password}).configuration

    return make
