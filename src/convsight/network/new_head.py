"""How does a network that was trained for other classes get a head, and a first layer, for these?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import InputError, ModelError
from convsight.network.classifier import Classifier
from convsight.network.interventions import undisturbed


@dataclass(frozen=True)
class HeadPlace:
    """The last linear layer of a network: its module's name, and how many features it takes."""

    name: str
    features: int


def head_place(net: Classifier) -> HeadPlace:
    """Where the layer is that makes the scores; ModelError if it is no linear layer (or 1×1 convolution) of its own."""
    _, layer = net.layers.last_feature()
    name = layer.name.split("#")[0]
    try:
        found = net.module.get_submodule(name)
    except AttributeError:
        found = None
    if isinstance(found, nn.Linear):
        return HeadPlace(name, found.in_features)
    if isinstance(found, nn.Conv2d) and found.kernel_size == (1, 1) and found.groups == 1:
        return HeadPlace(name, found.in_channels)
    raise ModelError(
        f"the last weighted layer of {net.name} is {layer.name} ({layer.kind}), which is no nn.Linear module that a new "
        "head could replace. Give the network such a head in a Python file and pass it as file.py:function"
    )


def put_head(module: nn.Module, name: str, n_outputs: int) -> None:
    """Exchange the layer called `name` for one with `n_outputs` outputs and weights of zero, in place."""
    old = module.get_submodule(name)
    if isinstance(old, nn.Conv2d):
        new: nn.Module = nn.Conv2d(old.in_channels, n_outputs, 1, device="meta")
    elif isinstance(old, nn.Linear):
        new = nn.Linear(old.in_features, n_outputs, device="meta")
    else:
        raise ModelError(f"{name} is a {type(old).__name__}, not a linear layer")
    new = new.to_empty(device=next(old.parameters()).device)
    for parameter in new.parameters():
        nn.init.zeros_(parameter)
    module.set_submodule(name, new.train(old.training))


def fill_head(module: nn.Module, name: str, weight: Float[Tensor, "k d"], bias: Float[Tensor, " k"]) -> None:
    """The weights of the layer called `name`."""
    layer = module.get_submodule(name)
    assert isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None
    with torch.no_grad():
        layer.weight.copy_(weight.view_as(layer.weight))
        layer.bias.copy_(bias)


def put_channels(module: nn.Module, channels: int) -> None:
    """Let the first convolution take another number of channels, in place.

    Each new channel gets the mean of the old kernels, scaled so that a picture whose channels are all alike gives what
    it gave before. ModelError for a network that does not begin with a plain convolution.
    """
    old = next((m for m in module.modules() if isinstance(m, nn.Conv2d)), None)
    if old is None or old.groups != 1:
        raise ModelError(
            f"this network does not begin with a plain convolution, so it cannot be made to take {channels} channels"
        )
    if old.in_channels == channels:
        return
    kernel = old.weight.detach()
    wider = kernel.mean(1, keepdim=True).repeat(1, channels, 1, 1) * (old.in_channels / channels)
    old.in_channels = channels
    old.weight = nn.Parameter(wider, requires_grad=old.weight.requires_grad)


def check_head(net: Classifier, name: str) -> None:
    """InputError unless the scores are nothing but the layer called `name` on the network's feature vector.

    Asked with random weights in the head, so that an activation behind it would show.
    """
    layer = net.module.get_submodule(name)
    assert isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None
    random = torch.Generator().manual_seed(0)
    pictures = torch.rand(3, net.channels, *net.input_size, generator=random)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    try:
        features = net.features(pictures)
        flat = layer.weight.flatten(1)
        if features.shape[1] != flat.shape[1]:
            raise InputError(
                f"the head {name} of {net.name} takes {flat.shape[1]} features, and {features.shape[1]} reach it"
            )
        fill_head(net.module, name, torch.randn(flat.shape, generator=random), torch.randn(len(flat)) - 3)
        ours = features @ layer.weight.flatten(1).T.float().cpu() + layer.bias.float().cpu()
        with undisturbed(net.module), torch.no_grad():
            answer = net.module(net.normalise(pictures))
        theirs = net.reader.tensor(answer).reshape(len(pictures), -1).float().cpu()
    finally:
        layer.load_state_dict(before)
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=1e-2, atol=1e-2):
        raise InputError(
            f"{net.name} does more with its last linear layer, {name}, than to answer with its scores (an activation "
            "behind it, or several heads), so no head can be put there. Train it as it is with recipe='fast', or "
            "change it in a Python file"
        )
