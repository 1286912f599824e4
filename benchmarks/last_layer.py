"""How does a network answer if nothing but its last layer is fitted anew, to pictures chosen or weighted otherwise?

Deep feature reweighting (Kirichenko et al. 2022, arXiv 2204.02937): a network that leans on a shortcut has mostly learned
the object's features too, and only its last layer prefers the shortcut's.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets import Split
from convsight.datasets.pixels import to_unit
from convsight.network.batching import chunk_size
from convsight.network.classifier import Classifier
from convsight.network.new_head import fill_head, head_place
from convsight.shortcuts.surroundings import Surroundings
from convsight.training.linear_head import fit_head

ROUNDS = 6  # times that every picture is seen, each time as its store gives it


def features_drawn(
    net: Classifier, split: Split, rounds: int = ROUNDS
) -> tuple[Float[Tensor, "n d"], Int64[Tensor, " n"]]:
    """The features and labels of all pictures of a split, `rounds` times; a store that varies its pictures (`Mixed`)
    gives others each time.
    """
    step = chunk_size((net.channels, *net.input_size))
    rows = [
        net.features(net.fit(split[part]).pixels)
        for _ in range(rounds)
        for part in torch.arange(len(split)).split(step)
    ]
    return torch.cat(rows), split.labels.repeat(rounds)


def refitted(
    net: Classifier,
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    weights: Float[Tensor, " n"] | None = None,
    groups: Int64[Tensor, " n"] | None = None,
    seed: int = 0,
) -> Classifier:
    """A copy of the network with its last layer fitted to these features.

    weights: of each picture. groups: pictures with the same number are held out together when the penalty is chosen
    (the same object in several surroundings). Raises ModelError if the last layer is no linear layer of its own.
    """
    head = fit_head(features, labels, n_outputs=len(net.classes), weights=weights, groups=groups, seed=seed)
    module = copy.deepcopy(net.module)
    fill_head(module, head_place(net).name, head.weight, head.bias)
    return net.around(module, net.name)


def weights_by_surroundings(split: Split, probe: Surroundings) -> Float[Tensor, " n"]:
    """A weight for each picture, so that each class weighs the same before surroundings like those of each class.

    Whose surroundings a picture has is told by the probe's description of them (`Surroundings.telling`), learned from the
    split itself; no groups need be known.
    """
    pixels = to_unit(split.store.read(torch.arange(len(split))))
    likeness = [
        probe.telling(pixels[split.labels == k], pixels[split.labels != k]).strength(pixels)
        for k in split.labels.unique().tolist()
    ]
    groups = split.labels * len(likeness) + torch.stack(likeness, 1).argmax(1)
    count = torch.bincount(groups)
    return (1 / count.clamp(min=1))[groups] * len(groups) / int((count > 0).sum())
