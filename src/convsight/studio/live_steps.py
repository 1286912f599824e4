"""Where in its ONNX file does a live page find the weights with which a layer computes its numbers?"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.studio.steps import Step, step_of


def steps_in(net: Classifier, content: bytes, layers: tuple[str, ...]) -> dict[str, Any]:
    """How each convolution, pooling and linear layer works, as `web/src/live/steps.ts` reads it.

    Weights are not kept twice: `at` is the byte of the file at which they begin, `half` whether as float16. A layer
    whose weights do not stand in the file, or whose input the file does not give, is left out.
    """
    found = {}
    for name in layers:
        step = step_of(net, name)
        if step is None or not (step.source is None or step.source in layers):
            continue
        weight = None if step.weight is None else _place(content, step.weight)
        if step.weight is None or weight is not None:
            found[name] = _told(step, weight)
    return found


def _told(step: Step, weight: dict[str, Any] | None) -> dict[str, Any]:
    bias = None if step.bias is None else [float(f"{v:.7g}") for v in step.bias.tolist()]
    return {
        "kind": step.kind, "source": step.source, "weight": weight, "bias": bias, "size": step.size, "stride": step.stride,
        "padding": step.padding, "dilation": step.dilation, "groups": step.groups, "whole": step.whole,
    }  # fmt: skip


def _place(content: bytes, weight: Tensor) -> dict[str, Any] | None:
    values = weight.detach().cpu().float().numpy()
    for half in (True, False):
        with np.errstate(over="ignore"):
            at = content.find(values.astype(np.float16 if half else np.float32).tobytes())
        if at >= 0:
            return {"at": at, "half": half, "shape": list(values.shape)}
    return None
