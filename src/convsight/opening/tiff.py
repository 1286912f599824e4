"""What is in a TIFF file? It may hold several pages, many bands and 16 bits a band, which Pillow reads only in part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from convsight.errors import DataError, required
from convsight.opening.raw import Raw
from convsight.picture import bands, opened

BITS_A_SAMPLE, SAMPLES_A_PIXEL = 258, 277  # TIFF 6.0, section 8


def read_tiff(path: Path, channels: int | None) -> Raw:
    """One picture: bands, or pages of one band each, are its channels.

    channels: 1 or 3 take the first page of a file whose number of pages is another, and say so; any other
    number must be that of the pages or bands. Files with more than 4 bands, or several of more than 8 bits,
    need tifffile: MissingExtra names it.
    """
    if beyond_pillow(path):
        return _with_tifffile(path)
    with opened(path) as image:
        pages = getattr(image, "n_frames", 1)
        if pages == 1:
            values, notes = bands(image, channels)
            return Raw(values[None], notes=notes, kept=len(values) == channels)
        if not _one_band_each(image, pages) or (channels in (1, 3) and channels != pages):
            image.seek(0)
            values, notes = bands(image, channels)
            return Raw(
                values[None], notes=(*notes, f"Of the {pages} pages of {path.name} the first was read.")
            )
        values = np.concatenate([_page(image, i) for i in range(pages)])
    said = () if channels == pages else (f"The {pages} pages of {path.name} were read as {pages} channels.",)
    return Raw(values[None], notes=said, kept=True)


def beyond_pillow(path: Path) -> bool:
    """Whether Pillow cannot read the file, or would cut its 16-bit bands down to 8 bits."""
    try:
        with Image.open(path) as image:
            tags = getattr(image, "tag_v2", {})
            deep = max(tags.get(BITS_A_SAMPLE, (8,))) > 8
            return deep and tags.get(SAMPLES_A_PIXEL, 1) > 1
    except Image.UnidentifiedImageError:
        with path.open("rb") as file:
            return file.read(4) in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
    except Exception:  # it is opened again, and then the error is said
        return False


def _with_tifffile(path: Path) -> Raw:
    purpose = f"{path}: a TIFF of more than 4 bands, or of several bands above 8 bits,"
    tifffile = required("tifffile", "tiff", purpose)
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            array, axes = series.asarray(), series.axes
    except Exception as error:  # on bad bytes it raises its own errors, struct.error, ValueError, ...
        raise DataError(f"{path}: cannot be read as a TIFF ({error})") from error
    return Raw(_channels_first(array, axes, path)[None], kept=True)


def _channels_first(array: np.ndarray, axes: str, path: Path) -> Shaped[np.ndarray, "c h w"]:
    """tifffile names the axes: Y, X, and S (samples), C (channels), Z or I (pages) for what is left."""
    keep = [i for i, size in enumerate(array.shape) if size > 1 or axes[i] in "YX"]
    array, axes = array.reshape([array.shape[i] for i in keep]), "".join(axes[i] for i in keep)
    others = [i for i, letter in enumerate(axes) if letter not in "YX"]
    if len(others) > 1:
        raise DataError(
            f"{path}: has the axes {axes} of sizes {array.shape}; one beside Y and X can be channels"
        )
    ordered = array.transpose([*others, axes.index("Y"), axes.index("X")])
    return np.ascontiguousarray(ordered if others else ordered[None])


def _one_band_each(image: Image.Image, pages: int) -> bool:
    sizes = set()
    for page in range(pages):
        image.seek(page)
        sizes.add((image.size, len(image.getbands())))
    return len(sizes) == 1 and next(iter(sizes))[1] == 1


def _page(image: Image.Image, page: int) -> Shaped[np.ndarray, "1 h w"]:
    image.seek(page)
    return bands(image)[0]
