"""How is a picture moved at random in each step, so that optimisation does not end in adversarial noise?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Wobble:
    """Random shifts of up to `shift_px` whole pixels, turns of up to `turn_deg`, zooms of 1 ± `zoom`."""

    shift_px: int
    turn_deg: float
    zoom: float

    def __call__(
        self, pixels: Float[Tensor, "n c h w"], generator: torch.Generator
    ) -> Float[Tensor, "n c h w"]:
        """The pictures, all moved alike; beyond the border they are mirrored."""
        if not (self.shift_px or self.turn_deg or self.zoom):
            return pixels
        turn, zoom, *shift = self._draw(generator)
        return moved(pixels, (shift[0], shift[1]), turn, zoom)

    def _draw(self, generator: torch.Generator) -> tuple[float, float, int, int]:
        turn, zoom = (2 * torch.rand(2, generator=generator) - 1).tolist()
        down, right = torch.randint(-self.shift_px, self.shift_px + 1, (2,), generator=generator).tolist()
        return turn * self.turn_deg, 1 + zoom * self.zoom, down, right


def moved(
    pixels: Float[Tensor, "n c h w"], shift_px: tuple[float, float], turn_deg: float, zoom: float
) -> Float[Tensor, "n c h w"]:
    """Pictures enlarged by `zoom`, turned anticlockwise and shifted (down, right), bilinear, about the centre."""
    height, width = pixels.shape[2:]
    cos, sin = math.cos(math.radians(turn_deg)) / zoom, math.sin(math.radians(turn_deg)) / zoom
    down, right = shift_px
    # Rows give where each output pixel comes from, in coordinates where the picture spans -1 to 1.
    x_row = [cos, -sin * height / width, 2 * (-cos * right + sin * down) / width]
    y_row = [sin * width / height, cos, 2 * (-sin * right - cos * down) / height]
    theta = torch.tensor([x_row, y_row]).to(pixels).expand(len(pixels), 2, 3)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, "bilinear", "reflection", align_corners=False)
