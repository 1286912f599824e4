"""What does a layer show, what are its filters, and what does a cell of it see?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from convsight.studio import cells, schemas
from convsight.studio import layer_sheets as maps
from convsight.studio.routes.common import LayerName, PictureAsked, The, bytes_of, png

router = APIRouter(prefix="/api/layers", tags=["layers"])
Place = Annotated[int, Query(ge=0, le=10**6)]


@router.get("/{name}/maps")
def layer_maps(studio: The, name: LayerName, picture: PictureAsked) -> schemas.Sprites:
    return maps.layer_maps(studio, name, picture)


@router.get("/{name}/maps.png", responses=bytes_of("image/png"), response_class=Response)
def layer_maps_png(studio: The, name: LayerName, picture: PictureAsked) -> Response:
    return png(maps.layer_maps_png(studio, name, picture))


@router.get("/{name}/filters")
def filters(studio: The, name: LayerName) -> schemas.Sprites:
    return maps.layer_filters(studio, name)


@router.get("/{name}/filters.png", responses=bytes_of("image/png"), response_class=Response)
def filters_png(studio: The, name: LayerName) -> Response:
    return png(maps.layer_filters_png(studio, name))


@router.get("/{name}/receptive")
def receptive(studio: The, name: LayerName, y: Place, x: Place) -> schemas.ReceptiveBox:
    return maps.receptive(studio, name, y, x)


@router.get("/{name}/cell")
def cell(studio: The, name: LayerName, picture: PictureAsked, channel: Place, y: Place = 0, x: Place = 0) -> schemas.Cell:  # fmt: skip
    return cells.cell(studio, name, picture, channel, y, x)
