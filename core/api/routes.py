"""Every route beside the pages, and what each request passes on its way in."""

import re
from pathlib import Path

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from core.api import export, health, metrics, receipts, reconciliation, reports, session, stream
from core.api.acts import Acts
from core.api.assets import Assets
from core.api.bodies import Bodies
from core.api.hardening import Hardening
from core.api.limits import Limits
from core.api.problems import API
from core.api.programs.app import make_app
from core.api.visits import Visits
from core.api.windows import Windows
from core.settings import settings


class Under(Mount):
    """Everything under an address. Starlette's own lets an address with a line break in it pass, and it would be answered in somebody else's words."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


ROUTES: list[BaseRoute] = [
    Route("/healthz", health.healthz),
    Route("/readyz", health.readyz),
    Route("/metrics", metrics.metrics),
    Route("/export/transactions.csv", export.transactions),
    Route("/export/transactions.xlsx", export.workbook),
    Route("/export/audit.csv", export.audit_record),
    Route("/export/{export_id}.json", export.manifest),
    Route("/receipt/{transaction_id}.pdf", receipts.receipt),
    Route("/my-day.pdf", receipts.day_sheet),
    Route("/live/events", stream.events),
    Route("/reconciliation/closes/{close_id}.pdf", reconciliation.sheet),
    Route("/reconciliation/{biller}/{day}/differences.csv", reconciliation.differences),
    Route("/reports/kept/{report_id}.{format}", reports.kept),
    Route("/reports/{kind}/{period}.{format}", reports.of_period),
    Route("/session/enter", session.enter),
    Route("/session/leave", session.left),
    Route("/session/leave", session.leave, methods=["POST"]),
    Under(API, make_app()),
]


def middleware(index: Path, favicon: Path) -> list[Middleware]:
    """From the outside in. `index` is the page that loads Streamlit's front end."""
    return [
        Middleware(Acts),
        Middleware(Hardening, index=index, over_https=settings().billers_secure_cookies, public_hosts=settings().billers_public_hosts),
        Middleware(Visits),
        Middleware(Assets, index=index, favicon=favicon),
        Middleware(Limits),
        Middleware(Bodies),
        Middleware(Windows),
    ]
