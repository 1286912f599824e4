"""What are the silhouettes of the ten garments, and which seams tell them apart?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convsight.datasets.shapes import (
    Field,
    Number,
    Random,
    ellipse,
    limb,
    nowhere,
    only,
    profile,
    stroke,
    union,
)


@dataclass(frozen=True)
class Garment:
    """The silhouette, its dark details (seams, buttons) and its light ones (soles, laces)."""

    inside: Field
    dark: Field
    light: Field


def upper(
    r: Random, x: Field, y: Field, *, hem: Tensor, sleeve: Tensor, wide: Tensor, v_neck: Tensor, flare: Tensor
) -> tuple[Field, Field, Tensor]:
    """Body and sleeves of anything worn above, the neckline cut out; and the top of the shoulders."""
    top, shoulder = r(-0.82, -0.74), wide + r(0.02, 0.10)
    neck = r(0.14, 0.24)
    waist = wide * r(0.84, 1.0)
    middle = (hem + top) / 2 + 0.1
    body = profile(
        x,
        y,
        [top, top + r(0.10, 0.18), top + 0.5, middle + 0.08, hem],
        [neck + 0.04, shoulder, wide, waist, wide * flare],
    )
    angle = (
        torch.where(x > 0, r(-0.06, 0.06), r(-0.06, 0.06)) + r(0.10, 0.42) + 0.35 * (1 - sleeve).clamp(0, 1)
    )
    start_y, radius = top + 0.24, r(0.13, 0.18)
    end_x, end_y = shoulder + sleeve * 1.25 * angle.sin(), start_y + sleeve * 1.25 * angle.cos()
    start_x = shoulder - radius * 0.9
    cuff = radius * r(0.62, 0.85)
    arm = limb(x.abs(), y, (start_x, start_y), (end_x - radius * 0.5, end_y), radius, cuff)
    arm = torch.where(sleeve > 0.03, arm, nowhere(x))
    depth = r(0.05, 0.14) + v_neck * r(0.08, 0.25)
    round_neck = ellipse(x, y, 0.0, top, neck, depth)
    vee = (depth - (y - top)) * neck / depth * 0.8 - x.abs()
    cut = torch.where(v_neck > 0.5, vee, round_neck)
    seam = torch.minimum(stroke(body, 0.018), arm)
    return torch.minimum(union(body, arm), -cut), seam, top


def placket(r: Random, x: Field, y: Field, top: Number, bottom: Number, gap: float) -> Field:
    """The front opening: a line down the middle and buttons beside it."""
    off = r(-0.03, 0.03)
    line = torch.minimum(stroke(x - off, r(0.02, 0.05)), bottom - y)
    period = r(gap, gap * 1.5)
    nearest = (((y - top) / period + 0.5) % 1 - 0.5) * period
    buttons = r(0.035, 0.06) - ((x - off - 0.06) ** 2 + nearest**2).sqrt()
    return torch.minimum(union(line, buttons), y - top - 0.08)


def t_shirt(r: Random, x: Field, y: Field) -> Garment:
    sleeve = r(0.18, 0.36) * r.chance(0.85)
    hem = r(0.55, 0.85)
    inside, seam, top = upper(
        r, x, y, hem=hem, sleeve=sleeve, wide=r(0.36, 0.52), v_neck=r.chance(0.25), flare=r(0.92, 1.08)
    )
    show = only(
        r.chance(0.35), ellipse(x, y, r(-0.08, 0.08), top + r(0.5, 0.75), r(0.1, 0.28), r(0.08, 0.25))
    )
    in_dark = r.chance(0.5)
    return Garment(inside, union(seam, only(in_dark, show)), only(1 - in_dark, show))


def trouser(r: Random, x: Field, y: Field) -> Garment:
    top, bottom = r(-0.92, -0.82), r(0.78, 0.94)
    hip, spread, leg = r(0.24, 0.36), r(0.0, 0.14), r(0.10, 0.17)
    crotch = r(-0.42, -0.2)
    pelvis = profile(x, y, [top, top + 0.1, crotch + 0.12], [hip * r(0.78, 0.95), hip * 0.92, hip])
    knee = (crotch + bottom) / 2
    middle = hip / 2 + spread * (y - crotch).clamp(0) + 0.012
    thigh = hip / 2 + 0.005
    legs = profile(
        x.abs() - middle, y, [crotch - 0.1, knee, bottom], [thigh, (thigh + leg) / 2 * r(0.85, 1.0), leg]
    )
    belt = torch.minimum(stroke(y - top - r(0.08, 0.14), 0.02), pelvis)
    fly = torch.minimum(stroke(x, 0.015), torch.minimum(crotch + 0.1 - y, pelvis))
    crease = only(r.chance(0.4), torch.minimum(stroke(x.abs() - middle, 0.015), legs))
    return Garment(union(pelvis, legs), union(belt, fly, crease), nowhere(x))


def pullover(r: Random, x: Field, y: Field) -> Garment:
    hem = r(0.5, 0.78)
    inside, seam, top = upper(
        r, x, y, hem=hem, sleeve=r(0.78, 1.05), wide=r(0.36, 0.50), v_neck=r.chance(0.25), flare=r(0.85, 1.0)
    )
    rib = torch.minimum(stroke(y - hem + r(0.08, 0.14), 0.02), 0.5 - x.abs())
    collar = only(r.chance(0.4), stroke(ellipse(x, y, 0.0, top, r(0.2, 0.28), r(0.14, 0.22)), 0.025))
    return Garment(inside, union(seam, rib, collar), nowhere(x))


def dress(r: Random, x: Field, y: Field) -> Garment:
    top, bottom = r(-0.92, -0.8), r(0.72, 0.95)
    bust, waist, skirt = r(0.20, 0.30), r(0.14, 0.24), r(0.24, 0.55)
    waist_y = r(-0.32, 0.0)
    heights = [top, top + 0.3, waist_y, (waist_y + bottom) / 2, bottom]
    body = profile(x, y, heights, [bust * 0.85, bust, waist, (waist + skirt) / 2 + r(-0.02, 0.06), skirt])
    length = r(0.2, 0.7)
    elbow = (bust + 0.25 * length + 0.03, top + 0.1 + length)
    arm = limb(x.abs(), y, (bust * 0.75, top + 0.12), elbow, 0.1, 0.07)
    arm = only(r.chance(0.4), arm)
    neck = ellipse(x, y, 0.0, top, bust * r(0.4, 0.7), r(0.06, 0.3))
    belt = only(r.chance(0.6), torch.minimum(stroke(y - waist_y, r(0.015, 0.05)), body))
    pleats = torch.minimum(stroke(torch.sin(x / (y + 1.4) * r(25, 60)), 0.15) * 0.1, y - waist_y - 0.05)
    return Garment(
        torch.minimum(union(body, arm), -neck), union(belt, only(r.chance(0.4), pleats)), nowhere(x)
    )


def coat(r: Random, x: Field, y: Field) -> Garment:
    hem = r(0.84, 1.0)
    inside, seam, top = upper(
        r, x, y, hem=hem, sleeve=r(0.85, 1.1), wide=r(0.36, 0.48), v_neck=r.chance(0.6), flare=r(1.05, 1.3)
    )
    opening = placket(r, x, y, top, hem, gap=0.26)
    lapel_end = r(0.3, 0.65)
    lapel = torch.minimum(stroke(x.abs() - (0.26 - (y - top) * 0.26 / lapel_end), 0.025), top + lapel_end - y)
    pocket = torch.minimum(stroke(y - r(0.25, 0.45), 0.02), stroke(x.abs() - 0.26, 0.1))
    dark = union(seam, opening, only(r.chance(0.75), lapel), only(r.chance(0.6), pocket))
    return Garment(inside, dark, nowhere(x))


def sandal(r: Random, x: Field, y: Field) -> Garment:
    heel, thick = r(0.0, 0.5), r(0.04, 0.09)
    floor = r(0.3, 0.5) + 0.2 * heel

    def ground(at: Number) -> Tensor:
        return floor - heel * torch.as_tensor((at + 0.1) / 0.9).clamp(0, 1) ** 1.3

    sole = torch.minimum(stroke(y - ground(x), thick), 0.88 - x.abs())
    post = torch.minimum(stroke(x - r(0.66, 0.74), r(0.06, 0.15)), floor + thick - y)
    post = torch.minimum(post, y - ground(x))
    straps = [only(r.chance(sure), _strap(r, x, y, at, ground)) for at, sure in STRAPS]
    back_x, front_x = r(0.68, 0.8), r(0.25, 0.5)
    lift = ground(0.78) - r(0.3, 0.55)
    counter = limb(x, y, (back_x, ground(0.78)), (back_x - 0.04, lift), 0.07, 0.045)
    ring = limb(x, y, (back_x, lift), (front_x, lift + r(0.0, 0.16)), 0.045, 0.05)
    tie = limb(x, y, (front_x, lift + 0.08), (front_x - 0.15, ground(0.1)), 0.05, 0.04)
    back = only(r.chance(0.75), union(counter, ring, only(r.chance(0.35), tie)))
    dark = torch.minimum(stroke(y - ground(x) - thick * 0.2, 0.02), 0.85 - x.abs())
    return Garment(union(sole, post, back, *straps), only(r.chance(0.5), dark), nowhere(x))


STRAPS = ((-0.5, 1.0), (-0.2, 0.6), (0.12, 0.3))  # where along the foot, and how often


def _strap(r: Random, x: Field, y: Field, at: float, ground: Callable[[Number], Tensor]) -> Field:
    """An arch over the foot, standing on the sole."""
    middle, reach, rise = at + r(-0.1, 0.1), r(0.1, 0.3), r(0.18, 0.4)
    arch = stroke(ellipse(x, y, middle, ground(middle), reach, rise), r(0.03, 0.07))
    return torch.minimum(arch, ground(x) - y + 0.02)


def shirt(r: Random, x: Field, y: Field) -> Garment:
    hem = r(0.55, 0.82)
    long = r.chance(0.65)
    sleeve = long * r(0.75, 1.05) + (1 - long) * r(0.22, 0.42)
    inside, seam, top = upper(
        r, x, y, hem=hem, sleeve=sleeve, wide=r(0.34, 0.48), v_neck=r.chance(0.5), flare=r(0.92, 1.12)
    )
    opening = only(r.chance(0.9), placket(r, x, y, top, hem, gap=0.16))
    spread = r(0.12, 0.24)
    collar = torch.minimum(
        stroke(x.abs() - 0.1 - (y - top) * spread / 0.2, 0.05), stroke(y - top - 0.12, 0.16)
    )
    pocket = torch.minimum(stroke(x - 0.2, 0.1), stroke(y - top - r(0.5, 0.6), 0.1))
    pocket = torch.minimum(pocket, 0.03 - pocket)
    return Garment(inside, union(seam, opening, only(r.chance(0.3), pocket)), only(r.chance(0.8), collar))


def sneaker(r: Random, x: Field, y: Field) -> Garment:
    floor, sole = r(0.28, 0.45), r(0.07, 0.14)
    toe, rise = r(0.2, 0.28), r(0.22, 0.4)
    instep = r(-0.05, 0.2)
    climb = ((x + 0.45) / (instep + 0.45)).clamp(0, 1)
    dip = r(0.02, 0.14) * (1 - ((x - 0.52) / 0.26) ** 2).clamp(0)
    round_toe = toe * 0.75 * ((-x - 0.6) / 0.3).clamp(0, 1) ** 2
    upper_y = floor - sole - toe - rise * climb ** r(1.0, 1.6) + dip + round_toe
    shoe = torch.minimum(torch.minimum(y - upper_y, floor - y), 0.9 - x.abs())
    rubber = torch.minimum(shoe, y - floor + sole)
    edge = torch.minimum(stroke(y - floor + sole, 0.02), shoe)
    laces = torch.minimum(
        stroke(torch.sin((x - upper_y) * r(10, 16)), 0.5) * 0.08, stroke(x - instep + 0.2, 0.2)
    )
    laces = torch.minimum(laces, 0.14 - (y - upper_y).abs())
    bars = stroke(torch.sin((x + (y - floor) * r(-0.8, 0.8)) * r(6, 14)), 0.4) * 0.1
    stripe = torch.minimum(torch.minimum(bars, stroke(x - 0.2, 0.3)), stroke(y - floor + 0.28, 0.12))
    collar = torch.minimum(stroke(y - upper_y - 0.05, 0.05), stroke(x - 0.52, 0.28))
    dark = union(edge, collar, only(r.chance(0.5), stripe))
    return Garment(shoe, dark, union(only(r.chance(0.6), rubber), laces))


def bag(r: Random, x: Field, y: Field) -> Garment:
    top, bottom = r(-0.35, 0.05), r(0.55, 0.85)
    wide, narrow = r(0.5, 0.85), r(0.8, 1.12)
    widths = [wide * narrow * 0.93, wide * narrow, wide, wide * 0.93]
    body = profile(x, y, [top, top + 0.1, bottom - 0.1, bottom], widths)
    reach, rise, band = wide * r(0.3, 0.85), r(0.18, 0.55), r(0.03, 0.06)
    loop = torch.minimum(stroke(ellipse(x, y, 0.0, top + 0.02, reach, rise), band), top + 0.1 - y)
    flap = torch.minimum(stroke(y - top - r(0.15, 0.5), 0.02), body)
    zip_line = torch.minimum(stroke(x.abs() - wide * r(0.5, 0.8), 0.02), body)
    clasp = ellipse(x, y, 0.0, (top + bottom) / 2, r(0.05, 0.12), r(0.05, 0.1))
    dark = union(only(r.chance(0.6), flap), only(r.chance(0.4), zip_line))
    return Garment(union(body, only(r.chance(0.88), loop)), dark, only(r.chance(0.5), clasp))


def ankle_boot(r: Random, x: Field, y: Field) -> Garment:
    floor, shaft = r(0.6, 0.8), r(0.85, 1.4)
    sole, heel = r(0.05, 0.1), r(0.0, 0.3)
    front = r(-0.05, 0.2)
    climb = ((x + 0.85) / (front + 0.75)).clamp(0, 1)
    foot_y = floor - sole - 0.22 - r(0.2, 0.35) * climb ** r(1.0, 1.6)
    round_toe = 0.09 * ((-x - 0.7) / 0.2).clamp(0, 1) ** 2
    back = 0.82 - r(0.0, 0.08) * (floor - y)
    arch = floor - heel * ((x + 0.1) / 0.35).clamp(0, 1)
    foot = torch.minimum(torch.minimum(y - foot_y - round_toe, arch - y), torch.minimum(back - x, x + 0.88))
    leg = torch.minimum(torch.minimum(x - front + (floor - shaft - y) * -0.08, back - x), y - floor + shaft)
    leg = torch.minimum(leg, arch - y)
    block = torch.minimum(x - r(0.42, 0.62), back - x)
    block = torch.minimum(block, torch.minimum(floor - y, y - floor + heel + 0.1))
    edge = torch.minimum(stroke(y - arch + sole, 0.02), 0.9 - x.abs())
    side_zip = torch.minimum(stroke(x - (front + 0.82) / 2, 0.02), floor - 0.35 - y)
    laces = torch.minimum(stroke(torch.sin(y * r(14, 22)), 0.5) * 0.08, stroke(x - front - 0.06, 0.1))
    laces = torch.minimum(laces, foot_y + 0.1 - y)
    dark = union(edge, only(r.chance(0.35), side_zip))
    return Garment(union(foot, leg, block), dark, only(r.chance(0.4), laces))


GARMENTS: tuple[Callable[[Random, Field, Field], Garment], ...] = (
    t_shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle_boot,
)  # fmt: skip
