"""What is one channel for: what excites it, which classes, how often, and what is lost without it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError, ModelError
from convsight.gradients.backprop import backpropagate
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.network.targets import Target, resolve_target
from convsight.results.draw import limit_of, number
from convsight.results.kinds import Pictures, Table
from convsight.units import Responses, gather
from convsight.units.ablation import Ablation, switch_off
from convsight.units.crops import OUTSIDE, Excitation, canvas_size, cut_out, excitation
from convsight.units.names import name_of
from convsight.units.report import class_shares, maxima_curve
from convsight.units.sample import SPLITS, sample

RULES = ("guided", "deconvnet")


@dataclass(frozen=True)
class NeuronCard(Method):
    """One channel at a glance: the real pieces that excite it, what in them does so, and what it is worth.

    Top row: the `crops` pictures of a data set with the largest maximum of the channel, one entry a picture,
    each cut to the exact receptive field of that unit. Below each the same piece through guided
    backpropagation (signal 1) and the deconvnet (signal: the activation) from that unit: mid-grey is 0,
    each picture on its own scale.

    Parts: which classes the strongest pictures belong to (the `strongest`, but at most a tenth of those looked
    at or `crops`, against all); a histogram of the channel's maximum per picture; and a Table of what switching the channel off
    costs each class: accuracy before and after, and the mean drop of the class's score (logit) over that
    class's pictures, positive if the channel speaks for it. `off="zero"` sets the whole map to 0; "mean" to its
    mean over all pictures and cells, which keeps the layers above nearer to inputs they know and removes only
    what the channel says about the picture. Labels are matched to the network's classes by name; if none
    matches, the network's own answers stand for them. What one channel costs says nothing of what
    several together would: others may stand in for it.

    `target` is the unit ("layer", channel). Returns Pictures in rows of `crops`: crops, guided, deconvnet;
    `values` has the 8 numbers of `top_crops` for each crop. Raises InputError for another target.

    Zeiler & Fergus 2013, arXiv:1311.2901; Springenberg et al. 2014, arXiv:1412.6806; switching off: Morcos et al.
    2018, arXiv:1803.06959.

    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> module = Sequential(Conv2d(1, 2, 5), ReLU(), Flatten(), Linear(1152, 10))
    >>> net = Classifier(module, input_size=28, channels=1)
    >>> NeuronCard(most_images=30)(net, "drawn-garments", target=("1", 0)).images.shape
    torch.Size([27, 1, 5, 5])
    """

    title = "Neuron card"
    kind = Pictures
    source = "Zeiler & Fergus 2013, arXiv:1311.2901"

    crops: int = knob(9, "more pieces", unit="pictures", low=1, high=100)
    strongest: int = knob(
        100, "more pictures in the class histogram, so weaker ones too", unit="pictures", low=1
    )
    off: str = knob("zero", "mean keeps the channel's average", choices=("zero", "mean"))
    split: str = knob("test", "which pictures of the data set are gone through", choices=SPLITS)
    most_images: int = knob(2000, "more pictures to choose from; takes longer", unit="pictures", low=1)

    def compute(self, net: Classifier, data: Any, target: Any) -> Pictures:
        aim = _unit(net, target)
        assert aim.layer is not None
        assert aim.channel is not None
        pictures, words = sample(data, self.split, self.most_images)
        strongest = min(self.strongest, max(self.crops, len(pictures) // 10))
        found = gather(net, pictures, [aim.layer], k=max(self.crops, strongest))[aim.layer]
        best = excitation(net, pictures, found, aim.channel, self.crops)
        rows, labels, notes = _rows(net, aim, best)
        size = canvas_size(best.boxes)
        tiles = torch.full((len(rows), self.crops, net.channels, *size), OUTSIDE)
        for r, pixels in enumerate(rows):
            tiles[r, : len(pixels)] = cut_out(pixels, best.boxes, size)
        value = float(found.means[aim.channel]) if self.off == "mean" else 0.0
        lost = switch_off(net, pictures, aim.layer, aim.channel, value)
        return Pictures(
            title=f"Neuron card: channel {aim.channel} of {aim.layer}",
            caption=f"What excites channel {aim.channel} of {aim.layer} in {net.name} most among {words}.",
            notes=(_summary(found, aim.channel), *notes),
            images=tiles.flatten(0, 1),
            captions=tuple(_captions(best)),
            columns=self.crops,
            row_labels=labels,
            values=best.rows(),
            parts=(
                *class_shares(found, aim.channel, pictures, strongest),
                maxima_curve(found, aim.channel),
                self._cost(net, lost, aim, value),
            ),
        )

    def _cost(self, net: Classifier, lost: Ablation, aim: Target, value: float) -> Table:
        title = f"What is lost with channel {aim.channel} of {aim.layer} set to {number(value)}"
        if not net.one_class:
            moved = (lost.without - lost.clean).double()
            rows = [
                (o, m, a)
                for o, m, a in zip(
                    net.classes, moved.mean(0).tolist(), moved.abs().mean(0).tolist(), strict=True
                )
            ]
            return Table(title=title, columns=("output", "mean change", "mean |change|"), rows=tuple(rows))
        costs = sorted(lost.costs(), key=lambda cost: -cost[-1])
        rows = [(net.classes[k], n, 100 * a, 100 * b, 100 * (a - b), drop) for k, n, a, b, drop in costs]
        what = "answered (no label names a class of the network)" if lost.own else "class"
        return Table(
            title=title,
            caption="Sorted by how much the class's own score falls; negative: it rises.",
            columns=(
                what,
                "pictures",
                "right %",
                "right % without",
                "drop in points",
                "mean drop of its score",
            ),
            rows=tuple(rows),
        )


def _unit(net: Classifier, target: Any) -> Target:
    aim = None if target is None else resolve_target(net, target, 1)
    if aim is None or aim.layer is None or aim.cell is not None:
        example = (net.layers.convolutions() or list(net.layers.values()))[0].name
        raise InputError(
            f"neuron_card is about a whole channel: target=(layer, channel), such as ({example!r}, 0); given {target!r}"
        )
    return aim


def _rows(
    net: Classifier, aim: Target, best: Excitation
) -> tuple[list[Tensor], tuple[str, ...], tuple[str, ...]]:
    """The pictures, and what of each reaches its unit's pixels by both rules; a note where there is no ReLU."""
    rows, labels = [best.images.pixels], ["picture"]
    try:
        for rule in RULES:
            arrived = [_signal(net, aim, best, i, rule) for i in range(len(best.images))]
            rows.append(torch.cat(arrived) if arrived else best.images.pixels)
            labels.append(rule)
    except ModelError as error:
        return rows[:1], ("picture",), (str(error),)
    return rows, tuple(labels), ()


def _signal(net: Classifier, aim: Target, best: Excitation, i: int, rule: str) -> Float[Tensor, "1 c h w"]:
    layer = net.layers[aim.layer or ""]
    y, x = best.cells[i].tolist()
    unit = Target(aim.labels, None, aim.layer, aim.channel, (y, x) if layer.is_map else None)
    signal = backpropagate(
        net, unit, best.images.pixels[i : i + 1], rule, seed_with_value=rule == "deconvnet"
    )
    return (0.5 + signal.pixels / (2 * limit_of(signal.pixels, 0.99))).clamp(0, 1)


def _captions(best: Excitation) -> list[str]:
    return [f"{name_of(best.images, i)} {number(float(v))}" for i, v in enumerate(best.values)]


def _summary(found: Responses, channel: int) -> str:
    silent = float(found.silent[channel])
    text = f"Nowhere above 0 on {silent:.1%} of {found.images:,} pictures"
    if found.eta2 is not None:
        text += f"; the classes explain η² = {number(float(found.eta2[channel]))} of its mean response"
    return text + "."
