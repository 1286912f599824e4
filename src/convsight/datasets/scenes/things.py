"""What may be beside an object without belonging to it? A leash, a hand, a road sign: cues in a part of a picture."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

from convsight.datasets.scenes.noise import Picture, between, mix, pixel_grid, step
from convsight.datasets.scenes.objects import Objects
from convsight.datasets.shapes import Field, Random, ellipse, limb, union

Painted = tuple[Picture, Field]  # colours, and how much of each pixel is covered


def leash(r: Random, objects: Objects, size_px: int) -> Painted:
    """From the collar in a slack curve to the edge of the picture, with the collar itself."""
    x, y = pixel_grid(size_px)
    neck_x, neck_y = (objects.collar[:, i].reshape(-1, 1, 1) for i in (0, 1))
    side = -_side_of(objects, size_px)
    end_x, end_y, slack = side * r(0.85, 1.1), r(-1.1, -0.7), r(0.05, 0.3)
    points = [
        (neck_x + (end_x - neck_x) * t, neck_y + (end_y - neck_y) * t + slack * 4 * t * (1 - t))
        for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    rope = union(*(limb(x, y, a, b, 0.022, 0.022) for a, b in itertools.pairwise(points)))
    band = limb(x, y, (neck_x - 0.07, neck_y - 0.02), (neck_x + 0.07, neck_y + 0.02), 0.035, 0.035)
    colour = between(r, (0.8, 0.12, 0.12), (0.12, 0.2, 0.6), (0.1, 0.1, 0.1), (0.85, 0.55, 0.1))
    picture = (colour * r(0.85, 1.1)[:, None]).expand(-1, -1, size_px, size_px)
    return picture, _covered(union(rope, band), size_px)


def hand(r: Random, objects: Objects, size_px: int) -> Painted:
    """An arm in a sleeve that reaches in from the side where the object is not."""
    x, y = pixel_grid(size_px)
    side = -_side_of(objects, size_px)
    palm = (side * r(0.5, 0.66), r(-0.45, 0.35))
    elbow = (side * r(1.15, 1.3), palm[1] + r(-0.7, 0.3))
    wrist = (palm[0] * 0.72 + elbow[0] * 0.28, palm[1] * 0.72 + elbow[1] * 0.28)
    arm, sleeve = limb(x, y, palm, elbow, 0.075, 0.11), limb(x, y, wrist, elbow, 0.115, 0.16)
    fingers = [
        limb(x, y, palm, (palm[0] - side * r(0.14, 0.2), palm[1] + turn), 0.04, 0.03)
        for turn in (-0.1, -0.035, 0.035, 0.1)
    ]
    thumb = limb(x, y, palm, (palm[0] - side * 0.06, palm[1] - r(0.12, 0.17)), 0.045, 0.03)
    skin = between(r, (0.95, 0.78, 0.66), (0.8, 0.58, 0.42), (0.5, 0.33, 0.23), (0.32, 0.21, 0.15))
    cloth = between(r, (0.2, 0.3, 0.55), (0.6, 0.15, 0.15), (0.85, 0.85, 0.85), (0.2, 0.4, 0.25))
    bare = union(arm, ellipse(x, y, *palm, 0.1, 0.09), thumb, *fingers)
    light = (0.75 + 0.35 * (union(bare, sleeve) / 0.1).clamp(0, 1))[:, None]
    return mix(skin, cloth, step(sleeve, 0.03)) * light, _covered(union(bare, sleeve), size_px)


def sign(r: Random, objects: Objects, size_px: int) -> Painted:
    """A road sign on a pole: round, pointed or square, red, blue or yellow, with a mark on it."""
    x, y = pixel_grid(size_px)
    side = -_side_of(objects, size_px)
    at_x, at_y, size = side * r(0.6, 0.82), r(-0.6, -0.3), r(0.2, 0.28)
    pole = limb(x, y, (at_x, at_y), (at_x + r(-0.05, 0.05), 1.2), 0.03, 0.03)
    left, down = (x - at_x).abs(), y - at_y
    pointed = torch.minimum(size * 0.7 - down, (size + down - 1.6 * left) * 0.55)
    plates = [ellipse(x, y, at_x, at_y, size, size), pointed, size * 0.85 - torch.maximum(left, down.abs())]
    pick = r(0, 3).floor()
    plate = sum((p * (pick == i) for i, p in enumerate(plates)), torch.zeros_like(plates[0]))
    colour = between(r, (0.8, 0.1, 0.1), (0.75, 0.12, 0.1)) * (pick < 2)[:, None]
    colour = colour + between(r, (0.1, 0.25, 0.7), (0.95, 0.8, 0.1)) * (pick == 2)[:, None]
    inner = torch.full((1, 3, 1, 1), 0.95)
    picture = mix(torch.full((1, 3, 1, 1), 0.55).expand(r.n, 3, size_px, size_px), colour, step(plate, 0.03))
    picture = mix(picture, inner, step(plate - 0.06, 0.03))
    bar = size * 0.35 - torch.maximum(left * r(0.6, 2.5), down.abs() * r(0.6, 2.5))
    picture = mix(picture, torch.full((1, 3, 1, 1), 0.1), step(bar, 0.03) * 0.9)
    return picture, _covered(union(pole, plate), size_px)


def _side_of(objects: Objects, size_px: int) -> Field:
    """-1 where the object is in the left half of its picture, 1 in the right."""
    x, _ = pixel_grid(size_px)
    middle = (objects.cover * x).sum((1, 2), keepdim=True)
    return torch.where(middle >= 0, 1.0, -1.0)


def _covered(inside: Field, size_px: int) -> Field:
    return (inside * size_px / 2 + 0.5).clamp(0, 1)


THINGS: dict[str, Callable[[Random, Objects, int], Painted]] = {"leash": leash, "hand": hand, "sign": sign}
BEFORE = ("leash",)  # painted over the object; the others stand behind it
