"""How does a network that convsight did not train become a `Classifier`?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convsight.bring.brought import Brought
from convsight.bring.files import from_program, from_python_file
from convsight.bring.hubs import from_timm, from_torchvision
from convsight.errors import InputError, ModelError, closest
from convsight.network.classifier import Classifier
from convsight.network.weights import put_weights, read_metadata, read_weights

FORMS = (
    "a run directory, 'torchvision:NAME', 'timm:NAME', 'file.py:function', 'program.pt2', or a network's name"
)


def load(source: Any, weights: str | Path | None = None, **given: Any) -> Classifier:
    """A classifier from anywhere.

    source: a run directory (`"runs/demo"`), `"torchvision:vgg16"`, `"timm:resnet18"`,
        `"path/to/file.py:function"` (a function that returns the module; it may take the weights' path),
        an exported program `"model.pt2"`, the name of one of our networks (`"vgg16"`), or an `nn.Module`.
    weights: a .safetensors, .pth or .pt file of weights; `"random"` for an untrained torchvision, timm or
        own network. Left out, torchvision and timm fetch their published weights, checked.
    given: `classes`, `input_size`, `channels`, `mean`, `std`, `crop`, `task`, `outputs` override what the
        source says of itself.

    Raises DataNotFound, ModelError or MissingExtra saying what is missing and how to pass it.

    >>> load("lesson-2", weights="random", input_size=28, channels=1).layers["conv2"].output_shape
    (20, 11, 11)
    """
    if isinstance(source, Classifier):
        return source
    if isinstance(source, nn.Module):
        brought = Brought(source, type(source).__name__)
        if weights is not None:
            put_weights(source, read_weights(weights), str(weights))
        return _classifier(brought, given)
    text = str(source)
    if text.startswith("torchvision:"):
        return _classifier(from_torchvision(text.partition(":")[2], weights), given)
    if text.startswith("timm:"):
        return _classifier(from_timm(text.partition(":")[2], weights), given)
    if re.search(r"\.py:\w+$", text):
        return _classifier(from_python_file(text, weights), given)
    path = Path(text).expanduser()
    if path.suffix == ".pt2":
        return _classifier(from_program(path), given)
    if path.is_dir():
        return _run(path, weights, given)
    if path.suffix in (".pth", ".pt", ".safetensors"):
        raise InputError(
            f"{text} holds weights without their network; name the network too: "
            f"load('file.py:function', weights={text!r}), or on the command line --weights"
        )
    return _classifier(_own(text, weights, given), given)


def _run(path: Path, weights: Any, given: dict[str, Any]) -> Classifier:
    from convsight.run import Run

    if weights is not None or given:
        raise InputError(f"{path} is a run, which has its own weights and settings; leave the others out")
    return Run.open(path).classifier


def _classifier(brought: Brought, given: dict[str, Any]) -> Classifier:
    known = (
        "classes",
        "input_size",
        "channels",
        "mean",
        "std",
        "crop",
        "task",
        "outputs",
        "output",
        "units",
        "thresholds",
        "explain",
    )
    for name in given:
        if name not in known:
            raise InputError(f"load has no option {name!r}; {closest(name, known)}")
    settings: dict[str, Any] = {name: getattr(brought, name, None) for name in known} | {
        "outputs": (),
        "explain": "output",
    }
    settings |= {name: value for name, value in given.items() if value is not None}
    if settings["channels"] is None:
        settings["channels"] = _first_channels(brought.module)
    return Classifier(brought.module, name=brought.name, **settings)


def _first_channels(module: nn.Module) -> int:
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            return child.in_channels
    return 3


def _own(name: str, weights: str | Path | None, given: dict[str, Any]) -> Brought:
    from convsight.architectures import available, build

    if name not in available():
        raise ModelError(f"no network or run {name!r}; give {FORMS}. {closest(name, available(), 20)}")
    if weights is None:
        raise ModelError(
            f"{name!r} is an architecture without weights: pass weights=FILE, or weights='random'"
        )
    metadata = read_metadata(weights)
    state = None if str(weights) == "random" else read_weights(weights)
    big = name.startswith("vgg")
    size = given.get("input_size") or (224 if big else 28)
    size = (size, size) if isinstance(size, int) else tuple(size)
    channels = given.get("channels") or (3 if big else 1)
    n = (
        len(given.get("classes") or metadata.get("classes") or ())
        or _rows_of_last(state)
        or (1000 if big else 10)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build(name, n, channels, size)
    if state is not None:
        put_weights(module, state, str(weights))
    return Brought(
        module, name, metadata.get("classes"), size, channels, metadata.get("mean"), metadata.get("std")
    )  # type: ignore[arg-type]


def _rows_of_last(state: dict[str, Tensor] | None) -> int:
    matrices = [v for v in (state or {}).values() if v.ndim >= 2]
    return matrices[-1].shape[0] if matrices else 0
