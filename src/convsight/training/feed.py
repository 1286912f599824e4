"""How do pictures reach the network: in which order, in which form, and reproducibly?

All randomness of an epoch follows from the seed and the epoch's number, so that a run that goes on after a
stop draws what it would have drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from lightning_fabric import Fabric
from torch import Generator, Tensor

from convsight.training.augment import alternating_coins
from convsight.training.checkpoint import Standing
from convsight.training.focus import shown
from convsight.training.job import Job

ORDER, AUGMENT, DROPOUT = 0, 1, 2  # what a stream of random numbers is for


class Batch(NamedTuple):
    """What one update learns from: which training pictures, how they look, what they are, what they stand for.

    Of mixed pictures `others` says what the second of each pair is, and `share` how much of the first is in them.
    """

    chosen: Int64[Tensor, " n"]
    pixels: Float[Tensor, "n c h w"]
    targets: Tensor
    stand_for: Float[Tensor, " n"]
    others: Tensor | None = None
    share: float = 1.0


def batches(
    job: Job, fabric: Fabric, standing: Standing, generator: Generator, losses: Float[Tensor, " n"]
) -> Iterator[Batch]:
    """Batches of this epoch, with normalised pixels, from the step where the training stands.

    `losses` are those at which the pictures were last seen before the epoch. Each of several processes gets
    its share of every batch.
    """
    train, recipe, epoch = job.data.train, job.recipe, standing.epoch
    order, stand_for = shown(job.share(epoch), losses, Generator().manual_seed(_seed(job, standing, ORDER)))
    whole = order[: job.steps_in(epoch) * recipe.batch_size].split(recipe.batch_size)
    chunks = [chunk[fabric.global_rank :: fabric.world_size] for chunk in whole[standing.step :]]
    coins = alternating_coins(len(train), epoch, job.seed)
    for chosen, pixels in zip(chunks, train.store.stream(chunks), strict=True):
        varied = recipe.augment(pixels, coins[chosen], generator)
        targets, weights = fabric.to_device((train.labels[chosen], stand_for[chosen]))
        batch = Batch(chosen, prepared(varied, job, fabric), targets, weights)
        yield mixed(batch, recipe.mixup, generator) if recipe.mixup else batch


def mixed(batch: Batch, alpha: float, generator: Generator) -> Batch:
    """Each picture mixed with another of the batch: share·one + (1 - share)·other, share from Beta(alpha, alpha)."""
    seed = int(torch.randint(2**31, (1,), generator=generator))
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    order = torch.randperm(len(batch.pixels), generator=generator)
    order = order.to(batch.pixels.device)
    pixels = torch.lerp(batch.pixels[order], batch.pixels, share)
    return batch._replace(pixels=pixels, others=batch.targets[order], share=share)


def prepared(pixels: Shaped[Tensor, "n c h w"], job: Job, fabric: Fabric) -> Float[Tensor, "n c h w"]:
    """Pixels on the device as the network takes them: (pixel - mean) / std, channels last in memory.

    uint8 is divided by 255; floats lie in [0, 1] already.
    """
    top = 1 if pixels.is_floating_point() else 255
    factor, offset = fabric.to_device((1 / (top * job.std), job.mean / job.std))
    scaled = fabric.to_device(pixels) * factor.view(-1, 1, 1) - offset.view(-1, 1, 1)
    return scaled.contiguous(memory_format=torch.channels_last)


def seed_epoch(job: Job, standing: Standing, generator: Generator) -> None:
    """Start the epoch's own random streams: `generator` for augmentation, torch's global one for dropout."""
    generator.manual_seed(_seed(job, standing, AUGMENT))
    torch.manual_seed(_seed(job, standing, DROPOUT))


def _seed(job: Job, standing: Standing, stream: int) -> int:
    return (job.seed * 1_000_003 + standing.epoch) * 3 + stream
