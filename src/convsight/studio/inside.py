"""How are the server's own routes called without a socket? The export collects its answers this way, and the
notebook's page sends all its requests (also POST) this way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote


def answer_of(app: Any, asked_by: Any) -> Callable[..., Awaitable[tuple[int, str, bytes]]]:
    """A function that requests one of the application's own addresses and returns (status, media type, body).
    asked_by: the request that causes it, whose Host and cookie are passed to the guard.
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
    """A request from this machine, for callers that have none."""
    return SimpleNamespace(headers=SimpleNamespace(raw=[(b"host", b"127.0.0.1")]))


def addresses(value: Any) -> Iterator[str]:
    """Every address of this server in an answer, except files to download, which need the server."""
    if isinstance(value, str) and value.startswith("/api/"):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("downloads", "png"):
                yield from addresses(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from addresses(inner)


def in_a_thread(make: Any) -> Any:
    """Run a coroutine to its end in a thread of its own, since an event loop may be running already (as in a
    notebook).
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(make())).result()
