"""May a network's weights be kept in half the room, or would an answer change?"""

from __future__ import annotations

import torch

from convsight.exporting.half_weights import rounded
from convsight.images import Images
from convsight.network.classifier import Classifier

CLOSE = 1e-3  # of a probability, or of the largest score of a network without any


def halves_change_nothing(net: Classifier, images: Images) -> bool:
    """Whether weights rounded to float16 give the same classes, and probabilities within 0.001, on these pictures."""
    halved = net.around(rounded(net.module), net.name)
    if not net.has_probabilities:
        before, after = net.scores(images), halved.scores(images)
        return bool((before - after).abs().max() <= CLOSE * before.abs().max().clamp(min=1e-12))
    before, after = net.probabilities(images), halved.probabilities(images)
    same = torch.equal(net.reader.predicted(before), net.reader.predicted(after))
    return same and bool((before - after).abs().max() <= CLOSE)
