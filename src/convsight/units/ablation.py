"""What does each class lose when one channel of a layer is switched off?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets import Split
from convsight.images import Images
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.progress import report_count


@dataclass(frozen=True, eq=False)
class Ablation:
    """Scores n k with the channel at work and switched off, and the output that is right for each picture.

    `right` is −1 where the network has no such class. `own`: none of the labels names one of its classes, so
    that `right` is the network's own answer instead.
    """

    clean: Float[Tensor, "n k"]
    without: Float[Tensor, "n k"]
    right: Int64[Tensor, " n"]
    own: bool

    def costs(self) -> list[tuple[int, int, float, float, float]]:
        """Per output with pictures: output, pictures, share right, share right without, mean drop of its score."""
        drop = self.clean - self.without
        found = []
        for k in self.right[self.right >= 0].unique().tolist():
            of = self.right == k
            before, after = (
                (s[of].argmax(1) == k).double().mean().item() for s in (self.clean, self.without)
            )
            found.append((k, int(of.sum()), before, after, drop[of, k].double().mean().item()))
        return found


def switch_off(net: Classifier, pictures: Split, layer: str, channel: int, value: float) -> Ablation:
    """Run every picture twice: as it is, and with the channel's whole map set to `value`."""

    def constant(maps: Tensor) -> Tensor:
        changed = maps.clone()
        changed[:, channel] = value
        return changed

    size = chunk_size((net.channels, *net.input_size), 128)
    pairs, done = [], 0
    for batch in pictures.batches(size):
        pairs += in_chunks(_both(net, net.fit(batch), layer, constant), len(batch), size)
        done += len(batch)
        report_count(done, len(pictures), "pictures", "switched off")
    clean, without = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    right = right_outputs(net, pictures)
    own = net.one_class and not bool((right >= 0).any())
    return Ablation(clean, without, clean.argmax(1) if own else right, own)


def _both(
    net: Classifier, images: Images, layer: str, change: Callable[[Tensor], Tensor]
) -> Callable[[slice], tuple[Tensor, Tensor]]:
    def run(part: slice) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            clean = net.forward(images.pixels[part]).cpu()
            with net.edit({layer: change}):
                return clean, net.forward(images.pixels[part]).cpu()

    return run


def right_outputs(net: Classifier, pictures: Split) -> Int64[Tensor, " n"]:
    """For each picture the output whose name is that of its class; −1 if there is none or two have it."""
    if not net.one_class or pictures.labels.ndim != 1:
        return torch.full((len(pictures),), -1)
    if pictures.classes == net.classes:
        return pictures.labels
    named = {name: k for k, name in enumerate(net.classes) if net.classes.count(name) == 1}
    outputs = torch.tensor([named.get(name, -1) for name in pictures.classes] or [-1])
    return outputs[pictures.labels.clamp(max=len(outputs) - 1)]
