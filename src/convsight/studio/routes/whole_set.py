"""Which pictures are nearest to one, and which classes are mistaken for which?"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from convsight.studio import schemas
from convsight.studio.confusion import confusion_json, label_scores
from convsight.studio.nearby import MOST_NEIGHBOURS
from convsight.studio.nearby import neighbours as neighbours_of
from convsight.studio.routes.common import PictureAsked, The

router = APIRouter(prefix="/api", tags=["data set"])


@router.get("/neighbours")
def neighbours(
    studio: The,
    picture: PictureAsked,
    k: Annotated[int, Query(ge=1, le=MOST_NEIGHBOURS)] = 10,
    metric: Literal["l2", "l1", "mse", "cosine"] = "l2",
    layer: Annotated[str | None, Query(max_length=300)] = None,
    split: Literal["train", "validation", "test", "all"] = "all",
) -> schemas.Neighbours:
    return neighbours_of(studio, picture, k, metric, layer, split)


@router.get("/confusion", response_model=schemas.Confusion)
def confusion(studio: The, split: schemas.SplitName = "test") -> Response:
    return Response(confusion_json(studio, split), media_type="application/json")


@router.get("/labels")
def labels(studio: The, split: schemas.SplitName = "test") -> schemas.LabelScores:
    return label_scores(studio, split)
