"""An amount in English words, as it is written on a receipt: a wrong zero that the eye passes over in figures is heard when it is read out."""

from collections.abc import Mapping

from core.money import MINOR_UNITS, Money

# fmt: off
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

# Short scale. Money has at most sixteen digits before the point, so quadrillions are the end.
_GROUPS = ("", "thousand", "million", "billion", "trillion", "quadrillion")

# One unit and several, then one coin and several. Kwacha and tambala have no plural in English.
_UNITS: Mapping[str, tuple[str, str, str, str]] = {
    "MWK": ("kwacha", "kwacha", "tambala", "tambala"),
    "USD": ("US dollar", "US dollars", "cent", "cents"),
    "ZAR": ("rand", "rand", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "ZMW": ("Zambian kwacha", "Zambian kwacha", "ngwee", "ngwee"),
    "TZS": ("Tanzanian shilling", "Tanzanian shillings", "cent", "cents"),
    "MZN": ("metical", "meticais", "centavo", "centavos"),
}


def in_words(money: Money) -> str:
    """`MWK 5,475.50` → "Five thousand four hundred and seventy-five kwacha and fifty tambala"."""
    scale = 10 ** MINOR_UNITS[money.currency]
    units, coins = divmod(int(abs(money.amount) * scale), scale)
    unit, unit_many, coin, coin_many = _UNITS[money.currency]
    said = f"{_number(units)} {unit if units == 1 else unit_many}"
    if coins:
        said += f" and {_number(coins)} {coin if coins == 1 else coin_many}"
    if money.amount < 0:
        said = f"minus {said}"
    return said[0].upper() + said[1:]


def _number(value: int) -> str:
    """British usage: "and" before the last two digits of a group, and before a last group below a hundred."""
    if value < 1000:
        return _below_thousand(value)
    groups: list[int] = []
    while value:
        value, group = divmod(value, 1000)
        groups.append(group)
    parts = [f"{_below_thousand(group)} {_GROUPS[place]}" for place, group in reversed(list(enumerate(groups))) if group and place]
    if groups[0]:
        parts.append(f"and {_below_thousand(groups[0])}" if groups[0] < 100 else _below_thousand(groups[0]))
    return " ".join(parts)


def _below_thousand(value: int) -> str:
    hundreds, rest = divmod(value, 100)
    if not hundreds:
        return _below_hundred(rest)
    return f"{_SMALL[hundreds]} hundred" + (f" and {_below_hundred(rest)}" if rest else "")


def _below_hundred(value: int) -> str:
    if value < 20:
        return _SMALL[value]
    tens, rest = divmod(value, 10)
    return _TENS[tens] + (f"-{_SMALL[rest]}" if rest else "")
