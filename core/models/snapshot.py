"""One version of a biller's configuration as values: what a payment drafted under it goes by, whatever is configured later."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from core.errors import BadInput
from core.models.billers import BillerConfig
from core.money import Money
from core.states import Topology

# Longer than any account number of the field; bounds what a configured pattern is ever tried on.
LONGEST_ACCOUNT = 40


class AccountType(BaseModel):
    """One kind of account a biller knows: the code it is sent under, and what an operator calls it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern="[A-Z0-9_]{1,20}")
    label: str
    # The account number is a meter's, and kept as such.
    is_meter: bool = False


class ValidationRules(BaseModel):
    """What may be typed for this biller. Amounts are in the biller's currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What the number is called where it is typed: "Account number", "Meter number", "Mobile number".
    account_label: str = "Account number"
    account_pattern: str = "[0-9A-Za-z/-]{1,40}"
    account_example: str = ""
    account_help: str = ""
    # Beyond the pattern: `luhn` for a meter's check digit, `phone` for a Malawian number in any usual spelling.
    account_check: Literal["none", "luhn", "phone"] = "none"
    account_is_meter: bool = False
    account_types: tuple[AccountType, ...] = ()
    amount_min: Decimal = Decimal("0.01")
    amount_max: Decimal = Decimal("9999999999.99")
    # Above it a payment needs a second person; None: never.
    second_person_above: Decimal | None = None
    # Result codes this bank does not believe although the adapter lists them: they read as UNKNOWN.
    removed_codes: tuple[str, ...] = ()


class Snapshot(BaseModel):
    """A configuration without its credentials."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    biller_type: str
    biller_name: str
    display_name: str
    description: str | None = None
    base_url: str
    endpoints: dict[str, str]
    dialect: str = "soap"
    default_currency: str = "MWK"
    supported_currencies: list[str] = Field(default_factory=lambda: ["MWK"])
    timeout_ms: int = 30_000
    retry_attempts: int = 3
    concurrency: int = 16
    expires_after_minutes: int = 60
    duplicate_window_minutes: int = 10
    topology: Topology = Topology.NONE
    credit_account: str | None = None
    credit_account_type: str | None = None
    inquiry_certified: bool = False
    max_processing_seconds: int | None = None
    features: dict[str, Any] = Field(default_factory=dict)
    validation_rules: ValidationRules = Field(default_factory=ValidationRules)

    @classmethod
    def of(cls, config: BillerConfig) -> Self:
        return cls.model_validate({name: getattr(config, name) for name in cls.model_fields})

    @property
    def deadline(self) -> timedelta:
        return timedelta(milliseconds=self.timeout_ms)

    @cached_property
    def max_processing(self) -> timedelta | None:
        return None if self.max_processing_seconds is None else timedelta(seconds=self.max_processing_seconds)

    def check_account(self, typed: str) -> str:
        """The account number as it will be sent. Raises `BadInput` with what it should look like."""
        number = typed.strip()
        if not number:
            raise BadInput(f"Enter the account number: {self.validation_rules.account_help or 'as printed on the bill'}.")
        if len(number) > LONGEST_ACCOUNT or not number.isascii() or not re.fullmatch(self.validation_rules.account_pattern, number, re.ASCII):
            example = f", for example {self.validation_rules.account_example}" if self.validation_rules.account_example else ""
            raise BadInput(f"This is not an account number of {self.biller_name}. It has {self.validation_rules.account_help}{example}.")
        return number

    def check_amount(self, typed: str) -> Money:
        """The amount within the biller's limits. Raises `BadInput` with the limits."""
        money = Money.parse(typed, self.default_currency)
        rules = self.validation_rules
        if not rules.amount_min <= money.amount <= rules.amount_max:
            least, most = Money(rules.amount_min, money.currency), Money(rules.amount_max, money.currency)
            raise BadInput(f"{self.biller_name} takes between {least} and {most}. Enter an amount within that.")
        return money

    def needs_second_person(self, money: Money) -> bool:
        limit = self.validation_rules.second_person_above
        return limit is not None and money.amount > limit


def parse_snapshot(stored: Mapping[str, Any]) -> Snapshot:
    return Snapshot.model_validate(dict(stored))
