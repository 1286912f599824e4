"""How does the page speak of layers, channels and units?"""

from __future__ import annotations

from typing import Literal

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


class CellPart(Model):
    """What one input channel adds: the sum of window × kernel; without a kernel, the window that is pooled."""

    channel: int
    window: list[list[Number]] = Field(
        description="None is outside of the map; empty where it is too large to tell"
    )
    kernel: list[list[Number]] | None
    sum: Number


class Cell(Model):
    """value = the parts' sums + `rest` (of `others` further channels) + bias; of pooling, the one part's sum."""

    kind: Literal["convolution", "linear", "largest", "mean"]
    source: str | None = Field(description="the layer whose value is read; None: the prepared picture")
    value: Number
    parts: list[CellPart]
    others: int
    rest: Number
    bias: Number
    height: int
    width: int
