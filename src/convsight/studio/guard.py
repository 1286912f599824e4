"""Who may ask this server, and how much may they send? Checked before any route sees a request.

A page of another site can make a browser ask 127.0.0.1 too: so the Host must be ours (DNS rebinding), and
the Origin, where there is one, must be ours as well. Bound to another address the server also demands the
token of its URL, which it then keeps in a cookie that no script can read.
"""

from __future__ import annotations

import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from convsight.studio.pictures import MOST_BYTES

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]
LOCAL = ("127.0.0.1", "localhost", "[::1]")
COOKIE = "convsight"
BODY_BYTES = MOST_BYTES + 64 * 2**10  # the largest file and the form around it
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self';"
        b" connect-src 'self' blob: data:; worker-src 'self' blob:; media-src 'self' blob:; object-src 'none';"
        b" base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    ),
)


class Guard:
    """ASGI middleware: Host, Origin, token, size of what is sent; safe headers on what is answered."""

    def __init__(self, app: App, *, hosts: tuple[str, ...] = LOCAL, token: str | None = None):
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        if self.token is not None and (given := _query(scope).get("token")):
            await self._enter(scope, send, given)
            return
        limited = _Limited(receive, send)
        with contextlib.suppress(TooLarge):
            await self.app(scope, limited.receive, limited.send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, str, str] | None:
        host = headers.get("host", "")
        if _name(host) not in self.hosts and "*" not in self.hosts:
            return 403, "this server answers only under its own address", host, f"open http://{self.hosts[0]}"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "a page of another site may not ask this server", origin, f"open http://{host} itself"
        if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in ("GET", "HEAD"):
            return 403, "a page of another site may not ask this server", "", f"open http://{host} itself"
        if self.token is not None and not self._known(scope, headers):
            return (
                401,
                "this server needs its token",
                "",
                "open the whole URL that `convsight studio` printed",
            )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_BYTES:
            return 413, *TOO_LARGE
        return None

    def _known(self, scope: Scope, headers: dict[str, str]) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        given = [_query(scope).get("token", ""), cookie.value if cookie else ""]
        assert self.token is not None
        return any(hmac.compare_digest(word.encode(), self.token.encode()) for word in given)

    async def _enter(self, scope: Scope, send: Any, token: str) -> None:
        """Keep the token in a cookie and take it out of the address bar."""
        rest = {k: v for k, v in _query(scope).items() if k != "token"}
        place = scope["path"] + (f"?{urlencode(rest)}" if rest else "")
        cookie = f"{COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        place = "/" + place.lstrip("/")  # one slash, so that a redirect cannot name another host
        headers = [(b"location", place.encode("latin-1", "ignore")), (b"set-cookie", cookie.encode())]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class TooLarge(Exception):
    """The request's body is larger than allowed."""


TOO_LARGE = ("the request is too large", "", f"at most {MOST_BYTES:,} bytes are taken")


class _Limited:
    """One exchange: counts the bytes received, whatever length was announced, and adds headers to the
    answer.
    """

    def __init__(self, receive: Any, send: Any):
        self._receive, self._send = receive, send
        self.seen, self.refused = 0, False

    async def receive(self) -> Any:
        message = await self._receive()
        self.seen += len(message.get("body", b""))
        if self.seen > BODY_BYTES:
            if not self.refused:
                self.refused = True
                await _answer(self._send, 413, *TOO_LARGE)
            raise TooLarge
        return message

    async def send(self, message: Any) -> None:
        if self.refused:  # the refusal was sent already; ignore what the application answers to the cut body
            return
        if message["type"] == "http.response.start":
            present = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(h for h in HEADERS if h[0] not in present)]
        await self._send(message)


async def _answer(send: Any, status: int, error: str, given: str, works: str) -> None:
    body = json.dumps({"error": error, "given": given[:200], "works": works}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _query(scope: Scope) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()}


def _name(host: str) -> str:
    """`127.0.0.1:8765` without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()
