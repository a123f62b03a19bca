"""What every answer carries and what is never answered. It knows the browser's rules, and which of Streamlit's own doors are shut."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Streamlit's doors that nobody here needs: figures for strangers, and a way to drive the console as a program, which answers even while it is off.
SHUT = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check", "/_stcore/message")

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

    def __init__(self, app: ASGIApp, index: Path, over_https: bool) -> None:
        self._app = app
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
        if scope["type"] == "websocket" and not is_same_origin(Headers(scope=scope)):
            # Streamlit lets any page of localhost in, whatever its port, and the browser sends it our cookie.
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if _is_shut(scope["path"]):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)


def is_same_origin(headers: Headers) -> bool:
    """Whether a page of ours asked, or no page at all: a browser always says which page opens a websocket or posts a form."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _is_shut(path: str) -> bool:
    return any(path == door or path.startswith(f"{door}/") for door in SHUT)
