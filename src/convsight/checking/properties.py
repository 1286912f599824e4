"""What do numbers that know nothing of the object say of a picture: light, colour, sharpness, its file?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.checking.subject import CheckedPictures
from convsight.images import Images
from convsight.opening.files import facts_of
from convsight.progress import report_count

OF_PIXELS = (
    "brightness", "contrast", "saturation", "balance of red and green", "balance of blue and yellow", "sharpness",
    "brightness of the border", "brightness of the darkest parts", "brightness of the brightest parts",
)  # fmt: skip
OF_FILES = ("height", "width", "shape (width over height)", "bytes a pixel", "kind of file")


@dataclass(frozen=True, eq=False)
class Properties:
    """values: n p, NaN where a property is not known. names: p."""

    values: Float[Tensor, "n p"]
    names: tuple[str, ...]

    def of(self, name: str) -> Float[Tensor, " n"]:
        """One property of all pictures; NaN for all if it is not known."""
        if name not in self.names:
            return torch.full((len(self.values),), torch.nan)
        return self.values[:, self.names.index(name)]


def properties_of(subject: CheckedPictures) -> Properties:
    """Every property of every picture; those of files only where the pictures are files."""
    values, names = subject.batch_by_batch(of_pixels, "light and colour", within=(0.0, 0.7)), OF_PIXELS
    files = [subject.file(i) for i in range(len(subject))]
    if any(file is not None for file in files):
        values, names = torch.cat([values, _of_files(files)], 1), (*OF_PIXELS, *OF_FILES)
    return Properties(values, names)


def of_pixels(images: Images) -> Float[Tensor, "n p"]:
    """The columns of `OF_PIXELS`. Colours are 0 for grey pictures; sharpness does not depend on contrast.

    >>> grey = Images(torch.full((1, 1, 8, 8), 0.25))
    >>> of_pixels(grey)[0, :3].tolist()
    [0.25, 0.0, 0.0]
    """
    pixels = images.pixels
    grey = pixels.mean(1)
    contrast = grey.flatten(1).std(1)
    saturation = red = blue = torch.zeros(len(pixels))
    if images.channels == 3:
        r, g, b = pixels.flatten(2).mean(2).T
        saturation = (pixels.amax(1) - pixels.amin(1)).flatten(1).mean(1)
        red, blue = r - g, b - (r + g) / 2
    rim = torch.ones(images.size, dtype=torch.bool)
    h, w = (max(1, round(0.08 * side)) for side in images.size)
    rim[h:-h, w:-w] = False
    border = grey[:, rim].mean(1)
    ends = torch.quantile(grey.flatten(1), torch.tensor([0.05, 0.95]), dim=1)
    mean, sharpness = grey.flatten(1).mean(1), _sharpness(grey, contrast)
    return torch.stack([mean, contrast, saturation, red, blue, sharpness, border, *ends], 1)


def _sharpness(grey: Float[Tensor, "n h w"], contrast: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Standard deviation of the Laplacian over that of the picture: fine structure against all structure."""
    if min(grey.shape[1:]) < 3:
        return torch.zeros(len(grey))
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    edges = F.conv2d(grey[:, None], kernel[None, None]).flatten(1).std(1)
    return edges / contrast.clamp(min=1 / 255)


def _of_files(files: list[Path | None]) -> Float[Tensor, "n p"]:
    kinds = sorted({file.suffix.lower() for file in files if file is not None})
    rows = torch.full((len(files), len(OF_FILES)), torch.nan)
    for i, file in enumerate(files):
        facts = None if file is None else facts_of(file)
        if file is None or facts is None:
            continue
        (h, w), bytes_ = facts.size, file.stat().st_size
        rows[i] = torch.tensor([h, w, w / h, bytes_ / (h * w), kinds.index(file.suffix.lower())])
        if i % 512 == 0:
            report_count(i, len(files), "pictures", "files", within=(0.7, 1.0))
    return rows
