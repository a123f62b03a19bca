"""The customer's account at the bank: what it has, what a debit would come to, and the debit of a payment that stands still. No free transfers."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.api.problems import Problem
from core.api.programs import shapes, waiting
from core.api.programs.way_in import ProgramRoute, Who, in_thread, needing, said
from core.services import balances, debits
from core.services.debits import BankIsSilent

router = APIRouter(route_class=ProgramRoute)


@router.get(
    "/t24/balance",
    summary="Whose account at the bank is it, and what can be used?",
    response_model=shapes.BankBalance,
    openapi_extra=needing("accounts:lookup"),
)
def bank_balance(actor: Who, account: Annotated[shapes.BankAccount, Query()]) -> Response:
    """Asks core banking, and answers within four seconds. That somebody asked is on the record; what the account has is not."""
    found = balances.ask(actor, account)
    if found.told == "refused":
        raise Problem("not-there", found.sentence, code=found.code)
    if found.useable is None:
        raise BankIsSilent(found.sentence)
    useable = shapes.Balance(amount=found.useable.text, currency=found.useable.currency)
    return said(shapes.BankBalance(account=found.number, name=found.name, useable=useable, at=found.at))


@router.post(
    "/t24/transfer",
    summary="Try a debit, or resume one",
    response_model=shapes.DryRun | shapes.Resumed,
    response_description="What would become of the debit, or how the payment stands now.",
    openapi_extra=needing("transactions:pay", "transactions:check", "transactions:read"),
)
async def bank_transfer(actor: Who, asked: shapes.DryRunAsked | shapes.DebitResumed) -> Response:
    """A dry run, unless it names a payment: then the debit of that payment is looked at now instead of later, under its own reference.

    Neither needs a key: a dry run posts nothing, and a debit that is resumed any number of times is one debit.
    """
    if isinstance(asked, shapes.DebitResumed):
        looked_at = await in_thread(debits.resume, actor, asked.payment)
        found = await waiting.settled(actor, asked.payment)
        return said(shapes.Resumed(transaction=shapes.Transaction.of(found), looked_at=looked_at))
    tried = await in_thread(debits.dry_run, actor, asked.biller, asked.debit_account, asked.amount)
    return said(
        shapes.DryRun(
            debit_account=tried.debit_account,
            credit_account=tried.credit_account,
            amount=tried.amount.text,
            currency=tried.amount.currency,
            would_be=tried.would_be,
            code=tried.code,
            message=tried.message,
        )
    )
