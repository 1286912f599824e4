"""What do all routes share: the session, how long answers may be cached, and the errors?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response

from convsight.errors import InputError
from convsight.studio import schemas
from convsight.studio.session import Studio

FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Problem} for status in (400, 401, 403, 404, 413, 422, 500)
}


def _studio(request: Request) -> Studio:
    studio = request.app.state.studio
    if studio is None:
        raise InputError("no network is open")
    return studio


The = Annotated[Studio, Depends(_studio)]
PictureName = Annotated[str, Path(max_length=64)]
PictureAsked = Annotated[str, Query(max_length=64)]
LayerName = Annotated[str, Path(max_length=300)]


def bytes_of(kind: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with bytes of a media type."""
    return {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}}, **PROBLEMS}


def png(content: bytes) -> Response:
    return Response(content, media_type="image/png", headers=FOREVER)
