"""Reads seeds/sandbox.toml: which billers sign in how, and which account numbers exist. An account's number chooses its outcome, like a card's test number."""

import re
import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from core.sandbox.behaviours import BEHAVIOURS

NUMBER = re.compile(r"[0-9]{6,12}")

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
    """Accounts that exist because their number matches, as many as somebody wants."""

    match: re.Pattern[str]
    currency: str
    behaviour: str

    def account(self, number: str) -> Account:
        """The same number has the same name and balance, in every run."""
        seed = zlib.crc32(number.encode())
        name = f"{FIRST_NAMES[seed % len(FIRST_NAMES)]} {LAST_NAMES[seed // len(FIRST_NAMES) % len(LAST_NAMES)]}"
        # Bills of 5,000 to 20,000, as water bills are, with tambala.
        balance = Decimal(500_000 + seed % 1_500_000).scaleb(-2)
        return Account(number, name, balance, self.currency, self.behaviour)


@dataclass(frozen=True, slots=True)
class Customers:
    """What one biller knows: how the console signs in, and its accounts."""

    user: str
    password: str
    accounts: Mapping[str, Account]
    patterns: tuple[Pattern, ...]

    def find(self, number: str) -> Account | None:
        account = self.accounts.get(number)
        if account is None and NUMBER.fullmatch(number):
            for pattern in self.patterns:
                if pattern.match.fullmatch(number):
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
        return {row["code"]: _customers(row, data) for row in data["biller"]}
    except KeyError as error:
        raise BadAccounts(f"{path}: an entry lacks {error}.") from None
    except BadAccounts as error:
        raise BadAccounts(f"{path}: {error}") from None


def _customers(biller: dict[str, Any], data: dict[str, Any]) -> Customers:
    accounts: dict[str, Account] = {}
    for row in data.get("account", ()):
        if row["biller"] == biller["code"]:
            account = _account(row)
            if account.number in accounts:
                raise BadAccounts(f"account {account.number} stands there twice.")
            accounts[account.number] = account
    patterns = tuple(_pattern(row) for row in data.get("pattern", ()) if row["biller"] == biller["code"])
    return Customers(biller["username"], biller["password"], accounts, patterns)


def _pattern(row: dict[str, Any]) -> Pattern:
    try:
        return Pattern(re.compile(row["match"]), row["currency"], _behaviour(row))
    except re.error as error:
        raise BadAccounts(f"pattern {row['match']!r} is not a regular expression: {error}.") from None


def _account(row: dict[str, Any]) -> Account:
    number = row["number"]
    if not isinstance(number, str) or not NUMBER.fullmatch(number):
        raise BadAccounts(f"account number {number!r} is not a text of 6 to 12 digits.")
    try:
        balance = Decimal(str(row["balance"])) if isinstance(row["balance"], str) else Decimal("NaN")
    except InvalidOperation:
        balance = Decimal("NaN")
    if not balance.is_finite():
        raise BadAccounts(f'the balance of account {number} is not a text like "5475.50".')
    return Account(number, row["name"], balance, row["currency"], _behaviour(row))


def _behaviour(row: dict[str, Any]) -> str:
    name = row["behaviour"]
    if name not in BEHAVIOURS:
        raise BadAccounts(f"there is no behaviour {name!r}. Known: {', '.join(BEHAVIOURS)}.")
    return str(name)
