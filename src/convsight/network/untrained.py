"""What does the same network answer before it has learned anything?"""

from __future__ import annotations

import copy

import torch
from torch import nn

from convsight.errors import ModelError
from convsight.network.classifier import Classifier


def untrained(net: Classifier, seed: int = 0) -> Classifier:
    """A copy of the classifier with fresh random weights in float32; the original is not touched.

    Modules draw their weights as they do when they are made (`reset_parameters`); weights of modules that
    cannot are shuffled, which keeps how large they are and forgets what they learned. Raises ModelError for
    a network that cannot be copied.
    """
    try:
        module = copy.deepcopy(net.module).float()
    except Exception as error:  # weights that are results of a computation, locks, ...: whatever refuses
        raise ModelError(
            f"{net.name} cannot be copied to compare it with itself untrained: {error}"
        ) from error
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        fresh: set[int] = set()
        for part in module.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset) and not isinstance(part, nn.MultiheadAttention):
                reset()
                fresh |= {id(p) for p in part.parameters(recurse=False)}
        for parameter in module.parameters():
            if id(parameter) not in fresh:
                shuffled = torch.randperm(parameter.numel()).to(parameter.device)
                parameter.copy_(parameter.flatten()[shuffled].view_as(parameter))
    return net.around(module, f"{net.name}, untrained")
