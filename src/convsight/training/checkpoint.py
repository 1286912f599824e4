"""How does a training go on after it was stopped, as if it had not been?

A checkpoint is one safetensors file: weights, optimiser state, averaged and best weights, the pictures' last
losses, and random state as tensors; where the training stands as JSON in the header. One file replaces the last
in one step, so it is never half of one epoch and half of another; and there is no pickle in it that could run code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from convsight.errors import DataError
from convsight.storage import write_atomic
from convsight.training.focus import LastLosses


@dataclass
class Standing:
    """Where a training stands: what a checkpoint holds beside tensors.

    epoch and step (within the epoch) count what is finished; sums are the meter's; log is one row an epoch.
    """

    epoch: int = 0
    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    log: list[dict[str, Any]] = field(default_factory=list)
    best_loss: float | None = None
    best_score: float | None = None
    best_epoch: int = 0
    first_loss: float | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    stopped: str = ""


@dataclass
class Parts:
    """The live tensors of a training, read from and written into in place."""

    network: nn.Module
    optimisers: Sequence[Optimizer]
    generator: torch.Generator
    average: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    losses: LastLosses = field(default_factory=LastLosses)


def about(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a run's configuration that two sittings of one training share.

    Where the data set was found is no part of it: the second sitting may be in a shell that finds it elsewhere.
    """
    same = {key: config[key] for key in ("task", "classes", "outputs", "network", "recipe", "seed")}
    return {"data": {k: v for k, v in config["data"].items() if k != "found"}, **same}


def save_checkpoint(path: Path, standing: Standing, parts: Parts, made_by: Mapping[str, Any]) -> None:
    """Write everything to `path` in one step; `made_by` says which training it belongs to."""
    weights = {"network": parts.network.state_dict(), "average": parts.average, "best": parts.best}
    tensors = {f"{which}/{name}": tensor for which, held in weights.items() for name, tensor in held.items()}
    for i, optimiser in enumerate(parts.optimisers):
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{i}/{index}/{key}": t for key, t in state.items() if t is not None}
    tensors |= {f"losses/{name}": getattr(parts.losses, name) for name in ("before", "now")}
    tensors["random/torch"] = torch.get_rng_state()
    tensors["random/augment"] = parts.generator.get_state()
    header = {"standing": json.dumps(asdict(standing)), "about": json.dumps(made_by)}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, save(plain, metadata=header))


def load_checkpoint(path: Path, parts: Parts, wanted_by: Mapping[str, Any]) -> Standing:
    """Put the checkpoint at `path` into `parts` and say where it stood; DataError if damaged or another's."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
        standing, made_by = Standing(**json.loads(header["standing"])), json.loads(header["about"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); delete it and train again") from error
    same_training(path.parent, made_by, wanted_by)
    parts.network.load_state_dict(_under("network/", tensors))
    device = next(parts.network.parameters()).device
    for own, prefix in ((parts.average, "average/"), (parts.best, "best/")):
        own.clear()
        own.update({name: t.to(device) for name, t in _under(prefix, tensors).items()})
    for name, losses in _under("losses/", tensors).items():
        setattr(parts.losses, name, losses)
    for i, optimiser in enumerate(parts.optimisers):
        _load_optimiser(optimiser, _under(f"optimiser/{i}/", tensors))
    torch.set_rng_state(tensors["random/torch"])
    parts.generator.set_state(tensors["random/augment"])
    return standing


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _load_optimiser(optimiser: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """State tensors take the memory layout of their weight, so that sums run in the same order as before."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split("/")
        weight = weights[int(index)]
        if tensor.shape == weight.shape:
            tensor = torch.empty_like(weight).copy_(tensor)
        state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def same_training(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """DataError that names every setting in which a resumed training differs from the one in `folder`."""
    before, after = dict(_flat("", then)), dict(_flat("", json.loads(json.dumps(now))))
    differ = [
        f"{key} was {before.get(key)}, now {after.get(key)}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    if differ:
        raise DataError(
            f"{folder} holds another training: {'; '.join(differ)}. Resume with the same settings, or start"
            " over in another folder"
        )


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of nested dictionaries under dotted names."""
    if not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _flat(f"{prefix}.{key}" if prefix else key, inner)
