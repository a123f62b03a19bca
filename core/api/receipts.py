"""Paper: a receipt and the till's day as PDF. A print is counted and logged, so it must be asked by a page of ours."""

import traceback
import uuid
from collections.abc import Callable, Mapping
from datetime import date

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.access import Actor
from core.api.session import actor_of, came_from_us
from core.errors import BadInput, BillersError, Misconfigured, NotAllowed, NotFound, NotLegalNow, NotSignedIn, Unavailable
from core.ids import incident_id
from core.services import my_day, receipts

log = structlog.get_logger(__name__)

# What stands in a browser's window must not be kept by it, nor by anything on the way.
UNKEPT: Mapping[str, str] = {"Cache-Control": "no-store"}

# The browser shows the PDF in a viewer of its own, which is an object of this answer; nothing else may come of it.
POLICY = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"

STATUSES: Mapping[type[BillersError], int] = {
    BadInput: 400,
    NotSignedIn: 401,
    NotAllowed: 403,
    NotFound: 404,
    NotLegalNow: 409,
    Misconfigured: 503,
    Unavailable: 503,
}

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
    """The paper, or a sentence on a page of its own."""
    if request.method == "HEAD":
        return Response(status_code=405, headers={**UNKEPT, "Allow": "GET"})
    if not came_from_us(request) or _is_a_guess(request):
        return PlainTextResponse(NOT_FROM_US, 403, headers=UNKEPT)
    try:
        actor = actor_of(request)
        if actor is None:
            raise NotSignedIn("You are signed out. Sign in to the console, and print it again.")
        return make(actor)
    except BillersError as error:
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 400)
        return PlainTextResponse(error.sentence, status, headers=UNKEPT)
    except Exception as error:  # noqa: BLE001 - the last line before the window
        incident = incident_id()
        # Written out here: structlog's own way shows each frame's variables, a token among them.
        log.error("unforeseen error on a route", incident=incident, trace="".join(traceback.format_exception(error)))
        sentence = f"It could not be printed. Try again; if it stays so, tell an administrator: incident {incident}."
        return PlainTextResponse(sentence, 500, headers=UNKEPT)


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
