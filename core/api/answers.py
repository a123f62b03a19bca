"""What a browser gets that asked a route of ours for a file: the file, or a sentence on a page of its own."""

import traceback
from collections.abc import Callable, Mapping

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.access import Actor
from core.api.session import actor_of
from core.errors import BadInput, BillersError, Misconfigured, NotAllowed, NotFound, NotLegalNow, NotSignedIn, ProveAgain, Unavailable
from core.ids import incident_id

log = structlog.get_logger(__name__)

# What stands in a browser's window must not be kept by it, nor by anything on the way.
UNKEPT: Mapping[str, str] = {"Cache-Control": "no-store"}

STATUSES: Mapping[type[BillersError], int] = {
    BadInput: 400,
    NotSignedIn: 401,
    NotAllowed: 403,
    ProveAgain: 403,
    NotFound: 404,
    NotLegalNow: 409,
    Misconfigured: 503,
    Unavailable: 503,
}


def answer(request: Request, make: Callable[[Actor], Response], *, refused: str | None, again: str, failed: str, otherwise: int) -> Response:
    """`refused`: why this request is not one of ours; None where it is. `again`: what to do once signed in; `failed`: what could not be done; `otherwise`:
    the status of an error that has none of its own."""
    if request.method == "HEAD":
        return Response(status_code=405, headers={**UNKEPT, "Allow": "GET"})
    if refused is not None:
        return PlainTextResponse(refused, 403, headers=UNKEPT)
    try:
        actor = actor_of(request)
        if actor is None:
            raise NotSignedIn(f"You are signed out. Sign in to the console, and {again}.")
        return make(actor)
    except BillersError as error:
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), otherwise)
        return PlainTextResponse(error.sentence, status, headers=UNKEPT)
    except Exception as error:  # noqa: BLE001 - the last line before the window
        incident = incident_id()
        # Written out here: structlog's own way shows each frame's variables, a token among them.
        log.error("unforeseen error on a route", incident=incident, trace="".join(traceback.format_exception(error)))
        sentence = f"{failed} Try again; if it stays so, tell an administrator: incident {incident}."
        return PlainTextResponse(sentence, 500, headers=UNKEPT)
