"""What do the learned filters look like?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.network.operations import is_convolution
from convsight.results.draw import number
from convsight.results.kinds import Pictures
from convsight.results.sheet import Legend
from convsight.units.channels import choose_channels

ORDERS = ("channel", "strength")


@dataclass(frozen=True)
class Filters(Method):
    """Each filter as the pattern it looks for: bright where it wants light, dark where it wants darkness.

    A convolution's weights w[out, in, y, x] are drawn as 0.5 + w ÷ (2·limit): mid-grey is 0 on every picture,
    white +limit, black −limit, whatever the mean of the filter is. Filters over three colours are colour
    pictures, filters over one channel grey ones. Deeper layers are a grid, a row for each output channel and
    a column for each of its inputs (the channels that it reads within its group).

    `layer` is any convolution, by default the first. `scale="filter"` gives each filter its own limit, its
    largest |w|, which shows faint filters' shapes; "layer" one limit for all, which shows which are faint.
    `order="strength"` puts the filter with the largest √Σw² first. The weights are shown as they are stored:
    a batch norm behind the layer may flip their sign, and the network's own mean and std come before them.

    Returns Pictures: `images` n 3|1 kh kw in [0, 1], `values` the shown weights, out in kh kw. Raises InputError
    for a layer that is no convolution, or a channel that is not there.

    Krizhevsky et al. 2012 (NeurIPS) show theirs so.

    >>> from torch.nn import Conv2d, Flatten, Linear, Sequential
    >>> module = Sequential(Conv2d(3, 4, 11), Flatten(), Linear(16, 2))
    >>> net = Classifier(module, input_size=12, channels=3)
    >>> Filters()(net).images.shape
    torch.Size([4, 3, 11, 11])
    """

    title = "Filters"
    kind = Pictures
    source = "Krizhevsky, Sutskever & Hinton 2012, NeurIPS"

    channels: str = knob("", "which output channels, such as 3 or 0-4,9; all if empty")
    order: str = knob("channel", "strength puts filters with larger weights first", choices=ORDERS)
    scale: str = knob(
        "layer", "filter gives each filter its own scale, so faint ones show", choices=("layer", "filter")
    )
    most: int = knob(64, "more filters at once, smaller", unit="filters", low=1)
    most_inputs: int = knob(16, "more columns in the grid of a deeper layer", unit="channels", low=1)

    def compute(self, net: Classifier, layer: str | None = None) -> Pictures:
        chosen = _convolution(net, layer)
        weight = net.layers.weight(chosen.name).detach().float().cpu()
        strength = weight.flatten(1).norm(dim=1)
        rank = strength if self.order == "strength" else None
        shown = choose_channels(self.channels, chosen.name, len(weight), self.most, rank)
        coloured = weight.shape[1] == 3 and chosen.index == net.layers.convolutions()[0].index
        values = weight[shown] if coloured else weight[shown][:, : self.most_inputs]
        pictures = scaled(values, self.scale == "layer")
        grid = not coloured and values.shape[1] > 1
        return Pictures(
            caption=_caption(net, chosen, coloured, grid),
            notes=self._notes(weight, values, shown),
            images=pictures if coloured else pictures.flatten(0, 1)[:, None],
            captions=() if grid else tuple(str(c) for c in shown),
            columns=values.shape[1] if grid else min(8, len(shown)),
            row_labels=tuple(str(c) for c in shown) if grid else (),
            headings=tuple(str(c) for c in range(values.shape[1])) if grid else (),
            legend=self._legend(values),
            values=values,
            tile_px=_tile_px(values, grid),
        )

    def _legend(self, values: Tensor) -> Legend:
        end = number(float(values.abs().max())) if self.scale == "layer" else "largest |w| of the filter"
        return Legend(f"−{end}", f"+{end}", True, "weight; mid-grey is 0", grey=True)

    def _notes(self, weight: Tensor, values: Tensor, shown: list[int]) -> tuple[str, ...]:
        notes = []
        if len(shown) < len(weight):
            notes.append(f"{len(shown)} of {len(weight)} filters are shown; most= and channels= show others.")
        if values.shape[1] < weight.shape[1]:
            notes.append(
                f"The first {values.shape[1]} of {weight.shape[1]} inputs of each are shown (most_inputs=)."
            )
        flat = [c for c in shown if not bool(weight[c].any())]
        if flat:
            notes.append(f"All weights are 0 in: {', '.join(map(str, flat))}.")
        return tuple(notes)


def scaled(weights: Float[Tensor, "n c h w"], together: bool) -> Float[Tensor, "n c h w"]:
    """0.5 + w ÷ (2·limit), with one limit (the largest |w|) for all filters together, or one for each."""
    limit = weights.abs().amax() if together else weights.abs().amax((1, 2, 3), keepdim=True)
    return 0.5 + weights / torch.where(limit > 0, 2 * limit, 1.0)


def _convolution(net: Classifier, name: str | None) -> Layer:
    known = net.layers.convolutions()
    if not known:
        raise InputError(f"{net.name} has no convolution, so no filters to show")
    layer = known[0] if name is None else net.layers[name]
    if not is_convolution(layer.kind):
        names = ", ".join(a.name for a in known)
        raise InputError(
            f"layer {name!r} is a {layer.kind} and has no filters; the convolutions are: {names}"
        )
    return layer


def _caption(net: Classifier, layer: Layer, coloured: bool, grid: bool) -> str:
    what = "one grid row for each output channel, a column for each input" if grid else (
        "each in the colours it answers to" if coloured else "light where it wants light, dark where dark"
    )  # fmt: skip
    return f"The {layer.channels} filters of {layer.name} in {net.name}: {what}."


def _tile_px(values: Tensor, grid: bool) -> int:
    height = values.shape[2]
    wanted = 40 if grid else 90
    return max(1, round(wanted / height)) * height
