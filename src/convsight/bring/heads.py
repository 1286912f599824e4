"""How does a published architecture take weights whose head or stem was changed for another task?

What can be read off the shapes is built: another number of classes, of input channels, a dropout before the last
layer. What cannot, such as the activation between two new layers, is refused with the way to say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile

import torch
from torch import Tensor, nn

from convsight.errors import ModelError
from convsight.network.checkpoint import Checkpoint, aliases, shape


def adapt(module: nn.Module, checkpoint: Checkpoint, name: str) -> tuple[str, ...]:
    """Change `module` so that the checkpoint's weights fit it; the notes say what was changed.

    Raises ModelError for a head that its shapes do not tell, with what to write instead.
    """
    own = module.state_dict()
    names = aliases(list(own), checkpoint.tables)
    part, _ = checkpoint.part_for({alias: own[whole] for alias, whole in names.items()})
    state = {names.get(alias, alias): tensor for alias, tensor in part.state.items()}
    if len(set(state) & set(own)) < len(own) / 2:  # another network: the error of loading says so
        return ()
    notes = _new_head(module, own, state, name)
    for layer in dict.fromkeys(
        n.rpartition(".")[0] for n in own if n in state and own[n].shape != state[n].shape
    ):
        notes += _reshaped(module, layer, state)
    return tuple(notes)


def _new_head(
    module: nn.Module, own: Mapping[str, Tensor], state: Mapping[str, Tensor], name: str
) -> list[str]:
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    unknown = [n for n in state if n not in own]
    # the innermost module that holds every tensor that the checkpoint lacks
    levels = zip(*(n.split(".")[:-1] for n in missing), strict=False)
    head = ".".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, levels))
    if not missing or not unknown or not head or not all(n.startswith(f"{head}.") for n in unknown):
        return []
    layers = {
        n.removeprefix(f"{head}.").rpartition(".")[0]: state[n] for n in unknown if n.endswith("weight")
    }
    matrices = {path: weight for path, weight in layers.items() if weight.ndim == 2}
    if len(matrices) != 1 or len(layers) != 1:
        raise ModelError(_untold(head, layers, name))
    ((path, weight),) = matrices.items()
    linear = nn.Linear(
        weight.shape[1], weight.shape[0], bias=f"{head}.{path}.bias".replace("..", ".") in state
    )
    module.set_submodule(head, _nested(path.split(".") if path else [], linear).eval())
    before = " after a dropout, which evaluation leaves out" if path else ""
    return [f"The head {head} was built from the checkpoint: linear, {shape(weight)}{before}."]


def _nested(path: list[str], linear: nn.Linear) -> nn.Module:
    """The linear layer under the names that it has in the checkpoint: "1" is behind a dropout, "0"."""
    if not path:
        return linear
    holder = nn.Sequential()
    if re.fullmatch(r"\d+", path[0]):
        for at in range(int(path[0])):
            holder.add_module(str(at), nn.Identity())
    holder.add_module(path[0], _nested(path[1:], linear))
    return holder


def _reshaped(module: nn.Module, layer: str, state: Mapping[str, Tensor]) -> list[str]:
    """The layer with as many inputs and outputs as its weights have, or nothing for a kind that is not known."""
    old, weight = module.get_submodule(layer), state.get(f"{layer}.weight")
    if weight is None:
        return []
    if type(old) is nn.Linear and weight.ndim == 2:
        new: nn.Module = nn.Linear(weight.shape[1], weight.shape[0], old.bias is not None)
    elif isinstance(old, nn.Conv2d) and weight.ndim == 4 and weight.shape[2:] == old.weight.shape[2:]:
        new = _convolution(old, weight)
    else:
        return []
    module.set_submodule(layer, new.eval())
    return [f"{layer} was built with the checkpoint's shape: {shape(weight)} for {shape(_weight(old))}."]


def _convolution(old: nn.Conv2d, weight: Tensor) -> nn.Conv2d:
    with torch.random.fork_rng(devices=[]):
        new = nn.Conv2d(
            weight.shape[1] * old.groups, weight.shape[0], old.kernel_size, old.stride, old.padding,  # type: ignore[arg-type]
            old.dilation, old.groups, old.bias is not None, old.padding_mode,  # type: ignore[arg-type]
        )  # fmt: skip
    new.__class__ = type(old)  # timm's convolutions with padding "same" are of a class of their own
    new.__dict__.update({k: v for k, v in vars(old).items() if k not in vars(new)})
    return new


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def _untold(head: str, layers: Mapping[str, Tensor], name: str) -> str:
    listed = ", ".join(f"{head}.{path} {shape(weight)}" for path, weight in layers.items())
    return (
        f"the head {head} in these weights has several layers ({listed}), and what lies between them is not in "
        "the file. Say it in a Python file, and load that:\n"
        f"    # mine.py\n    from torch import nn\n    from torchvision.models import get_model  # or timm.create_model\n"
        f"    def build():\n        net = get_model({name!r})\n        net.{head} = nn.Sequential(...)  "
        "# as your training built it\n        return net\n    load('mine.py:build', weights=FILE)"
    )
