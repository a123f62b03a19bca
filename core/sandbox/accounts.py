"""Reads seeds/sandbox.toml: which billers sign in how, and which account numbers exist. An account's number chooses its outcome, like a card's test number."""

import re
import tomllib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from core.sandbox.behaviours import BEHAVIOURS
from core.sandbox.trade import is_luhn

NUMBER = re.compile(r"[0-9]{6,13}")

# Names for accounts that exist only by pattern.
# fmt: off
FIRST_NAMES = (
    "Alinafe", "Atupele", "Blessings", "Chifundo", "Chikondi", "Chimwemwe", "Chisomo", "Dalitso", "Esnart", "Fatsani", "Grace", "Kondwani", "Limbani",
    "Lusungu", "Madalitso", "Mayamiko", "Mphatso", "Pemphero", "Tadala", "Takondwa", "Tawonga", "Thandiwe", "Thokozani", "Tiwonge", "Upile", "Wezi",
    "Yamikani", "Zione",
)
LAST_NAMES = (
    "Banda", "Chimwala", "Chirwa", "Chisale", "Gondwe", "Jere", "Kachale", "Kaliati", "Kamanga", "Kapalamula", "Kumwenda", "Maseko", "Mbewe", "Mhango",
    "Mkandawire", "Msiska", "Munthali", "Mwale", "Mwenifumbo", "Ngwira", "Nkhoma", "Nyirenda", "Phiri", "Soko", "Tembo", "Zimba",
)
# fmt: on


class BadAccounts(Exception):
    """The accounts file cannot be used. The message says what to correct."""


@dataclass(frozen=True, slots=True)
class Account:
    number: str
    name: str
    balance: Decimal
    currency: str
    behaviour: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """Accounts that exist because their number matches, as many as somebody wants. `balance`: the same for all; None: by the number."""

    match: re.Pattern[str]
    currency: str
    behaviour: str
    balance: Decimal | None = None
    luhn: bool = False

    def has(self, number: str) -> bool:
        return self.match.fullmatch(number) is not None and (not self.luhn or is_luhn(number))

    def account(self, number: str) -> Account:
        """The same number has the same name and balance, in every run."""
        seed = zlib.crc32(number.encode())
        name = f"{FIRST_NAMES[seed % len(FIRST_NAMES)]} {LAST_NAMES[seed // len(FIRST_NAMES) % len(LAST_NAMES)]}"
        # Bills of 5,000 to 20,000, as water bills are, with tambala.
        balance = Decimal(500_000 + seed % 1_500_000).scaleb(-2) if self.balance is None else self.balance
        return Account(number, name, balance, self.currency, self.behaviour)


@dataclass(frozen=True, slots=True)
class Customers:
    """What one biller knows: what the console signs in with, by name, and its accounts."""

    credentials: Mapping[str, str]
    accounts: Mapping[str, Account]
    patterns: tuple[Pattern, ...]

    def find(self, number: str) -> Account | None:
        account = self.accounts.get(number)
        if account is None and NUMBER.fullmatch(number):
            for pattern in self.patterns:
                if pattern.has(number):
                    return pattern.account(number)
        return account


def read(path: Path) -> dict[str, Customers]:
    """The customers of each biller, by its code. Raises BadAccounts."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadAccounts(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise BadAccounts(f"{path} is not TOML: {error}.") from None
    try:
        return _read(data)
    except KeyError as error:
        raise BadAccounts(f"{path}: an entry lacks {error}.") from None
    except BadAccounts as error:
        raise BadAccounts(f"{path}: {error}") from None


def _read(data: dict[str, Any]) -> dict[str, Customers]:
    codes = [row["code"] for row in data["biller"]]
    accounts: dict[str, dict[str, Account]] = {code: {} for code in codes}
    patterns: dict[str, list[Pattern]] = {code: [] for code in codes}
    for row in data.get("account", ()):
        account = _account(row)
        for code in _billers(row, codes):
            if account.number in accounts[code]:
                raise BadAccounts(f"account {account.number} of {code} stands there twice.")
            accounts[code][account.number] = account
    for row in data.get("pattern", ()):
        pattern = _pattern(row)
        for code in _billers(row, codes):
            patterns[code].append(pattern)
    return {row["code"]: Customers(_credentials(row), accounts[row["code"]], tuple(patterns[row["code"]])) for row in data["biller"]}


def _credentials(biller: dict[str, Any]) -> dict[str, str]:
    """Whatever else the entry says."""
    return {name: str(value) for name, value in biller.items() if name != "code"}


def _billers(row: dict[str, Any], known: Sequence[str]) -> Sequence[str]:
    """The billers that a row is for: `biller`, or several as `billers`."""
    codes = row["billers"] if "billers" in row else [row["biller"]]
    for code in codes:
        if code not in known:
            raise BadAccounts(f"there is no [[biller]] {code!r}.")
    return list(codes)


def _pattern(row: dict[str, Any]) -> Pattern:
    balance = _balance(row, f"pattern {row['match']!r}") if "balance" in row else None
    if row.get("check", "luhn") != "luhn":
        raise BadAccounts(f'the check of pattern {row["match"]!r} can only be "luhn".')
    try:
        return Pattern(re.compile(row["match"]), row["currency"], _behaviour(row), balance, "check" in row)
    except re.error as error:
        raise BadAccounts(f"pattern {row['match']!r} is not a regular expression: {error}.") from None


def _account(row: dict[str, Any]) -> Account:
    number = row["number"]
    if not isinstance(number, str) or not NUMBER.fullmatch(number):
        raise BadAccounts(f"account number {number!r} is not a text of 6 to 13 digits.")
    return Account(number, row["name"], _balance(row, f"account {number}"), row["currency"], _behaviour(row))


def _balance(row: dict[str, Any], whose: str) -> Decimal:
    try:
        balance = Decimal(str(row["balance"])) if isinstance(row["balance"], str) else Decimal("NaN")
    except InvalidOperation:
        balance = Decimal("NaN")
    if not balance.is_finite():
        raise BadAccounts(f'the balance of {whose} is not a text like "5475.50".')
    return balance


def _behaviour(row: dict[str, Any]) -> str:
    name = row["behaviour"]
    if name not in BEHAVIOURS:
        raise BadAccounts(f"there is no behaviour {name!r}. Known: {', '.join(BEHAVIOURS)}.")
    return str(name)
