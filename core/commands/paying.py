"""Look up and pay from a script, as the wizard does it: asked first, looked through by the service, frozen, and submitted once under the script's own key."""

import hashlib
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from core import clock
from core.access import Actor
from core.errors import BadInput, NotAllowed
from core.models import Transaction
from core.services import balances, billers, drafts, idempotency, lookups, payments, transactions
from core.services.billers import BillerCard
from core.services.idempotency import Claim, Kept
from core.states import AT_REST, Stage
from core.wire.contract import Flow, Verb

# Keys of the HTTP API are kept apart by their routes; this is the command line's.
ROUTE = "billers pay"

KEY = re.compile(r"[0-9A-Za-z._:-]{8,64}")

# A question that was not answered by then is asked again by whoever runs the script.
ANSWER_SECONDS = 60.0
LOOK_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Bill:
    """What is to be paid. `amount` is left out where the biller's invoice says it, and names the bundle's price nowhere."""

    biller: str
    account: str
    amount: str | None = None
    account_type: str | None = None
    bundle: str | None = None
    debit_account: str | None = None

    @property
    def hash(self) -> bytes:
        said = {name: getattr(self, name) for name in ("biller", "account", "amount", "account_type", "bundle", "debit_account")}
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()


def look_up(actor: Actor, biller: str, account: str, account_type: str | None) -> Transaction:
    """The answered question, or as it stands after a minute."""
    return wait(actor, lookups.ask(actor, biller, account, account_type), ANSWER_SECONDS)


def pay(actor: Actor, bill: Bill, key: str, reason: str | None) -> Transaction:
    """The payment that this key stands for: made now, or found. Whatever dies in between, the same key never pays twice.

    Raises `BadInput` with what to correct, `StillRunning`, `AnotherPayload`, and what submitting raises.
    """
    if actor.id is None:
        raise NotAllowed("A payment is a person's.")
    if not KEY.fullmatch(key):
        raise BadInput("A key has 8 to 64 letters, digits, dots, dashes or colons: a name of your own for this one payment, for example invoice-2026-0117.")
    turn = idempotency.claim(actor.id, ROUTE, key, bill.hash)
    if isinstance(turn, Kept):
        raise TypeError("This route keeps no answers: the payment's own row says what came of it.")
    try:
        made = turn.transaction_id or _make(actor, bill, turn, reason)
        if turn.transaction_id is None:
            idempotency.note_transaction(turn, made)
    finally:
        idempotency.rest(turn)
    return transactions.find(actor, made)


def _make(actor: Actor, bill: Bill, turn: Claim, reason: str | None) -> uuid.UUID:
    """The draft is written down beside the key before it is submitted: whoever comes after a crash submits the same one."""
    draft_id = turn.draft_id
    if draft_id is None:
        draft_id = _frozen(actor, bill)
        idempotency.note_draft(turn, draft_id)
    return payments.submit(actor, draft_id, reason).transaction_id


def _frozen(actor: Actor, bill: Bill) -> uuid.UUID:
    draft = drafts.begin(actor, _form(actor, bill))
    if bill.debit_account:
        draft = drafts.charge(actor, draft.id, balances.ask(actor, bill.debit_account), "review")
    return drafts.freeze(actor, draft.id).draft.id


def _form(actor: Actor, bill: Bill) -> Mapping[str, Any]:
    """The wizard's form, with everything asked that this biller is asked before it is paid."""
    card = _card(actor, bill.biller)
    form: dict[str, Any] = {"biller": bill.biller, "account": bill.account, "account_type": bill.account_type, "amount": bill.amount}
    if Verb.LOOKUP in card.verbs:
        form["lookup"] = _answer(actor, lambda: lookups.ask(actor, bill.biller, bill.account, bill.account_type))
    if card.flow is Flow.INVOICE:
        form["invoice"] = _answer(actor, lambda: lookups.ask_invoice(actor, bill.biller, bill.account, bill.amount))
    if card.flow is Flow.BUNDLE:
        form["bundles"] = _answer(actor, lambda: lookups.ask_bundles(actor, bill.biller, bill.account))
        form["bundle"] = bill.bundle
    return form


def _card(actor: Actor, code: str) -> BillerCard:
    found = next((card for card in billers.list_billers(actor) if card.code == code), None)
    if found is None:
        offered = ", ".join(card.code for card in billers.list_billers(actor)) or "none: an administrator switches one on"
        raise BadInput(f"There is no biller {code} that can be paid now. There are: {offered}.")
    return found


def _answer(actor: Actor, ask: Callable[[], uuid.UUID]) -> str:
    found = wait(actor, ask(), ANSWER_SECONDS)
    if Stage(found.stage) is not Stage.COMPLETED:
        raise BadInput(f"{found.error_message or f'{found.biller_name} gave no answer yet. Is a worker running?'} Nothing was paid.")
    return str(found.id)


def wait(actor: Actor, transaction_id: uuid.UUID, seconds: float) -> Transaction:
    """Once nothing moves it by itself any more, or as it stands when the time is up."""
    until = clock.monotonic_seconds() + seconds
    while True:
        found = transactions.find(actor, transaction_id)
        left = until - clock.monotonic_seconds()
        if Stage(found.stage) in AT_REST or Stage(found.stage) is Stage.AWAITING_APPROVAL or left <= 0:
            return found
        threading.Event().wait(min(LOOK_SECONDS, left))
