"""Which network is inside of what training wraps around it, and can it be run at all?"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import torch
from torch import nn

from convsight.errors import ModelError
from convsight.network.changes import every_module

WRAPPERS = {  # by the name of their class: where the network is, and what the wrapper is called
    "DataParallel": ("module", "DataParallel"),
    "DistributedDataParallel": ("module", "DistributedDataParallel"),
    "AveragedModel": ("module", "the averaged copy of weights (AveragedModel)"),
    "ModelEmaV2": ("module", "the averaged copy of weights (EMA)"),
    "ModelEmaV3": ("module", "the averaged copy of weights (EMA)"),
    "OptimizedModule": ("_orig_mod", "torch.compile"),
}


def unwrapped(module: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """The network itself, and a note that names the wrappers that were taken off.

    Raises ModelError for a network on the `meta` device, which has shapes and no weights.
    """
    worn = []
    while (found := WRAPPERS.get(type(module).__name__)) is not None:
        inner = getattr(module, found[0], None)
        if not isinstance(inner, nn.Module):
            break
        worn.append(found[1])
        module = inner
    _refuse_meta(module)
    return module, ((f"Taken out of its wrapper: {', '.join(worn)}.",) if worn else ())


def _refuse_meta(module: nn.Module) -> None:
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_meta and not tensor.data_ptr():  # no memory behind it
            raise ModelError(
                f"{type(module).__name__} is on the 'meta' device ({name} has a shape and no numbers): give it "
                "weights first, module.to_empty(device='cpu') and module.load_state_dict(...), or make it "
                "without torch.device('meta')"
            )


def quantised(module: nn.Module) -> str:
    """How a network computes in whole numbers: "dynamic", "static", or "" for one that does not."""
    kinds = {type(part).__module__ for part in every_module(module)}
    if any("quantized.dynamic" in kind for kind in kinds):
        return "dynamic"
    return "static" if any(".quantized" in kind for kind in kinds) else ""


@contextlib.contextmanager
def uncompiled(module: nn.Module) -> Iterator[None]:
    """Inside, parts of the network that torch.compile has compiled run as they are written, so that they are seen."""
    parts = every_module(module) if "torch._dynamo" in sys.modules else ()
    compiled = any(
        type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None)
        for part in parts
    )
    with torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext():
        yield
