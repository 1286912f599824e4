"""How does a network that convsight did not train become a `Classifier`?"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convsight.bring.brought import Brought
from convsight.bring.files import from_program, from_python_file
from convsight.bring.hubs import first_channels, from_timm, from_torchvision
from convsight.bring.huggingface import from_huggingface, is_pretrained
from convsight.bring.onnx import from_onnx
from convsight.bring.scripted import from_script, is_script
from convsight.errors import InputError, ModelError, check_known, closest
from convsight.network.checkpoint import Checkpoint
from convsight.network.classifier import Classifier
from convsight.network.weights import exported_settings, put_weights, read_checkpoint, read_metadata

FORMS = (
    "a run directory, 'torchvision:NAME', 'timm:NAME', 'hf:NAME' or 'hf:FOLDER', 'file.py:function', 'program.pt2', "
    "'network.onnx', 'scripted.pt', or a network's name"
)
HUBS: dict[str, Callable[[str, Any], Brought]] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
    "hf": from_huggingface,
}


def load(source: Any, weights: str | Path | None = None, **given: Any) -> Classifier:
    """A classifier from anywhere.

    source: a run directory (`"runs/demo"`), `"torchvision:vgg16"`, `"timm:resnet18"`,
        `"hf:NAME"` or `"hf:FOLDER"` (Hugging Face), `"path/to/file.py:function"` (a function that returns the
        module; it may take the weights' path), an exported program `"model.pt2"`, `"model.onnx"`, TorchScript
        (`"model.ts"`, `"model.pt"`), the name of one of our networks (`"vgg16"`), or an `nn.Module`.
    weights: a .safetensors, .pth, .pt, .bin or .ckpt file of weights, as trainers write them (`FILE#NAME` takes
        one of several in it); a .safetensors that convsight exported also says the classes, size and normalisation,
        and the network gets its head; `"random"` for an untrained torchvision, timm, Hugging Face or own network. Left
        out, torchvision, timm and Hugging Face fetch their published weights, checked.
    given: `classes` (also "imagenet", a file or a dictionary), `input_size`, `channels`, `mean`, `std`, `crop`,
        `task`, `outputs`, `output`, `units`, `thresholds`, `explain`, `bands` (see `Classifier`) override what the
        source says of itself.

    Raises DataNotFound, ModelError or MissingExtra saying what is missing and how to pass it.

    >>> load("lesson-2", weights="random", input_size=28, channels=1).layers["conv2"].output_shape
    (20, 11, 11)
    """
    if isinstance(source, Classifier):
        return source
    if isinstance(source, nn.Module):
        return _classifier(_filled(source, weights), given)
    given = {**exported_settings(weights), **given}
    text = str(source)
    scheme, _, rest = text.partition(":")
    if scheme in HUBS:
        return _classifier(HUBS[scheme](rest, weights), given)
    if re.search(r"\.py:\w+$", text):
        return _classifier(from_python_file(text, weights), given)
    path = Path(rest if scheme in ("onnx", "script") else text).expanduser()
    if scheme == "onnx" or path.suffix == ".onnx":
        return _classifier(from_onnx(path, _no_weights(text, weights)), given)
    if path.suffix == ".pt2":
        return _classifier(from_program(path), given)
    if scheme == "script" or path.suffix == ".ts" or is_script(path):
        return _classifier(from_script(path, _no_weights(text, weights)), given)
    if path.is_dir():
        return _folder(path, weights, given)
    if path.suffix in (".pth", ".pt", ".safetensors", ".bin", ".ckpt"):
        raise InputError(
            f"{text} holds weights without their network; name the network too: "
            f"load('file.py:function', weights={text!r}), or on the command line --weights"
        )
    return _classifier(_own(text, weights, given), given)


def _filled(module: nn.Module, weights: str | Path | None) -> Brought:
    notes = () if weights is None else put_weights(module, read_checkpoint(weights), str(weights))
    return Brought(module, type(module).__name__, notes=notes)


def _no_weights(text: str, weights: Any) -> None:
    if weights is not None:
        raise InputError(f"{text} has its weights inside; leave weights={str(weights)!r} out")


def _folder(path: Path, weights: Any, given: dict[str, Any]) -> Classifier:
    """A run, or a folder that Hugging Face's `save_pretrained` wrote."""
    from convsight.run import Run

    if is_pretrained(path):
        return _classifier(from_huggingface(str(path), weights), given)
    if weights is not None or given:
        names = [*(["weights"] if weights is not None else []), *given]
        raise InputError(
            f"{path} is a run, which knows its weights, classes and task",
            works=f"leave {', '.join(names)} out",
        )
    return Run.open(path).classifier


def _classifier(brought: Brought, given: dict[str, Any]) -> Classifier:
    known = tuple(name for name in inspect.signature(Classifier).parameters if name not in ("module", "name"))
    for name in given:
        check_known(name, known, f"load has no option {name!r}")
    said = {name: getattr(brought, name, None) for name in known}
    settings = {
        name: value for source in (said, given) for name, value in source.items() if value is not None
    }
    settings.setdefault("channels", first_channels(brought.module))
    net = Classifier(brought.module, name=brought.name, **settings)
    net.told, net.notes = (*brought.notes, *net.told), (*brought.notes, *net.notes)
    return net


def _own(name: str, weights: str | Path | None, given: dict[str, Any]) -> Brought:
    from convsight.architectures import available, build

    if name not in available():
        raise ModelError(
            f"no network or run {name!r}", given=name, works=f"give {FORMS}. {closest(name, available(), 20)}"
        )
    if weights is None:
        raise ModelError(
            f"{name!r} is an architecture without weights: pass weights=FILE, or weights='random'"
        )
    metadata = read_metadata(weights)
    checkpoint = None if str(weights) == "random" else read_checkpoint(weights)
    big = name.startswith("vgg")
    size = given.get("input_size") or (224 if big else 28)
    size = (size, size) if isinstance(size, int) else tuple(size)
    channels = given.get("channels") or (3 if big else 1)
    n_named = len(given.get("classes") or metadata.get("classes") or ())
    n = n_named or _rows_of_last(checkpoint) or (1000 if big else 10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build(name, n, channels, size)
    notes = () if checkpoint is None else put_weights(module, checkpoint, str(weights))
    said = {key: metadata.get(key) for key in ("classes", "mean", "std")}
    return Brought(module, name, input_size=size, channels=channels, notes=notes, **said)  # type: ignore[arg-type]


def _rows_of_last(checkpoint: Checkpoint | None) -> int:
    tables = [] if checkpoint is None else list(checkpoint.tables.values())[:1]
    matrices = [v for table in tables for v in table.values() if v.ndim >= 2]
    return matrices[-1].shape[0] if matrices else 0
