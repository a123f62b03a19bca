"""The bank's side of a connection test: is core banking there, does it take our key, and would it debit? Nothing it says posts anything."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from core.banking.contract import Balance, DryRun, Transfer
from core.banking.t24 import T24
from core.errors import BillersError
from core.ids import new_reference
from core.money import Money
from core.services import core_banking
from core.wire.accidents import OutcomeClass, accident
from core.wire.contract import Exchange, Outcome, Terms
from core.wire.line import Answer, Line

T = TypeVar("T")

# For the person who set core banking up: what it most likely is. Others are told by their name.
ADVICE: Mapping[str, str] = {
    "refused_credentials": "Core banking does not accept this console's key. Correct T24_API_KEY, and T24_COMPANY_ID where the bank wants it.",
    "host_not_allowed": "The host of T24_API_URL may not be called. Correct T24_API_URL.",
    "address_refused": "The host of T24_API_URL leads to an address of an internal network. Have BILLERS_ALLOWED_NETWORKS list it.",
    "name_not_resolved": "The host of T24_API_URL could not be found. Check its spelling, and that this machine has DNS.",
    "tls_failed": "The host of T24_API_URL could not prove who it is: its certificate is expired, of another name, or of an unknown authority.",
    "deadline": "Core banking took the question and did not answer within the time-out. Try again, or allow more time (T24_TIMEOUT_MS).",
}
UNREACHABLE = "Core banking could not be reached. Check T24_API_URL, and that its firewall knows this machine."
NO_USE = "Core banking gave no answer that can be used. Check T24_API_URL and T24_ENDPOINTS."


@dataclass(frozen=True, slots=True)
class BankTry:
    """One stage: what was tried, whether it passed, and what is told of it."""

    stage: Literal["balance", "dry_run"]
    passed: bool
    milliseconds: int | None
    told: str


async def run(line: Line, account: str, suspense: str, amount: Money, longest_seconds: float) -> AsyncIterator[BankTry]:
    """First the suspense account's balance, then the dry run of a debit. The first that fails is the last."""
    try:
        terms = core_banking.terms()
        terms = replace(terms, deadline_seconds=min(terms.deadline_seconds, longest_seconds))
        speaker = core_banking.speaker(terms)
        dry_run = speaker.validate(Transfer(new_reference(), account, suspense, amount, details=("Connection test",)))
    except BillersError as error:
        yield BankTry("balance", False, None, error.sentence)
        return
    found = _balance(await _asked(line, terms, speaker.balance(suspense)), suspense)
    yield found
    if found.passed:
        yield _dry_run(await _asked(line, terms, dry_run), account, amount)


async def _asked(line: Line, terms: Terms, exchange: Exchange[T]) -> Answer[T]:
    return await line.perform(terms, exchange, T24.masked)


def _balance(answer: Answer[Balance], suspense: str) -> BankTry:
    found = answer.value
    if found is None:
        return BankTry("balance", False, answer.duration_ms, _advice(answer))
    if found.outcome is Outcome.CONFIRMED:
        name = f" ({found.name})" if found.name else ""
        return BankTry("balance", True, answer.duration_ms, f"Core banking answers, takes our key, and knows the account {suspense}{name}.")
    if found.outcome is Outcome.REJECTED:
        return BankTry("balance", False, answer.duration_ms, f"Core banking does not know the account {suspense}. Correct the account credited.{_said(found)}")
    return BankTry("balance", False, answer.duration_ms, f"{NO_USE}{_said(found)}")


def _dry_run(answer: Answer[DryRun], account: str, amount: Money) -> BankTry:
    found = answer.value
    if found is None:
        return BankTry("dry_run", False, answer.duration_ms, _advice(answer))
    told = {
        Outcome.CONFIRMED: f"It would debit {amount} from {account}. Nothing was debited: it was asked as a dry run.",
        Outcome.ACCEPTED: f"It would take a debit of {amount} from {account} and hold it for somebody to release. Nothing was debited.",
        Outcome.REJECTED: f"It answers properly, and would not debit {amount} from {account}. Enter a test account with money on it.{_said(found)}",
    }.get(found.outcome, f"Its answer to a dry run cannot be used, so nobody knows what it would do.{_said(found)}")
    return BankTry("dry_run", found.outcome in (Outcome.CONFIRMED, Outcome.ACCEPTED), answer.duration_ms, told)


def _said(found: Balance | DryRun) -> str:
    code = f" ({found.code})" if found.code else ""
    return f" Core banking says{code}: {found.message}" if found.message else code


def _advice(answer: Answer[Any]) -> str:
    failure = answer.failure or ""
    unsent = accident(failure).outcome_class is OutcomeClass.NOT_SENT
    return ADVICE.get(failure, UNREACHABLE if unsent else f"{NO_USE} ({failure})")
