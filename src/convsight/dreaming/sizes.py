"""How large may a picture be if only the layers up to a given one have to run on it?"""

from __future__ import annotations

import torch

from convsight.errors import ModelError
from convsight.images import Images
from convsight.network.classifier import Classifier

Size = tuple[int, int]


def runs_at(net: Classifier, layers: tuple[str, ...], size: Size) -> bool:
    """Whether the network up to these layers takes pictures of this size."""
    try:
        with torch.no_grad(), net.record(*layers, stop=True) as seen:
            net.forward(torch.full((1, net.channels, *size), 0.5))
    except (ModelError, RuntimeError):
        return False
    return all(seen[name].numel() > 0 for name in layers)


def within(images: Images, longest_px: int) -> Images:
    """Pictures whose longer side is at most `longest_px`; smaller ones are left alone."""
    height, width = images.size
    share = longest_px / max(height, width)
    return images if share >= 1 else images.fit((max(1, round(height * share)), max(1, round(width * share))))


def largest(
    net: Classifier, layers: tuple[str, ...], images: Images, longest_px: int
) -> tuple[Images, tuple[str, ...]]:
    """The pictures as large as the layers allow, and a note if that is only the network's input size."""
    whole = within(images, longest_px)
    if whole.size == net.input_size or runs_at(net, layers, whole.size):
        return whole, ()
    height, width = net.input_size
    return net.fit(images), (
        f"{net.name} takes only {height}×{width} pictures up to these layers: they were resized and cropped.",
    )
