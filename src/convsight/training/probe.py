"""How does a network that has seen other pictures tell these apart, without learning anything but its last layer?

One pass makes the features of all pictures (kept in the run, see `features.kept`), then a linear head is fitted to them
(`training.linear_head`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from convsight.architectures import Positions
from convsight.datasets import Split
from convsight.errors import InputError
from convsight.features.kept import FOLDER, keep_answers, keep_features, kept_features
from convsight.network.classifier import Classifier
from convsight.network.new_head import fill_head
from convsight.training.by_number import number_metrics
from convsight.training.cross_validation import out_of_fold
from convsight.training.evaluate import class_metrics
from convsight.training.folds import FOLDS
from convsight.training.imbalance import weights_for
from convsight.training.job import Job
from convsight.training.linear_head import LinearHead, fit_head
from convsight.training.losses import loss_function
from convsight.training.tasks import score_of

ENOUGH = 100  # validation pictures from which on they alone choose the strength
FEW_TESTED = 100  # with fewer test pictures than this, all pictures are cross-validated too


@dataclass(frozen=True, eq=False)
class Probed:
    """A fitted head, and what it was fitted to: the features of every split."""

    head: LinearHead
    features: dict[str, Tensor]


def probe(job: Job, net: Classifier, fabric: Fabric, head_name: str) -> Probed:
    """Make what is missing of the features, fit the head, and put it into `job.network`, in place."""
    folder = job.folder / FOLDER
    job.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keep_features(net, job.data.splits, folder, fabric.global_rank, fabric.world_size, job.precision.dtype)
    fabric.barrier()
    features = {name: kept_features(folder, name, split) for name, split in job.data.splits.items()}
    head = fabric.broadcast(_fitted(job, features) if fabric.is_global_zero else None)
    assert head is not None
    weight, bias = head.weight, head.bias
    network = job.network
    if isinstance(network, Positions):  # it answers centre + spread · (what the head says)
        weight, bias = weight / network.spread[:, None], (bias - network.centre) / network.spread
        network = network.network
    assert isinstance(network, torch.nn.Module)
    fill_head(network, head_name, weight, bias)
    return Probed(head, features)


def _fitted(job: Job, features: dict[str, Tensor]) -> LinearHead:
    if job.task == "locate":
        raise InputError("a probe tells what is in a picture, not where: features are averaged over places")
    train, held = job.data.train, job.data.validation
    validation = (features["validation"], held.labels) if len(held) >= ENOUGH else None
    return fit_head(
        features["train"],
        train.labels,
        job.task,
        n_outputs=len(job.data.classes or job.data.outputs) if job.task != "binary" else 1,
        validation=validation,
        weights=weights_for(train.labels, job.task, job.recipe.balance),
        seed=job.seed,
    )


def first_row(job: Job, probed: Probed) -> dict[str, Any]:
    """The probe as epoch 0 of the log: loss and score on training and validation pictures."""
    score = job.score
    loss, told = _measured(job, probed, job.data.train, "train")
    row: dict[str, Any] = {"epoch": 0, "loss": loss, score: told}
    if len(job.data.validation):
        row["validation_loss"], row[f"validation_{score}"] = _measured(
            job, probed, job.data.validation, "validation"
        )
    return row


def _measured(job: Job, probed: Probed, split: Split, name: str) -> tuple[float, float]:
    outputs = probed.head.scores(probed.features[name])
    losses = loss_function(job.recipe.loss, job.network)(outputs, split.labels)
    return float(losses.mean()), float(score_of(job.task, outputs, split.labels).float().mean())


def scores_of(job: Job, net: Classifier, probed: Probed) -> dict[str, Tensor]:
    """What the finished network says of every picture, from the kept features; kept beside them."""
    said = {name: probed.head.scores(rows) for name, rows in probed.features.items() if len(rows)}
    if job.task == "binary":  # one score for two classes: the first has its negative
        said = {name: torch.cat([-rows, rows], 1) for name, rows in said.items()}
    keep_answers(net, job.folder / FOLDER, said)
    return said


def cross_validated(job: Job, probed: Probed) -> dict[str, Any]:
    """How good a probe of these features is, every picture of the set answered by a head that did not see it.

    {} where there are test pictures enough, or too few pictures of some class for the folds.
    """
    splits = [(name, split) for name, split in job.data.splits.items() if len(split)]
    labels = torch.cat([split.labels for _, split in splits])
    if len(job.data.test) >= FEW_TESTED or job.task not in ("classify", "binary", "regress"):
        return {}
    if len(labels) < 2 * FOLDS or (labels.ndim == 1 and int(labels.bincount().min()) < 2):
        return {}
    features = torch.cat([probed.features[name] for name, _ in splits])
    said = out_of_fold(
        features, labels, FOLDS, job.seed, task=job.task,
        n_outputs=len(job.data.classes) if job.task == "classify" else None,
        weights=weights_for(labels, job.task, job.recipe.balance),
    )  # fmt: skip
    if job.task == "regress":
        return {"folds": FOLDS, **number_metrics(said, labels.float(), job.data.outputs, ())}
    chances = torch.cat([1 - said, said], 1) if job.task == "binary" else said
    return {"folds": FOLDS, **class_metrics(chances.clamp(min=1e-12).log(), labels, job.data.classes)}
