"""A bound on what a request may carry: without one, a single body fills the memory before anybody looks at it."""

from fastapi import HTTPException  # noqa: TID251  # the only error that FastAPI lets through while it reads a body
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang.features.files.public import file_settings

LARGEST_BODY = 8 << 20
"""Bytes of a body that is no upload; the longest question has some hundred thousand."""

BESIDE_A_FILE = 1 << 20
"""Bytes that a form may have beside the largest file; the upload's own limit is met before."""


class BoundedBodies:
    """Refuses what is larger, as it comes. Pure ASGI, around the application of an api process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = _most(scope)
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > most:
                    raise HTTPException(413)
            return message

        await self._app(scope, bounded, send)


def _most(scope: Scope) -> int:
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    is_form = kind.lower().startswith(b"multipart/")
    return file_settings().max_upload_bytes + BESIDE_A_FILE if is_form else LARGEST_BODY
