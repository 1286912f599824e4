"""How does the page speak of layers, channels and units?"""

from __future__ import annotations

from pydantic import Field

from convsight.studio.schemas.base import Model, Number


class ChannelInfo(Model):
    channel: int
    max: Number
    mean: Number
    dead: bool = Field(description="nowhere above zero on this picture (maps), or all weights zero (filters)")


class Sprites(Model):
    """Channel c is in row c // columns and column c % columns of the sheet, each on its own colour scale."""

    shape: list[int]
    sheet: str
    cell: tuple[int, int]
    columns: int
    signed: bool
    channels: list[ChannelInfo]
    order: list[int]


class ReceptiveBox(Model):
    y0: int
    x0: int
    y1: int
    x1: int
