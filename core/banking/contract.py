"""What core banking is asked, and what it tells. An account's balance and a dry run move no money; a transfer is answered with the wire's Receipt."""

from dataclasses import dataclass
from enum import StrEnum

from core.money import Money
from core.wire.contract import Outcome


class BankVerb(StrEnum):
    """What can be asked of core banking for a payment."""

    DEBIT = "debit"
    INQUIRE = "inquire"
    REVERSE = "reverse"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement of money between two accounts of the bank: a debit leg, or the refund that goes the other way.

    `reference` is the leg's wire reference. The inquiry finds a transfer again by its two accounts and this reference, and by nothing else.
    """

    reference: str
    debit_account: str
    credit_account: str
    amount: Money
    credit_reference: str | None = None
    # Lines for the statement.
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A transfer to be given back, by the id that core banking gave it."""

    id: str
    transfer: Transfer

    @property
    def reference(self) -> str:
        return self.transfer.reference


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has: `outcome` is CONFIRMED (`useable` is set, and is what people are shown), REJECTED (no such account) or UNKNOWN."""

    outcome: Outcome
    account: str = ""
    name: str | None = None
    useable: Money | None = None
    working: Money | None = None
    ledger: Money | None = None
    cleared: Money | None = None
    locked: Money | None = None
    code: str | None = None
    message: str | None = None
    mismatch: str | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would become of a transfer: CONFIRMED (it would be posted), ACCEPTED (held for somebody), REJECTED, UNKNOWN. Nothing moved, whatever it says."""

    outcome: Outcome
    code: str | None = None
    message: str | None = None
    mismatch: str | None = None
