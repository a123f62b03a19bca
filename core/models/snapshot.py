"""One version of a biller's configuration as values: what a payment drafted under it goes by, whatever is configured later."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Self

import phonenumbers
from pydantic import BaseModel, ConfigDict, Field

from core.errors import BadInput
from core.models.billers import BillerConfig
from core.money import Money
from core.states import Topology

# Longer than any account number of the field; bounds what a configured pattern is ever tried on.
LONGEST_ACCOUNT = 40

# Where a number without a country code is at home.
HOME_REGION = "MW"


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

    @property
    def debits_customer(self) -> bool:
        """The customer's account at the bank is debited, by core banking or by the bank's service bus."""
        return self.topology is not Topology.NONE

    @cached_property
    def max_processing(self) -> timedelta | None:
        return None if self.max_processing_seconds is None else timedelta(seconds=self.max_processing_seconds)

    def check_account(self, typed: str) -> str:
        """The account number as it will be sent. Raises `BadInput` with what it should look like."""
        rules = self.validation_rules
        number, label = typed.strip(), rules.account_label.lower()
        if not number:
            raise BadInput(f"Enter the {label}: {rules.account_help or 'as printed on the bill'}.")
        example = f", for example {rules.account_example}" if rules.account_example else ""
        refusal = f"This is not {_a(label)} of {self.biller_name}. It has {rules.account_help}{example}."
        if len(number) > LONGEST_ACCOUNT or not number.isascii():
            raise BadInput(refusal)
        if rules.account_check == "phone":
            number = national_number(number) or ""
        if not re.fullmatch(rules.account_pattern, number, re.ASCII):
            raise BadInput(refusal)
        if rules.account_check == "luhn" and not passes_luhn(number):
            raise BadInput(f"The last digit of this {label} does not fit the others, so a digit was mistyped. Compare it with the meter.")
        return number

    def check_account_type(self, chosen: str | None) -> AccountType | None:
        """The kind of account, where this biller has kinds. Raises `BadInput` where one must be chosen."""
        types = self.validation_rules.account_types
        if not types:
            return None
        found = next((one for one in types if one.code == chosen), None)
        if found is None:
            raise BadInput(f"Choose the kind of account: {', '.join(one.label for one in types)}.")
        return found

    def meter_number(self, account: str, account_type: AccountType | None) -> str | None:
        """The account where it is a meter's, which is kept as such."""
        is_meter = self.validation_rules.account_is_meter or (account_type is not None and account_type.is_meter)
        return account if is_meter else None

    def check_amount(self, typed: str) -> Money:
        """The amount within the biller's limits. Raises `BadInput` with the limits."""
        money = Money.parse(typed, self.default_currency)
        rules = self.validation_rules
        if not rules.amount_min <= money.amount <= rules.amount_max:
            least, most = Money(rules.amount_min, money.currency), Money(rules.amount_max, money.currency)
            raise BadInput(f"{self.biller_name} takes between {least} and {most}. Enter an amount within that.")
        return money


def passes_luhn(number: str) -> bool:
    """The check digit of meters and cards (ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number)))
    return number.isdigit() and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def national_number(typed: str) -> str | None:
    """`0881234567` for any usual spelling of a Malawian number; None for what is none."""
    try:
        number = phonenumbers.parse(typed, HOME_REGION)
    except phonenumbers.NumberParseException:
        return None
    if number.country_code != phonenumbers.country_code_for_region(HOME_REGION) or number.extension or not phonenumbers.is_possible_number(number):
        return None
    return f"0{phonenumbers.national_significant_number(number)}"


def _a(label: str) -> str:
    return f"an {label}" if label[:1] in "aeiou" else f"a {label}"


def parse_snapshot(stored: Mapping[str, Any]) -> Snapshot:
    return Snapshot.model_validate(dict(stored))
