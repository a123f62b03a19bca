"""Reports as files. It knows how a browser asks for one, and what it is told when it may not have it."""

import traceback
import uuid
from collections.abc import Callable, Mapping

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.access import Actor, require
from core.api.session import actor_of, asked_by_us
from core.errors import BadInput, BillersError, NotAllowed, NotFound, NotLegalNow, NotSignedIn, Unavailable
from core.ids import incident_id
from core.models.reports import ReportFormat, ReportKind
from core.services import reports
from core.services.reports import Made

log = structlog.get_logger(__name__)

# What a bank's figures are must not be kept by a browser, nor by anything on the way.
UNKEPT: Mapping[str, str] = {"Cache-Control": "no-store"}

MEDIA_TYPES: Mapping[ReportFormat, str] = {
    ReportFormat.PDF: "application/pdf",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ReportFormat.CSV: "text/csv; charset=utf-8",
}

STATUSES: Mapping[type[BillersError], int] = {NotSignedIn: 401, NotAllowed: 403, NotFound: 404, BadInput: 400, NotLegalNow: 409, Unavailable: 503}

NOT_FROM_US = "A report is asked for in the console itself. Open Reports there, and take it from the list."


def of_period(request: Request) -> Response:
    """`GET /reports/{daily|weekly|monthly}/{2026-11-24|2026-W47|2026-11}.{pdf|xlsx|csv}`: what is known of the period now."""

    def take(actor: Actor, form: ReportFormat) -> Made:
        try:
            kind = ReportKind(request.path_params["kind"])
        except ValueError:
            raise NotFound(f"There is no such report. Use one of {', '.join(ReportKind)}.") from None
        return reports.take(actor, kind, request.path_params["period"], form)

    return _answer(request, take)


def kept(request: Request) -> Response:
    """`GET /reports/kept/<id>.{pdf|xlsx|csv}`: one that was made, as it was made."""

    def take(actor: Actor, form: ReportFormat) -> Made:
        try:
            report_id = uuid.UUID(request.path_params["report_id"])
        except ValueError:
            raise NotFound("There is no report under this address. Open Reports, and take it from the list.") from None
        return reports.take_kept(actor, report_id, form)

    return _answer(request, take)


def _answer(request: Request, take: Callable[[Actor, ReportFormat], Made]) -> Response:
    """The file, or a sentence on a page of its own."""
    if request.method == "HEAD":
        return Response(status_code=405, headers={**UNKEPT, "Allow": "GET"})
    if not asked_by_us(request):
        return PlainTextResponse(NOT_FROM_US, 403, headers=UNKEPT)
    try:
        actor = actor_of(request)
        if actor is None:
            raise NotSignedIn("You are signed out. Sign in to the console, and ask for the report again.")
        require(actor, "reports:read")
        return _file(take(actor, _format(request)))
    except BillersError as error:
        status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 503)
        return PlainTextResponse(error.sentence, status, headers=UNKEPT)
    except Exception as error:  # noqa: BLE001 - the last line before the window
        incident = incident_id()
        log.error("unforeseen error on a route", incident=incident, trace="".join(traceback.format_exception(error)))
        sentence = f"The report could not be made. Try again; if it stays so, tell an administrator: incident {incident}."
        return PlainTextResponse(sentence, 500, headers=UNKEPT)


def _format(request: Request) -> ReportFormat:
    try:
        return ReportFormat(request.path_params["format"])
    except ValueError:
        raise NotFound(f"There is no such format. Use one of {', '.join(ReportFormat)}.") from None


def _file(made: Made) -> Response:
    headers = {**UNKEPT, "Content-Disposition": f'attachment; filename="{made.name}"'}
    return Response(made.content, media_type=MEDIA_TYPES[made.format], headers=headers)
