"""`GET /metrics`, for a monitoring system alone. Who brings no secret is not told that it is there: figures of a bank are nobody else's."""

import hmac

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.access import Actor
from core.api.answers import UNKEPT
from core.api.session import bearer_of
from core.documents.exposition import MEDIA_TYPE
from core.errors import BillersError, NotAllowed
from core.services import api_tokens
from core.services import metrics as figures
from core.settings import settings

NOTHING_HERE = "There is nothing here."
OPENS_NOTHING = "This token opens nothing here. Make one with the right to read the figures that monitoring watches, or use BILLERS_METRICS_TOKEN."


def metrics(request: Request) -> Response:
    """Behind `Authorization: Bearer …`: a program's token with `metrics:read`, or the secret of BILLERS_METRICS_TOKEN, which needs no database.

    A person's cookie is no way in: what a browser sends by itself must not carry this anywhere.
    """
    bearer = bearer_of(request)
    if bearer is None:
        return PlainTextResponse(NOTHING_HERE, 404, headers=UNKEPT)
    try:
        actor = _scraper(bearer) or api_tokens.actor_of_token(bearer, request.client.host if request.client else None)
        if actor is None:
            return PlainTextResponse(OPENS_NOTHING, 401, headers={**UNKEPT, "WWW-Authenticate": "Bearer"})
        return Response(figures.tell(actor), media_type=MEDIA_TYPE, headers=UNKEPT)
    except NotAllowed as error:
        return PlainTextResponse(error.sentence, 403, headers=UNKEPT)
    except BillersError as error:
        return PlainTextResponse(error.sentence, 503, headers=UNKEPT)


def _scraper(bearer: str) -> Actor | None:
    secret = settings().billers_metrics_token
    return figures.SCRAPER if secret and hmac.compare_digest(bearer.encode(), secret.encode()) else None
