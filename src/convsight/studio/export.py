"""How is the page exported as one file? As the frozen page, with every answer that it needs inside."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from convsight.errors import InputError

MOST_BYTES = 200 * 2**20
PLACE = "</head>"
Answer = Callable[[str], Awaitable[tuple[int, str, bytes]]]


async def frozen(page: Path, urls: Iterable[str], state: str, answer: Answer) -> bytes:
    """`page` with {state, responses: {url: {type, body | base64}}} added as a script element of JSON.

    answer: (status, media type, body) of a GET to one of the server's own addresses.
    """
    if not page.is_file():
        raise InputError("the frozen page has not been built; npm --prefix web run build makes it")
    responses: dict[str, Any] = {}
    size = 0
    for url in dict.fromkeys(urls):
        if not url.startswith("/api/"):
            raise InputError(f"{url[:200]!r} cannot be frozen; only answers of this server can")
        status, media, body = await answer(url)
        if status != 200:
            continue
        size += len(body)
        if size > MOST_BYTES:
            raise InputError(f"the export would be larger than {MOST_BYTES:,} bytes; close some results")
        responses[url] = _packed(media, body)
    data = json.dumps({"state": state, "responses": responses}, separators=(",", ":"))
    return with_script(page.read_text(encoding="utf-8"), data).encode()


def with_script(page: str, content: str, name: str = "frozen", media: str = "application/json") -> str:
    """The page with one more script element. `<` is escaped, so that no text in it can end the element."""
    inside = content.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    before, found, after = page.partition(PLACE)
    if not found:
        raise InputError("the frozen page is damaged: it has no head; build it again")
    return f'{before}<script id="{name}" type="{media}">{inside}</script>{found}{after}'


def _packed(media: str, body: bytes) -> dict[str, str]:
    if media.startswith(("application/json", "text/", "image/svg")):
        return {"type": media, "body": body.decode("utf-8")}
    return {"type": media, "base64": base64.b64encode(body).decode()}
