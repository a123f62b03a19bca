"""Serves Streamlit's front end compressed: a first visit is 2 MB instead of 8. Its files never change while a process runs, so each is compressed once."""

import gzip
import re
import threading
from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

MEDIA_TYPES = {".js": "application/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml", ".map": "application/json"}

# Smaller answers gain nothing.
SMALLEST_BYTES = 1_000
LEVEL = 6

# File names carry a hash of their content.
FOR_EVER = "public, immutable, max-age=31536000"

WITHOUT_SCRIPTS = "The console needs JavaScript. Allow it for this address, then load the page again."

# One of the console's pages: a single word. Everything else with a page's look falls through to Streamlit.
PAGE = re.compile(r"/[a-z-]*")
NOT_PAGES = frozenset({"/healthz", "/readyz", "/metrics"})


class Assets:
    """Answers for the front end's files and for the page that loads them; passes everything else on."""

    def __init__(self, app: ASGIApp, index: Path, favicon: Path) -> None:
        self._app = app
        root = index.parent
        self._files: Mapping[str, Path] = {
            f"/{path.relative_to(root)}": path for path in (root / "static").rglob("*") if path.suffix in MEDIA_TYPES and path.stat().st_size >= SMALLEST_BYTES
        }
        self._page = gzip.compress(branded(index.read_text(encoding="utf-8")).encode(), LEVEL)
        self._favicon = favicon.read_bytes()
        self._compressed: dict[str, bytes] = {}
        self._compressing = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(scope)
        await (response or self._app)(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response | None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return None
        path, headers = scope["path"], Headers(scope=scope)
        if path == "/favicon.png":
            return Response(self._favicon, media_type="image/png", headers={"Cache-Control": "public, max-age=86400"})
        if "gzip" not in headers.get("accept-encoding", "") or "range" in headers:
            return None
        if PAGE.fullmatch(path) and path not in NOT_PAGES:
            return _packed(self._page, "text/html; charset=utf-8", "no-cache")
        if path in self._files:
            content = self._compressed[path] if path in self._compressed else await anyio.to_thread.run_sync(self._compress, path)
            return _packed(content, MEDIA_TYPES[self._files[path].suffix], FOR_EVER)
        return None

    def _compress(self, path: str) -> bytes:
        with self._compressing:
            if path not in self._compressed:
                self._compressed[path] = gzip.compress(self._files[path].read_bytes(), LEVEL)
            return self._compressed[path]


def branded(page: str) -> str:
    """Streamlit's page under our name, without its advice to programs: what they would find is shut."""
    page = page.replace("<title>Streamlit</title>", "<title>Billers</title>")
    page = re.sub(r'<!--.*?-->|<link rel="service-desc"[^>]*>', "", page, flags=re.DOTALL)
    return re.sub(r"<noscript>.*?</noscript>", f"<noscript><p>{WITHOUT_SCRIPTS}</p></noscript>", page, flags=re.DOTALL)


def _packed(content: bytes, media_type: str, caching: str) -> Response:
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "Cache-Control": caching, "Content-Type": media_type}
    return Response(content, headers=headers)
