"""How are an ONNX file's weights stored in half the space, while the file still computes in float32?"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

LARGEST = float(np.finfo(np.float16).max)
FEWEST = 256  # a weight with fewer numbers is not worth halving


def halve(model: Any) -> None:
    """Keep each large weight as float16, followed by a cast to float32; runtimes fold it when they load.

    Weights of one dimension, of fewer than 256 numbers (mean and std among them), or that float16 cannot hold, stay.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or not _is_large(tensor.dims):
            continue
        values = numpy_helper.to_array(tensor)
        if not (np.abs(values) <= LARGEST).all():
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def rounded(module: nn.Module) -> nn.Module:
    """A copy of the network whose large weights are rounded to float16, as `halve` rounds those in its file."""
    made = copy.deepcopy(module)
    with torch.no_grad():
        for weight in itertools.chain(made.parameters(), made.buffers()):
            if (
                weight.dtype == torch.float32
                and _is_large(weight.shape)
                and bool((weight.abs() <= LARGEST).all())
            ):
                weight.copy_(weight.half().float())
    return made


def _is_large(shape: Sequence[int]) -> bool:
    return len(shape) >= 2 and math.prod(shape) >= FEWEST
