"""How is a picture changed until its loss is small: by L-BFGS, which learns the curvature, or by Adam?"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]  # from the numbers that are optimised to one differentiable number
OnStep = Callable[[int, Tensor], None]
MEMORY = 12  # steps whose gradients L-BFGS remembers


def milestones(steps: int, most: int) -> list[int]:
    """At most `most` steps in equal ratios, the last among them: those whose pictures are kept."""
    return sorted({max(1, round(steps ** (i / (most - 1)))) for i in range(1, most)} | {steps})


def lbfgs(
    loss: Loss, start: Tensor, steps: int, on_step: OnStep, box: tuple[float, float] | None = None
) -> Tensor:
    """At most `steps` of L-BFGS-B (Byrd et al. 1995), each number kept within `box`; it stops where the loss is flat."""
    from scipy.optimize import Bounds, minimize  # a quarter of a second, only where something is optimised

    steps_made = itertools.count(1)

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = _tensor(flat, start).requires_grad_()
        value = loss(x)
        gradient = torch.autograd.grad(value, x)[0]
        return float(value.detach()), gradient.double().flatten().cpu().numpy()

    def after(flat: np.ndarray) -> None:
        on_step(next(steps_made), _tensor(flat, start))

    first = start.detach().double().flatten().cpu().numpy()
    bounds = None if box is None else Bounds(*box)
    options = {"maxiter": steps, "maxfun": 3 * steps, "maxcor": MEMORY, "ftol": 0.0, "gtol": 1e-9}
    found = minimize(
        value_and_gradient, first, jac=True, method="L-BFGS-B", bounds=bounds, callback=after,
        options=options,
    )  # fmt: skip
    return _tensor(found.x, start)


def adam(
    loss: Loss, start: Tensor, steps: int, on_step: OnStep, box: tuple[float, float] | None, lr: float
) -> Tensor:
    """`steps` of Adam (Kingma & Ba 2014); after each, numbers outside of `box` are put back to its edge."""
    x = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([x], lr=lr)
    for step in range(1, steps + 1):
        x.grad = torch.autograd.grad(loss(x), x)[0]
        optimiser.step()
        if box is not None:
            with torch.no_grad():
                x.clamp_(*box)
        on_step(step, x.detach())
    return x.detach()


def _tensor(flat: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(flat.copy()).to(like).view_as(like)
