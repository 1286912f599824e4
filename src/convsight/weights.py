"""How do weights get from a file into a network, safely and with errors a person can act on?"""

from __future__ import annotations

import ctypes
import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from convsight.errors import DataNotFound, ModelError
from convsight.scores import every_module, sum_of

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights", "ema")  # training scripts' habits
PREFIXES = ("module.", "_orig_mod.", "model.")  # DataParallel, torch.compile, Lightning
FEW = 30_000  # numbers of a tensor of which a copy is kept to see changes
PLAIN = (Tensor, nn.Parameter)
Seen = list[tuple[int, int, bytes | int]]


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


def held(module: nn.Module) -> list[Tensor]:
    """Every parameter and buffer, and what modules keep in a way of their own (quantised ones) as they hand it out."""
    found, plain = [], True
    for part in every_module(module):
        for tensors in (part._parameters, part._buffers):
            if tensors:
                found += [t for t in tensors.values() if t is not None]
        plain &= (
            type(part)._save_to_state_dict is nn.Module._save_to_state_dict and not part._state_dict_hooks
        )
    if not plain:
        found += [t for t in module.state_dict(keep_vars=True).values() if isinstance(t, Tensor)]
    return found


def digest_of(module: nn.Module) -> str:
    """16 hexadecimal digits of the names, shapes and bits of all weights and buffers."""
    tensors = {**module.state_dict(keep_vars=True)}
    tensors |= {name: t for name, t in module.named_buffers() if name not in tensors}  # those not saved
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            if tensor.numel():
                raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
                digest.update(raw.numpy())  # type: ignore[arg-type]
    return digest.hexdigest()


def seen(tensors: Sequence[Tensor]) -> Seen:
    """What tells later whether any of these tensors changed (see `as_seen`): small ones are copied."""
    return [
        (t.data_ptr(), t._version, ctypes.string_at(t.data_ptr(), t.nbytes) if _small(t) else sum_of(t))
        for t in tensors
    ]


def as_seen(tensors: Sequence[Tensor], before: Seen) -> bool:
    """Whether the tensors are where and what they were, bit for bit if they are small.

    The version that PyTorch counts does not notice a change through `.data`.
    """
    if len(tensors) != len(before):
        return False
    for tensor, (at, version, what) in zip(tensors, before, strict=True):
        if tensor._version != version or tensor.data_ptr() != at:
            return False
        if type(what) is not bytes:
            same = sum_of(tensor) == what
        else:
            same = _small(tensor) and len(what) == tensor.nbytes and not _compare(at, what, len(what))
        if not same:
            return False
    return True


def _small(tensor: Tensor) -> bool:
    """Whether its numbers lie where it says, and are so few that comparing is quicker than adding them up."""
    few = 0 < tensor.numel() <= FEW and type(tensor) in PLAIN
    return few and tensor.is_cpu and tensor.is_contiguous() and _compare is not None


def _comparing() -> Any:
    """C's memcmp, which makes no copy; None where it is not found."""
    try:
        found = ctypes.CDLL(None).memcmp
    except (AttributeError, OSError, TypeError):
        return None
    found.argtypes, found.restype = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t), ctypes.c_int
    return found


_compare = _comparing()


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
