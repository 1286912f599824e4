"""How do weights get from a file into a network, safely and with errors a person can act on?"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from convsight.errors import DataNotFound, ModelError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights", "ema")  # training scripts' habits
PREFIXES = ("module.", "_orig_mod.", "model.")  # DataParallel, torch.compile, Lightning


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .pth or .pt file by name; pickled code is never run.

    Raises DataNotFound, or ModelError if the file is damaged or holds something else.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataNotFound(f"no weights file {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ModelError(f"{path} is no readable .safetensors file: {error}") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is not a plain file of weights: reading it could run code. Save model.state_dict() from "
            "where the network was made, best as .safetensors"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} cannot be read as weights: {error}") from error
    return _state_dict(held, path)


def read_metadata(path: str | Path | None) -> dict[str, Any]:
    """What a .safetensors file says of itself, JSON values decoded: mean, std, classes, input."""
    if path is None or Path(path).suffix != ".safetensors" or not Path(path).is_file():
        return {}
    with safe_open(str(path), "pt") as file:
        words = file.metadata() or {}
    found: dict[str, Any] = {}
    for name, text in words.items():
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def put_weights(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Load `state` into `module`; ModelError names what is missing, unknown or of another shape."""
    own = module.state_dict()
    state = _without_prefix(state, own)
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    differing = [
        f"{name} is {_shape(state[name])}, the network's {_shape(own[name])}"
        for name in own
        if name in state and own[name].shape != state[name].shape
    ]
    if missing or unknown or differing:
        parts = [
            _listed("missing", missing),
            _listed("not in the network", unknown),
            _listed("of another shape", differing),
        ]
        raise ModelError(
            f"the weights in {where} do not fit this network: {'; '.join(p for p in parts if p)}"
        )
    module.load_state_dict(state, strict=False)


def _state_dict(held: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(held, Mapping) and not any(isinstance(v, Tensor) for v in held.values()):
        inner = next((held[key] for key in WRAPPERS if isinstance(held.get(key), Mapping)), None)
        if inner is None:
            raise ModelError(f"{path} holds no weights; its keys are {', '.join(map(str, list(held)[:8]))}")
        held = inner
    if not isinstance(held, Mapping):
        raise ModelError(f"{path} holds a {type(held).__name__}, not a state dict; save model.state_dict()")
    return {str(name): value for name, value in held.items() if isinstance(value, Tensor)}


def _without_prefix(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state) and not any(
            name.startswith(prefix) for name in own
        ):
            return {name.removeprefix(prefix): value for name, value in state.items()}
    return dict(state)


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"{len(names)} {what} ({', '.join(names[:4])}{', …' if len(names) > 4 else ''})"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"
