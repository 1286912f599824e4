"""What are the silhouettes of the drawn animals, seen from the side? Every one in its own pose and build.

They share coats, sizes and places in the picture, so that their shape alone tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from convsight.datasets.shapes import Field, Number, Random, ellipse, limb, nowhere, union

Point = tuple[Number, Number]


@dataclass(frozen=True)
class Animal:
    """The parts of an animal that looks to the right.

    body: all of it, legs included. far: legs and ears on its other side, which are darker. dark: mane, inside of
    ears. light: belly, muzzle, tail. bill: what is orange. eye. neck: where a collar would be.
    """

    body: Field
    far: Field
    dark: Field
    light: Field
    bill: Field
    eye: Field
    neck: Point


def dog(r: Random, x: Field, y: Field) -> Animal:
    long, girth, leg = r(0.34, 0.5), r(0.17, 0.25), r(0.38, 0.6)
    head = (long + r(0.2, 0.34), r(-0.62, -0.38))
    near, far = _legs(r, x, y, (-long, 0.0), (long, -0.02), leg, r(0.06, 0.09))
    trunk = limb(x, y, (-long, 0.0), (long, -0.05), girth * r(0.78, 1.0), girth)
    throat = limb(x, y, (long, -0.1), head, girth * 0.72, 0.12)
    skull = ellipse(x, y, *head, r(0.15, 0.19), r(0.14, 0.17))
    nose = (head[0] + r(0.22, 0.32), head[1] + r(0.04, 0.1))
    muzzle = limb(x, y, (head[0] + 0.05, head[1] + 0.03), nose, 0.1, r(0.055, 0.075))
    up = r.chance(0.4)
    tip = (head[0] - r(0.08, 0.2), head[1] + r(0.1, 0.26) * (1 - up) - r(0.24, 0.34) * up)
    ear = limb(x, y, (head[0] - 0.08, head[1] - 0.08), tip, 0.08, 0.06 - 0.04 * up)
    tail = _curve(
        x, y, (-long - girth * 0.6, -0.08), (-long - r(0.3, 0.45), r(-0.55, 0.1)), r(-0.2, 0.2), 0.06, 0.03
    )
    body = union(trunk, throat, skull, muzzle, ear, tail, near)
    dark = union(ear, ellipse(x, y, *nose, 0.05, 0.045))
    light = union(torch.minimum(muzzle, y - head[1] - 0.02), torch.minimum(trunk, y - r(0.06, 0.2)))
    return Animal(body, far, dark, light, nowhere(x + y), _eye(x, y, head, 0.06), (long + 0.08, -0.24))


def cat(r: Random, x: Field, y: Field) -> Animal:
    long, girth, leg = r(0.3, 0.42), r(0.17, 0.22), r(0.3, 0.42)
    head = (long + r(0.1, 0.22), r(-0.42, -0.28))
    size = r(0.2, 0.25)
    near, far = _legs(r, x, y, (-long, 0.08), (long, 0.05), leg, r(0.055, 0.07))
    back = ellipse(x, y, 0.0, 0.02, long + girth, girth + r(0.0, 0.06))
    throat = limb(x, y, (long, -0.04), head, 0.15, 0.13)
    skull = ellipse(x, y, *head, size, size * r(0.82, 0.92))
    ears = union(
        *(
            _spike(x, y, (head[0] + side * size * 0.6, head[1] - size * 0.45), side * 0.05, size)
            for side in (-1, 1)
        )
    )
    inner = union(
        *(
            _spike(x, y, (head[0] + side * size * 0.6, head[1] - size * 0.4), side * 0.04, size * 0.6)
            for side in (-1, 1)
        )
    )
    top = (-long - r(0.15, 0.35), r(-0.85, -0.5))
    tail = _curve(x, y, (-long - 0.08, 0.0), top, r(-0.5, -0.2), 0.055, 0.04)
    chest = torch.minimum(ellipse(x, y, long + 0.04, 0.04, 0.1, 0.16), back)
    mouth = ellipse(x, y, head[0], head[1] + size * 0.45, size * 0.5, size * 0.32)
    eyes = union(
        *(ellipse(x, y, head[0] + side * size * 0.42, head[1] - 0.01, 0.045, 0.04) for side in (-1, 1))
    )
    body = union(back, throat, skull, ears, tail, near)
    return Animal(body, far, inner, union(chest, mouth), nowhere(x + y), eyes, (long + 0.03, -0.16))


def horse(r: Random, x: Field, y: Field) -> Animal:
    long, girth, leg = r(0.36, 0.46), r(0.18, 0.23), r(0.62, 0.78)
    head = (long + r(0.2, 0.36), r(-0.8, -0.5))
    near, far = _legs(r, x, y, (-long, -0.1), (long, -0.1), leg, r(0.05, 0.07))
    trunk = union(limb(x, y, (-long, -0.16), (long, -0.14), girth, girth * r(0.88, 1.0)))
    crest = limb(x, y, (long, -0.22), head, girth * 0.85, 0.1)
    nose = (head[0] + r(0.22, 0.3), head[1] + r(0.14, 0.28))
    face = limb(x, y, head, nose, 0.105, 0.065)
    ear = _spike(x, y, (head[0] - 0.03, head[1] - 0.06), 0.02, 0.16)
    mane = limb(x, y, (long - 0.1, -0.36), (head[0] - 0.09, head[1] - 0.06), 0.09, 0.06)
    tail = _curve(
        x, y, (-long - girth * 0.8, -0.2), (-long - r(0.22, 0.4), r(0.15, 0.45)), r(-0.2, 0.0), 0.05, 0.09
    )
    hooves = torch.minimum(union(near, far), y - leg + 0.22)
    blaze = torch.minimum(limb(x, y, head, nose, 0.04, 0.04), face) - 0.3 * (1 - r.chance(0.4))
    body = union(trunk, crest, face, ear, mane, tail, near)
    return Animal(
        body,
        far,
        union(mane, tail, hooves),
        blaze,
        nowhere(x + y),
        _eye(x, y, (head[0], head[1]), 0.05),
        (long + 0.16, -0.44),
    )


def duck(r: Random, x: Field, y: Field) -> Animal:
    long, deep = r(0.42, 0.54), r(0.24, 0.32)
    head = (long * r(0.7, 0.95), r(-0.62, -0.4))
    hull = ellipse(x, y + 0.1 * x, -0.02, 0.14, long, deep)
    rump = limb(x, y, (-long * 0.7, 0.06), (-long - r(0.12, 0.24), r(-0.2, -0.05)), 0.15, 0.03)
    throat = limb(x, y, (long * 0.62, 0.05), head, 0.15, 0.1)
    skull = ellipse(x, y, *head, r(0.15, 0.18), r(0.13, 0.16))
    bill = limb(
        x, y, (head[0] + 0.1, head[1] + 0.02), (head[0] + r(0.26, 0.36), head[1] + r(0.04, 0.08)), 0.07, 0.045
    )
    feet = [
        limb(x, y, (place, 0.36), (place + r(-0.04, 0.1), r(0.56, 0.66)), 0.035, 0.035)
        for place in (-0.06, 0.12)
    ]
    webs = [limb(x, y, (place, 0.64), (place + 0.16, 0.66), 0.035, 0.035) for place in (-0.06, 0.12)]
    wing = ellipse(x, y + 0.15 * x, -0.12, r(0.06, 0.14), long * 0.62, deep * 0.55)
    collar = torch.minimum(0.035 - (y - head[1] - 0.22).abs(), throat)
    body = union(hull, rump, throat, skull, bill, *feet, *webs)
    bright = union(bill, *feet, *webs)
    return Animal(
        body, nowhere(x + y), wing, collar, bright, _eye(x, y, head, 0.05), (head[0] - 0.02, head[1] + 0.24)
    )


def rabbit(r: Random, x: Field, y: Field) -> Animal:
    long, high = r(0.36, 0.46), r(0.32, 0.4)
    head = (long * r(0.95, 1.15), r(-0.24, -0.08))
    hull = ellipse(x, y, -0.08, 0.2, long, high)
    thigh = ellipse(x, y, -0.22, 0.36, 0.24, 0.22)
    skull = ellipse(x, y, *head, r(0.19, 0.23), r(0.15, 0.18))
    ears = [
        limb(
            x,
            y,
            (head[0] - 0.1, head[1] - 0.1),
            (head[0] - r(0.14, 0.4) * s, head[1] - r(0.5, 0.62)),
            0.06,
            0.045,
        )
        for s in (1.0, 0.4)
    ]
    inner = limb(x, y, (head[0] - 0.12, head[1] - 0.18), (head[0] - 0.25, head[1] - 0.44), 0.025, 0.02)
    puff = ellipse(x, y, -long - r(0.08, 0.13), r(0.22, 0.34), 0.1, 0.1)
    paws = [limb(x, y, (a, 0.3), (a + r(0.05, 0.16), 0.6), 0.08, 0.055) for a in (0.2, 0.28)]
    foot = limb(x, y, (-0.34, 0.58), (0.02, 0.6), 0.06, 0.05)
    body = union(hull, thigh, skull, ears[0], puff, paws[0], foot)
    far = union(ears[1], paws[1])
    crease = torch.minimum(0.02 - (thigh - 0.02).abs(), hull - 0.02)
    return Animal(
        body,
        far,
        union(torch.minimum(inner, ears[0]), crease),
        puff,
        nowhere(x + y),
        _eye(x, y, head, 0.06),
        (head[0] - 0.16, head[1] + 0.14),
    )


def elephant(r: Random, x: Field, y: Field) -> Animal:
    long, deep = r(0.44, 0.54), r(0.32, 0.4)
    head = (long * r(0.95, 1.1), r(-0.3, -0.16))
    hull = ellipse(x, y, -0.08, -0.08, long, deep)
    near, far = _legs(r, x, y, (-long * 0.62, 0.0), (long * 0.45, 0.0), r(0.56, 0.66), r(0.115, 0.14))
    skull = ellipse(x, y, *head, r(0.22, 0.26), r(0.22, 0.26))
    tip = (head[0] + r(0.05, 0.42), r(0.25, 0.6))
    trunk = _curve(x, y, (head[0] + 0.16, head[1] + 0.04), tip, r(0.08, 0.24), 0.11, 0.05)
    ear = ellipse(x, y, head[0] - r(0.12, 0.2), head[1] + r(-0.02, 0.06), r(0.17, 0.22), r(0.22, 0.29))
    tusk = limb(
        x,
        y,
        (head[0] + 0.14, head[1] + 0.16),
        (head[0] + r(0.26, 0.36), head[1] + r(0.2, 0.26)),
        0.035,
        0.015,
    )
    tail = _curve(x, y, (-long - 0.02, -0.1), (-long - r(0.08, 0.16), 0.3), -0.05, 0.03, 0.025)
    body = union(hull, skull, trunk, ear, tail, tusk, near)
    rim = torch.minimum(0.03 - (ear - 0.03).abs(), ear)
    return Animal(
        body,
        far,
        rim,
        tusk,
        nowhere(x + y),
        _eye(x, y, (head[0] + 0.08, head[1] - 0.06), 0.02),
        (head[0] - 0.1, head[1] + 0.26),
    )


def _legs(
    r: Random, x: Field, y: Field, behind: Point, before: Point, length: Number, radius: Number
) -> tuple[Field, Field]:
    """Two legs on this side and two on the other, somewhere in a step."""
    pairs = []
    for side in (0.0, 0.07):
        legs = []
        for hip in (behind, before):
            foot = (hip[0] + side + r(-0.16, 0.16), 0.12 + length - side * 0.4)
            knee = ((hip[0] + side + foot[0]) / 2 + r(-0.05, 0.05), (hip[1] + foot[1]) / 2)
            upper = limb(x, y, (hip[0] + side, hip[1]), knee, radius * 1.5, radius)
            legs.append(union(upper, limb(x, y, knee, foot, radius, radius * 0.75)))
        pairs.append(union(*legs))
    return pairs[0], pairs[1]


def _curve(x: Field, y: Field, a: Point, b: Point, bend: Number, ra: Number, rb: Number) -> Field:
    """A band from a to b that swings sideways by `bend` half-way."""
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    points = [(a[0] + (b[0] - a[0]) * t + bend * 2 * t * (1 - t), a[1] + (b[1] - a[1]) * t) for t in steps]
    widths = [ra + (rb - ra) * t for t in steps]
    return union(*(limb(x, y, points[i], points[i + 1], widths[i], widths[i + 1]) for i in range(4)))


def _spike(x: Field, y: Field, root: Point, lean: Number, height: Number) -> Field:
    return limb(x, y, root, (root[0] + lean, root[1] - height), height * 0.45, 0.01)


def _eye(x: Field, y: Field, head: Point, before: float) -> Field:
    return ellipse(x, y, head[0] + before, head[1] - 0.04, 0.035, 0.035)


ANIMALS: dict[str, Callable[[Random, Field, Field], Animal]] = {
    "dog": dog,
    "cat": cat,
    "horse": horse,
    "duck": duck,
    "rabbit": rabbit,
    "elephant": elephant,
}
