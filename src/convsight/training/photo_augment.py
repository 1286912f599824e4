"""How are photos varied without changing what a person would call them? Cut, enlarged, lit and coloured differently.

The operations are torchvision's (`transforms.v2`); each picture gets numbers of its own, drawn from the training's
generator, so that a resumed training repeats them.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Generator, Tensor

from convsight.bring.torchvision_shim import import_torchvision

RATIOS = (3 / 4, 4 / 3)  # width ÷ height of a crop, as in Inception (Szegedy et al. 2014, arXiv 1409.4842)


def resized_crops(
    pixels: Shaped[Tensor, "n c h w"], least: float, generator: Generator
) -> Shaped[Tensor, "n c h w"]:
    """From each picture a rectangle of at least the share `least` of its area, at its own place, enlarged again."""
    functional = _functional()
    n, _, h, w = pixels.shape
    areas = torch.empty(n).uniform_(least, 1.0, generator=generator)
    ratios = torch.empty(n).uniform_(*map(math.log, RATIOS), generator=generator).exp()
    places = torch.rand(n, 2, generator=generator)
    cut = []
    for picture, area, ratio, (down, right) in zip(
        pixels, areas.tolist(), ratios.tolist(), places.tolist(), strict=True
    ):
        height = min(h, max(1, round(math.sqrt(area * h * w / ratio))))
        width = min(w, max(1, round(math.sqrt(area * h * w * ratio))))
        top, left = round(down * (h - height)), round(right * (w - width))
        cut.append(functional.resized_crop(picture, top, left, height, width, [h, w]))
    return torch.stack(cut)


def recoloured(
    pixels: Shaped[Tensor, "n c h w"], strength: float, generator: Generator, *, hues: bool = True
) -> Shaped[Tensor, "n c h w"]:
    """Brightness, contrast and, with `hues`, saturation of each picture, times a factor of 1 ± `strength`."""
    functional = _functional()
    factors = torch.empty(len(pixels), 3).uniform_(1 - strength, 1 + strength, generator=generator)
    if pixels.shape[1] not in (1, 3):  # torchvision knows grey and RGB: other pictures are lit only
        whole = pixels.float() * factors[:, :1, None, None]
        top = 1.0 if pixels.is_floating_point() else 255.0
        return whole.clamp(0, top).to(pixels.dtype)
    varied = []
    for picture, (light, contrast, saturation) in zip(pixels, factors.tolist(), strict=True):
        picture = functional.adjust_contrast(functional.adjust_brightness(picture, light), contrast)
        if hues and len(picture) == 3:
            picture = functional.adjust_saturation(picture, saturation)
        varied.append(picture)
    return torch.stack(varied)


def can_vary_photos() -> bool:
    """Whether torchvision is installed."""
    try:
        return importlib.util.find_spec("torchvision") is not None
    except ValueError:  # a module of that name was put in its place without saying where it is from
        return False


def _functional() -> Any:
    import_torchvision()
    return importlib.import_module("torchvision.transforms.v2.functional")
