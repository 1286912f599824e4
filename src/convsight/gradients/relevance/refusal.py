"""Where does no rule hold, and what would work instead?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from convsight.errors import ModelError
from convsight.gradients.relevance.back import Operation
from convsight.network.graph import tensors_in

NAMED = {
    "scaled_dot_product_attention": "attention", "multi_head_attention_forward": "attention",
    "native_multi_head_attention": "attention", "transformer_encoder_layer_fwd": "attention",
    "softmax": "a softmax between layers", "bmm": "a product of two feature maps",
    "matmul": "a product of two feature maps", "einsum": "a product of feature maps",
    "conv2d": "a convolution with filters made from the picture",
}  # fmt: skip
INSTEAD = (
    "convsight.gradcam (also on tokens), convsight.integrated_gradients and convsight.occlusion work on this network; "
    "or give lrp a target in front of it, a unit such as target=('layer', channel)"
)
UNSEEN = (
    "LRP needs a rule for every operation, and some of this network cannot be seen (a compiled or TorchScript part, or "
    "an operation of its own); load it from its Python code or as a program of torch.export (.pt2), or take "
    "convsight.integrated_gradients or convsight.occlusion"
)


def refused(operation: Operation, where: str) -> Any:
    """The operation's value; ModelError once relevance arrives there, so that a branch without any does no harm."""
    known, place = NAMED.get(operation.kind), f" (in {where})" if where else ""
    what = f"{known}, {operation.kind}{place}" if known else f"the operation {operation.kind}{place}"

    def back(relevance: Tensor) -> Sequence[Tensor]:
        raise ModelError(f"LRP has no rule that holds for {what}. {INSTEAD}")

    value = operation.run()
    if not any(t.is_floating_point() for t in tensors_in(value)):
        return value
    if isinstance(value, Tensor):
        return operation.ruled(back)
    return _all_ruled(operation, value, back)


def _all_ruled(operation: Operation, value: Any, back: Any) -> Any:
    """Every tensor of several that an operation gives."""
    parts = [
        Operation(operation.kind, lambda part=part: part, (), {}, operation.inputs).ruled(back)
        if isinstance(part, Tensor) and part.is_floating_point()
        else part
        for part in value
    ]
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
