"""Says to the machine that watches whether this process lives, and whether it can serve."""

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import db
from core.errors import BillersError


async def healthz(_request: Request) -> Response:
    """The process answers. Asks nothing of the database: restarting the console would not mend that."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


def readyz(_request: Request) -> Response:
    """The console can serve: the database answers, at the version this console needs, or at a later one, as while an upgrade goes on."""
    try:
        gap = db.revision_gap(may_be_ahead=True)
    except (BillersError, SQLAlchemyError):
        gap = "The database cannot be reached."
    return JSONResponse({"status": "ok"} if gap is None else {"status": "not ready", "reason": gap}, 200 if gap is None else 503)
