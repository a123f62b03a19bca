"""What every answer carries, and who is never answered. It knows the browser's rules, and which of Streamlit's own doors are shut."""

import base64
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.api.hosts import is_ours, names_of_ours
from core.api.refusals import turn_away

# Of Streamlit's own doors these are needed; every other one under INTERNALS is shut, those of a later version as well: figures for strangers, a way to
# drive the console as a program, which answers even while it is off.
INTERNALS = "/_stcore"
NEEDED = ("/_stcore/health", "/_stcore/host-config", "/_stcore/stream", "/_stcore/upload_file", "/_stcore/bidi-components")

# Beside them: its own sign-in, which is not ours, components of its first version, and files of an application's.
SHUT = (INTERNALS, "/auth", "/oauth2callback", "/component", "/app/static")

# Asked by machines that look after the process, under whatever name they have for it; they learn nothing but that it runs.
FOR_MACHINES = frozenset({"/healthz", "/readyz"})

READING = frozenset({"GET", "HEAD", "OPTIONS"})

NOT_THIS_NAME = (
    "The console does not answer under this name. Open it under the address that you were given. Whoever runs it can add names: BILLERS_PUBLIC_HOSTS."
)
NOT_FROM_THERE = "This must be asked by the console itself."

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def inline_script_hashes(page: bytes) -> Sequence[str]:
    """What the policy calls the scripts written into this page; anything else written into it does not run."""
    return [f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in _INLINE_SCRIPT.findall(page)]


def content_policy(page: bytes) -> str:
    directives: Mapping[str, Sequence[str]] = {
        "default-src": ["'self'"],
        # blob: is how Streamlit starts components of its second version.
        "script-src": ["'self'", *inline_script_hashes(page), "blob:"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'", "blob:"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "form-action": ["'self'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


class Hardening:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, index: Path, over_https: bool, public_hosts: Collection[str] = ()) -> None:
        self._app = app
        self._names = names_of_ours(public_hosts)
        self._headers = {
            "Content-Security-Policy": content_policy(index.read_bytes()),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            # Our own pages may see where a request came from (the way in checks it); nobody else learns what was open.
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        }
        if over_https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        headers, path = Headers(scope=scope), scope["path"]
        if path not in FOR_MACHINES and not is_ours(headers.get("host"), self._names):
            await turn_away(scope, receive, send_with_headers, 421, NOT_THIS_NAME, because="not under this name", host=headers.get("host"))
        elif not (_only_reads(scope) or is_same_origin(headers)):
            # Streamlit lets any page of localhost in, whatever its port, and the browser sends it our cookie.
            await turn_away(scope, receive, send_with_headers, 403, NOT_FROM_THERE, because="asked by another site", origin=headers.get("origin"))
        elif _is_shut(path):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)


def is_same_origin(headers: Headers) -> bool:
    """Whether a page of ours asked, or no page at all: a browser always says which page opens a websocket or posts a form."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _only_reads(scope: Scope) -> bool:
    """A websocket does not: what is said through it is done."""
    return scope["type"] == "http" and scope["method"] in READING


def _is_shut(path: str) -> bool:
    return _is_under(path, SHUT) and not _is_under(path, NEEDED)


def _is_under(path: str, doors: Iterable[str]) -> bool:
    return any(path == door or path.startswith(f"{door}/") for door in doors)
