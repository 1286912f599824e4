"""Pictures without edges, networks with random weights whose batch norms fit their data, and real ones."""

import importlib.util
import sys

import torch
import torch.nn.functional as F
from torch import nn


def smooth(n, channels, size, seed=0):
    coarse = torch.rand(n, channels, 5, 5, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)


def with_real_statistics(module, channels, size):
    """Random weights, but batch norms that fit the data, as in a trained network."""
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        module(smooth(6, channels, size, seed=9) * 2 - 1)
    return module.eval()


def shared_module(folder, name):
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
