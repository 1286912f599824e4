"""Where are the objects of the pictures, and where does the user say that they are?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from convsight.studio import objects, schemas
from convsight.studio.routes.common import PictureName, The

router = APIRouter(prefix="/api/objects", tags=["judging"])


@router.get("")
def some(
    studio: The,
    label: Annotated[str | None, Query(max_length=300)] = None,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=24)] = 6,
) -> schemas.Objects:
    return objects.page(studio, label, offset, limit)


@router.get("/{name}")
def one(studio: The, name: PictureName) -> schemas.ObjectMask:
    return objects.picture(studio, name)


@router.post("/{name}")
def show(studio: The, name: PictureName, request: schemas.ObjectTold) -> schemas.ObjectPicture:
    return objects.show(studio, name, request)
