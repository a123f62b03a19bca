"""The description of the API (OpenAPI 3.1), made from its routes, and the page that shows it: plain HTML of our own, without a script and without a network.

It is for whoever is signed in, at the console or by a token: a stranger is told nothing about what there is.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from core.access import PERMISSIONS
from core.api.problems import API, KINDS, MEDIA_TYPE, Problem
from core.api.programs.way_in import FORMS, NOBODY, RIGHTS, told
from core.api.session import actor_of
from core.errors import BillersError

TITLE = "Billers"
ABOUT = (
    "Bill payments, as the console makes them: the same services, the same rights, and a bill is paid once. A request carries a token; its rights are a part"
    " of what its owner may do at that moment. What moves money carries a key of the program's own. Amounts are text with two decimals, moments have their"
    " offset, pages go on by cursor, and every refusal has one shape (RFC 9457)."
)
VERSION = "1"

PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "Why it was refused, and what to do (RFC 9457). `instance` is the number under which the log has it.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "enum": [f"{API}/docs#{name}" for name in KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {name: {"type": "string"} for name in ("pointer", "parameter", "header", "detail")},
                "additionalProperties": False,
            },
        },
        "earlier": {"type": "string"},
        "transaction": {"type": "string"},
        "code": {"type": ["string", "null"]},
        "right": {"type": "string"},
    },
    "additionalProperties": False,
}

# What FastAPI says where a route says nothing.
UNSAID = "Successful Response"

# What any operation may answer beside what it is for.
ANYWHERE = (400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 421, 422, 429, 500, 503)

HEADERS: Mapping[int, tuple[str, str]] = {
    401: ("WWW-Authenticate", "How to sign in."),
    405: ("Allow", "What can be done here."),
    429: ("Retry-After", "Seconds until it can be asked again."),
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=TITLE, version=VERSION, description=ABOUT, routes=app.routes, servers=[{"url": API}])
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = PROBLEM
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "A token of the console: billers_…"}}
        for operations in made["paths"].values():
            for operation in operations.values():
                _complete(operation)
        app.openapi_schema = made
    return app.openapi_schema


def _complete(operation: dict[str, Any]) -> None:
    """The rights it takes, and what it answers when it is refused."""
    operation["security"] = [{"token": operation.pop(RIGHTS)}]
    operation.pop(FORMS)
    for parameter in operation.get("parameters", ()):
        # What need not be there is left out: in an address and in a header there is no null.
        kinds = [one for one in parameter["schema"].get("anyOf", ()) if one != {"type": "null"}]
        if len(kinds) == 1:
            parameter["schema"] = {**{name: value for name, value in parameter["schema"].items() if name != "anyOf"}, **kinds[0]}
    responses = operation["responses"]
    responses.pop("422", None)
    for response in responses.values():
        if response.get("description") == UNSAID:
            response["description"] = "What was asked for."
    statuses = {*ANYWHERE, *(int(status) for status in responses if int(status) >= 400)}
    for status in sorted(statuses):
        titles = [kind.title for kind in KINDS.values() if kind.status == status]
        said: dict[str, Any] = {
            "description": responses.get(str(status), {}).get("description") or ". ".join(titles) + ".",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in HEADERS:
            name, what = HEADERS[status]
            said["headers"] = {name: {"description": what, "required": True, "schema": {"type": "string"}}}
        responses[str(status)] = said


# ---- Served


def document(app: FastAPI) -> Any:
    def serve(request: Request) -> Response:
        return _for_whoever_is_signed_in(request, lambda: JSONResponse(describe(app), headers={"Cache-Control": "no-store"}))

    return serve


def page(app: FastAPI) -> Any:
    def serve(request: Request) -> Response:
        return _for_whoever_is_signed_in(request, lambda: HTMLResponse(_html(describe(app)), headers={"Cache-Control": "no-store"}))

    return serve


def _for_whoever_is_signed_in(request: Request, answer: Any) -> Response:
    try:
        if actor_of(request) is None:
            raise Problem("not-signed-in", f"{NOBODY} Whoever is signed in at the console may read what there is.", headers={"WWW-Authenticate": "Bearer"})
    except (Problem, BillersError) as error:
        return told(request, error)
    response: Response = answer()
    return response


# ---- The page

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
code, .path { font: 14px/1.5 ui-monospace, monospace; } .method { font-weight: 700; display: inline-block; min-width: 4.5rem; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: .25rem 1rem 1rem; margin: 1rem 0; } section:target { outline: 2px solid; }
section h3 { margin: .75rem 0 .25rem; } h3 .path { font-size: 1.05rem; } .soft { opacity: .75; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
td, th { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line); } th { font-weight: 600; }
nav li { margin: .1rem 0; list-style: none; } nav ul { padding: 0; }
"""


def _html(made: Mapping[str, Any]) -> str:
    operations = [(method, path, operation) for path, methods in made["paths"].items() for method, operation in methods.items()]
    parts = [
        f"<h1>{escape(TITLE)} · HTTP API</h1><p>{escape(made['info']['description'])}</p>",
        f"<p>Everything below is under <code>{API}</code>. For programs: <a href='{API}/openapi.json'>openapi.json</a> (OpenAPI 3.1).</p>",
        "<nav><ul>" + "".join(_entry(*one) for one in operations) + "</ul></nav>",
        "<h2>What can be asked</h2>",
        *(_operation(made, *one) for one in operations),
        "<h2>Why something is refused</h2>",
        *(_problem(name) for name in KINDS),
        "<h2>Shapes</h2>",
        *(_schema(made, name, schema) for name, schema in sorted(made["components"]["schemas"].items())),
    ]
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{escape(TITLE)} · HTTP API</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>"


def _entry(method: str, path: str, operation: Mapping[str, Any]) -> str:
    link = f"<a class='path' href='#{escape(operation['operationId'])}'>{escape(path)}</a>"
    return f"<li><span class='method path'>{method.upper()}</span>{link} · {escape(operation['summary'])}</li>"


def _operation(made: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    rights = ", ".join(f"<code>{right}</code> ({escape(PERMISSIONS[right])})" for right in operation["security"][0]["token"])
    parts = [
        f"<h3><span class='method path'>{method.upper()}</span><span class='path'>{escape(path)}</span></h3>",
        f"<p><b>{escape(operation['summary'])}</b><br>{_prose(operation.get('description', ''))}</p><p class='soft'>Takes the right to: {rights}.</p>",
    ]
    if parameters := operation.get("parameters"):
        rows = [(one["name"], one["in"], _kind(one["schema"]), one.get("required", False), _meant(one) or _meant(one["schema"])) for one in parameters]
        parts.append(_table(("parameter", "in", "what", "needed", ""), [(f"<code>{escape(a)}</code>", b, c, _yes(d), _prose(e)) for a, b, c, d, e in rows]))
    if body := operation.get("requestBody"):
        parts.append(f"<p>Sent: {_kind(body['content']['application/json']['schema'])}</p>")
    parts.append(_table(("answer", "what", ""), list(_answers(operation))))
    return f"<section id='{escape(operation['operationId'])}'>{''.join(parts)}</section>"


def _answers(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, response in operation["responses"].items():
        if int(status) < 400:
            kinds = [f"{_kind(one['schema'])}" if one.get("schema") else f"<code>{escape(form)}</code>" for form, one in response.get("content", {}).items()]
            yield status, " or ".join(kinds), _prose(response["description"])
    yield "4xx, 5xx", f"<a href='#shape-Problem'>Problem</a> as <code>{MEDIA_TYPE}</code>", "Why it was refused, and what to do."


def _problem(name: str) -> str:
    kind = KINDS[name]
    return f"<section id='{name}'><h3>{kind.status} · <code>{name}</code></h3><p><b>{escape(kind.title)}.</b> {_prose(kind.what_to_do)}</p></section>"


def _schema(made: Mapping[str, Any], name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = [(f"<code>{escape(field)}</code>", _kind(one), _yes(field in needed), _prose(_meant(one))) for field, one in schema.get("properties", {}).items()]
    body = _table(("field", "what", "always" if "required" in schema else "needed", ""), rows) if rows else f"<p>{_kind(schema)}</p>"
    return f"<section id='shape-{escape(name)}'><h3>{escape(name)}</h3><p>{_prose(schema.get('description', ''))}</p>{body}</section>"


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value is, in a few words, with a link where it has a shape of its own."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#shape-{escape(name)}'>{escape(name)}</a>"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_kind(one) for one in schema[several])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    kind = schema.get("type", "anything")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "format" in schema:
        words = str(schema["format"])
    if "pattern" in schema:
        words += f" like <code>{escape(schema['pattern'])}</code>"
    if schema.get("examples"):
        words += f", for example <code>{escape(str(schema['examples'][0]))}</code>"
    return words


def _meant(schema: Mapping[str, Any]) -> str:
    """What a value means: said of itself, or of the one kind that it can be beside null."""
    inner = [one["description"] for one in schema.get("anyOf", ()) if "description" in one]
    return str(schema.get("description") or (inner[0] if inner else ""))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{one}</th>" for one in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='wide'><table><tr>{titles}</tr>{lines}</table></div>"


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _prose(text: str) -> str:
    """Plain words; what stands between backticks is code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts)).replace("\n\n", "<br>")
