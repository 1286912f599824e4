"""How does a gradient become a change of weights? SGD, momentum, Nesterov, Adam, AdamW and Muon.

All but Muon are torch's own. `torch.optim.Muon` takes matrices only and works in bfloat16, which is slower
than float32 on processors without matrix units for it; ours flattens a convolution's kernel to a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from convsight.errors import InputError, check_known
from convsight.training.layer_rates import layer_groups

# Jordan 2024: the quintic's coefficients, chosen to lift small singular values fastest.
QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Float[Tensor, "rows cols"], steps: int = 3) -> Float[Tensor, "rows cols"]:
    """The nearest (semi-)orthogonal matrix, roughly: every singular value is driven into about 0.7 to 1.2.

    `steps` Newton-Schulz iterations X <- aX + b(XXᵀ)X + c(XXᵀ)²X, no decomposition. Singular values that
    start far below the largest need more steps (five bring 1 % of the norm up to about 0.7).
    """
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    x = _on_gram(x, steps) if x.size(0) >= 32 and x.size(1) >= 4 * x.size(0) else _on_matrix(x, steps)
    return x.T if tall else x


def _on_matrix(x: Tensor, steps: int) -> Tensor:
    a, b, c = QUINTIC
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _on_gram(x: Tensor, steps: int) -> Tensor:
    """The same for a wide matrix: each step is a polynomial of XXᵀ times X, so X itself is multiplied only once."""
    a, b, c = QUINTIC
    gram, product = x @ x.T, None
    for step in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor if product is None else factor @ product
        if step < steps - 1:
            gram = factor @ gram @ factor
    return x if product is None else product @ x


class Muon(Optimizer):
    """Momentum whose step is orthogonalised, so that all directions of a layer's kernel move equally fast.

    For each kernel W (k c h w, read as a k × chw matrix): buffer B <- momentum·B + G, then
    W <- (1 - lr·weight_decay)·W - lr·orthogonalise(G + momentum·B). A step's size does not depend on the
    gradient's. Source: Jordan et al. 2024 (kellerjordan.github.io/posts/muon).

    lr: peak step (0.01 to 0.3); momentum: 0 to 1; weight_decay: decoupled, larger than SGD's (about 0.05);
    steps: Newton-Schulz iterations (3 are enough for kernels).

    >>> layer = nn.Conv2d(8, 16, 3)
    >>> Muon([layer.weight], lr=0.05).param_groups[0]["steps"]
    3
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.05,
        momentum: float = 0.6,
        weight_decay: float = 0.05,
        steps: int = 3,
    ):
        knobs = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "steps": steps}
        super().__init__(list(parameters), knobs)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is not None:
                    self._move(kernel, group)
        return loss

    def _move(self, kernel: Tensor, group: dict) -> None:
        state = self.state[kernel]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(kernel)
        gradient = kernel.grad
        assert gradient is not None
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        direction = gradient.add(buffer, alpha=group["momentum"])
        update = orthogonalise(in_memory_order(direction).flatten(1), group["steps"])
        weight = in_memory_order(kernel)
        weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update.view_as(weight), alpha=-group["lr"])


def in_memory_order(kernel: Float[Tensor, "k c h w"]) -> Tensor:
    """A view of the kernel with its axes in the order of its memory, which flattens without a copy.

    Permuting the columns of a matrix permutes those of its nearest orthogonal matrix in the same way, so the
    step is the same in either order.
    """
    channels_last = kernel.is_contiguous(memory_format=torch.channels_last)
    return kernel.permute(0, 2, 3, 1) if channels_last else kernel


OPTIMISERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "muon")


@dataclass(frozen=True)
class Knobs:
    """Numbers that optimisers take; each takes those it knows. lr and muon_lr are peaks of the schedule.

    bias_rate: how many times faster the biases of batch normalisation learn, with Muon only; 8 gets a very short
    training further (Jordan 2024, arXiv 2404.00498, takes 64 at his rates), in a longer one 1 is as good.
    first_rate: what the first layer's rate is of the head's (`layer_rates`); not with Muon.
    """

    lr: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    muon_lr: float = 0.05
    muon_momentum: float = 0.6
    muon_decay: float = 0.05
    bias_rate: float = 1.0
    first_rate: float = 1.0


def optimisers(name: str, module: nn.Module, knobs: Knobs) -> list[Optimizer]:
    """The optimiser called `name` for all weights of `module`, as a list: Muon brings Nesterov for the rest.

    Weight decay is each optimiser's own (added to the gradient; decoupled in AdamW and Muon). With "muon",
    the kernels of all convolutions but the first go to `Muon`, everything else to Nesterov with `lr`, the
    biases of batch normalisation `bias_rate` times as fast.
    """
    check_known(name, OPTIMISERS, f"no optimiser '{name}'")
    if knobs.first_rate != 1 and name == "muon":
        raise InputError(
            "first_rate is for sgd, momentum, nesterov, adam and adamw: Muon's steps have one size"
        )
    kernels = muon_kernels(module) if name == "muon" else []
    biases = norm_biases(module) if name == "muon" and knobs.bias_rate != 1 else []
    own = {id(weight) for weight in (*kernels, *biases)}
    groups: list[dict] = [
        {"params": [p for p in module.parameters() if p.requires_grad and id(p) not in own]}
    ]
    if knobs.first_rate != 1:
        groups = layer_groups(module, knobs.lr, knobs.weight_decay, knobs.first_rate)
    if name in ("adam", "adamw"):
        kind = Adam if name == "adam" else AdamW
        return [kind(groups, lr=knobs.lr, weight_decay=knobs.weight_decay, fused=True)]
    if biases:
        decay = knobs.weight_decay / knobs.bias_rate
        groups.append({"params": biases, "lr": knobs.lr * knobs.bias_rate, "weight_decay": decay})
    plain = SGD(
        groups,
        lr=knobs.lr,
        momentum=0.0 if name == "sgd" else knobs.momentum,
        nesterov=name in ("nesterov", "muon"),
        weight_decay=knobs.weight_decay,
        fused=True,  # one call for all weights; a small network has many small ones
    )
    muon = [Muon(kernels, knobs.muon_lr, knobs.muon_momentum, knobs.muon_decay)] if kernels else []
    return [plain, *muon]


def norm_biases(module: nn.Module) -> list[Tensor]:
    """Biases of batch normalisation, which set how many activations a ReLU lets through."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    return [norm.bias for norm in norms if norm.bias is not None and norm.bias.requires_grad]


def muon_kernels(module: nn.Module) -> list[Tensor]:
    """Kernels that Muon may take: those of all convolutions but the first, which sees pixels."""
    kernels = [layer.weight for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    return [kernel for kernel in kernels[1:] if kernel.requires_grad]
