"""Every registered technique gets the common laws unasked: what it needs is read from its signature."""

from __future__ import annotations

import functools
from typing import Any

from convsight.datasets import Dataset, dataset
from convsight.images import Images
from convsight.method import Knob, Method
from convsight.methods import catalogue
from convsight.network.classifier import Classifier

# Knobs by name, small enough for a test; a technique without such a knob keeps its default.
SMALL = {
    "steps": 3, "samples": 3, "octaves": 2, "most": 40, "iterations": 50, "perplexity": 5.0, "epochs": 4,
    "frames": 6, "k": 3, "most_images": 40, "neighbours": 5, "early_iterations": 10, "passes": 160,
}  # fmt: skip

METHODS = sorted(catalogue())
WITH_NETWORK = [name for name in METHODS if "net" in catalogue()[name].needs]
MAPS = [name for name in METHODS if catalogue()[name].kind == "Map"]


def method(name: str) -> Method:
    """The technique with small knobs, each inside its own range."""
    made = catalogue()[name].method
    small = {k.name: _small(k) for k in made.knobs() if k.name in SMALL and k.default is not None}
    return made(**small)


def _small(knob: Knob) -> Any:
    value = max(SMALL[knob.name], knob.low if knob.low is not None else SMALL[knob.name])
    value = min(value, knob.high if knob.high is not None else value)
    return type(knob.default)(value)


@functools.cache
def data(channels: int = 1) -> Dataset:
    return dataset("drawn-garments", channels=channels, limit=60, n_train=60, n_validation=20, n_test=60)


def pictures(n: int, channels: int = 1) -> Images:
    return data(channels).test[:n]


def arguments(name: str, net: Classifier | None, n: int = 2) -> dict[str, Any]:
    """Something for each argument that the technique must have, and a target where it may have one."""
    entry = catalogue()[name]
    channels = net.channels if net is not None else 1
    have: dict[str, Any] = {
        "net": net,
        "images": pictures(n, channels),
        "style": pictures(n + 1, channels)[n],
        "query": pictures(n, channels),
        "data": data(channels),
        "target": _target(name, net),
        "layer": _layer(net),
    }
    return {key: have[key] for key, must in entry.needs.items() if must and have[key] is not None}


def _target(name: str, net: Classifier | None) -> Any:
    return None if net is None else (_layer(net), 1) if name == "neuron_card" else 1


def _layer(net: Classifier | None) -> str | None:
    return None if net is None else net.layers.convolutions()[-1].name
