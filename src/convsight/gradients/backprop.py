"""What flows back from a score to the pixels: the gradient, or the signal of another ReLU rule?

The rules are in `relu_rules.py`. Derivatives are with respect to pixels in [0, 1]; those with respect to the
normalised input of the module, which other tools report, are these times the channel's std.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import ModelError, check_known
from convsight.gradients.notes import rule_notes, score_labels, zero_notes
from convsight.gradients.relu_rules import NAMES, Rectifiers
from convsight.network.batching import backward_chunk, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.targets import Target

RULES = ("gradient", "deconvnet", "guided")


@dataclass(frozen=True)
class Signal:
    """What arrived at the pixels of n pictures, the scores it came from, and what the reader should know."""

    pixels: Float[Tensor, "n c h w"]
    scores: Float[Tensor, " n"]
    notes: tuple[str, ...] = ()

    def labels(self, aim: Target) -> tuple[str, ...]:
        return score_labels(aim, self.scores)


def backpropagate(
    net: Classifier,
    aim: Target,
    pixels: Float[Tensor, "n c h w"],
    rule: str = "gradient",
    seed_with_value: bool = False,
) -> Signal:
    """Send a signal from the target of each picture back to its pixels by one of the `RULES`.

    The signal starts as 1, or with `seed_with_value` as the target's own value (nothing if that is negative).
    A unit without (y, x) starts at the cell where its map is largest.

    Raises ModelError if no gradient can flow (`torch.no_grad`, `detach`), and, for the deconvnet and guided
    rules, if the network has no rectifier for them to act on, instead of returning the plain gradient.

    >>> linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    >>> net, pixels = Classifier(linear, input_size=2, channels=1), torch.zeros(1, 1, 2, 2)
    >>> torch.equal(backpropagate(net, net.target(1, pixels), pixels).pixels.flatten(), linear[1].weight[1])
    True
    """
    check_known(rule, RULES, f"no rule {rule!r}")
    count = Rectifiers(rule)

    def run(part: slice) -> tuple[Tensor, Tensor]:
        return _signal(net, aim[part], pixels[part], count, seed_with_value)

    done = in_chunks(run, len(pixels), backward_chunk(pixels.shape))
    arrived, scores = torch.cat([a for a, _ in done]), torch.cat([s for _, s in done])
    notes = (*rule_notes(net, aim, count), *zero_notes(net, aim, arrived, scores))
    return Signal(arrived, scores, notes)


def weighted_gradient(
    net: Classifier,
    aim: Target,
    shape: tuple[int, ...],
    weights: Float[Tensor, " k"],
    points: Callable[[Tensor, Tensor], Tensor],
) -> Float[Tensor, "n c h w"]:
    """Σ_k weights[k] · gradient at `points(i, k)` for each picture i of `shape` n c h w, summed in float64.

    `points` makes the pictures from two index vectors, so that only one chunk of them is ever in memory.
    """
    n, steps = shape[0], len(weights)
    total = torch.zeros(shape, dtype=torch.float64)
    repeated = _repeat(aim, steps)

    def run(part: slice) -> None:
        index = torch.arange(part.start, part.stop)
        i, k = index // steps, index % steps
        pixels = points(i, k)
        gradient, _ = _signal(net, repeated[part], pixels, Rectifiers("gradient"), False)
        total.index_add_(0, i, gradient.double() * weights[k].double().reshape(-1, 1, 1, 1))

    in_chunks(run, n * steps, backward_chunk(shape))
    return total.float()


def gradient_of(scores: Tensor, at: Tensor, net: Classifier, seeds: Tensor, unreached: str = "") -> Tensor:
    """Gradient of Σ seeds · scores with respect to `at`; ModelError (`unreached`) where none flows.

    float16 overflows where float32 does not: the pictures concerned are run again with smaller seeds. The
    signal is proportional to its seed under every rule, so that the answer is the same.
    """
    if not scores.requires_grad:
        raise ModelError(unreached or _no_gradient(net))
    scale = torch.ones_like(scores)
    for _ in range(8):
        grad = _grad(net, scores, at, seeds * scale)
        if grad is None:
            raise ModelError(unreached or _no_gradient(net))
        overflown = ~grad.flatten(1).isfinite().all(1)
        if not overflown.any():
            break
        scale = torch.where(overflown.to(scale.device), scale / 256, scale)
    grad = grad if grad.dtype == torch.float64 else grad.float()
    return grad / scale.to(grad).reshape(-1, *[1] * (grad.ndim - 1))


def _grad(net: Classifier, scores: Tensor, at: Tensor, seeds: Tensor) -> Tensor | None:
    try:
        total = (scores * seeds).sum()  # one number: given several and their seeds, autograd imports sympy
        return torch.autograd.grad(total, at, retain_graph=True, allow_unused=True)[0]
    except RuntimeError as error:
        if "inplace" not in str(error):
            raise
        raise ModelError(
            f"{net.name} changes a value in place that its own gradient needs, so it has none; write y = y + x "
            f"for y += x, or take convsight.occlusion, which needs no gradient ({error})"
        ) from error


@contextlib.contextmanager
def differentiable(aim: Target, pixels: Tensor) -> Iterator[tuple[Target, Tensor]]:
    """The target and the pixels as autograd takes them, whatever mode (no_grad, inference) the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        outputs = None if aim.outputs is None else aim.outputs.clone()
        yield dataclasses.replace(aim, outputs=outputs), pixels.detach().clone().requires_grad_()


def _signal(
    net: Classifier, aim: Target, pixels: Tensor, count: Rectifiers, seed_with_value: bool
) -> tuple[Tensor, Tensor]:
    with differentiable(aim, pixels) as (aim, leaf):
        if count.rule == "gradient":
            scores = aim.score(net, leaf)
        else:
            with net.replace_ops(count):
                scores = aim.score(net, leaf)
                if not count.met:  # a pass to a unit ends there: are there rectifiers above it?
                    net.forward(leaf.detach())
            if not count.met:
                raise ModelError(_no_rectifier(net, count))
        seeds = scores.detach().clamp(min=0) if seed_with_value else torch.ones_like(scores)
        return gradient_of(scores, leaf, net, seeds), scores.detach().cpu()


def _repeat(aim: Target, times: int) -> Target:
    labels = tuple(label for label in aim.labels for _ in range(times))
    outputs = None if aim.outputs is None else aim.outputs.repeat_interleave(times)
    return dataclasses.replace(aim, labels=labels, outputs=outputs)


def _no_rectifier(net: Classifier, count: Rectifiers) -> str:
    found = ", ".join(sorted(count.kept)) or "none"
    return (
        f"{NAMES[count.rule]} changes how ReLUs pass a signal back, and {net.name} has no ReLU, or stand-in "
        f"for one, that can be seen (activations found: {found}); its picture would be the plain gradient, "
        "which convsight.saliency shows"
    )


def _no_gradient(net: Classifier) -> str:
    return (
        f"no gradient flows through {net.name} from the score to the picture: it runs under torch.no_grad(), "
        "detaches a value, or rounds it; convsight.occlusion needs no gradient"
    )
