"""What do drawn surroundings look like? Snow, leaves, water, sand, wall, grass and sky, varied like photographs.

Each picture has its own weather, light, distance and slope; in some the horizon is seen, with the same kinds of sky
and trees above it whatever the ground is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from convsight.datasets.scenes.noise import Picture, View, between, mix, noise, pixel_grid, step
from convsight.datasets.shapes import Field, Random, ellipse

LEAVES = 32  # in a picture of foliage, one painted over another


def ground(kind: str, r: Random, size_px: int) -> Picture:
    """Pictures of one kind of surroundings, without an object, with values in [0, 1]."""
    level = kind not in ("wall", "sky")
    view = _view(r, size_px, horizon=level)
    surface = GROUNDS[kind](r, view)
    if level:
        surface = mix(surface, _beyond(r, view), view.above)
    lit = surface * _light(r, view)[:, None]
    grain = torch.randn(lit.shape, generator=r.generator) * r(0.0, 0.025)[:, None]
    return (lit + grain).clamp(0, 1)


def _view(r: Random, size_px: int, *, horizon: bool) -> View:
    """A camera of random height and tilt over a plane, turned by chance."""
    x, y = pixel_grid(size_px)
    seen = r.chance(0.4 if horizon else 0.0)
    line = torch.where(seen > 0, r(-0.85, -0.4), r(-1.9, -1.3)) + r(-0.06, 0.06) * x
    down = ((y - line) / (1 - line)).clamp(min=0.03)  # 0 at the horizon, 1 at the lower edge
    tilt = torch.where(seen > 0, r(0.8, 0.97), r(0.1, 0.6))
    near = 1 - tilt * (1 - down)
    far, turn = r(0.8, 1.6), r(-0.5, 0.5)
    u, v = x / near * far, (2 / tilt) * (-1 / near) * far
    turned = (u * turn.cos() + v * turn.sin(), v * turn.cos() - u * turn.sin())
    return View(x, y, *turned, near, step(line - y, 0.04))


def _light(r: Random, view: View) -> Field:
    """Sun or lamp from one side, clouds or corners that are darker."""
    side = 1 + r(-0.14, 0.14) * view.x + r(-0.08, 0.12) * view.y
    corners = 1 - r(0.0, 0.12) * (view.x**2 + view.y**2)
    return side * corners * r(0.82, 1.06)


def _beyond(r: Random, view: View) -> Picture:
    """What is above a horizon: sky, in two of three pictures with trees or hills before it."""
    high = between(r, (0.35, 0.55, 0.85), (0.62, 0.72, 0.82), (0.8, 0.8, 0.8), (0.75, 0.6, 0.62))
    low = 0.45 * high + 0.55 * between(r, (0.92, 0.92, 0.92), (0.95, 0.85, 0.7))
    sky = mix(high, low, (0.5 + 0.9 * view.y + 0.9 * noise(r, view.x, view.y, 1.2, 3) * 0.25).clamp(0, 1))
    hills = between(r, (0.16, 0.24, 0.16), (0.32, 0.38, 0.42), (0.4, 0.36, 0.32), (0.1, 0.15, 0.13))
    crest = r(-0.95, -0.7) + 0.09 * noise(r, view.x + 0 * view.y, 0 * view.x + 0 * view.y, r(0.8, 5.0), 3)
    shaded = hills * (1 + 0.18 * noise(r, view.x, view.y, 9.0, 2))[:, None]
    return mix(sky, shaded, step(view.y - crest, 0.04) * r.chance(0.65))


def snow(r: Random, view: View) -> Picture:
    """Drifts with blue shadows, hollows, sometimes twigs and falling flakes."""
    white = between(r, (0.97, 0.97, 0.99), (0.9, 0.94, 0.98), (0.98, 0.93, 0.9))
    shadow = between(r, (0.6, 0.72, 0.88), (0.72, 0.8, 0.9), (0.66, 0.68, 0.8))
    drift = noise(r, view.u * 0.55, view.v, r(0.5, 1.3), 3, 0.45)
    hollow = step(noise(r, view.u, view.v, r(2.0, 4.0), 2) - r(1.0, 1.9), 0.6) * r(0.0, 0.7)
    picture = mix(white, shadow, (r(0.15, 0.45) + r(0.15, 0.4) * drift + hollow).clamp(0, 1))
    stalk = (noise(r, view.u * 2.2, view.v * 0.35, r(3.0, 6.0)) - r(1.7, 2.4)) * r.chance(0.4)
    picture = mix(picture, between(r, (0.25, 0.2, 0.16), (0.45, 0.4, 0.3)), step(stalk - 0.15, 0.3) * 0.8)
    flakes = step(noise(r, view.x, view.y, r(7.0, 12.0)) - 1.7, 0.5) * r.chance(0.35)
    return mix(picture, torch.ones(1, 3, 1, 1), flakes * 0.9)


def leaves(r: Random, view: View) -> Picture:
    """Foliage: leaf over leaf, each of its own green or autumn colour, dark gaps between."""
    main = between(
        r, (0.16, 0.36, 0.1), (0.3, 0.5, 0.16), (0.42, 0.5, 0.14), (0.66, 0.42, 0.1), (0.55, 0.22, 0.08)
    )
    other = 0.6 * main + 0.4 * between(r, (0.2, 0.45, 0.15), (0.75, 0.6, 0.15), (0.4, 0.2, 0.1))
    picture = (main * 0.45).expand(r.n, 3, *torch.broadcast_shapes(view.x.shape, view.y.shape)[1:])
    length = r(0.22, 0.42)
    for layer in range(LEAVES):
        angle, x, y = r(0, math.pi), view.x - r(-1.1, 1.1), view.y - r(-1.1, 1.1)
        along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
        size = length * r(0.6, 1.4)
        leaf = ellipse(along, across, 0.0, 0.0, size, size * 0.42)
        tone = (0.6 + 0.5 * layer / LEAVES) * (r(0.75, 1.2) + 0.8 * across / size)
        tone = tone * (1 - 0.3 * step(0.01 - across.abs(), 0.03))
        picture = mix(picture, (main + (other - main) * r(0, 1)[:, None]) * tone[:, None], step(leaf, 0.035))
    return picture


def water(r: Random, view: View) -> Picture:
    """Waves seen at a slant, their crests light with the sky, their troughs dark."""
    deep = between(r, (0.05, 0.2, 0.33), (0.1, 0.33, 0.4), (0.16, 0.3, 0.24), (0.22, 0.28, 0.34))
    sky = between(r, (0.5, 0.7, 0.85), (0.7, 0.78, 0.82), (0.85, 0.75, 0.65))
    swell = noise(r, view.u * 0.4, view.v * 1.6, r(0.8, 1.8), 3, 0.6)
    bend = 0.5 * noise(r, view.u * 0.6, view.v, 1.0, 2)
    waves = torch.sin((view.v * r(9, 18) + 3 * bend + r(0, 6)) * 1.0) * r(0.2, 0.8)
    height = (swell + waves) * (0.5 + 0.5 * view.near)
    picture = mix(deep, sky, (r(0.18, 0.42) + r(0.15, 0.28) * height).clamp(0, 1))
    glint = step(noise(r, view.u * 0.7, view.v * 2.5, r(4.0, 8.0)) + 0.5 * height - r(1.9, 2.8), 0.4)
    return mix(picture, torch.ones(1, 3, 1, 1), glint * 0.8)


def sand(r: Random, view: View) -> Picture:
    """Dunes or beach: ripples that run and fork, grains, here and there a pebble."""
    pale = between(r, (0.9, 0.8, 0.6), (0.85, 0.7, 0.46), (0.82, 0.56, 0.36), (0.8, 0.75, 0.66))
    dark = pale * between(r, (0.62, 0.55, 0.5), (0.75, 0.7, 0.66))
    dune = noise(r, view.u * 0.7, view.v, r(0.4, 0.9), 2)
    bend = 1.6 * noise(r, view.u, view.v, 0.8, 2)
    ripple = torch.sin(view.u * r(-4, 4) + view.v * r(12, 26) + bend * r(1.0, 2.5)) * r(0.0, 0.8)
    grains = noise(r, view.u, view.v, r(9.0, 14.0), 2) * r(0.1, 0.5)
    shade = (r(0.25, 0.5) + 0.22 * (dune + ripple * view.near + grains)).clamp(0, 1)
    pebble = step(noise(r, view.u, view.v, r(4.0, 7.0)) - r(2.0, 2.6), 0.3) * r.chance(0.5)
    return mix(mix(pale, dark, shade), between(r, (0.35, 0.32, 0.3), (0.6, 0.58, 0.55)), pebble * 0.8)


def wall(r: Random, view: View) -> Picture:
    """Indoors or by a house: plaster, bricks, planks or paper with stripes, often with a floor below."""
    x, y = view.x, view.y
    paint = between(
        r, (0.75, 0.72, 0.66), (0.55, 0.3, 0.24), (0.45, 0.55, 0.62), (0.8, 0.7, 0.5), (0.6, 0.62, 0.5)
    )
    course = r(0.16, 0.3)
    row = (y / course + r(0, 1)).floor()
    brick = x / (course * 2.1) + 0.5 * (row % 2)
    joint = torch.maximum(_line(y / course + r(0, 0) * x, 0.1), _line(brick + 0 * y, 0.05))
    uneven = torch.sin(row * 12.9 + (brick).floor() * 78.2)
    board = r(0.2, 0.45)
    grain = noise(r, x * 3.5, y * 0.5, 2.0, 3)
    planks = (
        -0.6 * _line(x / board + 0 * y, 0.06) + 0.16 * torch.sin((x / board).floor() * 9.1) + 0.12 * grain
    )
    plaster = 0.08 * noise(r, x, y, r(0.8, 3.0), 3)
    stripes = 0.12 * step(torch.sin(x * r(8, 22) + r(0, 6)) + 0 * y, 0.5) + 0.03 * noise(r, x, y, 3.0)
    pick = r(0, 4).floor()
    textures = [plaster, -0.25 * joint + 0.1 * uneven + 0.06 * noise(r, x, y, 5.0), planks, stripes]
    texture = sum((t * (pick == i) for i, t in enumerate(textures)), torch.zeros_like(plaster))
    picture = paint * (1 + texture)[:, None]
    boards = between(r, (0.45, 0.3, 0.18), (0.62, 0.46, 0.3), (0.5, 0.5, 0.5), (0.66, 0.6, 0.52))
    near = ((y - 0.0) / 1.0).clamp(min=0.05)
    seams = _line(x / near.clamp(min=0.15) * r(1.0, 2.5) + r(0, 1), 0.08)
    floor = boards * (1 + 0.08 * noise(r, x * 0.5, y * 2, 3.0, 2) - 0.22 * seams * r.chance(0.6))[:, None]
    edge = r(0.35, 0.75)
    below = step(y - edge + 0 * x, 0.03) * r.chance(0.7)
    skirting = step(0.045 - (y - edge + 0.05).abs() + 0 * x, 0.02) * r.chance(0.5)
    picture = mix(
        picture, between(r, (0.9, 0.9, 0.87), (0.4, 0.3, 0.22)), skirting * below.amax((1, 2), True)
    )
    return mix(picture, floor, below)


def grass(r: Random, view: View) -> Picture:
    """Blades in clumps, lighter at their tips, sometimes with flowers."""
    light = between(r, (0.45, 0.6, 0.2), (0.35, 0.52, 0.18), (0.62, 0.6, 0.28), (0.5, 0.66, 0.3))
    dark = light * between(r, (0.4, 0.5, 0.4), (0.55, 0.62, 0.5))
    lean = view.x + r(-0.4, 0.4) * view.y
    blades = noise(r, lean / view.near, view.y / view.near * 0.22, r(7.0, 11.0), 2)
    clumps = noise(r, view.u, view.v, r(0.8, 2.0), 2)
    picture = mix(dark, light, (0.5 + 0.3 * blades + 0.2 * clumps).clamp(0, 1))
    flower = step(noise(r, view.u, view.v, r(4.0, 7.0)) - r(2.0, 2.5), 0.25) * r.chance(0.35)
    return mix(picture, between(r, (0.95, 0.95, 0.9), (0.95, 0.85, 0.3), (0.75, 0.5, 0.8)), flower)


def sky(r: Random, view: View) -> Picture:
    """Clear, cloudy or at dusk."""
    high = between(r, (0.3, 0.5, 0.85), (0.55, 0.68, 0.85), (0.7, 0.72, 0.76), (0.5, 0.45, 0.6))
    low = 0.5 * high + 0.5 * between(r, (0.92, 0.94, 0.96), (0.97, 0.82, 0.66))
    picture = mix(high, low, (0.5 + 0.5 * view.y + 0 * view.x).clamp(0, 1))
    cloud = step(noise(r, view.x, view.y * 2, r(0.8, 1.8), 4, 0.6) - r(-0.2, 1.6), 1.2)
    return mix(picture, between(r, (0.95, 0.95, 0.96), (0.8, 0.8, 0.83)), cloud * r(0.5, 0.95))


def _line(place: Field, width: float) -> Field:
    """1 within `width` of a whole number, 0 between."""
    away = ((place + 0.5) % 1 - 0.5).abs()
    return step(width - away, width)


GROUNDS: dict[str, Callable[[Random, View], Picture]] = {
    "snow": snow,
    "leaves": leaves,
    "water": water,
    "sand": sand,
    "wall": wall,
    "grass": grass,
    "sky": sky,
}
