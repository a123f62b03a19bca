"""How much room T24 has for each thing it is told. What is too long is refused before anything is sent: T24 would cut it, or refuse it in its own words."""

import re
from collections.abc import Callable, Mapping

from core.banking.contract import Transfer
from core.errors import BadInput, BillersError, Misconfigured

# As published (order/accountTransfers, AccountTransferBody).
ROOM: Mapping[str, int] = {
    "transactionType": 4,
    "debitAccountId": 16,
    "creditAccountId": 16,
    "debitReference": 16,
    "creditReference": 27,
    "paymentDetail": 35,
    # Published as a number's minimum and maximum, and meant as its characters: no bank stops at 18 kwacha.
    "debitAmount": 18,
}

# An account or a reference travels in paths too, and nothing but these belongs there.
_PLAIN = re.compile(r"[0-9A-Za-z]+", re.ASCII)


def checked(transfer: Transfer, transaction_type: str) -> None:
    """Raises `BadInput` for what a person typed and `Misconfigured` for what an administrator set."""
    _account(transfer.debit_account, "debitAccountId", "account to debit", BadInput, "Check it and type it again.")
    _account(transfer.credit_account, "creditAccountId", "biller's account at the bank", Misconfigured, "An administrator must correct it.")
    _account(transaction_type, "transactionType", "transaction type", Misconfigured, "An administrator must correct it.")
    _account(transfer.reference, "debitReference", "reference", Misconfigured, "Tell an administrator.")
    for line in transfer.details:
        _fits(line, "paymentDetail", "line for the statement", Misconfigured, "An administrator must shorten it.")
    if transfer.credit_reference is not None:
        _fits(transfer.credit_reference, "creditReference", "reference for the biller's account", Misconfigured, "An administrator must shorten it.")
    if transfer.amount.amount <= 0:
        raise BadInput("The amount must be more than zero.")
    _fits(transfer.amount.text, "debitAmount", "amount", BadInput, "Check the number of zeros.")


def _account(said: str, field: str, name: str, error: Callable[[str], BillersError], then: str) -> None:
    if not _PLAIN.fullmatch(said):
        raise error(f"The {name} is written in letters and digits only, without blanks. {then}")
    _fits(said, field, name, error, then)


def _fits(said: str, field: str, name: str, error: Callable[[str], BillersError], then: str) -> None:
    if not said.strip() or not said.isprintable():
        raise error(f"The {name} is empty, or has a character that cannot be sent. {then}")
    if len(said) > ROOM[field]:
        raise error(f"Core banking has room for {ROOM[field]} characters of the {name}, and it has {len(said)}. {then}")
