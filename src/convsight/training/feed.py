"""How do pictures reach the network: in which order, in which form, and reproducibly?

All randomness of an epoch follows from the seed and the epoch's number, so that a run that goes on after a
stop draws what it would have drawn.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, UInt8
from lightning_fabric import Fabric
from torch import Generator, Tensor

from convsight.training.augment import alternating_coins
from convsight.training.checkpoint import Standing
from convsight.training.job import Job

ORDER, AUGMENT, DROPOUT = 0, 1, 2  # what a stream of random numbers is for


def batches(
    job: Job, fabric: Fabric, standing: Standing, generator: Generator
) -> Iterator[tuple[Float[Tensor, "n c h w"], Tensor]]:
    """Batches of this epoch as (normalised pixels, targets), from the step where the training stands.

    Each of several processes gets its share of every batch.
    """
    train, recipe = job.data.train, job.recipe
    order = torch.randperm(len(train), generator=Generator().manual_seed(_seed(job, standing, ORDER)))
    whole = order[: job.steps_an_epoch * recipe.batch_size].split(recipe.batch_size)
    chunks = [chunk[fabric.global_rank :: fabric.world_size] for chunk in whole[standing.step :]]
    coins = alternating_coins(len(train), standing.epoch, job.seed)
    for chosen, pixels in zip(chunks, train.store.stream(chunks), strict=True):
        varied = recipe.augment(pixels, coins[chosen], generator)
        yield prepared(varied, job, fabric), fabric.to_device(train.labels[chosen])


def prepared(pixels: UInt8[Tensor, "n c h w"], job: Job, fabric: Fabric) -> Float[Tensor, "n c h w"]:
    """Pixels on the device as the network takes them: (pixels/255 - mean) / std, channels last in memory."""
    factor, offset = fabric.to_device((1 / (255 * job.std), job.mean / job.std))
    scaled = fabric.to_device(pixels) * factor.view(-1, 1, 1) - offset.view(-1, 1, 1)
    return scaled.contiguous(memory_format=torch.channels_last)


def seed_epoch(job: Job, standing: Standing, generator: Generator) -> None:
    """Start the epoch's own random streams: `generator` for augmentation, torch's global one for dropout."""
    generator.manual_seed(_seed(job, standing, AUGMENT))
    torch.manual_seed(_seed(job, standing, DROPOUT))


def _seed(job: Job, standing: Standing, stream: int) -> int:
    return (job.seed * 1_000_003 + standing.epoch) * 3 + stream
