"""The way in and the way out: the only code that sets or clears the session's cookie, which no script can read."""

import re
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from core.access import Actor
from core.api.hardening import is_same_origin
from core.errors import BillersError
from core.security.sessions import LONGEST, cookie_name
from core.services import api_tokens, people
from core.settings import settings

# A path of ours and nothing that a browser might read as another place: no scheme, no second slash, no backslash, nothing but printable ASCII.
_OURS = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def actor_of(request: Request, *, touch: bool = True) -> Actor | None:
    """Who asks, by the session's cookie, or by a program's token: what each route under it begins with. A request with a token is the token's alone."""
    if (bearer := bearer_of(request)) is not None:
        return api_tokens.actor_of_token(bearer, _address(request))
    return people.actor_of(request.cookies.get(cookie_name()), touch=touch)


def bearer_of(request: Request) -> str | None:
    """`Authorization: Bearer …`: what a program sends, and no browser by itself."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else None


def asked_by_us(request: Request) -> bool:
    """A page of ours, or a person who typed the address, or a program. Other pages could not read what comes, but could have it thrown at somebody.

    A browser that only guesses that somebody will click has nothing made.
    """
    if bearer_of(request) is not None:
        return True
    site = request.headers.get("sec-fetch-site")
    if (site is not None and site not in ("same-origin", "none")) or "prefetch" in request.headers.get("sec-purpose", ""):
        return False
    referer = request.headers.get("referer")
    return is_same_origin(request.headers) and (referer is None or urlsplit(referer).netloc == request.headers.get("host"))


def enter(request: Request) -> Response:
    """`GET /session/enter?ticket=…&next=…`: a ticket becomes a session. Only from a page of ours, or a link could sign somebody in as somebody else."""
    target = safe_path(request.query_params.get("next", "/"))
    if not came_from_us(request):
        return _redirect(_with_notice(target, "elsewhere"))
    try:
        token = people.redeem(request.query_params.get("ticket", ""), _address(request), request.headers.get("user-agent"))
    except BillersError:
        return _redirect(_with_notice(target, "ticket"))
    if replaced := request.cookies.get(cookie_name()):
        people.sign_out(replaced, because="signed in again")
    response = _redirect(target)
    response.set_cookie(
        cookie_name(), token, max_age=int(LONGEST.total_seconds()), path="/", httponly=True, samesite="lax", secure=settings().billers_secure_cookies
    )
    return response


def left(request: Request) -> Response:
    """`GET /session/leave`: drops the cookie of a session that is over. A live one stays, or any page's image could sign people out."""
    if actor_of(request) is not None:
        return _redirect("/")
    response = _redirect(_with_notice("/", "left"))
    _drop_cookie(response)
    return response


def leave(request: Request) -> Response:
    """`POST /session/leave`: ends the session, if a page of ours asks."""
    if "origin" not in request.headers or not is_same_origin(request.headers):
        return PlainTextResponse("This must be asked by the console itself.", 403)
    if token := request.cookies.get(cookie_name()):
        people.sign_out(token)
    response = _redirect("/")
    _drop_cookie(response)
    return response


def safe_path(wanted: str) -> str:
    """Where to go after signing in: a page of ours, or the first one."""
    if not _OURS.fullmatch(wanted):
        return "/"
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or parts.path.startswith(("//", "/session/")):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def came_from_us(request: Request) -> bool:
    """By the browser's own word; over plain HTTP, where it gives none, by the page it came from."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("referer", "")).netloc == request.headers.get("host")


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None


def _with_notice(path: str, notice: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{urlencode({'notice': notice})}"


def _redirect(path: str) -> Response:
    return RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})


def _drop_cookie(response: Response) -> None:
    response.delete_cookie(cookie_name(), path="/", httponly=True, samesite="lax", secure=settings().billers_secure_cookies)
