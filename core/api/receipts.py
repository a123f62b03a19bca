"""Paper: a receipt and the till's day as PDF. A print is counted and logged, so it must be asked by a page of ours."""

import uuid
from collections.abc import Callable
from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from core.access import Actor
from core.api.answers import UNKEPT, answer
from core.api.session import came_from_us
from core.errors import BadInput, NotFound
from core.services import my_day, receipts

# The browser shows the PDF in a viewer of its own, which is an object of this answer; nothing else may come of it.
POLICY = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"

NOT_FROM_US = "This is printed from the console itself: open it there, and press the button."


def receipt(request: Request) -> Response:
    """`GET /receipt/<id>.pdf?paper=roll&reason=…`: one print, as the service counts it."""

    def make(actor: Actor) -> Response:
        asked = request.query_params
        made = receipts.print_receipt(actor, _id(request.path_params["transaction_id"]), asked.get("reason"), asked.get("paper", "a5"))
        return _pdf(made.pdf, made.name)

    return _answer(request, make)


def day_sheet(request: Request) -> Response:
    """`GET /my-day.pdf?day=2025-11-23`: one's own day, to balance the till by."""

    def make(actor: Actor) -> Response:
        made = my_day.print_sheet(actor, _day(request.query_params.get("day", "")))
        return _pdf(made.pdf, made.name)

    return _answer(request, make)


def _answer(request: Request, make: Callable[[Actor], Response]) -> Response:
    refused = NOT_FROM_US if not came_from_us(request) or _is_a_guess(request) else None
    return answer(request, make, refused=refused, again="print it again", failed="It could not be printed.", otherwise=400)


def _is_a_guess(request: Request) -> bool:
    """A browser that only guesses that somebody will click may not use up the original."""
    return "prefetch" in request.headers.get("sec-purpose", "")


def _pdf(pdf: bytes, name: str) -> Response:
    headers = {**UNKEPT, "Content-Security-Policy": POLICY, "Content-Disposition": f'inline; filename="{name}"'}
    return Response(pdf, media_type="application/pdf", headers=headers)


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound("There is no payment under this address. Open it in the console, and print it from there.") from None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadInput("A day is written like 2025-11-23.") from None
