"""Asking billers and paying them: each as the pages do it, by a draft that is looked through by the service, frozen, and submitted once."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from core.access import Actor
from core.api.problems import Problem
from core.api.programs import shapes, waiting
from core.api.programs.once import Key, Make, hash_of, once
from core.api.programs.way_in import ProgramRoute, Who, in_thread, needing, said
from core.errors import BadInput
from core.models import Transaction
from core.services import balances, drafts, idempotency, lookups, payments, transactions
from core.services.idempotency import Claim
from core.states import Stage, TransactionType

router = APIRouter(route_class=ProgramRoute)

LOOK_UP, PAY = "accounts:lookup", "transactions:pay"
# A payment that was made is read back to whoever made it.
READ = "transactions:read"

NOT_YET = "Asked, and not answered yet: ask for the transaction again."
MADE_NOT_SETTLED = "Made, and not settled yet: it is being confirmed, or waits for a second person. Do not pay again; ask for the transaction again."


# ---- Questions


@router.post(
    "/account-lookup",
    summary="Whose account is it, and what is owed?",
    response_model=shapes.LookupAnswer,
    responses={202: {"model": shapes.LookupAnswer, "description": NOT_YET}},
    openapi_extra=needing(LOOK_UP, READ),
)
async def look_account_up(actor: Who, asked: shapes.LookupAsked) -> Response:
    """Asks the biller, and answers within three seconds. Each question is a transaction of its own: logged, and nothing is paid."""
    found = await _answered(actor, lookups.ask, asked.biller, asked.account, asked.account_type)
    return _told(found, lambda: shapes.LookupAnswer(transaction=shapes.Transaction.of(found), account=_if_told(found, shapes.account_in)))


@router.get(
    "/invoice",
    summary="What is to be paid? An invoice of an account",
    response_model=shapes.InvoiceAnswer,
    responses={202: {"model": shapes.InvoiceAnswer, "description": NOT_YET}},
    openapi_extra=needing(PAY, READ),
)
async def fetch_invoice(
    actor: Who, biller: Annotated[shapes.Biller, Query()], account: Annotated[shapes.Account, Query()], amount: Annotated[shapes.Amount | None, Query()] = None
) -> Response:
    """Fetches what the biller wants paid; a prepaid meter's is made for `amount`."""
    found = await _answered(actor, lookups.ask_invoice, biller, account, amount)
    return _told(found, lambda: shapes.InvoiceAnswer(transaction=shapes.Transaction.of(found), invoice=_if_told(found, shapes.invoice_in)))


@router.get(
    "/bundles",
    summary="What is sold to this number?",
    response_model=shapes.BundlesAnswer,
    responses={202: {"model": shapes.BundlesAnswer, "description": NOT_YET}},
    openapi_extra=needing(PAY, READ),
)
async def list_bundles(actor: Who, biller: Annotated[shapes.Biller, Query()], account: Annotated[shapes.Account, Query()]) -> Response:
    """Lists the bundles that the biller offers to a number, with their prices."""
    found = await _answered(actor, lookups.ask_bundles, biller, account)
    return _told(found, lambda: shapes.BundlesAnswer(transaction=shapes.Transaction.of(found), bundles=_if_told(found, shapes.bundles_in)))


async def _answered(actor: Actor, ask: Callable[..., uuid.UUID], *about: str | None) -> Transaction:
    return await waiting.settled(actor, await in_thread(ask, actor, *about))


def _if_told(found: Transaction, tell: Callable[[Transaction], Any]) -> Any:
    return tell(found) if found.stage == Stage.COMPLETED else None


def _told(found: Transaction, answer: Callable[[], Any]) -> Response:
    """200 with the answer; 202 where there is none yet; and what the biller refused, or answered so that nobody understands it, is a problem."""
    headers = {"Location": shapes.address_of(found.id)}
    if found.stage == Stage.FAILED:
        detail = found.error_message or "The biller gave no answer that can be used. Ask again."
        raise Problem("not-answered", detail, headers=headers, code=found.error_code, transaction=shapes.address_of(found.id))
    return said(answer(), 200 if found.stage == Stage.COMPLETED else 202, headers)


# ---- Payments

PAID: dict[int | str, dict[str, Any]] = {202: {"model": shapes.Transaction, "description": MADE_NOT_SETTLED}}


@router.post(
    "/payment",
    summary="Pay a bill",
    status_code=201,
    response_model=shapes.Transaction,
    response_description="Made, and settled: `status` says whether it was paid.",
    responses=PAID,
    openapi_extra=needing(PAY, READ),
)
async def pay(actor: Who, key: Key, asked: shapes.PaymentAsked) -> Response:
    """Pays what is asked, once for each key. The answer comes within three seconds: settled or not, the payment goes on by itself."""
    return await once(actor, "payment", key, hash_of(asked), _paying(actor, asked))


@router.post(
    "/invoice/confirm",
    summary="Pay an invoice",
    status_code=201,
    response_model=shapes.Transaction,
    response_description="Made, and settled: `status` says whether it was paid.",
    responses=PAID,
    openapi_extra=needing(PAY, READ),
)
async def confirm_invoice(actor: Who, key: Key, asked: shapes.InvoiceConfirmed) -> Response:
    """Pays the invoice that was fetched, exactly."""
    return await once(actor, "invoice/confirm", key, hash_of(asked), _paying(actor, asked))


@router.post(
    "/bundles/purchase",
    summary="Buy a bundle",
    status_code=201,
    response_model=shapes.Transaction,
    response_description="Made, and settled: `status` says whether it was bought.",
    responses=PAID,
    openapi_extra=needing(PAY, READ),
)
async def purchase_bundle(actor: Who, key: Key, asked: shapes.BundlePurchased) -> Response:
    """Buys one of the bundles that were listed, at its price."""
    return await once(actor, "bundles/purchase", key, hash_of(asked), _paying(actor, asked))


Payment = shapes.PaymentAsked | shapes.InvoiceConfirmed | shapes.BundlePurchased


def _paying(actor: Actor, asked: Payment) -> Make:
    async def make(turn: Claim) -> uuid.UUID:
        """The draft is written down beside the key before it is submitted: whoever comes after a crash submits the same one."""
        draft_id = turn.draft_id
        if draft_id is None:
            draft_id = await in_thread(_frozen, actor, asked)
            await in_thread(idempotency.note_draft, turn, draft_id)
        return (await in_thread(payments.submit, actor, draft_id, asked.reason)).transaction_id

    return make


def _frozen(actor: Actor, asked: Payment) -> uuid.UUID:
    """The form as the wizard would have filled it in, looked through by the service. Raises `BadInput` with what to correct."""
    draft = drafts.begin(actor, _form(actor, asked))
    if asked.debit_account is not None:
        draft = drafts.charge(actor, draft.id, balances.ask(actor, asked.debit_account), "review")
    return drafts.freeze(actor, draft.id).draft.id


def _form(actor: Actor, asked: Payment) -> Mapping[str, Any]:
    match asked:
        case shapes.PaymentAsked():
            form: dict[str, Any] = {"biller": asked.biller, "account": asked.account, "account_type": asked.account_type, "amount": asked.amount}
        case shapes.InvoiceConfirmed():
            fetched = _question(actor, asked.invoice, TransactionType.GET_INVOICE, "invoice")
            form = {"biller": fetched.biller_type, "account": fetched.account_number, "invoice": str(fetched.id)}
        case shapes.BundlePurchased():
            listed = _question(actor, asked.bundles, TransactionType.BUNDLE_DETAILS, "bundles")
            form = {"biller": listed.biller_type, "account": listed.account_number, "bundles": str(listed.id), "bundle": asked.bundle}
    return {**form, "lookup": str(asked.lookup) if asked.lookup else None}


def _question(actor: Actor, transaction_id: uuid.UUID, kind: TransactionType, name: str) -> Transaction:
    found = transactions.find(actor, transaction_id)
    if found.transaction_type != kind:
        raise BadInput(f"What {name} names is no answered question of this kind. Ask the biller first, and send the id of that transaction.")
    return found


# ---- Any of them, by its type

ASKING: Mapping[type[Any], Callable[[Actor, Any], uuid.UUID]] = {
    shapes.NewLookup: lambda actor, asked: lookups.ask(actor, asked.biller, asked.account, asked.account_type),
    shapes.NewInvoiceFetch: lambda actor, asked: lookups.ask_invoice(actor, asked.biller, asked.account, asked.amount),
    shapes.NewBundleList: lambda actor, asked: lookups.ask_bundles(actor, asked.biller, asked.account),
}


@router.post(
    "/transactions",
    summary="Make a transaction of any type",
    status_code=201,
    response_model=shapes.Transaction,
    response_description="Made, and settled: `status` says what came of it.",
    responses=PAID,
    openapi_extra=needing(READ),
)
async def create_transaction(actor: Who, key: Key, asked: shapes.NewTransaction) -> Response:
    """A question or a payment, by its `type`, once for each key. It takes the right that the type takes: to look up, or to pay."""
    return await once(actor, "transactions", key, hash_of(asked), _making(actor, asked))


def _making(actor: Actor, asked: Any) -> Make:
    if (ask := ASKING.get(type(asked))) is None:
        return _paying(actor, asked)

    async def make(_turn: Claim) -> uuid.UUID:
        return await in_thread(ask, actor, asked)

    return make


def _retrying(actor: Actor, transaction_id: uuid.UUID, reason: str | None) -> Callable[[Claim], Awaitable[uuid.UUID]]:
    async def make(_turn: Claim) -> uuid.UUID:
        """Of two retries there is one child, whoever makes them: it needs no draft."""
        return (await in_thread(payments.retry, actor, transaction_id, reason)).transaction_id

    return make


@router.post(
    "/transactions/{transaction_id}/retry",
    summary="Pay the same bill again",
    status_code=201,
    response_model=shapes.Transaction,
    response_description="Made as a new transaction, and settled: `status` says whether it was paid.",
    responses=PAID,
    openapi_extra=needing("transactions:retry", READ),
)
async def retry_transaction(actor: Who, key: Key, transaction_id: uuid.UUID, asked: shapes.RetryAsked) -> Response:
    """For a payment that failed, was cancelled or given back: a new transaction, linked to it. Of two who retry the same there is one child."""
    return await once(actor, "transactions/retry", key, hash_of(asked, of=transaction_id), _retrying(actor, transaction_id, asked.reason))
