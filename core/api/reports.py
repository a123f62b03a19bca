"""Reports as files. It knows how a browser asks for one, and what it is told when it may not have it."""

import uuid
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from core.access import Actor, require
from core.api.answers import UNKEPT, answer
from core.api.session import asked_by_us
from core.errors import NotFound
from core.models.reports import ReportFormat, ReportKind
from core.services import reports
from core.services.reports import Made

MEDIA_TYPES: Mapping[ReportFormat, str] = {
    ReportFormat.PDF: "application/pdf",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ReportFormat.CSV: "text/csv; charset=utf-8",
}

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
    def make(actor: Actor) -> Response:
        require(actor, "reports:read")
        return _file(take(actor, _format(request)))

    refused = None if asked_by_us(request) else NOT_FROM_US
    return answer(request, make, refused=refused, again="ask for the report again", failed="The report could not be made.", otherwise=503)


def _format(request: Request) -> ReportFormat:
    try:
        return ReportFormat(request.path_params["format"])
    except ValueError:
        raise NotFound(f"There is no such format. Use one of {', '.join(ReportFormat)}.") from None


def _file(made: Made) -> Response:
    headers = {**UNKEPT, "Content-Disposition": f'attachment; filename="{made.name}"'}
    return Response(made.content, media_type=MEDIA_TYPES[made.format], headers=headers)
