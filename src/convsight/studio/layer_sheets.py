"""What are a layer's feature maps for a picture, and what are its filters? One PNG sheet with every
channel.
"""

from __future__ import annotations

import math
from urllib.parse import quote

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError
from convsight.network.operations import is_convolution
from convsight.results import draw
from convsight.studio import schemas
from convsight.studio.session import Studio

MOST_UNITS = 4096


def layer_maps(studio: Studio, layer: str, picture: str) -> schemas.Sprites:
    """Every channel of a layer on one picture: its largest and mean response, and the order by response."""
    values = _values(studio, layer, picture)
    url = f"/api/layers/{quote(layer, safe='')}/maps.png?picture={picture}"
    return _sprites(values, url, dead=values.amax((1, 2)) <= 0, rank=values.mean((1, 2)))


def layer_maps_png(studio: Studio, layer: str, picture: str) -> bytes:
    values = _values(studio, layer, picture)
    return coloured_sheet(values, bool((values < 0).any()))


def layer_filters(studio: Studio, layer: str) -> schemas.Sprites:
    """Every filter of a convolution; of deeper layers the mean over their inputs is drawn."""
    weights = _weights(studio, layer)
    flat = weights.mean(1)
    size = weights.flatten(1).norm(dim=1)
    made = _sprites(flat, f"/api/layers/{quote(layer, safe='')}/filters.png", dead=size == 0, rank=size)
    made.signed = True
    return made


def layer_filters_png(studio: Studio, layer: str) -> bytes:
    weights = _weights(studio, layer)
    first = studio.net.layers.convolutions()[0].name == studio.net.layers[layer].name
    if first and weights.shape[1] == 3:
        limit = weights.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
        return draw.png(draw.rgb(draw.mosaic(0.5 + weights / (2 * limit), columns_of(len(weights)))))
    return coloured_sheet(weights.mean(1), True)


def receptive(studio: Studio, layer: str, y: int, x: int) -> schemas.ReceptiveBox:
    """The pixels that the cell (y, x) of a layer sees, clipped at the picture's borders."""
    chosen = studio.net.layers[layer]
    if not chosen.is_map:
        raise InputError(
            f"layer {layer!r} has no feature maps, so its units have no place; it sees everything"
        )
    rows, columns = chosen.output_shape[1:]
    if not (0 <= y < rows and 0 <= x < columns):
        raise InputError(f"no cell y={y}, x={x} in {layer!r}; its maps are {rows}×{columns}")
    box = studio.net.layers.receptive_box(layer, y, x)
    if box is None:
        raise InputError(f"cell y={y}, x={x} of {layer!r} sees only padding")
    return schemas.ReceptiveBox(y0=box.top, x0=box.left, y1=box.bottom, x1=box.right)


def coloured_sheet(values: Float[Tensor, "c h w"], signed: bool) -> bytes:
    """One map a tile in the colours of `draw.colours`, each scaled to its own largest magnitude, as PNG."""
    limits = values.abs().amax((1, 2), keepdim=True)
    scaled = values / torch.where(limits > 0, limits, 1)
    index = ((scaled + 1) / 2 if signed else scaled).clamp(0, 1).mul(255).round().to(torch.uint8)
    return draw.scale_png(draw.mosaic(index[:, None], columns_of(len(values)), 0)[0].numpy(), signed)


def columns_of(n: int) -> int:
    return max(1, math.ceil(math.sqrt(n)))


def _values(studio: Studio, layer: str, picture: str) -> Float[Tensor, "c h w"]:
    """A layer's value for one picture; vectors are maps of one cell."""
    chosen = studio.net.layers[layer]
    images = studio.pictures.some([picture])
    key = f"maps {chosen.name} {picture}"
    kept = studio.store.get(key)
    if kept is not None:
        return kept
    with torch.no_grad(), studio.net.record(chosen.name, stop=True) as seen:
        studio.net.forward(images.pixels)
    value = seen[chosen.name][0].detach().float().cpu()
    if not chosen.is_map:
        value = value.reshape(-1)[:MOST_UNITS, None, None]
    value = value.nan_to_num()
    return studio.store.put(key, value, 4 * value.numel())


def _weights(studio: Studio, layer: str) -> Float[Tensor, "o i h w"]:
    chosen = studio.net.layers[layer]
    if not is_convolution(chosen.kind):
        names = ", ".join(a.name for a in studio.net.layers.convolutions())
        raise InputError(
            f"layer {layer!r} is a {chosen.kind} and has no filters; the convolutions are: {names}"
        )
    return studio.net.layers.weight(layer).detach().float().cpu()


def _sprites(values: Tensor, url: str, dead: Tensor, rank: Tensor) -> schemas.Sprites:
    c, h, w = values.shape
    tops, means = values.amax((1, 2)).tolist(), values.mean((1, 2)).tolist()
    channels = [
        schemas.ChannelInfo(channel=i, max=tops[i], mean=means[i], dead=bool(dead[i])) for i in range(c)
    ]
    return schemas.Sprites(
        shape=[c, h, w],
        sheet=url,
        cell=(h, w),
        columns=columns_of(c),
        signed=bool((values < 0).any()),
        channels=channels,
        order=rank.argsort(descending=True, stable=True).tolist(),
    )
