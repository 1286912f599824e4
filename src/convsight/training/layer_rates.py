"""How much slower do the first layers of a network learn than its head?"""

from __future__ import annotations

from torch import Tensor, nn

BANDS = 6  # groups of neighbouring layers with one rate; each group costs the optimiser a call


def layer_groups(module: nn.Module, lr: float, weight_decay: float, first_rate: float) -> list[dict]:
    """Groups of weights whose rate falls geometrically from `lr` at the head to `first_rate`·`lr` at the first layer.

    The first layers see edges and colours, which other pictures have too; they need the smallest change ("layer-wise",
    or discriminative, rates; Howard and Ruder 2018, arXiv 1801.06146). Layers are taken in the order in which the module
    holds them. Biases and the weights of normalisation are not pulled to zero.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Linear(2, 2))
    >>> [round(group["lr"], 3) for group in layer_groups(net, 1.0, 0.1, 0.01) if group["weight_decay"]]
    [0.01, 0.1, 1.0]
    """
    layers = [[p for p in part.parameters(recurse=False) if p.requires_grad] for part in module.modules()]
    layers = [weights for weights in layers if weights]
    bands = min(BANDS, len(layers))
    groups: dict[tuple[int, bool], list[Tensor]] = {}
    for number, weights in enumerate(layers):
        band = number * bands // len(layers)
        for weight in weights:
            groups.setdefault((band, weight.ndim > 1), []).append(weight)
    return [
        {
            "params": weights,
            "lr": lr * first_rate ** (1 - band / max(bands - 1, 1)),
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (band, decays), weights in sorted(groups.items(), key=lambda item: item[0])
    ]
