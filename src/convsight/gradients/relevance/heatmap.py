"""How much of a score does each pixel account for, by layer-wise relevance propagation?"""

from __future__ import annotations

import copy
import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import ModelError
from convsight.gradients.backprop import Signal, differentiable, gradient_of
from convsight.gradients.notes import zero_notes
from convsight.gradients.relevance.composites import Composite
from convsight.gradients.relevance.notes import absorbed_notes, rule_notes
from convsight.gradients.relevance.propagation import Propagation
from convsight.network.batching import backward_chunk, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.targets import Target


def relevance(net: Classifier, aim: Target, pixels: Float[Tensor, "n c h w"], composite: Composite) -> Signal:
    """The relevance of each channel of each pixel, n c h w; it starts as the target's own value, its score.

    Of a network that ends in a softmax or sigmoid the score before it is explained, and a note says so.

    Raises ModelError where relevance arrives at an operation without a rule, or the operations cannot be seen.

    >>> from convsight.gradients.relevance.composites import composite
    >>> linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> _ = linear[1].weight.data.copy_(torch.tensor([[1.0, 0, 0, 0], [1, 2, -1, 1]]))
    >>> net, pixels = Classifier(linear, input_size=2, channels=1), torch.ones(1, 1, 2, 2)
    >>> found = relevance(net, net.target(1, pixels), pixels, composite("epsilon"))
    >>> [round(value, 3) for value in found.pixels.flatten().tolist()]
    [1.0, 2.0, -1.0, 1.0]
    """
    scored, before = _before_the_squash(net, aim)
    black = torch.zeros(1, net.channels, 1, 1)
    ends = net.normalise(black).detach(), net.normalise(black + 1).detach()
    count = Propagation(composite, *ends)

    def run(part: slice) -> tuple[Tensor, Tensor]:
        with differentiable(aim[part], pixels[part]) as (chosen, leaf):
            with scored.replace_ops(count):
                scores = chosen.score(scored, leaf)
            arrived = gradient_of(scores, leaf, scored, scores.detach())
            return _of_the_normalised(net, arrived), scores.detach().cpu()

    done = in_chunks(run, len(pixels), backward_chunk(pixels.shape))
    found, scores = torch.cat([a for a, _ in done]), torch.cat([s for _, s in done])
    notes = (*before, *absorbed_notes(found, scores), *rule_notes(count.counts))
    return Signal(found, scores, (*notes, *zero_notes(net, aim, found, scores)))


def _of_the_normalised(net: Classifier, arrived: Tensor) -> Tensor:
    """Relevance at the normalised picture: autograd has divided it by the std on its way to the pixels."""
    found = arrived.detach().cpu()
    return found if net.std is None else found * net.std.to(found)


def _before_the_squash(net: Classifier, aim: Target) -> tuple[Classifier, tuple[str, ...]]:
    """The network read before its final softmax or sigmoid."""
    if aim.outputs is None or aim.through is not None or not net.reader.squash:
        return net, ()
    if net.reader.ending.before is None:
        raise ModelError(
            f"{net.name} ends in a {net.reader.squash} that cannot be taken off, and LRP starts at the score before "
            "it; make the Classifier of the network without it, or take convsight.integrated_gradients"
        )
    other = copy.copy(net)
    other.reader = dataclasses.replace(net.reader, explain="score")
    return other, (f"Explains the score before the network's final {net.reader.squash}, where LRP starts.",)
