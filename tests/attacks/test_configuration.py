"""One administrator who means harm: what they would write into a biller's configuration, whom it reaches, and where it is stopped."""

import base64
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import ConfigDict

from core import db
from core.access import Actor
from core.errors import BadInput
from core.models import BillerConfig
from core.models.snapshot import LONGEST_ACCOUNT, Snapshot, ValidationRules
from core.repositories.billers import Billers
from core.security import vault
from core.services import configuration_approvals, configuration_changes, configuration_rules, configurations, connection_tests, four_eyes
from core.services.configuration_rules import RULES, Invalid
from core.services.configurations import Configuration
from tests.attacks.listener import Listener, listening
from tests.attacks.report import ControlFired, Refused
from tests.world import AddPerson, Database, SetEnvironment

ACCOUNT, PASSWORD = "70000001", "granite-lantern"
# As it crosses the wire.
SECRET = base64.b64encode(f"billers:{PASSWORD}".encode()).decode()

WHY = "They say they have moved."

Act = Callable[[Actor, Actor, Configuration, str], object]


@pytest.fixture
def attacker(database: Database, add_person: AddPerson, set_environment: SetEnvironment) -> Actor:
    """One of two administrators; in sandbox mode, so that this machine may be called."""
    set_environment(billers_sandbox="true")
    vault.ensure_ring()
    return add_person("administrator", display_name="Limbani Chirwa")


@pytest.fixture
def second(attacker: Actor, add_person: AddPerson) -> Actor:
    return add_person("administrator", display_name="Thokozani Nyirenda")


@pytest.fixture
def biller() -> Iterator[Listener]:
    with listening() as heard:
        yield heard


@pytest.fixture
def thief() -> Iterator[Listener]:
    with listening() as heard:
        yield heard


def content_at(port: int, **changes: Any) -> dict[str, Any]:
    rules = {"account_pattern": "[0-9]{6,12}", "account_example": ACCOUNT, "amount_min": "100.00", "amount_max": "1000000.00"}
    told = {"biller_type": "LWB_POSTPAID", "biller_name": "Lilongwe Water Board", "display_name": "LWB postpaid", "endpoints": {}}
    return {**told, "base_url": f"http://127.0.0.1:{port}/soap", RULES: rules, **changes}


@pytest.fixture
def draft(attacker: Actor, biller: Listener) -> Configuration:
    """The attacker's own, which nobody else has looked at."""
    return configurations.create(attacker, content_at(biller.port), {"username": "billers", "password": PASSWORD}).configuration


@pytest.fixture
def configured(attacker: Actor, second: Actor, draft: Configuration) -> Configuration:
    """Two people switched it on, with credentials for the biller's own host."""
    configuration_approvals.approve(second, configurations.propose_activation(attacker, draft.id, 1, "It is tested."))
    return configurations.find(attacker, draft.id)


def row(one: Configuration) -> BillerConfig:
    with db.unit_of_work() as session:
        found = Billers(session).with_id(one.id)
        assert found is not None
        return found


# ---- Credentials sent to a stranger


@contextmanager
def hosts_all_alike() -> Iterator[None]:
    """A console like many: credentials belong to a configuration, wherever it points, and one person points it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_tests, "origin_of", lambda _url: "")
        patch.setattr(configuration_changes, "origin_of", lambda _url: "")
        patch.setattr(four_eyes, "takes_two", lambda _paths: {})
        yield


def save(by: Actor, one: Configuration, place: str) -> configurations.Saved:
    now = configurations.find(by, one.id)
    return configurations.edit(by, one.id, now.version, {**now.content, "base_url": place}, None, WHY)


def try_what_is_typed(attacker: Actor, _second: Actor, one: Configuration, place: str) -> None:
    connection_tests.run(attacker, one.id, ACCOUNT, typed={**one.content, "base_url": place})


def save_and_test(attacker: Actor, _second: Actor, one: Configuration, place: str) -> None:
    save(attacker, one, place)
    connection_tests.run(attacker, one.id, ACCOUNT)


def propose_and_try_it(attacker: Actor, _second: Actor, one: Configuration, place: str) -> None:
    saved = save(attacker, one, place)
    connection_tests.run(attacker, one.id, ACCOUNT, proposal=saved.proposal)


def talk_the_second_person_into_it(attacker: Actor, second: Actor, one: Configuration, place: str) -> None:
    saved = save(attacker, one, place)
    if saved.proposal is not None:
        configuration_approvals.approve(second, saved.proposal)
    connection_tests.run(attacker, one.id, ACCOUNT)


def go_there_and_restore_it_from_a_version(attacker: Actor, second: Actor, one: Configuration, place: str) -> None:
    """Away without credentials and back with them, and then by the old version to the stranger again."""
    talk_the_second_person_into_it(attacker, second, one, place)
    for number in (2, 3):
        now = configurations.find(attacker, one.id)
        if (saved := configurations.restore(attacker, one.id, now.version, number, WHY)).proposal is not None:
            configuration_approvals.approve(second, saved.proposal)
        connection_tests.run(attacker, one.id, ACCOUNT)


WAYS: Mapping[str, Act] = {
    "tested before it is saved": try_what_is_typed,
    "saved, then tested": save_and_test,
    "proposed, then tested": propose_and_try_it,
    "approved": talk_the_second_person_into_it,
    "restored": go_there_and_restore_it_from_a_version,
}


@pytest.mark.attack("credential-exfiltration")
@pytest.mark.parametrize("way", WAYS)
def test_stored_credentials_do_not_follow_a_configuration_to_a_stranger(
    attacker: Actor, second: Actor, configured: Configuration, thief: Listener, control_fired: ControlFired, refused: Refused, way: str
) -> None:
    place = f"http://127.0.0.1:{thief.port}/soap"
    WAYS[way](attacker, second, configured, place)
    assert SECRET not in "".join(thief.requests)
    saves = way != "tested before it is saved"
    acts = configurations.acts(attacker, configured.id)
    proposed = [act for act in acts if act.action == "biller.change_proposed" and act.changes.get("base_url", {}).get("after") == place]
    assert bool(proposed) == saves
    if saves:
        assert proposed[0].changes["authentication"] == "removed, since the host changed"
        reached = "the stranger was not called" if thief.visits == 0 else "the stranger got a request without credentials"
        refused(f"{way}: {reached}", record="biller.change_proposed in the audit: credentials removed, since the host changed")
    else:
        assert thief.visits == 1
        refused(f"{way}: the stranger got a request without credentials", record="biller.tested in the audit, with values not saved")
        assert acts[0].details["typed_only"]


@pytest.mark.attack("credential-exfiltration")
@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("proposed, then tested", "restored")])
def test_where_nothing_is_done_against_it_the_stranger_has_them(
    attacker: Actor, second: Actor, configured: Configuration, thief: Listener, control_fired: ControlFired, way: str
) -> None:
    with hosts_all_alike():
        WAYS[way](attacker, second, configured, f"http://127.0.0.1:{thief.port}/soap")
    assert SECRET in "".join(thief.requests)
    control_fired(f"{way}: the stranger was sent the biller's user name and password")


STAYS_BELOW = "a path that is an address"

SPELLINGS: Mapping[str, Callable[[int, int], dict[str, Any]]] = {
    "the biller as a user name": lambda biller, thief: {"base_url": f"http://127.0.0.1:{biller}@127.0.0.1:{thief}/soap"},
    "a backslash": lambda biller, thief: {"base_url": f"http://127.0.0.1:{biller}\\@127.0.0.1:{thief}/soap"},
    "a question mark": lambda biller, thief: {"base_url": f"http://127.0.0.1:{biller}?@127.0.0.1:{thief}/soap"},
    "a fragment": lambda biller, thief: {"base_url": f"http://127.0.0.1:{biller}#@127.0.0.1:{thief}/soap"},
    STAYS_BELOW: lambda _, thief: {"endpoints": {"account_details": f"//127.0.0.1:{thief}/soap"}},
    "a path that ends the host": lambda _, thief: {"endpoints": {"account_details": f"@127.0.0.1:{thief}/soap"}},
    "a path with a whole address": lambda _, thief: {"endpoints": {"account_details": f"http://127.0.0.1:{thief}/soap"}},
}


@pytest.mark.attack("credential-exfiltration")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_an_address_passes_for_the_host_that_credentials_are_for(
    attacker: Actor, configured: Configuration, biller: Listener, thief: Listener, refused: Refused, spelling: str
) -> None:
    typed = {**configured.content, **SPELLINGS[spelling](biller.port, thief.port)}
    if spelling == STAYS_BELOW:
        connection_tests.run(attacker, configured.id, ACCOUNT, typed=typed)
        assert f"POST /soap//127.0.0.1:{thief.port}/soap" in biller.requests[-1]
    else:
        with pytest.raises(Invalid):
            connection_tests.run(attacker, configured.id, ACCOUNT, typed=typed)
        with pytest.raises(Invalid):
            configurations.edit(attacker, configured.id, configured.version, typed, None, WHY)
    assert thief.visits == 0
    refused(f"{spelling}: {'it is a path at the biller' if spelling == STAYS_BELOW else 'told beside the field'}, and the stranger is not called")


@pytest.mark.attack("credential-exfiltration")
def test_a_copy_of_a_configuration_has_no_credentials_to_take_anywhere(attacker: Actor, configured: Configuration, thief: Listener, refused: Refused) -> None:
    copy = configurations.clone(attacker, configured.id)
    save(attacker, copy, f"http://127.0.0.1:{thief.port}/soap")
    connection_tests.run(attacker, copy.id, ACCOUNT)
    assert thief.visits == 1
    assert SECRET not in thief.requests[0]
    refused("cloned, and pointed to the stranger: it has no credentials")


# ---- A pattern of accounts that never ends

ENDLESS = ("([0-9]+)+x", "([0-9]|[0-9])*x", "([0-9]*)*x", "(([0-9]+)[0-9]*)+x", "([0-9]{1,20}){1,20}x", "([0-9]?){40}[0-9]{40}x", "(0|00)+x")

CPU_SECONDS = 1


def matches_within_a_second(pattern: str) -> bool:
    """Whether the longest account number that is ever tried is done with, in a process that may use a second of the processor."""
    tries = f"import re; re.fullmatch({pattern!r}, '0' * {LONGEST_ACCOUNT - 1} + '!', re.ASCII)"
    limit = (CPU_SECONDS, CPU_SECONDS + 1)
    done = subprocess.run([sys.executable, "-c", tries], preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, limit), check=False)
    assert done.returncode in (0, -signal.SIGXCPU, -signal.SIGKILL)
    return done.returncode == 0


@pytest.mark.attack("redos")
@pytest.mark.parametrize("pattern", ENDLESS)
def test_a_pattern_that_could_take_for_ever_is_never_tried_on_anything(
    attacker: Actor, draft: Configuration, pattern: str, control_fired: ControlFired, refused: Refused
) -> None:
    if pattern in ENDLESS[:3]:
        assert not matches_within_a_second(pattern)
        control_fired(f"{pattern} was not done with one account number of {LONGEST_ACCOUNT} signs in a second of the processor")
    typed = {**draft.content, RULES: {**draft.content[RULES], "account_pattern": pattern}}
    with pytest.raises(Invalid) as told:
        configurations.edit(attacker, draft.id, 1, typed)
    assert set(told.value.complaints) == {f"{RULES}.account_pattern"}
    with pytest.raises(Invalid):
        connection_tests.run(attacker, draft.id, ACCOUNT, typed=typed)
    assert row(draft).version == 1
    refused(f"{pattern} is told beside the field, before it is tried on anything")


@pytest.mark.attack("redos")
def test_the_worst_pattern_that_is_taken_is_done_with_at_once(attacker: Actor, draft: Configuration, refused: Refused) -> None:
    """As many free repeats as the count of ways allows, on what they like least."""
    worst = "[0-9]*[0-9]*[0-9]*[0-9]*"
    longest = {**draft.content[RULES], "account_pattern": worst}
    saved = configurations.edit(attacker, draft.id, 1, {**draft.content, RULES: longest})
    assert saved.configuration.snapshot.validation_rules.account_pattern == worst
    assert matches_within_a_second(worst)
    with pytest.raises(BadInput, match="not an account number"):
        saved.configuration.snapshot.check_account("0" * 1_000_000)
    refused("the worst pattern that is taken is done with the longest number within a second, and a longer one is not tried")


# ---- Fields that the form does not have

SMUGGLED: Mapping[str, Any] = {"is_active": True, "approved_version": 1, "paused_reason": None, "created_by": None}


class Open(Snapshot):
    """A configuration that takes whatever it is given."""

    model_config = ConfigDict(frozen=True, extra="allow")


@contextmanager
def whatever_comes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration_rules, "_strangers", lambda *_: ())
        for module in (configuration_rules, configuration_changes):
            patch.setattr(module, "Snapshot", Open)
        yield


@pytest.mark.attack("mass-assignment")
def test_where_whatever_comes_is_written_one_person_switches_a_biller_on(attacker: Actor, draft: Configuration, control_fired: ControlFired) -> None:
    with whatever_comes():
        configurations.edit(attacker, draft.id, 1, {**draft.content, **SMUGGLED})
    assert row(draft).is_active
    control_fired("is_active in the JSON of a draft: operators are offered it, and nobody else has looked at it")


@pytest.mark.attack("mass-assignment")
@pytest.mark.parametrize("name", [*SMUGGLED, "version", "id", "authentication", "updated_by", "__class__", "model_config"])
def test_what_is_no_setting_is_written_by_nobody(attacker: Actor, draft: Configuration, refused: Refused, name: str) -> None:
    value = SMUGGLED.get(name, "1")
    for act in (
        lambda content: configurations.edit(attacker, draft.id, 1, content),
        lambda content: configurations.create(attacker, content),
        lambda content: connection_tests.run(attacker, draft.id, ACCOUNT, typed=content),
    ):
        with pytest.raises(Invalid) as told:
            act({**draft.content, name: value})
        assert name in told.value.complaints
    kept = row(draft)
    assert (kept.is_active, kept.approved_version, kept.version, kept.created_by) == (False, None, 1, attacker.id)
    refused(f"{name}: there is no such setting")


@pytest.mark.attack("mass-assignment")
def test_credentials_that_a_biller_does_not_ask_for_are_not_stored(attacker: Actor, draft: Configuration, refused: Refused) -> None:
    with pytest.raises(Invalid) as told:
        configurations.edit(attacker, draft.id, 1, draft.content, {"proxy": "http://127.0.0.1:1", "password": "x"})
    assert set(told.value.complaints) == {"credentials.proxy"}
    refused("a credential of another name: this biller is not asked for it")


# ---- Keys of JSON


def as_text(draft: Configuration) -> str:
    return configuration_rules.as_json(draft.content)


@pytest.mark.attack("json-duplicate-keys")
@pytest.mark.parametrize(
    ("first", "second_one"),
    [
        ('"amount_max": "1000000.00"', '"amount_max": "9999999.00"'),
        ('"display_name": "LWB postpaid"', '"display_name": "LWB"'),
        ('"timeout_ms": 30000', '"\\u0074imeout_ms": 120000'),
    ],
)
def test_a_key_that_stands_twice_does_not_win_over_the_one_that_was_read(
    draft: Configuration, first: str, second_one: str, control_fired: ControlFired, refused: Refused
) -> None:
    assert first in as_text(draft)
    text = as_text(draft).replace(first, f"{first}, {second_one}")
    name = re.findall(r'"(\w+)"', first)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration_rules, "_unrepeated", dict)
        taken = configuration_rules.read_json(text)
    assert taken != draft.content
    assert configuration_rules.complaints(taken, connection_tests.line_policy(), core_banking=False) == {}
    control_fired(f"{name} said twice: the last one counted, and nothing told of it")
    with pytest.raises(BadInput, match=f"The key '{name}' stands twice in one object. Keep one of them"):
        configuration_rules.read_json(text)
    refused(f"{name} said twice: told by its name, and not taken over")


class Deaf(ValidationRules):
    """Rules that overhear what they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Overhearing(Snapshot):
    model_config = ConfigDict(frozen=True, extra="ignore")
    validation_rules: Deaf = Deaf()


@pytest.mark.attack("json-unknown-keys")
@pytest.mark.parametrize(
    ("path", "known", "misspelt"),
    [
        (f"{RULES}.second_person_abov", '"second_person_above": null', '"second_person_abov": "5000.00"'),
        ("timeout_m", '"timeout_ms": 30000', '"timeout_m": 100'),
    ],
)
def test_a_key_that_nobody_knows_is_no_limit_that_somebody_relies_on(
    attacker: Actor, draft: Configuration, path: str, known: str, misspelt: str, control_fired: ControlFired, refused: Refused
) -> None:
    assert known in as_text(draft)
    content = configuration_rules.read_json(as_text(draft).replace(known, misspelt))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration_rules, "_strangers", lambda *_: ())
        for module in (configuration_rules, configuration_changes):
            patch.setattr(module, "Snapshot", Overhearing)
        patch.setattr(configuration_rules, "ValidationRules", Deaf)
        saved = configurations.edit(attacker, draft.id, 1, {**content, "description": "With a limit."}).configuration
    assert (saved.version, saved.snapshot.validation_rules.second_person_above, saved.snapshot.timeout_ms) == (2, None, 30_000)
    control_fired(f"{path}: saved without a word, and the limit is not there")
    with pytest.raises(Invalid) as told:
        configurations.edit(attacker, draft.id, 2, {**content, "description": "Once more."})
    assert set(told.value.complaints) == {path}
    refused(f"{path}: told by its name, and nothing is saved")
