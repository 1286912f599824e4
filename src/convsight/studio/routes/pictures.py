"""Which pictures are there, how do they look, what does the network say of them, and of changed ones?"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, File, Query, Response, UploadFile

from convsight.studio import edits, schemas
from convsight.studio.pictures import MOST_BYTES
from convsight.studio.routes.common import PictureName, The, bytes_of, png

router = APIRouter(prefix="/api/pictures", tags=["pictures"])
Class = Annotated[str | None, Query(max_length=300)]


@router.get("")
def pictures(
    studio: The,
    split: schemas.SplitName = "test",
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 60,
    label: Class = None,
    predicted: Class = None,
    missed: Class = None,
    invented: Class = None,
    right: bool | None = None,
    q: Annotated[str, Query(max_length=200)] = "",
    sort: Literal["index", "loss", "confidence"] = "index",
) -> schemas.PicturePage:
    total, items = studio.predictions.page(
        split, offset, limit, label=label, predicted=predicted, missed=missed, invented=invented, right=right, q=q,
        sort=sort,
    )  # fmt: skip
    return schemas.PicturePage(total=total, items=items, ready=studio.predictions.get(split) is not None)


@router.post("")
def upload(studio: The, file: Annotated[UploadFile, File()]) -> schemas.Picture:
    name = studio.pictures.upload(file.file.read(MOST_BYTES + 1))
    return picture(studio, name)


@router.get("/{name}.png", responses=bytes_of("image/png"), response_class=Response)
def picture_png(
    studio: The, name: PictureName, side: Annotated[int | None, Query(ge=1, le=2048)] = None
) -> Response:
    return png(studio.pictures.png(name, side))


@router.get("/{name}/scores")
def picture_scores(studio: The, name: PictureName) -> schemas.Scores:
    return edits.scores(studio, name)


@router.post("/{name}/edit")
def edit(studio: The, name: PictureName, request: schemas.EditRequest) -> schemas.Edited:
    return edits.edit(studio, name, request)


@router.post("/{name}/warm")
def warm(studio: The, name: PictureName) -> schemas.JobStarted:
    return edits.warm(studio, name)


@router.get("/{name}")
def picture(studio: The, name: PictureName) -> schemas.Picture:
    studio.pictures.get(name)
    known = edits.of_data(studio, name)
    if known is not None:
        return known
    told = edits.scores(studio, name)
    sure = next((row.probability for row in told.scores if row.name == told.said), None)
    return schemas.Picture(id=name, predicted=told.said, confidence=sure)
