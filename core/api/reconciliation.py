"""Files of a biller's day: its differences, and the sheet it was signed off with."""

import uuid
from collections.abc import Callable
from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from core.access import Actor, require
from core.api.answers import UNKEPT, answer
from core.api.session import asked_by_us
from core.errors import NotFound
from core.services import day_closes
from core.services.day_closes import File

NOT_FROM_US = "This is asked for in the console itself. Open Reconciliation there, and take it from the day."
NOWHERE = "There is no such day. Open Reconciliation, and choose one there."


def differences(request: Request) -> Response:
    """`GET /reconciliation/{biller}/{2026-11-24}/differences.csv`: every difference, what was made of it included."""

    def take(actor: Actor) -> File:
        try:
            day = date.fromisoformat(request.path_params["day"])
        except ValueError:
            raise NotFound(NOWHERE) from None
        return day_closes.differences(actor, request.path_params["biller"], day)

    return _answer(request, take, "text/csv; charset=utf-8")


def sheet(request: Request) -> Response:
    """`GET /reconciliation/closes/<id>.pdf`: as it was signed."""

    def take(actor: Actor) -> File:
        try:
            close_id = uuid.UUID(request.path_params["close_id"])
        except ValueError:
            raise NotFound(NOWHERE) from None
        return day_closes.sheet(actor, close_id)

    return _answer(request, take, "application/pdf")


def _answer(request: Request, take: Callable[[Actor], File], media_type: str) -> Response:
    def make(actor: Actor) -> Response:
        require(actor, "reconciliation:read")
        made = take(actor)
        return Response(made.content, media_type=media_type, headers={**UNKEPT, "Content-Disposition": f'attachment; filename="{made.name}"'})

    refused = None if asked_by_us(request) else NOT_FROM_US
    return answer(request, make, refused=refused, again="take the file again", failed="The file could not be made.", otherwise=503)
