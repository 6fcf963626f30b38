"""The built web app, served by the api: hashed assets for ever, everything else afresh, nothing from elsewhere."""

import gzip
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse
from starlette.types import Receive, Scope, Send

STATIC = Path(__file__).parent.parent / "static"
APP_PATHS = ("/api/", "/v1/", "/mcp", "/health", "/metrics")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
PACKABLE = {".js", ".css", ".html", ".svg", ".json", ".txt"}
FOR_EVER = "public, max-age=31536000, immutable"
AFRESH = "no-cache"
MISSING = (
    "<!doctype html><title>Madang</title><p>The web app is not built. Run <code>./dev up</code>, "
    "or <code>npm ci && npm run build</code> in <code>web/</code>."
)


def serve_web(app: FastAPI, static: Path = STATIC) -> None:
    """Answer every GET that no route took with the web app; unknown pages are the app's to route."""
    root = static.resolve()

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await _response(root, scope)(scope, receive, send)

    async def fallback(scope: Scope, receive: Receive, send: Send) -> None:
        browses = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        if browses and not scope["path"].startswith(APP_PATHS):
            await page(scope, receive, send)
        else:
            await not_found(scope, receive, send)

    not_found = app.router.default
    app.router.default = fallback


def _response(root: Path, scope: Scope) -> Response:
    wanted = (root / scope["path"].lstrip("/").replace("\0", "")).resolve()
    if wanted == root or not wanted.is_relative_to(root) or not wanted.is_file():
        wanted = root / "index.html"
    if not wanted.is_file():
        return Response(MISSING, 503, HEADERS, "text/html")
    hashed = wanted.parent.name == "assets"
    asked = dict(scope["headers"])
    response: Response = _whole(wanted, {**HEADERS, "Cache-Control": FOR_EVER if hashed else AFRESH})
    if wanted.suffix in PACKABLE:
        response.headers["Vary"] = "Accept-Encoding"
        if scope["method"] == "GET" and b"gzip" in asked.get(b"accept-encoding", b""):
            response = _packed(wanted, response)
    known = asked.get(b"if-none-match", b"").decode("latin-1")
    return NotModifiedResponse(response.headers) if known and known == response.headers.get("etag") else response


def _whole(file: Path, headers: dict[str, str]) -> FileResponse:
    response = FileResponse(file, headers=headers)
    response.set_stat_headers(file.stat())
    return response


def _packed(file: Path, whole: Response) -> Response:
    headers = {name: value for name, value in whole.headers.items() if name not in {"content-length", "accept-ranges"}}
    headers |= {"content-encoding": "gzip", "etag": whole.headers["etag"].rstrip('"') + '-gzip"'}
    return Response(_gzip(file, file.stat().st_mtime_ns), headers=headers)


@lru_cache(maxsize=512)
def _gzip(file: Path, _modified: int) -> bytes:
    """The file, packed; done once for every state of it."""
    return gzip.compress(file.read_bytes(), 6)
