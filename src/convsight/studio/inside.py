"""How does the server ask itself, without a socket? What the export freezes is what the page would get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote


def answer_of(app: Any, asked_by: Any) -> Callable[[str], Awaitable[tuple[int, str, bytes]]]:
    """A function that GETs one of the application's own addresses: (status, media type, body).

    asked_by: the request that leads to it, whose Host and cookie are shown to the guard again.
    """
    shown = [(k, v) for k, v in asked_by.headers.raw if k in (b"host", b"cookie")]

    async def answer(url: str) -> tuple[int, str, bytes]:
        path, _, query = url.partition("?")
        scope = {
            "type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode("ascii", "ignore"),
            "query_string": query.encode("utf-8"), "headers": shown, "http_version": "1.1",
            "scheme": "http", "server": ("127.0.0.1", 0), "client": ("127.0.0.1", 0), "root_path": "",
            "app": app, "state": {},
        }  # fmt: skip
        told: dict[str, Any] = {"status": 500, "headers": []}
        body = bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                told.update(message)
            else:
                body.extend(message.get("body", b""))

        await app(scope, receive, send)
        media = next((v.decode("latin-1") for k, v in told["headers"] if k.lower() == b"content-type"), "")
        return told["status"], media, bytes(body)

    return answer
