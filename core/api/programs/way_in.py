"""The way in of each request, and what it is told when it goes wrong. Who asks comes first: a stranger learns nothing, not even what was wrong with it."""

import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ParamSpec, TypeVar

import anyio.to_thread
import structlog
from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from core.access import PERMISSIONS, Actor, refusal
from core.api import problems
from core.api.problems import Problem
from core.api.programs.reading import object_in
from core.api.session import actor_of, bearer_of
from core.errors import BillersError
from core.ids import incident_id

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

JSON_TYPE = "application/json"

# In a route's `openapi_extra`: the rights it takes, and what it answers in where that is not JSON.
RIGHTS, FORMS = "x-rights", "x-forms"

# Parameters that may stand several times: any of their values.
SEVERAL = frozenset({"biller", "status", "type", "reason"})

NOBODY = "Send a token: Authorization: Bearer billers_…. It is made under My account in the console; the cookie of somebody's session does not open this."
UNKNOWN = "This token opens nothing: it is over, revoked, or was never one. Make a new one under My account in the console."


def needing(*rights: str, forms: Sequence[str] = (JSON_TYPE,)) -> dict[str, Any]:
    """What a route takes: the rights its services ask for, said once more for whoever reads the description."""
    return {RIGHTS: list(rights), FORMS: list(forms)}


async def in_thread(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The loop that serves every window never waits for the database."""
    return await anyio.to_thread.run_sync(partial(act, *args, **kwargs))


class Sent(Request):
    """A request whose JSON says each thing once. It is read before the route asks for it, so that what is wrong with it is told in our words."""

    _said: Mapping[str, Any]

    async def read(self) -> None:
        body = await self.body()
        if body:
            _refuse_other_than_json(self)
            self._said = object_in(body)

    async def json(self) -> Any:
        return self._said


class ProgramRoute(APIRoute):
    """One operation: who asks, what they accept, what they sent; then the route itself; and whatever happens, an answer in one of the shapes described."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        extra = self.openapi_extra or {}
        rights, forms = extra.get(RIGHTS, ()), extra.get(FORMS, (JSON_TYPE,))

        async def come_in(request: Request) -> Response:
            try:
                request.state.actor = await in_thread(_who, request, rights)
                _refuse_form(request, forms)
                _refuse_twice(request)
                sent = Sent(request.scope, request.receive)
                if self.body_field is not None:
                    await sent.read()
                return await handle(sent)
            except Exception as error:  # noqa: BLE001 - the last line before the program
                return told(request, error)

        return come_in


def told(request: Request, error: Exception) -> Response:
    """Any error as a problem. One that nobody foresaw is written down under the number that the program is told."""
    incident = incident_id()
    match error:
        case Problem():
            problem = error
        case BillersError():
            problem = problems.problem_of(error)
        case RequestValidationError():
            problem = _misfit(error)
        case HTTPException():
            return problems.of_status(error.status_code, _sentence(error), error.headers)
        case _:
            # Written out here: structlog's own way shows each frame's variables, a token among them.
            log.error("unforeseen error of the API", incident=incident, path=request.url.path, trace="".join(traceback.format_exception(error)))
            problem = Problem("failed", f"Something went wrong that nobody foresaw. Tell an administrator: incident {incident}.")
    log.info("api.refused", incident=incident, kind=problem.kind, path=request.url.path)
    return problems.answer(problem, incident)


def _sentence(error: HTTPException) -> str:
    return error.detail if error.detail.endswith(".") else f"{error.detail}."


# ---- Who asks


def _who(request: Request, rights: Sequence[str]) -> Actor:
    if bearer_of(request) is None:
        raise Problem("not-signed-in", NOBODY, headers={"WWW-Authenticate": 'Bearer realm="billers"'})
    actor = actor_of(request)
    if actor is None:
        raise Problem("not-signed-in", UNKNOWN, headers={"WWW-Authenticate": 'Bearer realm="billers", error="invalid_token"'})
    for right in rights:
        if not actor.may(right):
            # It goes by the refusal that every other goes by: that it was refused is on the record.
            refusal(actor, right)
            header = f'Bearer realm="billers", error="insufficient_scope", scope="{right}"'
            sentence = f"This token does not hold the right to {PERMISSIONS[right]} ({right}), or its owner holds it no longer."
            raise Problem("not-allowed", sentence, headers={"WWW-Authenticate": header}, right=right)
    return actor


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


Who = Annotated[Actor, Depends(_actor)]


# ---- What they accept, and what they sent


def _refuse_form(request: Request, forms: Sequence[str]) -> None:
    accepted = [one.partition(";") for one in request.headers.get("accept", "*/*").split(",")]
    ranges = [kind.strip().lower() for kind, _, rest in accepted if rest.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")]
    if not any(one in ("*/*", form, f"{form.partition('/')[0]}/*") for one in ranges for form in forms):
        raise Problem("no-such-form", f"This is answered as {' or '.join(forms)}. Accept that.")


def _refuse_twice(request: Request) -> None:
    twice = [name for name, count in Counter(name for name, _ in request.query_params.multi_items()).items() if count > 1 and name not in SEVERAL]
    if twice:
        errors = [{"parameter": name, "detail": "It stands in the address more than once."} for name in twice]
        raise Problem("does-not-fit", f"{twice[0]} stands in the address more than once. Say it once.", errors=errors)


def _refuse_other_than_json(request: Request) -> None:
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    is_utf8 = rest.strip().lower().replace('"', "") in ("", "charset=utf-8")
    if kind.strip().lower() != JSON_TYPE or not is_utf8:
        raise Problem("not-json", "What is sent is JSON in UTF-8: Content-Type: application/json.")


# Where FastAPI says that a part of the request was, and how a problem points there.
PLACES: Mapping[str, str] = {"path": "parameter", "query": "parameter", "header": "header"}

# Where a name is meant, and not what stands under it.
KEY = "[key]"


def _misfit(error: RequestValidationError) -> Problem:
    errors = [_pointed(detail["loc"], detail["msg"]) for detail in error.errors()]
    first = errors[0]
    where = first.get("parameter") or first.get("header") or first["pointer"]
    if first.get("header") == "Idempotency-Key" and error.errors()[0]["type"] == "missing":
        return Problem("no-key", "What moves money is asked for under a key: send Idempotency-Key, a new one for each payment.", errors=errors)
    return Problem("does-not-fit", f"{where}: {first['detail']}", errors=errors)


def _pointed(place: Sequence[str | int], message: str) -> dict[str, str]:
    source, *path = place
    detail = f"{message.rstrip('.')}."
    if (member := PLACES.get(str(source))) is not None:
        name = str(path[0]) if path else str(source)
        return {member: "-".join(word.capitalize() for word in name.split("-")) if member == "header" else name, "detail": detail}
    return {"pointer": "#" + "".join(f"/{one}" for one in path if one != KEY), "detail": detail}


# ---- What they get


def said(value: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(value.model_dump_json(by_alias=True), status, {"Cache-Control": "no-store", **(headers or {})}, JSON_TYPE)
