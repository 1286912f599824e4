"""How are tens of thousands of points and their thumbnails written for a page that lets one explore them?

As one JSON file of columns and a few WebP pages of 64 × 64 thumbnails: picture i is on page i // 4096, in row
(i % 4096) // 64 and column i % 64 of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from convsight.errors import InputError
from convsight.features.selection import Selection
from convsight.features.thumbnails import THUMBNAIL_PX, shrink
from convsight.results import draw
from convsight.results.kinds import Points
from convsight.storage import write_atomic

ACROSS = 64


def write_map(points: Points, chosen: Selection, folder: str | Path, quality: int = 75) -> Path:
    """Write `map.json` and `atlas-00.webp`, ... of a map and the pictures it was made from; returns the folder.

    `map.json` has the columns xy (flat), ids, labels, predicted and losses, the class names, `thumbnail`
    [height, width] in pixels, `across` thumbnails a row, `page_size` and the names of the `pages`. quality:
    of the WebP pages, 0 … 100. Raises InputError if the pictures are not those of the map.
    """
    if points.ids[: len(chosen)] != chosen.ids:
        raise InputError(
            f"the map shows other pictures than {chosen.describe()}; pass the selection it was made from"
        )
    folder, pages, size = Path(folder), [], []
    for number, numbers in enumerate(torch.arange(len(chosen)).split(ACROSS**2)):
        small = shrink(chosen[numbers].pixels, THUMBNAIL_PX)
        size = list(small.shape[2:])  # the same on every page
        pages.append(f"atlas-{number:02d}.webp")
        write_atomic(folder / pages[-1], draw.webp(draw.rgb(draw.mosaic(small, ACROSS)), quality))
    told = points.data()
    columns = {
        name: told[name]
        for name in ("ids", "labels", "predicted", "losses", "classes", "title", "caption", "notes")
    }
    xy = [round(v, 4) for v in points.xy.flatten().tolist()]
    layout = {"dims": points.xy.shape[1], "thumbnail": size, "across": ACROSS, "page_size": ACROSS**2}
    payload = {**layout, "xy": xy, "pages": pages, **columns}
    write_atomic(folder / "map.json", json.dumps(payload, separators=(",", ":")))
    return folder
