"""What does a file of weights hold, read without running any code that is pickled in it?"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from convsight.errors import DataNotFound, ModelError

DEPTH = 4  # how deep trainers nest their state dicts
NOT_WEIGHTS = ("optim", "sched", "scaler", "loops", "callbacks", "rng", "hyper_parameters", "hparams", "args")


class _Unread:
    """Stands for an object of a class that is not read, such as hyper-parameters in a Namespace."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Unread:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def held_in(path: Path) -> Any:
    """Everything that a .safetensors, .pth, .pt, .bin or .ckpt file holds; objects of unknown classes stay unread.

    Raises DataNotFound, or ModelError if the file is damaged or holds code that would have to run.
    """
    if not path.is_file():
        raise DataNotFound(f"no weights file {path}")
    try:
        return load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except SafetensorError as error:
        raise ModelError(f"{path} is no readable .safetensors file: {error}") from error
    except pickle.UnpicklingError as error:
        raise ModelError(_could_run_code(path)) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} cannot be read as weights: {error}") from error


def _unpickled(path: Path) -> Any:
    """What PyTorch's safe reader makes of the file, with an empty object in place of each unknown class."""
    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (ValueError, RuntimeError, pickle.UnpicklingError):  # an old format, or no such file at all
        unknown = []
    stand_ins = [(type("_Unread", (_Unread,), {}), name) for name in unknown]
    with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
        return torch.load(path, map_location="cpu", weights_only=True)


def state_dicts(held: Any, path: Path) -> dict[str, dict[str, Tensor]]:
    """Every table of named tensors in what a file holds, by the place where it lies: "", "state_dict", "model_ema".

    Raises ModelError if there is none.
    """
    found = {place: state for place, state in _tables(held, "", 0) if state}
    if found:
        return found
    if isinstance(held, _Unread) or (isinstance(held, Mapping) and _networks(held)):
        raise ModelError(_could_run_code(path))
    if isinstance(held, Mapping):
        raise ModelError(f"{path} holds no weights; its keys are {', '.join(map(str, list(held)[:8]))}")
    raise ModelError(f"{path} holds a {type(held).__name__}, not a state dict; save model.state_dict()")


def _tables(held: Any, place: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if not isinstance(held, Mapping) or depth > DEPTH:
        return
    yield place, {name: t for name, t in held.items() if isinstance(name, str) and isinstance(t, Tensor)}
    for name, inner in held.items():
        if isinstance(name, str) and not any(word in name.lower() for word in NOT_WEIGHTS):
            yield from _tables(inner, f"{place}.{name}" if place else name, depth + 1)


def _networks(held: Mapping[Any, Any]) -> bool:
    """Whether the file holds a whole pickled network where only its weights should be."""
    return any(isinstance(held.get(name), _Unread) for name in ("model", "net", "ema", "state_dict"))


def _could_run_code(path: Path) -> str:
    return (
        f"{path} is not a plain file of weights: reading it could run code. Save model.state_dict() from "
        "where the network was made, best as .safetensors"
    )
