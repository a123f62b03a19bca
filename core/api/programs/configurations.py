"""Billers' configurations. A program reads and tests them, and changes what one person may change; whatever takes two people it proposes, and is told where.

Each change says which version it was made over (`If-Match`): if somebody else was faster, nothing is saved.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Header
from pydantic import Field, StrictBool, StrictInt, StringConstraints, WithJsonSchema
from starlette.responses import Response

from core.access import Actor
from core.api.problems import API, Problem
from core.api.programs.shapes import Account, AccountType, Amount, BankAccount, Biller, Said, Told, Words
from core.api.programs.way_in import ProgramRoute, Who, in_thread, needing, said
from core.errors import BadInput, Conflict
from core.services import configurations, connection_tests
from core.services.configurations import Configuration, Saved
from core.services.connection_tests import Tried

router = APIRouter(route_class=ProgramRoute)

CONFIGURE = "billers:configure"

# Each test waits for a biller, up to half a minute; threads are for everybody.
AT_ONCE = anyio.CapacityLimiter(4)

Version = Annotated[
    str,
    StringConstraints(pattern=r'^"[1-9][0-9]{0,8}"$'),
    Header(alias="If-Match", description="The `ETag` of the configuration as it was read.", examples=['"7"']),
]

Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]*$", max_length=500)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,60}$")]
Secret = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,4000}$")]
Whole = Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]


# What stands under names, so many at most.
MOST_NAMES = 20


def _by_name(kind: Mapping[str, Any]) -> WithJsonSchema:
    """Said so that a name that is none does not fit, either: of itself the description would only leave open what stands under it."""
    names = {"pattern": "^[A-Za-z0-9_]{1,60}$"}
    return WithJsonSchema({"type": "object", "propertyNames": names, "additionalProperties": dict(kind), "maxProperties": MOST_NAMES})


Endpoints = Annotated[dict[Name, Line], Field(max_length=MOST_NAMES), _by_name({"type": "string", "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$", "maxLength": 500})]
Features = Annotated[dict[Name, StrictBool], Field(max_length=MOST_NAMES), _by_name({"type": "boolean"})]
Credentials = Annotated[dict[Name, Secret], Field(max_length=MOST_NAMES), _by_name({"type": "string", "pattern": r"^[^\x00-\x1f\x7f-\x9f]{1,4000}$"})]


class KindOfAccount(Said):
    code: Line
    label: Line
    is_meter: StrictBool = False


class Rules(Said):
    """What may be typed for this biller. Amounts are text in its currency."""

    account_label: Line = "Account number"
    account_pattern: Line = "[0-9A-Za-z/-]{1,40}"
    account_example: Line = ""
    account_help: Line = ""
    account_check: Literal["none", "luhn", "phone"] = "none"
    account_is_meter: StrictBool = False
    account_types: list[KindOfAccount] = Field(default_factory=list, max_length=20)
    amount_min: Amount = "0.01"
    amount_max: Amount = "9999999999.99"
    second_person_above: Amount | None = None
    removed_codes: list[Line] = Field(default_factory=list, max_length=100)


class Content(Said):
    """Everything a configuration says beside its credentials."""

    biller_type: Biller
    biller_name: Line
    display_name: Line
    description: Line | None = None
    base_url: Line
    endpoints: Endpoints = Field(default_factory=dict)
    dialect: Line = "soap"
    default_currency: Line = "MWK"
    supported_currencies: list[Line] = Field(default_factory=lambda: ["MWK"], max_length=10)
    timeout_ms: Whole = 30_000
    retry_attempts: Whole = 3
    concurrency: Whole = 16
    expires_after_minutes: Whole = 60
    duplicate_window_minutes: Whole = 10
    topology: Literal["NONE", "SEPARATE", "COMPOSITE"] = "NONE"
    credit_account: Line | None = None
    credit_account_type: Line | None = None
    inquiry_certified: StrictBool = False
    max_processing_seconds: Whole | None = None
    features: Features = Field(default_factory=dict)
    validation_rules: Rules = Field(default_factory=Rules)


class RulesChanged(Said):
    """Of the rules, those that become others."""

    account_label: Line | None = None
    account_pattern: Line | None = None
    account_example: Line | None = None
    account_help: Line | None = None
    account_check: Literal["none", "luhn", "phone"] | None = None
    account_is_meter: StrictBool | None = None
    account_types: Annotated[list[KindOfAccount], Field(max_length=20)] | None = None
    amount_min: Amount | None = None
    amount_max: Amount | None = None
    second_person_above: Amount | None = None
    removed_codes: Annotated[list[Line], Field(max_length=100)] | None = None


class ContentChanged(Said):
    """Of the fields, those that become others. `null` empties a field that may be empty; endpoints and features are taken whole."""

    biller_name: Line | None = None
    display_name: Line | None = None
    description: Line | None = None
    base_url: Line | None = None
    endpoints: Endpoints | None = None
    dialect: Line | None = None
    default_currency: Line | None = None
    supported_currencies: Annotated[list[Line], Field(max_length=10)] | None = None
    timeout_ms: Whole | None = None
    retry_attempts: Whole | None = None
    concurrency: Whole | None = None
    expires_after_minutes: Whole | None = None
    duplicate_window_minutes: Whole | None = None
    topology: Literal["NONE", "SEPARATE", "COMPOSITE"] | None = None
    credit_account: Line | None = None
    credit_account_type: Line | None = None
    inquiry_certified: StrictBool | None = None
    max_processing_seconds: Whole | None = None
    features: Features | None = None
    validation_rules: RulesChanged | None = None


class NewConfiguration(Said):
    """A draft: nobody is offered it before two people have looked at it. Credentials are written and never read."""

    content: Content
    credentials: Credentials | None = None


class ConfigurationChanged(Said):
    """What becomes another. With `is_active` alone it is offered to operators, once two people have looked at it."""

    content: ContentChanged | None = None
    credentials: Credentials | None = None
    is_active: Literal[True] | None = None
    reason: Words | None = Field(None, description="Why; needed for what takes a second person, who reads it.")


class TestAsked(Said):
    """The account that the biller is asked about. Nothing is paid."""

    account: Account
    account_type: AccountType | None = None
    bank_account: BankAccount | None = Field(None, description="Whose debit core banking tries, and does not make; needed where there is one.")


class StageTold(Told):
    stage: str
    passed: bool
    milliseconds: int | None
    told: str


class TestTold(Told):
    """Each stage in its order. The first that failed is the last."""

    id: uuid.UUID
    at: datetime
    by: str
    version: int
    passed: bool
    stages: list[StageTold]


class ConfigurationTold(Told):
    """A configuration without its credentials. `etag` is what `If-Match` takes."""

    id: uuid.UUID
    version: int
    etag: str
    state: Literal["active", "paused", "inactive"]
    paused_because: str | None
    is_approved: bool = Field(description="Whether two people said what it says, so that two people change it.")
    holds_credentials: bool
    environment_credentials: bool
    updated_at: datetime
    updated_by: str | None
    last_test: TestTold | None
    content: dict[str, Any]


class ConfigurationsTold(Told):
    items: list[ConfigurationTold]


class ConfigurationSaved(Told):
    """`proposal`: nothing is saved yet, and a second person decides about this change, on the page that `decided_at` names."""

    configuration: ConfigurationTold
    credentials_voided: bool
    proposal: int | None
    decided_at: str | None


PROPOSED = "A second person decides, on the console's page that `Location` leads to. Nothing is changed yet."
SAVED: dict[int | str, dict[str, Any]] = {202: {"model": ConfigurationSaved, "description": PROPOSED}, 412: {"description": "Somebody else was faster."}}


# ---- Reading


@router.get("/configs", summary="Every configuration", response_model=ConfigurationsTold, openapi_extra=needing(CONFIGURE))
def list_configurations(actor: Who) -> Response:
    """By name, each with its state and its last test."""
    return said(ConfigurationsTold(items=[_seen(one) for one in configurations.list_all(actor)]))


@router.get("/configs/{config_id}", summary="One configuration", response_model=ConfigurationTold, openapi_extra=needing(CONFIGURE))
def find_configuration(actor: Who, config_id: uuid.UUID) -> Response:
    """Everything but its credentials, of which only whether there are some."""
    return _told(configurations.find(actor, config_id))


def _seen(one: Configuration) -> ConfigurationTold:
    return ConfigurationTold(
        id=one.id,
        version=one.version,
        etag=f'"{one.version}"',
        state=one.state,
        paused_because=one.paused_because,
        is_approved=one.is_approved,
        holds_credentials=one.holds_credentials,
        environment_credentials=one.environment_credentials,
        updated_at=one.updated_at,
        updated_by=one.updated_by,
        last_test=_tried(one.last_test) if one.last_test else None,
        content=one.content,
    )


def _tried(one: Tried) -> TestTold:
    stages = [StageTold(stage=stage.stage.value, passed=stage.passed, milliseconds=stage.milliseconds, told=stage.told) for stage in one.stages]
    return TestTold(id=one.id, at=one.at, by=one.by, version=one.version, passed=one.passed, stages=stages)


def _told(one: Configuration, status: int = 200) -> Response:
    location = {"Location": f"{API}/configs/{one.id}"} if status == 201 else {}
    return said(_seen(one), status, {"ETag": f'"{one.version}"', **location})


# ---- Changing


@router.post(
    "/configs",
    summary="Add a configuration",
    status_code=201,
    response_model=ConfigurationTold,
    response_description="Added as a draft: switched off until two people have looked at it.",
    openapi_extra=needing(CONFIGURE),
)
def create_configuration(actor: Who, asked: NewConfiguration) -> Response:
    """A draft. Its activation is proposed by changing `is_active`, and approved by a second person in the console."""
    return _told(configurations.create(actor, asked.content.model_dump(mode="json"), asked.credentials).configuration, 201)


@router.patch("/configs/{config_id}", summary="Change a configuration", response_model=ConfigurationSaved, responses=SAVED, openapi_extra=needing(CONFIGURE))
def change_configuration(actor: Who, config_id: uuid.UUID, version: Version, asked: ConfigurationChanged) -> Response:
    """Saves what one person may change, and proposes what takes two: where payments and credentials are sent, limits, whose account is debited."""
    shown = int(version.strip('"'))
    try:
        saved = _switched_on(actor, config_id, shown, asked) if asked.is_active else _edited(actor, config_id, shown, asked)
    except Conflict as error:
        raise _overtaken(error) from error
    page = None if saved.proposal is None else f"/configurations?id={config_id}"
    answer = ConfigurationSaved(configuration=_seen(saved.configuration), credentials_voided=saved.credentials_voided, proposal=saved.proposal, decided_at=page)
    etag = {"ETag": f'"{saved.configuration.version}"'}
    return said(answer, headers=etag) if page is None else said(answer, 202, {**etag, "Location": page})


def _edited(actor: Actor, config_id: uuid.UUID, shown: int, asked: ConfigurationChanged) -> Saved:
    content = configurations.find(actor, config_id).content
    changed = asked.content.model_dump(mode="json", exclude_unset=True) if asked.content else {}
    rules = {**content["validation_rules"], **(changed.pop("validation_rules", None) or {})}
    return configurations.edit(actor, config_id, shown, {**content, **changed, "validation_rules": rules}, asked.credentials, asked.reason or "")


def _switched_on(actor: Actor, config_id: uuid.UUID, shown: int, asked: ConfigurationChanged) -> Saved:
    """What two people have looked at is offered at once; of a draft that is proposed."""
    if asked.content is not None or asked.credentials is not None:
        raise BadInput("Switch it on by itself: what is activated is what was looked at.")
    if configurations.find(actor, config_id).is_approved:
        return Saved(configurations.activate(actor, config_id, shown))
    number = configurations.propose_activation(actor, config_id, shown, asked.reason or "")
    return Saved(configurations.find(actor, config_id), proposal=number)


@router.delete(
    "/configs/{config_id}",
    summary="Deactivate a configuration",
    response_model=ConfigurationTold,
    responses={412: {"description": "Somebody else was faster."}},
    openapi_extra=needing(CONFIGURE),
)
def deactivate_configuration(actor: Who, config_id: uuid.UUID, version: Version) -> Response:
    """Takes its biller off the offer: what waits unsent fails with no money moved, and what is with the biller is still asked about. Nothing is deleted."""
    try:
        return _told(configurations.deactivate(actor, config_id, int(version.strip('"'))))
    except Conflict as error:
        raise _overtaken(error) from error


def _overtaken(error: Conflict) -> Problem | Conflict:
    """412 where it is at another version than was said; anything else that stands in the way stays what it is."""
    version: Mapping[str, Any] = error.facts
    return Problem("changed-meanwhile", error.sentence, headers={"ETag": f'"{version["version"]}"'}) if "version" in version else error


# ---- Trying


@router.post("/configs/{config_id}/test", summary="Test a configuration", response_model=TestTold, openapi_extra=needing(CONFIGURE))
async def test_configuration(actor: Who, config_id: uuid.UUID, asked: TestAsked) -> Response:
    """Asks the biller about this account, stage by stage, within half a minute. Nothing is paid, and core banking posts nothing."""
    async with AT_ONCE:
        found = await in_thread(connection_tests.run, actor, config_id, asked.account, asked.account_type, bank_account=asked.bank_account or "")
    return said(_tried(found))
