"""What schemathesis cannot make up: accounts that billers know, look-ups that were answered, configurations that are there.

It generates the requests. Of those that fit the description every third goes as it was generated; into the others go things that exist, so that each operation
is met in its success, too. What does not fit the description is never touched. Each answer is written down: which operation, which status.
"""

import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from schemathesis import GenerationMode

# Written by tests.api.held for this process alone.
FACTS: Mapping[str, Any] = json.loads(Path(os.environ["BILLERS_HELD"]).read_text())  # noqa: TID251 - the way between the two processes

console = httpx.Client(base_url=FACTS["url"], headers={"Authorization": f"Bearer {FACTS['other_token']}"}, trust_env=False, timeout=40)
answers = Path(FACTS["answers"]).open("a", buffering=1)  # noqa: SIM115 - as long as the process

asked: Iterator[int] = itertools.count(1)
numbers: Iterator[int] = itertools.count(FACTS["first_number"])

# A busy machine answers late, now and then.
MOST_TRIES = 20

WATER, REGISTRAR, TNM, MASM = "LWB_POSTPAID", "REGISTER_GENERAL", "TNM_BUNDLES", "MASM"


def _answered(path: str, **about: Any) -> dict[str, Any]:
    """A question of ours about something that exists, asked until it is answered in time."""
    method = "POST" if path == "/account-lookup" else "GET"
    for _ in range(MOST_TRIES):
        answer = console.request(method, path, **({"json": about} if method == "POST" else {"params": about}))
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
    raise AssertionError(answer.text)


def _account(biller: str = WATER) -> str:
    number = next(numbers)
    return f"0882{number:06d}" if biller == TNM else f"7{number:06d}1"


def _looked_up(biller: str, account: str) -> str:
    return str(_answered("/account-lookup", biller=biller, account=account)["transaction"]["id"])


# ---- What goes into a request that fits


def _lookup(case: Any) -> None:
    case.body = {"biller": WATER, "account": _account()}


def _bill() -> dict[str, Any]:
    account = _account()
    return {"biller": WATER, "account": account, "amount": "5475.50", "lookup": _looked_up(WATER, account)}


def _payment(case: Any) -> None:
    case.body = _bill()
    case.headers["Idempotency-Key"] = uuid.uuid4().hex


def _fetched() -> dict[str, Any]:
    account = _account(REGISTRAR)
    return {"lookup": _looked_up(REGISTRAR, account), "invoice": _answered("/invoice", biller=REGISTRAR, account=account)["transaction"]["id"]}


def _invoice_payment(case: Any) -> None:
    case.body = _fetched()
    case.headers["Idempotency-Key"] = uuid.uuid4().hex


def _offered() -> dict[str, Any]:
    account = _account(TNM)
    lookup = _looked_up(TNM, account)
    listed = _answered("/bundles", biller=TNM, account=account)
    return {"lookup": lookup, "bundles": listed["transaction"]["id"], "bundle": listed["bundles"][0]["id"]}


def _purchase(case: Any) -> None:
    case.body = _offered()
    case.headers["Idempotency-Key"] = uuid.uuid4().hex


KINDS: tuple[Callable[[], dict[str, Any]], ...] = (
    lambda: {"type": "ACCOUNT_DETAILS", "biller": WATER, "account": _account()},
    lambda: {"type": "GET_INVOICE", "biller": REGISTRAR, "account": _account(REGISTRAR)},
    lambda: {"type": "BUNDLE_DETAILS", "biller": TNM, "account": _account(TNM)},
    lambda: {"type": "POST_TRANSACTION", **_bill()},
    lambda: {"type": "CONFIRM_INVOICE", **_fetched()},
    lambda: {"type": "CONFIRM_BUNDLE", **_offered()},
)
kinds = itertools.cycle(KINDS)


def _transaction(case: Any) -> None:
    case.body = next(kinds)()
    case.headers["Idempotency-Key"] = uuid.uuid4().hex


def _retry(case: Any) -> None:
    case.path_parameters["transaction_id"] = FACTS["failed"]
    case.headers["Idempotency-Key"] = uuid.uuid4().hex


def _one_transaction(case: Any) -> None:
    case.path_parameters["transaction_id"] = FACTS["paid"]


def _invoice(case: Any) -> None:
    case.query = {"biller": REGISTRAR, "account": _account(REGISTRAR)}


def _bundles(case: Any) -> None:
    case.query = {"biller": TNM, "account": _account(TNM)}


def _new_configuration(case: Any) -> None:
    case.body = {"content": {**FACTS["content"], "display_name": f"Held {next(numbers)}"}}


def _one_configuration(case: Any) -> None:
    case.path_parameters["config_id"] = FACTS["configs"][WATER]


def _changed_configuration(case: Any) -> None:
    """Of one that nothing is paid by; a change that takes two people every other time."""
    config_id = FACTS["configs"][MASM]
    case.path_parameters["config_id"] = config_id
    case.headers["If-Match"] = console.get(f"/configs/{config_id}").headers["etag"]
    number = next(numbers)
    case.body = {"content": {"description": f"Held {number}"}} if number % 2 else {"content": {"credit_account": f"MWK1280{number}"}, "reason": "Held."}


def _deactivated(case: Any) -> None:
    """One that is active: whoever deactivated it before, it is switched on again."""
    config_id = FACTS["configs"]["AIRTEL_VALIDATION"]
    address = f"/configs/{config_id}"
    found = console.get(address)
    if found.json()["state"] == "inactive":
        found = console.patch(address, json={"is_active": True}, headers={"If-Match": found.headers["etag"]})
    case.path_parameters["config_id"] = config_id
    case.headers["If-Match"] = found.headers["etag"]


def _test(case: Any) -> None:
    case.path_parameters["config_id"] = FACTS["configs"][WATER]
    case.body = {"account": _account()}


def _balance(case: Any) -> None:
    case.query = {"account": "2010000001"}


def _transfer(case: Any) -> None:
    case.body = {"biller": WATER, "debit_account": "2010000001", "amount": "100.00"}


FILLED: Mapping[str, Callable[[Any], None]] = {
    "POST /account-lookup": _lookup,
    "POST /payment": _payment,
    "POST /invoice/confirm": _invoice_payment,
    "POST /bundles/purchase": _purchase,
    "POST /transactions": _transaction,
    "POST /transactions/{transaction_id}/retry": _retry,
    "GET /transactions/{transaction_id}": _one_transaction,
    "GET /invoice": _invoice,
    "GET /bundles": _bundles,
    "POST /configs": _new_configuration,
    "GET /configs/{config_id}": _one_configuration,
    "PATCH /configs/{config_id}": _changed_configuration,
    "DELETE /configs/{config_id}": _deactivated,
    "POST /configs/{config_id}/test": _test,
    "GET /t24/balance": _balance,
    "POST /t24/transfer": _transfer,
}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    label = case.operation.label.replace(FACTS["base_path"], "", 1)
    fits = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    if fits and case.method.upper() == case.operation.method.upper() and label in FILLED and next(asked) % 3:
        FILLED[label](case)
    if label == "GET /stream" and fits:
        # A stream of everything never ends; of a payment that has ended, it does.
        case.query = {**(case.query or {}), "transaction": FACTS["paid"]}


@schemathesis.auth(refresh_interval=None)
class Turns:
    """The rights of one token, by the turn of eight: what one program may ask for in a minute is tested by itself."""

    def get(self, case: Any, context: Any) -> str:
        return str(FACTS["tokens"][next(asked) % len(FACTS["tokens"])])

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    if case.method.upper() == case.operation.method.upper():
        answers.write(json.dumps([case.operation.label.replace(FACTS["base_path"], "", 1), response.status_code]) + "\n")
