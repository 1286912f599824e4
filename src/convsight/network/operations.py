"""Which kinds of operation belong to one family, and what are they called in a sentence?

The names are PyTorch's own, as the tape records them: "conv2d" from eager code, "convolution" from exported programs.
"""

from __future__ import annotations

CONVOLUTIONS = frozenset({"conv2d", "convolution"})
DECONVOLUTIONS = frozenset({"conv_transpose2d"})
LINEAR = frozenset({"linear", "addmm"})
WEIGHTED = CONVOLUTIONS | DECONVOLUTIONS | LINEAR

RECTIFIERS = frozenset({
    "relu", "relu6", "leaky_relu", "prelu", "prelu_kernel", "rrelu", "rrelu_with_noise",
    "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "softplus",
})  # fmt: skip
CLIPPERS = frozenset(
    {"hardtanh", "clamp", "clip", "clamp_min", "threshold"}
)  # rectifiers for some of their bounds
GATES = frozenset({"sigmoid", "tanh", "hardsigmoid", "softsign"})
SQUASHERS = GATES | CLIPPERS | {
    "softmax", "log_softmax", "logsigmoid", "log_sigmoid", "glu", "tanhshrink", "hardshrink", "softshrink",
    "sin", "erf",
}  # fmt: skip
NONLINEAR = RECTIFIERS | CLIPPERS | GATES

SPOKEN = {
    "relu": "ReLU", "relu6": "ReLU6", "hardtanh": "ReLU6", "clamp": "ReLU", "clamp_min": "ReLU", "clip": "ReLU",
    "leaky_relu": "leaky ReLU", "prelu": "PReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU", "silu": "SiLU",
    "gelu": "GELU", "mish": "Mish", "hardswish": "hard swish", "softplus": "softplus", "sigmoid": "sigmoid",
    "tanh": "tanh", "hardsigmoid": "hard sigmoid", "softsign": "softsign", "threshold": "threshold",
    "rrelu": "RReLU",
}  # fmt: skip


def is_convolution(kind: str) -> bool:
    """Whether filters slide over the picture or over maps; not so for transposed convolutions."""
    return kind in CONVOLUTIONS
