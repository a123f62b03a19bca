"""A worker that dies at one chosen point of one chosen payment, as `kill -9` would have it; otherwise the real one, line by line.

MORTAL_AT names the point, MORTAL_REFERENCE the payment. The seams are wrapped here, so that the product itself knows nothing of dying.
"""

import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from core import worker
from core.services import settlement
from core.services.errands import Errand, Result
from core.wire import line
from core.wire.contract import Payment, Verb
from tests.campaign.harness import die

AT = os.environ["MORTAL_AT"]  # noqa: TID251 - a program of the tests, told by its test
REFERENCE = os.environ["MORTAL_REFERENCE"]  # noqa: TID251

# httpcore says this once the last byte of the request was handed to the system.
ALL_SENT = "http11.send_request_body.complete"

# The operation that is on the wire in this task, if it is about the chosen payment.
on_the_wire: ContextVar[str] = ContextVar("on_the_wire", default="")


def _is_mine(errand: Errand) -> bool:
    return isinstance(errand.ask, Payment) and errand.ask.reference == REFERENCE


def _after(function: Callable[..., Any], dies: Callable[[tuple[Any, ...], Any], bool]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        answer = function(*arguments, **named)
        if dies(arguments, answer):
            die()
        return answer

    return wrapped


def _has_my_payment(results: Sequence[Result]) -> bool:
    return any(_is_mine(result.errand) and result.errand.verb is Verb.PAY for result in results)


async def _mortal_perform(self: line.Line, terms: Any, exchange: Any, *more: Any, **named: Any) -> Any:
    mine = REFERENCE.encode() in exchange.request.body
    operation = exchange.request.headers.get("SOAPAction", "").strip('"') if mine else ""
    on_the_wire.set(operation)
    if AT == "P03" and operation == "PostTransaction":
        die()
    answer = await perform(self, terms, exchange, *more, **named)
    if AT == "P05" and operation == "PostTransaction":
        die()
    return answer


async def _mortal_notice(self: Any, event: str, details: Any) -> None:
    await notice(self, event, details)
    if event == ALL_SENT and (AT, on_the_wire.get()) in (("P04", "PostTransaction"), ("P08", "GetTransactionStatus")):
        die()


perform, notice = line.Line.perform, line._Trip.notice

if __name__ == "__main__":
    if AT == "P01":
        settlement._take_sends = _after(settlement._take_sends, lambda _, errands: any(map(_is_mine, errands)))
    if AT == "P02":
        settlement.claim_sends = _after(settlement.claim_sends, lambda _, errands: any(map(_is_mine, errands)))
    if AT == "P06":
        settlement._conclude_payments = _after(settlement._conclude_payments, lambda arguments, _: _has_my_payment(arguments[1]))
    if AT == "P07":
        settlement.conclude = _after(settlement.conclude, lambda arguments, _: _has_my_payment(arguments[0]))
    line.Line.perform = _mortal_perform  # type: ignore[method-assign]
    line._Trip.notice = _mortal_notice  # type: ignore[method-assign]
    raise SystemExit(worker.main())
