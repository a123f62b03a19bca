"""An amount and its currency, never apart. More precision than the currency has is an error, not a rounding."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from core.errors import BadInput

# ISO 4217 minor units of the currencies a Malawian bank meets; a currency not listed here is refused, not guessed.
MINOR_UNITS = {"MWK": 2, "USD": 2, "ZAR": 2, "EUR": 2, "GBP": 2, "ZMW": 2, "TZS": 2, "MZN": 2}

# NUMERIC(18,2): sixteen digits before the point.
LARGEST = Decimal("9999999999999999.99")

_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True, order=False, slots=True)
class Money:
    """`Money(Decimal("5475.50"), "MWK")`. Refuses floats, unknown currencies and fractions of the smallest coin."""

    amount: Decimal
    currency: str = "MWK"

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"Money is made of Decimal, not {type(self.amount).__name__}.")
        if self.currency not in MINOR_UNITS:
            raise BadInput(f"{self.currency!r} is not a currency this console knows. Use one of {', '.join(MINOR_UNITS)}.")
        if not self.amount.is_finite() or abs(self.amount) > LARGEST:
            raise BadInput("This amount is larger than any the console can keep. Check the number of zeros.")
        quantum = Decimal(1).scaleb(-MINOR_UNITS[self.currency])
        if self.amount != self.amount.quantize(quantum):
            raise BadInput(f"{self.currency} has {MINOR_UNITS[self.currency]} decimals. Write the amount with no more than that.")
        # Adding nothing turns -0.00 into 0.00, which people would ask about.
        object.__setattr__(self, "amount", self.amount.quantize(quantum) + Decimal(0))

    @classmethod
    def parse(cls, text: str, currency: str = "MWK") -> "Money":
        """What a person typed: `5475.5`, `5,475.50`. Anything that could be read in two ways is refused with a sentence."""
        stripped = text.strip()
        if not stripped:
            raise BadInput("Enter an amount, for example 5475.50.")
        if not stripped.isascii():
            raise BadInput("The amount has a character that is not a plain digit. Type it again with 0 to 9, for example 5475.50.")
        if stripped.startswith("-"):
            raise BadInput("The amount must be more than zero.")
        if not (_PLAIN.fullmatch(stripped) or _GROUPED.fullmatch(stripped)):
            raise BadInput("Write the amount in figures with a point before the tambala, for example 5475.50 or 5,475.50.")
        money = cls.from_text(stripped.replace(",", ""), currency)
        if money.amount <= 0:
            raise BadInput("The amount must be more than zero.")
        return money

    @classmethod
    def from_text(cls, text: str, currency: str = "MWK") -> "Money":
        """What a machine wrote: digits, at most one point, no grouping, no exponent."""
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text, re.ASCII):
            raise BadInput(f"{text[:40]!r} is not an amount.")
        try:
            return cls(Decimal(text), currency)
        except InvalidOperation as error:
            raise BadInput("This amount is larger than any the console can keep. Check the number of zeros.") from error

    @property
    def text(self) -> str:
        """For the wire: `5475.50`."""
        return f"{self.amount:f}"

    def __str__(self) -> str:
        """For people: `MWK 5,475.50`."""
        return f"{self.currency} {self.amount:,f}"
