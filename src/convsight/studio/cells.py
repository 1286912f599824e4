"""How was one number of a layer computed: which window, which kernel, which products, which sum?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.errors import InputError
from convsight.studio import schemas
from convsight.studio.session import Studio
from convsight.studio.steps import Step, channels_of, step_of, window

MOST_PARTS = 8  # input channels that are told one by one
LARGEST_WINDOW = 15 * 15  # numbers of a window that are told


def cell(studio: Studio, layer: str, picture: str, channel: int, y: int, x: int) -> schemas.Cell:
    """The number of channel `channel` at row `y`, column `x`, taken apart by input channel, strongest first.

    Raises InputError for a layer that is neither a convolution, a pooling nor linear, and for a cell that it has not.
    """
    net = studio.net
    chosen, step = net.layers[layer], step_of(net, layer)
    if step is None:
        raise InputError(f"a number of {layer!r} ({chosen.kind}) is not told step by step")
    rows, columns = chosen.output_shape[1:] if chosen.is_map else (1, 1)
    if not (0 <= channel < chosen.channels and 0 <= y < rows and 0 <= x < columns):
        raise InputError(f"{layer!r} has no cell y={y}, x={x} of channel {channel}")
    pixels = studio.pictures.some([picture]).pixels
    wanted = [chosen.name] if step.source is None else [chosen.name, step.source]
    with torch.no_grad(), net.record(*wanted) as seen:
        net.forward(pixels)
    value = seen[chosen.name][0]
    given = net.normalise(pixels)[0] if step.source is None else seen[step.source][0]
    told = value[channel, y, x] if chosen.is_map else value.reshape(-1)[channel]
    return taken_apart(step, given.float(), float(told), channel, y, x)


@torch.no_grad()
def taken_apart(step: Step, given: Tensor, value: float, channel: int, y: int, x: int) -> schemas.Cell:
    """The same of a layer's input c h w (or a vector)."""
    maps = given.reshape(-1, 1, 1) if given.ndim == 1 else given
    ys, xs = window(step, y, x, (maps.shape[1], maps.shape[2]))
    numbers = list(channels_of(step, channel, len(maps)))
    seen = _windows(maps[numbers], ys, xs, 0.0 if step.weight is not None else float("nan"))
    kernel = None if step.weight is None else step.weight[channel].reshape(seen.shape).float()
    if kernel is None:
        flat = seen[~seen.isnan()]
        sums = torch.stack([flat.max() if step.kind == "largest" else flat.mean()])
    else:
        sums = (seen * kernel).sum((1, 2))
    order = sums.abs().argsort(descending=True, stable=True).tolist()
    small = len(ys) * len(xs) <= LARGEST_WINDOW
    parts = [
        schemas.CellPart(
            channel=numbers[i],
            window=seen[i].tolist() if small else [],
            kernel=kernel[i].tolist() if kernel is not None and small else None,
            sum=float(sums[i]),
        )
        for i in order[:MOST_PARTS]
    ]
    others = order[MOST_PARTS:]
    return schemas.Cell(
        kind=step.kind, source=step.source, value=value, parts=parts, others=len(others), rest=float(sums[others].sum()),
        bias=None if step.bias is None else float(step.bias[channel]),
        height=len(ys), width=len(xs),
    )  # fmt: skip


def _windows(maps: Tensor, ys: list[int], xs: list[int], outside: float) -> Tensor:
    """Rows and columns of maps c h w, with `outside` where there are none."""
    over = max(0, -min(ys), -min(xs), max(ys) + 1 - maps.shape[1], max(xs) + 1 - maps.shape[2])
    wide = F.pad(maps, (over,) * 4, value=outside)
    return wide[:, [y + over for y in ys]][:, :, [x + over for x in xs]]
