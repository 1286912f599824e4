"""How does the server ask itself, without a socket? What the export freezes is what the page would get.

The notebook asks the same way, so there it may also post.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote


def answer_of(app: Any, asked_by: Any) -> Callable[..., Awaitable[tuple[int, str, bytes]]]:
    """A function that asks one of the application's own addresses: (status, media type, body).

    asked_by: the request that leads to it, whose Host and cookie are shown to the guard again.
    """
    shown = [(k, v) for k, v in asked_by.headers.raw if k in (b"host", b"cookie")]

    async def answer(
        url: str, *, method: str = "GET", body: bytes = b"", media: str = ""
    ) -> tuple[int, str, bytes]:
        sent = [(b"content-type", media.encode("latin-1")), (b"content-length", str(len(body)).encode())]
        path, _, query = url.partition("?")
        scope = {
            "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode("ascii", "ignore"),
            "query_string": query.encode("utf-8"), "headers": [*shown, *(sent if body else [])], "http_version": "1.1",
            "scheme": "http", "server": ("127.0.0.1", 0), "client": ("127.0.0.1", 0), "root_path": "",
            "app": app, "state": {},
        }  # fmt: skip
        told: dict[str, Any] = {"status": 500, "headers": []}
        content = bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                told.update(message)
            else:
                content.extend(message.get("body", b""))

        await app(scope, receive, send)
        kind = next((v.decode("latin-1") for k, v in told["headers"] if k.lower() == b"content-type"), "")
        return told["status"], kind, bytes(content)

    return answer


def as_local() -> Any:
    """What stands for the request where there is none: one from this machine."""
    return SimpleNamespace(headers=SimpleNamespace(raw=[(b"host", b"127.0.0.1")]))
