"""How wrong is the network about each picture, as a number to make smaller?"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from convsight.architectures import Positions

LOSSES = ("cross-entropy", "bce", "mse", "smooth-l1")

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_function(name: str, network: nn.Module, label_smoothing: float = 0.0) -> Loss:
    """(outputs, targets) -> loss of each picture of the batch.

    cross-entropy: -log softmax(logits) of the true class; with smoothing s, the target is 1-s on the true
    class plus s spread over all (Szegedy et al. 2015, arXiv 1512.00567). bce: the mean over labels of
    -log sigmoid(logit) where it is there and -log(1 - sigmoid) where not; smoothing moves both targets by s/2
    towards each other. mse and smooth-l1 (quadratic below
    one standard deviation, linear above; Girshick 2015, arXiv 1504.08083) compare positions in units of their spread.
    """
    if name == "cross-entropy":
        return lambda logits, labels: F.cross_entropy(
            logits, labels, label_smoothing=label_smoothing, reduction="none"
        )
    if name == "bce":
        return lambda logits, labels: _each_label(logits, labels.float(), label_smoothing)
    assert isinstance(network, Positions)
    distance = F.mse_loss if name == "mse" else F.smooth_l1_loss
    return lambda places, truth: distance(
        network.scaled(places), network.scaled(truth), reduction="none"
    ).mean(1)


def _each_label(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Binary cross-entropy of logits n k, and labels n k or, of one logit, n."""
    truth = labels.reshape(len(logits), -1) * (1 - smoothing) + smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logits.reshape(len(logits), -1), truth, reduction="none")
    return losses.mean(1)
