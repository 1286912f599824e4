"""With which settings is a network trained? One frozen record; every number can be overridden."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from convsight.errors import InputError, check_known
from convsight.training.augment import Augment
from convsight.training.imbalance import BALANCES
from convsight.training.losses import LOSSES
from convsight.training.optimisers import OPTIMISERS, Knobs
from convsight.training.precision import PRECISIONS
from convsight.training.schedules import SCHEDULES

STARTS, NORMS = ("", "probe"), ("train", "frozen")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a training goes, apart from the data and the seed.

    network, knobs: a name of `convsight.architectures.available()` and what to pass to it.
    epochs: passes over the training pictures. min_steps: small data sets get more epochs until there are so
        many updates (0: never). hardest: share of the training pictures that every epoch shows, those with the
        largest losses; easier: share of the others it shows; the first epoch shows the share `opening`, the
        last all (`training.focus`). batch_size: pictures an update. parts: into how many pieces a batch is cut on
        a processor, each for cores of its own; batch normalisation sees a piece (`training.parts`).
    optimizer: sgd, momentum, nesterov, adam, adamw or muon; lr: peak learning rate; momentum: 0 to 1, for all
        but sgd, adam, adamw; weight_decay; muon_lr, muon_momentum, muon_decay, bias_rate: Muon's.
    schedule: constant, triangular or cosine; peak: share of the run spent warming up.
    loss: cross-entropy, mse or smooth-l1; label_smoothing: 0 to 1, the share of the target spread over all
        classes.
    augment: how batches are varied. average: decay of the running mean of the weights, which is what is kept
        (0: the last weights are kept).
    standardise: subtract the mean and divide by the standard deviation of the training pixels.
    precision: float32, bfloat16, or auto, which is bfloat16 where the hardware multiplies it quickly
        (`training.precision`). Of a probe it is that of the features; those in float32 are kept for maps and neighbours.
    start: "probe" fits a linear head to the features of a network that has seen other pictures (`training.probe`)
        before anything else is trained; with 0 epochs nothing else is. far_epochs: epochs where that probe tells fewer than
        85% of the validation pictures (`far`); 0: never more than `epochs`. first_rate: the first layer's learning rate as a
        share of the head's, layers between geometrically (`layer_rates`). norms: "train", or "frozen": batch
        normalisation keeps the statistics it came with, which small batches would replace by noise. mixup: pairs of
        pictures are mixed in shares drawn from Beta(mixup, mixup), 0 not at all (Zhang et al. 2018, arXiv 1710.09412).
    balance: "none", "weights" (rare classes weigh more), or "auto" (they do where one class has three times as many
        pictures as another; `imbalance`). pieces: in how many pieces a batch goes through, one after another, to save
        memory (0: as many as it takes).
    until_loss: stop when an epoch's mean loss is below. patience: stop after so many epochs without a better
        validation, and keep the best weights. watch: what is better: a lower "loss", or a better "score" (accuracy, or
        error) and of equal ones the lower loss, from the end of the warm-up on; with "last" a later epoch is better unless
        its accuracy is more than a standard error below the best (`one_error`; of numbers, the lower loss).
    """

    name: str
    summary: str
    network: str = "fast"
    knobs: dict[str, Any] = field(default_factory=dict)
    epochs: int = 6
    min_steps: int = 0
    batch_size: int = 128
    hardest: float = 1.0
    easier: float = 1.0
    opening: float = 1.0
    parts: int = 1
    optimizer: str = "muon"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    muon_lr: float = 0.05
    muon_momentum: float = 0.6
    muon_decay: float = 0.05
    bias_rate: float = 1.0
    schedule: str = "triangular"
    peak: float = 0.25
    loss: str = "cross-entropy"
    label_smoothing: float = 0.05
    augment: Augment = field(default_factory=Augment)
    average: float = 0.0
    standardise: bool = True
    precision: str = "auto"
    start: str = ""
    far_epochs: int = 0
    first_rate: float = 1.0
    norms: str = "train"
    mixup: float = 0.0
    balance: str = "none"
    pieces: int = 1
    until_loss: float | None = None
    patience: int | None = None
    watch: str = "loss"

    @property
    def optimiser_knobs(self) -> Knobs:
        return Knobs(**{f.name: getattr(self, f.name) for f in fields(Knobs)})

    def __post_init__(self) -> None:
        for what, value, known in (
            ("optimiser", self.optimizer, OPTIMISERS),
            ("schedule", self.schedule, SCHEDULES),
            ("loss", self.loss, LOSSES),
            ("precision", self.precision, PRECISIONS),
            ("start", self.start, STARTS),
            ("way to treat norms", self.norms, NORMS),
            ("balance", self.balance, BALANCES),
            ("thing to watch", self.watch, ("loss", "score", "last")),
        ):
            check_known(value, known, f"no {what} '{value}'")
        if self.epochs < 1 and not self.start:
            raise InputError(f"epochs must be from 1 to inf, not {self.epochs}")
        for name, (low, high) in ((name, ends) for ends, names in RANGES.items() for name in names):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(f"{name} must be from {low:g} to {high:g}, not {value}")


RANGES = {  # (least, most) of these knobs
    (0, math.inf): ("epochs", "far_epochs", "lr", "muon_lr", "weight_decay", "muon_decay", "pieces"),
    (1, math.inf): ("batch_size", "bias_rate", "patience"),
    (0, 1): ("hardest", "easier", "opening", "momentum", "muon_momentum", "label_smoothing", "average"),
    (0, 0.99): ("peak",),
    (0, 10): ("mixup",),
    (1, 64): ("parts",),
    (1e-6, 1): ("first_rate",),
}
