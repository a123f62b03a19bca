"""What billers deal in beyond a bill that is owed: invoices they make, tokens they vend, bundles they sell, kinds of accounts."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from core.sandbox.words import Bundle

TAMBALA = Decimal("0.01")

# STS: a token is 66 bits, written as 20 digits.
TOKEN_BITS = 66
TOKEN_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Fees:
    """An account owes one of these, by the last digit of its number: 1 the first, 2 the second, and round again."""

    amounts: tuple[Decimal, ...]

    def of(self, account: str) -> Decimal:
        return self.amounts[(int(account[-1]) - 1) % len(self.amounts)]


@dataclass(frozen=True, slots=True)
class Tariff:
    """What prepaid money buys: the biller's charges come off first."""

    charges_percent: Decimal
    price_of_unit: Decimal

    def charges(self, amount: Decimal) -> Decimal:
        return (amount * self.charges_percent / 100).quantize(TAMBALA, ROUND_HALF_UP)

    def units(self, amount: Decimal) -> Decimal:
        return ((amount - self.charges(amount)) / self.price_of_unit).quantize(TAMBALA, ROUND_HALF_UP)

    def vend(self, amount: Decimal) -> Mapping[str, str]:
        """A new token, and what the money came to."""
        return {"token": new_token(), "units": f"{self.units(amount)}", "charges": f"{self.charges(amount)}"}


@dataclass(frozen=True, slots=True)
class Trade:
    """`fees`: an invoice is of what the account owes. `tariff`: an invoice is made for the amount that is asked, and paid with a token."""

    fees: Fees | None = None
    tariff: Tariff | None = None
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    # Empty: accounts are of one kind.
    account_types: frozenset[str] = frozenset()
    invoices_valid_days: int = 30


def new_token() -> str:
    return f"{secrets.randbelow(2**TOKEN_BITS):0{TOKEN_DIGITS}d}"


def is_luhn(number: str) -> bool:
    """Whether the last digit checks the others, as on meters and bank cards."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
