"""Are the pictures sound?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from convsight.studio import checked, schemas
from convsight.studio.routes.common import The, bytes_of

router = APIRouter(prefix="/api", tags=["check"])


@router.get("/check")
def check(studio: The) -> schemas.Check:
    return checked.page(studio)


@router.post("/check")
def start_check(studio: The) -> schemas.JobStarted:
    return checked.start(studio)


@router.get("/check/{row}/{index}.png", responses=bytes_of("image/png"), response_class=Response)
def picture(
    studio: The,
    row: Annotated[int, Path(ge=0, le=10_000_000)],
    index: Annotated[int, Path(ge=0, le=1)],
) -> Response:
    """Not cached for ever: a later check numbers its findings anew."""
    content = checked.png(studio, row, index)
    return Response(content, media_type="image/png", headers={"cache-control": "no-store"})
