"""What must a run remember so that the same training could be done again?"""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from convsight import __version__
from convsight.architectures import Positions, build
from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.run import FORMAT
from convsight.training.job import mean_and_std
from convsight.training.recipe import Recipe
from convsight.training.start import Start
from convsight.training.tasks import NUMBERS, n_outputs


def configuration(
    pictures: Dataset,
    source: dict[str, Any],
    recipe: Recipe,
    seed: int,
    own: nn.Module | None,
    task: str,
    start: Start | None = None,
    told: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What `config.json` holds; everything that another training of the same would have to repeat."""
    mean, std = _normalisation(pictures, recipe, start)
    network = {"name": recipe.network, "knobs": dict(recipe.knobs), "known": True}
    if own is not None:
        network = {"name": type(own).__name__, "knobs": {}, "known": False}
    if start is not None:
        network = start.described
    return {
        "format": FORMAT,
        "data": {**source, "pictures": {name: len(split) for name, split in pictures.splits.items()}},
        "task": task,
        "classes": list(pictures.classes),
        "outputs": list(pictures.outputs),
        "channels": pictures.channels,
        "size": list(pictures.size),
        "mean": mean,
        "std": std,
        "network": network,
        "recipe": asdict(recipe),
        "seed": seed,
        "notes": list(told),
        "versions": {
            "convsight": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def changed(config: dict[str, Any], recipe: Recipe, sentence: str) -> dict[str, Any]:
    """The configuration of a training that goes on with another recipe than was asked for, and why.

    What was asked for stays beside it: a second sitting asks for the same.
    """
    asked, used = config["recipe"], asdict(recipe)
    other = {name: value for name, value in used.items() if asked[name] != value}
    return {**config, "changed": other, "notes": [*config["notes"], sentence]}


def _normalisation(pictures: Dataset, recipe: Recipe, start: Start | None) -> tuple[list[float], list[float]]:
    """The network's own where it has seen pictures before, else that of the training pictures."""
    known = None if start is None else start.normalisation(pictures.channels)
    if known is not None:
        return known
    if not recipe.standardise:
        return [0.0] * pictures.channels, [1.0] * pictures.channels
    mean, std = mean_and_std(pictures.train)
    return mean.tolist(), std.tolist()


def network_for(
    pictures: Dataset, recipe: Recipe, own: nn.Module | None, task: str, start: Start | None = None
) -> nn.Module:
    """The user's `own` network, the one to start from, or a fresh one; with outputs in pixels if it is to locate."""
    outputs = n_outputs(pictures, task)
    channels, size = pictures.channels, pictures.size
    if start is not None and task in NUMBERS and start.described.get("output"):
        raise InputError(f"{start.net.name} returns several tensors; for numbers wrap it in a Python file")
    network = own
    if network is None and start is not None:
        network = start.module(outputs, channels, size)
    elif network is None:
        network = build(recipe.network, outputs, channels, size, task=task, **recipe.knobs)
    if task in NUMBERS:
        network = Positions(network, outputs)
        network.measure(pictures.train.labels)
    return network
