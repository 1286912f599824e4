"""How is a drawn animal placed in its picture, coloured and lit?"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from convsight.datasets.scenes.animals import ANIMALS, Animal
from convsight.datasets.scenes.noise import Colour, Picture, between, mix, noise, pixel_grid, step
from convsight.datasets.scenes.objects import Objects
from convsight.datasets.shapes import Field, Random, union

COATS = (  # natural colours, from white to black; every animal may wear any
    (0.93, 0.91, 0.87), (0.82, 0.7, 0.52), (0.74, 0.48, 0.24), (0.5, 0.32, 0.18), (0.3, 0.2, 0.14),
    (0.12, 0.11, 0.11), (0.42, 0.42, 0.43), (0.68, 0.67, 0.65),
)  # fmt: skip
OWN = (  # told apart by colour alone, for classes whose objects are easy
    (0.86, 0.16, 0.14), (0.16, 0.32, 0.86), (0.95, 0.82, 0.12), (0.62, 0.2, 0.72), (0.12, 0.75, 0.7), (0.96, 0.5, 0.7),
)  # fmt: skip
ORANGE = ((0.95, 0.6, 0.1), (0.9, 0.45, 0.15), (0.85, 0.7, 0.25))


def animals(k: int, kind: str, r: Random, size_px: int, own_colour: float) -> Objects:
    """n animals of one kind, in random pose, place, size and coat.

    k: the number of the class, whose own bright coat a share `own_colour` of them wears.
    """
    x, y = pixel_grid(size_px)
    scale, flip = r(0.56, 0.95), 1 - 2 * r.chance(0.5)
    room = (1 - scale * 0.8).clamp(min=0.12)
    at_x, at_y = r(-1.1, 1.1) * room, r(-0.55, 1.1) * room
    angle, stretch = r(-0.12, 0.12), r(0.9, 1.1)
    moved_x, moved_y = (x - at_x) * flip, y - at_y
    own_x = (moved_x * angle.cos() + moved_y * angle.sin()) / scale / stretch
    own_y = (moved_y * angle.cos() - moved_x * angle.sin()) / scale * stretch
    animal = ANIMALS[kind](r, own_x, own_y)
    pixel = 2 / size_px / scale
    cover = (union(animal.body, animal.far) / pixel + 0.5).clamp(0, 1)
    colours = _coloured(r, animal, own_x, own_y, pixel, _coat(k, r, own_colour))
    shadow = _shadow(r, cover, size_px)
    neck_x, neck_y = animal.neck[0] * stretch, animal.neck[1] / stretch
    neck = (neck_x * angle.cos() - neck_y * angle.sin(), neck_x * angle.sin() + neck_y * angle.cos())
    collar = torch.stack([at_x + neck[0] * scale * flip, at_y + neck[1] * scale], -1).reshape(-1, 2)
    return Objects(colours, cover, shadow, collar)


def _coat(k: int, r: Random, own_colour: float) -> Colour:
    natural = between(r, *COATS)
    own = between(r, OWN[k % len(OWN)])
    wears = r.chance(own_colour)[:, None]
    return natural * (1 - wears) + own * wears


def _coloured(r: Random, animal: Animal, x: Field, y: Field, pixel: Field, coat: Colour) -> Picture:
    """Fur with patches, stripes or neither, lit from above, darker parts and lighter ones over it."""
    second = 0.5 * coat + 0.5 * between(r, *COATS)
    pick = r(0, 1)
    patches = step(noise(r, x, y, r(1.2, 2.4)) - 0.5, 0.3) * (pick > 0.75)
    stripes = step(noise(r, x * 2.6, y * 0.5, 2.2) - 0.4, 0.8) * (pick < 0.15)
    fur = mix(coat.expand(r.n, 3, *x.shape[1:2], 1), second, (patches + stripes).clamp(0, 1))
    round_ = (animal.body / r(0.12, 0.2)).clamp(0, 1)
    light = 0.72 + 0.3 * round_ - r(0.05, 0.3) * (y + 0.1) + 0.06 * noise(r, x * 1.5, y * 3, 5.0)
    far = step(-animal.body, pixel) * 0.35
    fur = fur * (light * (1 - far))[:, None]
    fur = mix(fur, fur * 0.45, step(animal.dark, pixel) * r(0.4, 0.95))
    fur = mix(fur, 0.35 * fur + 0.6, step(animal.light, pixel) * r(0.2, 0.9))
    fur = mix(fur, between(r, *ORANGE) * light[:, None], step(animal.bill, pixel))
    return mix(fur, torch.full((1, 3, 1, 1), 0.05), step(animal.eye, pixel)).clamp(0, 1)


def _shadow(r: Random, cover: Field, size_px: int) -> Field:
    """A soft shadow on the ground: the silhouette pressed flat under the feet."""
    n, h, _w = cover.shape
    solid = (cover > 0.5).float()
    rows = torch.arange(h).reshape(1, h)
    feet = (solid.amax(2) * rows).amax(1).reshape(n, 1, 1)
    flat = r(0.12, 0.25)
    shift = r(-0.2, 0.2)
    x, y = pixel_grid(size_px)
    line = (feet + 0.5) * 2 / h - 1
    from_y = line + (y - line) / flat
    from_x = x - shift * (from_y - line) + 0 * from_y
    places = torch.stack(torch.broadcast_tensors(from_x, from_y), -1)
    pressed = F.grid_sample(
        cover[:, None], places, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    blurred = F.avg_pool2d(pressed, 5, 1, 2)[:, 0]
    return 1 - blurred * r(0.15, 0.5)
