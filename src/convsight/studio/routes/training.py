"""What can be trained, how do trainings go, and how do runs compare?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from convsight.studio import schemas, training
from convsight.studio.routes.common import The

router = APIRouter(prefix="/api", tags=["training"])
RunName = Annotated[str, Path(max_length=80)]


@router.get("/recipes")
def recipes(studio: The) -> schemas.Recipes:
    return training.recipes(studio)


@router.post("/train")
def train(studio: The, request: schemas.TrainRequest) -> schemas.TrainStarted:
    return training.start(studio, request)


@router.get("/runs")
def runs(studio: The) -> list[schemas.RunInfo]:
    return training.runs(studio)


@router.post("/runs/{name}/resume")
def resume(studio: The, name: RunName) -> schemas.TrainStarted:
    return training.resume(studio, name)


@router.get("/compare")
def compare(
    studio: The, runs: Annotated[list[str], Query(min_length=1, max_length=12)]
) -> schemas.Comparison:
    return training.compare(studio, runs)
