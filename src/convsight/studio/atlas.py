"""How do a map's thumbnails reach the page? As a few WebP sheets of 64 × 64 thumbnails each."""

from __future__ import annotations

from convsight.features.atlas import ACROSS
from convsight.results import draw
from convsight.results.kinds import Points
from convsight.studio.schemas import Atlas


def atlas_of(points: Points, base: str) -> Atlas | None:
    """The addresses and layout of the thumbnails; None for a map without any."""
    if points.pictures is None:
        return None
    n, _, h, w = points.pictures.shape
    pages = -(-n // ACROSS**2)
    return Atlas(cell=(h, w), columns=ACROSS, pages=[f"{base}atlas-{i}.webp" for i in range(pages)])


def atlas_page(points: Points, number: int) -> bytes:
    """One sheet, only as tall as it must be."""
    assert points.pictures is not None
    small = points.pictures[number * ACROSS**2 : (number + 1) * ACROSS**2]
    return draw.webp(draw.rgb(draw.mosaic(small, ACROSS)), 80)
