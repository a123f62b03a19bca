"""Reads the `[core_banking]` part of seeds/sandbox.toml: what the bank's T24 is signed in to with, and which accounts it keeps."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from core.sandbox.accounts import BadAccounts
from core.sandbox.behaviours import BLOCKED, Behaviour, Refusal
from core.sandbox.words import ACCOUNT_NOT_FOUND, UNLISTED

NUMBER = re.compile(r"[0-9A-Z]{1,16}")

INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
ACCOUNT_CLOSED = "ACCOUNT_CLOSED"
OVERRIDE = "OVERRIDE"

NO_ACCOUNT = Refusal(ACCOUNT_NOT_FOUND, "INVALID ACCOUNT")
NO_FUNDS = Refusal(INSUFFICIENT_FUNDS, "INSUFFICIENT FUNDS")

# What debiting such an account meets. `as_fault=False`: the refusal comes with HTTP 200.
BEHAVIOURS: Mapping[str, Behaviour] = {
    "posts": Behaviour(),
    "unknown_account": Behaviour(refuses=NO_ACCOUNT, exists=False),
    "insufficient_funds": Behaviour(refuses=NO_FUNDS),
    "failed_in_200": Behaviour(refuses=Refusal(INSUFFICIENT_FUNDS, "INSUFFICIENT FUNDS", as_fault=False)),
    "blocked": Behaviour(refuses=BLOCKED),
    "closed": Behaviour(refuses=Refusal(ACCOUNT_CLOSED, "ACCOUNT IS CLOSED")),
    "error_unlisted": Behaviour(refuses=Refusal(UNLISTED, "SOMETHING WENT WRONG", remembered=False)),
    # T24 asks back before it posts, and nobody is there to answer.
    "overrides": Behaviour(refuses=Refusal(OVERRIDE, "UNAUTHORISED OVERDRAFT", remembered=False)),
    "held": Behaviour(paying="accepted_forever"),
    "unauthorised_then_posted": Behaviour(paying="accepted_then_done"),
    "acts_then_hangs": Behaviour(paying="act_then_hang"),
    "acts_then_500": Behaviour(paying="act_then_500"),
    "hangs": Behaviour(paying="hang_without_acting"),
    "balance_hangs": Behaviour(looking_up="hang_without_acting"),
    "slow": Behaviour(paying="slow"),
    "html_page": Behaviour(paying="html_page_200"),
    "wrong_echo": Behaviour(paying="wrong_reference"),
    "down": Behaviour(paying="close_on_accept", looking_up="close_on_accept"),
    "keeps": Behaviour(),
}
# Posts, and refuses to give it back.
KEEPS = "keeps"


@dataclass(frozen=True, slots=True)
class Account:
    """`balance` is the ledger's before the first transfer; `locked` is reserved in it."""

    number: str
    name: str
    balance: Decimal
    locked: Decimal
    currency: str
    behaviour: str


@dataclass(frozen=True, slots=True)
class Bank:
    """What one T24 knows at the start. A pattern's accounts differ by their number only."""

    credentials: Mapping[str, str]
    accounts: Mapping[str, Account]
    patterns: tuple[tuple[re.Pattern[str], Account], ...]

    def find(self, number: str) -> Account | None:
        named = self.accounts.get(number)
        if named is not None:
            return named
        return next((_numbered(account, number) for pattern, account in self.patterns if pattern.fullmatch(number)), None)


def read(path: Path) -> Bank | None:
    """The bank of an accounts file that has one. Raises BadAccounts."""
    part = tomllib.loads(path.read_text(encoding="utf-8")).get("core_banking")
    if part is None:
        return None
    try:
        credentials = {name: str(part[name]) for name in ("username", "password", "api_key", "company_id") if name in part}
        return Bank(credentials, _accounts(part), tuple((_pattern(row), _account(row, "0")) for row in part.get("pattern", ())))
    except KeyError as error:
        raise BadAccounts(f"{path}: an entry of [core_banking] lacks {error}.") from None
    except BadAccounts as error:
        raise BadAccounts(f"{path}: [core_banking]: {error}") from None


def _accounts(part: Mapping[str, Any]) -> dict[str, Account]:
    found: dict[str, Account] = {}
    for row in part["account"]:
        number = row["number"]
        if number in found:
            raise BadAccounts(f"account {number} stands there twice.")
        found[number] = _account(row, number)
    return found


def _account(row: Mapping[str, Any], number: object) -> Account:
    if not isinstance(number, str) or not NUMBER.fullmatch(number):
        raise BadAccounts(f"account number {number!r} is not a text of 1 to 16 digits and capital letters.")
    if row["behaviour"] not in BEHAVIOURS:
        raise BadAccounts(f"there is no behaviour {row['behaviour']!r}. Known: {', '.join(BEHAVIOURS)}.")
    return Account(number, row["name"], _amount(row["balance"]), _amount(row.get("locked", "0.00")), row["currency"], row["behaviour"])


def _pattern(row: Mapping[str, Any]) -> re.Pattern[str]:
    try:
        return re.compile(row["match"])
    except re.error as error:
        raise BadAccounts(f"pattern {row['match']!r} is not a regular expression: {error}.") from None


def _amount(text: object) -> Decimal:
    try:
        amount = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise BadAccounts(f'{text!r} is not an amount as a text like "5475.50".')
    return amount


def _numbered(account: Account, number: str) -> Account:
    return Account(number, account.name, account.balance, account.locked, account.currency, account.behaviour)
