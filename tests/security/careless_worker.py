"""A worker with defects that have secrets in their hands: MASM's adapter fails while it signs, and Lilongwe's reader fails over the answer. Both put what
they hold into what they raise. Otherwise the real one."""

from collections.abc import Callable
from typing import Any, NoReturn

from core import worker
from core.adapters.lwb_postpaid import LwbPostpaid
from core.adapters.masm import Masm

receipt = LwbPostpaid._receipt


def fails_while_it_signs(self: Masm, payment: Any) -> NoReturn:
    signed = f"Bearer {self.terms.credentials['token']}"
    raise ValueError(f"{payment.reference} cannot be signed with {signed}, of {dict(self.terms.credentials)}")


def fails_over_the_answer(self: LwbPostpaid, payment: Any, *, inquiry: bool = False) -> Callable[[Any], Any]:
    def stumble(reply: Any) -> NoReturn:
        raise ZeroDivisionError(f"{reply.body!r} to {self.terms.credentials['password']}")

    return receipt(self, payment, inquiry=True) if inquiry else stumble


if __name__ == "__main__":
    Masm.pay = fails_while_it_signs  # type: ignore[method-assign]
    LwbPostpaid._receipt = fails_over_the_answer  # type: ignore[method-assign]
    raise SystemExit(worker.main())
