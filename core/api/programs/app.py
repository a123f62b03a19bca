"""The application that answers under `/api/billers`, put together from its routes."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from core.api.problems import Problem
from core.api.programs import bank, configurations, description, news, paying, transactions
from core.api.programs.way_in import told

# In the order that the description shows them.
ROUTERS = (paying.router, transactions.router, configurations.router, bank.router, news.router)

DOCUMENT, PAGE = "/openapi.json", "/docs"


def _name(route: APIRoute) -> str:
    return route.name


def make_app() -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, generate_unique_id_function=_name)
    for router in ROUTERS:
        app.include_router(router)
    app.add_route(DOCUMENT, description.document(app), methods=["GET"], include_in_schema=False)
    app.add_route(PAGE, description.page(app), methods=["GET"], include_in_schema=False)
    app.add_exception_handler(HTTPException, _outside(app))
    return app


def _outside(app: FastAPI) -> Callable[[Request, Exception], Response]:
    """What is told of an address that is none, or that is asked in a way it does not know."""

    def answer(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404:
            return told(request, Problem("not-there", "There is nothing under this address. The description says what there is."))
        if status == 405:
            allowed = ", ".join(_methods(app, request))
            return told(request, Problem("no-such-method", f"This address knows {allowed}.", headers={"Allow": allowed}))
        return told(request, error)

    return answer


def _methods(app: FastAPI, request: Request) -> list[str]:
    """Of all routes with this address, and not of the first one alone."""
    routes = [*(route for router in ROUTERS for route in router.routes), *app.routes]
    found = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in found for method in getattr(route, "methods", None) or ()})
